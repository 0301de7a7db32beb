"""What the cases are made of, and what runs them."""

import sys
import time
import traceback

cases = []


class Failed(Exception):
    pass


def case(name):
    def add(function):
        cases.append((name, function))
        return function

    return add


def check(holds, what):
    if not holds:
        raise Failed(what)


def until(what, seconds, probe):
    """Waits until the probe gives something, and returns it."""
    began = time.monotonic()
    while True:
        found = probe()
        if found:
            return found
        check(time.monotonic() - began < seconds, f"{what}: not within {seconds} s")
        time.sleep(0.1)


def play(world, wanted):
    """Runs the cases whose names contain one of these words; says whether all went well."""
    passed, failed = 0, 0
    for name, function in cases:
        if wanted and not any(word in name for word in wanted):
            continue
        began = time.monotonic()
        try:
            seen = function(world)
            passed += 1
            print(f"ok      {time.monotonic() - began:5.1f} s  {name}: {seen}", flush=True)
        except Exception as error:
            failed += 1
            print(f"FAILED  {time.monotonic() - began:5.1f} s  {name}: {error}", flush=True)
            if not isinstance(error, Failed):
                traceback.print_exc(file=sys.stdout)
    print(f"{passed} passed, {failed} failed")
    return failed == 0
