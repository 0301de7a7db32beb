"""The contract with BI tools, played with the tools themselves. Run by script/bi.

usage: run.py BINARY FOLDER [WORD...]. A case is one line: ok or FAILED, how long it took, and what was seen. With words, only the
cases whose names contain one of them.
"""

import signal
import sys
from pathlib import Path

import harness
from program import Program

# In the order in which they are played: those of modelling build on each other.
import reading  # noqa: F401
import modelling  # noqa: F401
import describing  # noqa: F401
import dashboard  # noqa: F401
import syncing  # noqa: F401


def main(binary, folder, *wanted):
    program = Program(Path(binary).resolve(), Path(folder))
    try:
        program.start()
        program.add_people()
        program.next_walks()
        # Something of everything, once all is known: who joins before that is no change.
        for _ in range(3):
            program.vendors.customers.live()
            program.vendors.users.live()
        program.next_walks()
        return harness.play(program, wanted)
    finally:
        program.stop()


# So that the daemon is stopped then, too.
signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
sys.exit(0 if main(*sys.argv[1:]) else 1)
