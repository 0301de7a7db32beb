"""Drives the unit inside a machine that script/systemd has booted, and asserts what a user would see.

usage: drive.py installed|rebooted. Between the two the machine is shut down in mid-walk and booted again. A case is one line:
ok or FAILED, how long it took, and what was seen. Exit code 1: a case has failed.
"""

import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request
from pathlib import Path

import vendor

UNIT = "hiersync.service"
PROGRAM = Path("/usr/local/bin/hiersync")
CONFIG = Path("/etc/hiersync/hiersync.toml")
CREDENTIALS = Path("/etc/hiersync/credentials")
DROP_IN = Path(f"/etc/systemd/system/{UNIT}.d/override.conf")
UNITS = Path("/etc/systemd/system")
STATE = Path("/var/lib/private/hiersync")
POSTGRES = next(Path("/usr/lib/postgresql").glob("*/bin"))
PASSWORD = "pass word/of the%warehouse"
SECRETS = {"sales.access_key": vendor.ACCESS_KEY, "sales.secret_key": vendor.SECRET_KEY}
PORT, OTHER_PORT, WAREHOUSE_PORT = 9187, 9188, 5499
# The interval of RestartSec=.
RESTART_SECONDS = 5

cases = {"installed": [], "rebooted": []}


class Failed(Exception):
    pass


def case(stage, name):
    def add(function):
        cases[stage].append((name, function))
        return function

    return add


def check(holds, what):
    if not holds:
        raise Failed(what)


# The machine.


def run(*command, **options):
    return subprocess.run([str(part) for part in command], capture_output=True, text=True, check=False, **options)


def systemctl(*arguments):
    done = run("systemctl", *arguments)
    check(done.returncode == 0, f"systemctl {' '.join(arguments)}: {done.stderr.strip()}")


def show(name, unit=UNIT):
    return run("systemctl", "show", "--property", name, "--value", unit).stdout.strip()


def main_pid():
    return int(show("MainPID"))


def until(what, seconds, probe):
    """Waits until the probe gives something, and returns it with how long that took."""
    began = time.monotonic()
    while True:
        found = probe()
        took = time.monotonic() - began
        if found:
            check(took <= seconds, f"{what}: took {took:.1f} s, more than {seconds} s")
            return found, took
        check(took <= seconds, f"{what}: not within {seconds} s")
        time.sleep(0.05)


class Journal:
    """What the unit says from now on."""

    def __init__(self, unit=UNIT):
        self.unit = unit
        run("journalctl", "--sync")
        shown = run("journalctl", "--lines", "0", "--show-cursor").stdout
        found = re.search(r"cursor: (.*)", shown)
        self.after = ["--after-cursor", found[1]] if found else []

    def read(self):
        run("journalctl", "--sync")
        return run("journalctl", "--unit", self.unit, "--output", "cat", "--no-pager", *self.after).stdout

    def errors(self):
        """What it takes for errors. Told apart here: with --priority, --after-cursor leaves out the first."""
        shown = run("journalctl", "--unit", self.unit, "--output", "json", "--no-pager", *self.after).stdout
        entries = [json.loads(line) for line in shown.splitlines()]
        return "\n".join(entry["MESSAGE"] for entry in entries if int(entry.get("PRIORITY", 6)) <= 3)

    def says(self, pattern, seconds=10):
        return until(f"the journal says /{pattern}/", seconds, lambda: re.search(pattern, self.read()))[0]


def processes(name):
    """Pids of all processes of this name."""
    found = []
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            if (folder / "comm").read_text().strip() == name and "State:\tZ" not in (folder / "status").read_text():
                found.append(int(folder.name))
        except OSError:
            continue
    return found


def healthz(port=PORT):
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/healthz", timeout=3) as answer:
            return answer.status
    except urllib.error.HTTPError as error:
        return error.code
    except OSError:
        return None


def is_well(port=PORT):
    return healthz(port) == 200


# What is installed.


class Database:
    """The config's lines about it: none for the embedded server."""

    lines = ""


def config(port=PORT):
    CONFIG.write_text(
        f"""[database]
{Database.lines}

[daemon]
listen = "127.0.0.1:{port}"

[[source]]
name = "sales"
vendor = "leadsquared"
base_url = "http://127.0.0.1:{vendor.PORT}"
hierarchy_path = "/v2/UserManagement.svc/Hierarchy"
reach = "direct"
roots = ["{vendor.ROOT}"]
schedule = "* * * * * *"
limits = ["1000/1s"]
concurrency = 2
"""
    )


def credentials(secrets=None, names=None):
    """The files, and a drop-in that names them, or only some of them."""
    secrets = SECRETS if secrets is None else secrets
    shutil.rmtree(CREDENTIALS, ignore_errors=True)
    CREDENTIALS.mkdir(mode=0o700, parents=True)
    for name, secret in secrets.items():
        file = CREDENTIALS / name
        file.touch(mode=0o600)
        file.write_text(secret + "\n")
    lines = [f"LoadCredential={name}:{CREDENTIALS / name}" for name in (secrets if names is None else names)]
    DROP_IN.parent.mkdir(exist_ok=True)
    DROP_IN.write_text("\n".join(["[Unit]", "After=warehouse.service", "[Service]", *lines, ""]))
    systemctl("daemon-reload")


def stop():
    systemctl("stop", UNIT)
    run("systemctl", "reset-failed", UNIT)


def start():
    """Starts it as it should be, if it is not; a case begins so, whatever the one before has left."""
    tell_vendor(latency=0)
    config()
    if show("ActiveState") != "active" or not is_well():
        stop()
        systemctl("start", UNIT)
    until("healthz is 200", 20, is_well)
    until("a walk has been complete", 20, lambda: sql("select 1 from hiersync.sync_run where outcome = 'complete' limit 1"))


# The mirror.


def sql(statement, seconds=20):
    """The rows, `|` between columns; none while the database cannot be asked."""
    url = run(PROGRAM, "--config", CONFIG, "url").stdout.strip()
    environment = {**os.environ, "PGPASSWORD": PASSWORD, "PGCONNECT_TIMEOUT": "3"}
    try:
        asked = run("psql", "-XAtq", "-c", statement, url, env=environment, timeout=seconds)
    except subprocess.TimeoutExpired:
        return None
    return asked.stdout.strip() if asked.returncode == 0 else None


def sql_once(statement, seconds=20):
    return until(f"the database answers `{statement}`", seconds, lambda: sql(statement))[0]


def tell_vendor(suffix="", **settings):
    """With the suffix `.next` from the next walk on, else at once."""
    vendor.TOLD.mkdir(exist_ok=True)
    for name, value in settings.items():
        new = vendor.TOLD / f"{name}.new"
        new.write_text(str(value))
        new.rename(vendor.TOLD / f"{name}{suffix}")


def is_told():
    """Whether the walk has begun that was told of before."""
    return not list(vendor.TOLD.glob("*.next"))


def edition():
    return int(vendor.told("edition", 1))


class Walk:
    """A walk in its midst, that has to write a new edition of everybody."""

    def __init__(self):
        tell_vendor(".next", edition=edition() + 1, latency=0.5)
        midst = """select walk_id from hiersync.sync_run where outcome is null and pages between 4 and 12
                   and walk_id not in (select walk_id from hiersync.sync_run where outcome is not null)"""
        self.walk, _ = until("a walk is in its midst", 20, lambda: is_told() and sql(midst))
        self.began = time.monotonic()

    def outcomes(self):
        runs = f"select coalesce(outcome, 'open') from hiersync.sync_run where walk_id = {self.walk} order by run_id"
        return (sql(runs) or "").split()

    def completes(self, outcomes, seconds=60, latency=0.05):
        """The same walk ends so, by itself; nothing is lost or written twice. Tells how long after the fault that was."""
        tell_vendor(latency=latency)
        until(f"walk {self.walk} is complete", seconds, lambda: self.outcomes()[-1:] == ["complete"])
        took = time.monotonic() - self.began
        ended = " ".join(self.outcomes())
        check(re.fullmatch(outcomes, ended), f"its runs are `{ended}`, expected `{outcomes}`")
        pages = int(sql_once(f"select sum(pages) from hiersync.sync_run where walk_id = {self.walk}"))
        check(pages == len(vendor.EVERYBODY), f"{pages} pages were written in the walk, for {len(vendor.EVERYBODY)} lists")
        nothing_is_lost()
        return f"runs of the walk: {', '.join(self.outcomes())}; complete {took:.1f} s after the fault"


def nothing_is_lost():
    """The mirror is the vendor's tree, each name of the edition, each change written once."""
    tell_vendor(latency=0)
    after = sql_once("select coalesce(max(run_id), 0) from hiersync.sync_run")
    complete = f"select 1 from hiersync.sync_run where run_id > {after} and outcome = 'complete' limit 1"
    until("a further walk is complete", 30, lambda: sql(complete))
    everybody = len(vendor.EVERYBODY)
    name = f"like '%, edition {edition()}'"
    counts = sql_once(
        f"""select (select count(*) from hiersync.reporting_user where retired_at is null and name {name}),
                   (select count(*) from hiersync.reporting_line where retired_at is null),
                   (select count(*) from hiersync.change where entity = 'reporting_user' and op = 'insert'),
                   (select count(*) from hiersync.change where op = 'update' and fields->'name'->>1 {name}),
                   (select count(distinct key) from hiersync.change where op = 'update' and fields->'name'->>1 {name})"""
    )
    updates = everybody if edition() > 1 else 0
    expected = f"{everybody}|{everybody - 1}|{everybody}|{updates}|{updates}"
    check(counts == expected, f"users, lines, inserts, updates, updated: {counts}, expected {expected}")


# The unit itself.


@case("installed", "systemd-analyze verify")
def verify():
    done = run("systemd-analyze", "verify", "--recursive-errors=yes", UNITS / UNIT)
    check(done.returncode == 0 and not done.stderr, f"exit code {done.returncode}: {done.stderr.strip()}")
    return "nothing to say"


@case("installed", "systemd-analyze security")
def security():
    done = run("systemd-analyze", "security", "--offline=true", "--threshold=15", "--no-pager", UNITS / UNIT)
    overall = re.search(r"Overall exposure level.*?: (\S+)", done.stdout)
    check(done.returncode == 0 and overall, f"exit code {done.returncode}: {(done.stdout + done.stderr).strip()[-300:]}")
    return f"exposure {overall[1]}"


@case("installed", "limits are set")
def limits():
    seen = {name: show(name) for name in ["MemoryMax", "TasksMax", "OOMPolicy", "RestartPreventExitStatus", "StartLimitIntervalUSec"]}
    check(seen["MemoryMax"].isdigit() and seen["TasksMax"].isdigit() and seen["OOMPolicy"] == "continue", str(seen))
    check(seen["RestartPreventExitStatus"] == "77 78" and seen["StartLimitIntervalUSec"] == "0", str(seen))
    return ", ".join(f"{name}={value}" for name, value in seen.items())


# Its life, with the embedded server.


@case("installed", "start with LoadCredential")
def first_start():
    began = time.monotonic()
    systemctl("start", UNIT)
    ready = time.monotonic() - began
    check((show("ActiveState"), show("SubState")) == ("active", "running"), "not active")
    uid = int(re.search(r"Uid:\s+(\d+)", Path(f"/proc/{main_pid()}/status").read_text())[1])
    check(61184 <= uid <= 65519, f"user {uid} is not a dynamic one")
    until("healthz is 200", 5, is_well)
    nothing_is_lost()
    rows = time.monotonic() - began
    status = re.search(r'Status: "(.*)"', run("systemctl", "status", "--no-pager", UNIT).stdout)
    check(status and "sales: " in status[1], f"systemctl status: {status and status[1]}")
    return f"READY after {ready:.1f} s, {len(vendor.EVERYBODY)} users after {rows:.1f} s; user {uid}; status `{status[1]}`"


def reloaded(hang_up):
    """A good config in mid-walk."""
    start()
    pid, walk = main_pid(), Walk()
    config(port=OTHER_PORT)
    hang_up()
    _, took = until("the new address answers", 20, lambda: is_well(OTHER_PORT))
    check(healthz(PORT) is None, "the old address still answers")
    check((main_pid(), show("ActiveState")) == (pid, "active"), "another process, or not active")
    seen = walk.completes("stopped complete")
    config()
    hang_up()
    until("the first address answers again", 20, is_well)
    check(main_pid() == pid, "another process")
    return f"new address after {took:.1f} s, same process; {seen}"


def refused(hang_up, fault, said):
    """A bad config in mid-walk."""
    start()
    pid, walk, journal = main_pid(), Walk(), Journal()
    good = CONFIG.read_text()
    CONFIG.write_text(good + fault)
    hang_up()
    said = journal.says(f"new config is refused.*{said}")[0]
    CONFIG.write_text(good)
    check((main_pid(), show("ActiveState"), is_well()) == (pid, "active", True), "another process, or not active")
    return f"journal: `{said[:150]}`; {walk.completes('complete')}"


def reload():
    systemctl("reload", UNIT)


def hang_up():
    systemctl("kill", "--signal=HUP", "--kill-whom=main", UNIT)


@case("installed", "systemctl reload, a good config")
def reload_good():
    return reloaded(reload)


@case("installed", "systemctl reload, a bad config")
def reload_bad():
    return refused(reload, "colour = 'red'\n", r"hiersync\.toml has a fault:\s+line \d+: .*colour")


@case("installed", "SIGHUP, a good config")
def hang_up_good():
    return reloaded(hang_up)


@case("installed", "SIGHUP, a bad config")
def hang_up_bad():
    return refused(hang_up, "[[source]]\nname = 'x\n", r"hiersync\.toml has a fault:\s+line \d+: .*")


def restarted(pid, seconds):
    """Another process is up, without anybody's doing."""

    def is_other():
        return main_pid() not in (0, pid) and show("ActiveState") == "active" and is_well()

    return until("another process is up", seconds, is_other)[1]


@case("installed", "kill -9 of the daemon")
def daemon_killed():
    start()
    pid, walk = main_pid(), Walk()
    systemctl("kill", "--signal=KILL", "--kill-whom=main", UNIT)
    took = restarted(pid, RESTART_SECONDS + 10)
    return f"up again after {took:.1f} s; {walk.completes('abandoned complete')}"


@case("installed", "kill -9 of the embedded server")
def server_killed():
    start()
    pid, walk = main_pid(), Walk()
    postmaster = int((STATE / "pgdata/postmaster.pid").read_text().split()[0])
    os.kill(postmaster, signal.SIGKILL)
    until("another postmaster", 20, lambda: sql("select 1") and postmaster not in processes("postgres"))
    _, took = until("healthz is 200", 20, is_well)
    seen = walk.completes("((failed|abandoned) )?complete", seconds=20)
    check(main_pid() == pid, "another process")
    return f"same daemon; {seen}"


@case("installed", "SIGSTOP of the daemon")
def daemon_frozen():
    start()
    limit = 30
    check(show("WatchdogUSec") == f"{limit}s", f"WatchdogUSec is {show('WatchdogUSec')}")
    pid, walk, journal = main_pid(), Walk(), Journal()
    os.kill(pid, signal.SIGSTOP)
    took = restarted(pid, limit + RESTART_SECONDS + 15)
    journal.says("Watchdog timeout")
    return f"ended by the watchdog and up again after {took:.1f} s; {walk.completes('abandoned complete', seconds=70)}"


@case("installed", "upgrade by a newer binary")
def upgraded():
    start()
    walk = Walk()
    newer = Path("/tmp/hiersync.newer")
    shutil.copy(PROGRAM, newer)
    with newer.open("ab") as file:
        file.write(b"newer")
    check(run("install", "-m", "755", newer, PROGRAM).returncode == 0, "install failed")
    pid = main_pid()
    began = time.monotonic()
    systemctl("restart", UNIT)
    took = time.monotonic() - began
    check(main_pid() != pid, "the same process")
    check(os.stat(f"/proc/{main_pid()}/exe").st_ino == PROGRAM.stat().st_ino, "it runs the older binary")
    return f"restarted in {took:.1f} s; {walk.completes('stopped complete')}"


@case("installed", "stop")
def stopped():
    start()
    walk, journal = Walk(), Journal()
    began = time.monotonic()
    systemctl("stop", UNIT)
    took = time.monotonic() - began
    check(took < 15, f"took {took:.1f} s")
    # Said of exit code 0 only.
    journal.says("Deactivated successfully")
    check("Main process exited" not in journal.read(), "another exit code than 0")
    left = processes("postgres") + processes("hiersync")
    check(not left, f"still there: {left}")
    tell_vendor(latency=0.05)
    systemctl("start", UNIT)
    until("healthz is 200", 20, is_well)
    return f"in {took:.1f} s, exit code 0, no process left; {walk.completes('stopped complete')}"


# What no restart mends.


def gives_up(code, pattern):
    """Starts it: it ends with this code, says why in these words, and is not started again."""
    stop()
    journal = Journal()
    run("systemctl", "start", UNIT)
    _, took = until("it has failed", 20, lambda: show("ActiveState") == "failed")
    status, restarts = show("ExecMainStatus"), show("NRestarts")
    check(status == str(code), f"exit code {status}, expected {code}; the journal: {journal.read().strip()[-400:]}")
    time.sleep(RESTART_SECONDS + 1)
    check((show("ActiveState"), show("NRestarts")) == ("failed", restarts), "it was started again")
    said = journal.says(pattern)[0]
    check(re.search(pattern, journal.errors()), "the journal does not take it for an error")
    return journal, f"exit code {code}, not started again; journal: `{said[:200]}`"


@case("installed", "wrong config")
def wrong_config():
    config()
    good = CONFIG.read_text()
    CONFIG.write_text(good.replace("reach =", "colour = 'red'\nreach ="))
    line = CONFIG.read_text().split("\n").index("colour = 'red'") + 1
    try:
        return gives_up(78, rf"hiersync\.toml has a fault:\s+line {line}: .*colour.*")[1]
    finally:
        config()


@case("installed", "a credential that is not configured")
def credential_not_configured():
    credentials(names=["sales.access_key"])
    try:
        return gives_up(78, r"no secret sales\.secret_key.*")[1]
    finally:
        credentials()


@case("installed", "a credential's file that is missing")
def credential_missing():
    stop()
    journal = Journal()
    (CREDENTIALS / "sales.secret_key").unlink()
    try:
        done = run("systemctl", "start", UNIT)
        check(done.returncode != 0 and show("ActiveState") != "active", "it has started")
        check(show("ExecMainStatus") == "243", f"exit code {show('ExecMainStatus')}, expected systemd's 243/CREDENTIALS")
        said = journal.says(r".*Failed to set up credentials.*")[0]
        check(int(show("MainPID")) == 0, "the program was started")
    finally:
        credentials()
    _, took = until("it starts by itself once the file is there", RESTART_SECONDS + 10, is_well)
    return f"not started; journal: `{said}`; started by itself {took:.1f} s after the file was there"


# With a server of the user's.


def make_warehouse():
    home = Path("/var/lib/postgresql/warehouse")
    if home.exists():
        return
    secret = Path("/tmp/warehouse.password")
    secret.write_text(PASSWORD)
    secret.chmod(0o644)
    made = run(
        *["runuser", "-u", "postgres", "--", POSTGRES / "initdb", "--pgdata", home, "--username=hiersync", "--encoding=UTF8"],
        *["--locale=C.UTF-8", "--auth=scram-sha-256", f"--pwfile={secret}", "--no-sync"],
    )
    check(made.returncode == 0, f"initdb: {made.stderr.strip()}")
    settings = f"-c listen_addresses=127.0.0.1 -c port={WAREHOUSE_PORT} -c unix_socket_directories="
    (UNITS / "warehouse.service").write_text(
        f"[Service]\nType=notify\nUser=postgres\nExecStart={POSTGRES}/postgres -D {home} {settings}\nKillSignal=SIGINT\n"
    )
    systemctl("daemon-reload")
    journal = Journal("warehouse.service")
    check(run("systemctl", "start", "warehouse.service").returncode == 0, f"the database does not start: {journal.read()}")
    made = run("createdb", "-h", "127.0.0.1", "-p", WAREHOUSE_PORT, "-U", "hiersync", "warehouse", env={**os.environ, "PGPASSWORD": PASSWORD})
    check(made.returncode == 0, f"createdb: {made.stderr.strip()}")


@case("installed", "wrong database password")
def wrong_password():
    make_warehouse()
    Database.lines = f'url = "postgres://hiersync@127.0.0.1:{WAREHOUSE_PORT}/warehouse"'
    config()
    credentials({**SECRETS, "database.password": "not " + PASSWORD})
    try:
        journal, seen = gives_up(77, r".*password.*")
        check(PASSWORD not in journal.read(), "the journal shows the password")
    finally:
        credentials({**SECRETS, "database.password": PASSWORD})
        stop()
    return seen


@case("installed", "the database restarts in mid-walk")
def database_restarts():
    start()
    pid, walk = main_pid(), Walk()
    systemctl("restart", "warehouse.service")
    back = time.monotonic()
    _, well = until("healthz is 200", 20, is_well)
    seen = walk.completes("((failed|abandoned) )*complete", seconds=25)
    check(main_pid() == pid, "another process")
    return f"same daemon, healthz 200 after {well:.1f} s; {seen}"


@case("installed", "the database is away in mid-walk")
def database_away():
    start()
    pid, walk = main_pid(), Walk()
    systemctl("stop", "warehouse.service")
    until("healthz is 503", 10, lambda: healthz() == 503)
    time.sleep(5)
    systemctl("start", "warehouse.service")
    walk.began = time.monotonic()
    _, well = until("healthz is 200", 20, is_well)
    seen = walk.completes("((failed|abandoned) )*complete", seconds=20)
    check(main_pid() == pid, "another process")
    return f"same daemon, healthz 503 and then 200 {well:.1f} s after its return; {seen}"


@case("installed", "enable, before a shutdown in mid-walk")
def enabled():
    start()
    systemctl("enable", "--quiet", UNIT)
    walk = Walk()
    Path("/var/lib/walk-at-shutdown").write_text(json.dumps([edition(), walk.walk]))
    return f"walk {walk.walk} is in its midst"


@case("rebooted", "boot with the database down")
def booted_without_database():
    was_edition, walk_id = json.loads(Path("/var/lib/walk-at-shutdown").read_text())
    tell_vendor(edition=was_edition, latency=0.05)
    check(show("ActiveState", "warehouse.service") == "inactive", "the database is up")
    restarts, _ = until("it was started again", 40, lambda: int(show("NRestarts")) >= 2 and show("NRestarts"))
    until("exit code 69", 5, lambda: show("ExecMainStatus") == "69")
    state = f"{show('ActiveState')} ({show('SubState')})"
    systemctl("start", "warehouse.service")
    walk = Walk.__new__(Walk)
    walk.walk, walk.began = walk_id, time.monotonic()
    _, well = until("healthz is 200", 20, is_well)
    seen = walk.completes("(failed )?(stopped )?complete|abandoned complete", seconds=20)
    return f"exit code 69, started again {restarts} times, {state}; healthz 200 {well:.1f} s after its return; {seen}"


# All of it.


def prepare(stage):
    # From the console, where the boot is told.
    systemctl("log-target", "journal-or-kmsg")
    systemctl("log-level", "info")
    if stage != "installed":
        return
    CONFIG.parent.mkdir(exist_ok=True)
    config()
    credentials()
    (UNITS / "vendor.service").write_text(
        f"[Service]\nExecStart=/usr/bin/python3 {Path(vendor.__file__).resolve()}\n[Install]\nWantedBy=multi-user.target\n"
    )
    systemctl("daemon-reload")
    systemctl("enable", "--quiet", "--now", "vendor.service")


def play(name, function):
    began = time.monotonic()
    whole = Journal()
    try:
        word, seen = "ok", function()
    except Exception as error:
        word, seen = "FAILED", error if isinstance(error, Failed) else repr(error)
    seen = " ".join(str(seen).split())
    print(f"{word:6} {time.monotonic() - began:5.1f} s  {name}: {seen}", flush=True)
    if word == "FAILED":
        state = ", ".join(f"{name}={show(name)}" for name in ["ActiveState", "SubState", "Result", "ExecMainStatus", "NRestarts"])
        journal = [line for line in whole.read().splitlines() if "coalesced" not in line]
        for line in [state, *journal[-40:]]:
            print(f"                {line}", flush=True)
    return word != "FAILED"


def main():
    stage, only = sys.argv[1], sys.argv[2:]
    prepare(stage)
    wanted = [(name, function) for name, function in cases[stage] if not only or any(part in name for part in only)]
    return 0 if all([play(name, function) for name, function in wanted]) else 1


if __name__ == "__main__":
    sys.exit(main())
