"""hiersync as a user runs it: a config, a daemon with the embedded Postgres, and people who may read."""

import os
import re
import subprocess

import sqlalchemy
from sqlalchemy import text

import vendors
from harness import Failed, check, until

READER, PERSONAL_READER = "analyst", "privacy_officer"
# Where the analyst's own tables and views are: a reader may create none in hiersync's schemas.
OWN_SCHEMA = "analyst"
# The daemon reads both sources this often, so that a case never waits long for a walk.
EVERY_SECONDS = 2


class Program:
    def __init__(self, binary, folder):
        self.binary, self.folder = binary, folder
        self.vendors = vendors.Vendors()
        self.engines = {}
        self.daemon = None
        self.config = folder / "hiersync.toml"
        self.config.write_text(self.lines())
        self.environment = {
            **{name: value for name, value in os.environ.items() if not name.startswith(("PG", "HIERSYNC_"))},
            "HIERSYNC_CUSTOMERS_PASSWORD": vendors.PASSWORD,
            "HIERSYNC_SALES_ACCESS_KEY": vendors.ACCESS_KEY,
            "HIERSYNC_SALES_SECRET_KEY": vendors.SECRET_KEY,
        }
        # SQLAlchemy knows `postgres:` by its longer name only; the driver is named, for its default changes.
        self.url = sqlalchemy.make_url(re.sub("^postgres(ql)?:", "postgresql+psycopg2:", self.run("url").strip()))

    def lines(self):
        return f"""[database]
dir = "{self.folder}/state"

[daemon]
listen = ""

[[source]]
name = "customers"
vendor = "capillary"
base_url = "{self.vendors.customers_at}"
auth = "basic"
till = "{vendors.TILL}"
roots = [{{ type = "mobile", value = "91{self.vendors.customers.root}" }}]
limits = ["1000/1s"]
schedule = "*/{EVERY_SECONDS} * * * * *"

[[source]]
name = "sales"
vendor = "leadsquared"
base_url = "{self.vendors.users_at}"
hierarchy_path = "{vendors.HIERARCHY}"
reach = "direct"
columns = ["Role"]
roots = ["{self.vendors.users.root}"]
limits = ["1000/1s"]
schedule = "*/{EVERY_SECONDS} * * * * *"
"""

    def run(self, *arguments):
        command = [self.binary, "--config", self.config, *arguments]
        done = subprocess.run(command, capture_output=True, text=True, check=False, env=self.environment, timeout=120)
        check(done.returncode == 0, f"hiersync {' '.join(arguments)}: exit code {done.returncode}: {done.stderr.strip()}")
        return done.stdout

    # The daemon. The embedded Postgres lives as long.

    def start(self):
        with open(self.folder / "daemon.log", "a") as log:
            self.daemon = subprocess.Popen([self.binary, "--config", self.config, "daemon"], stderr=log, stdout=log, env=self.environment)
        until("the embedded Postgres is up", 60, self.is_up)

    def is_up(self):
        check(self.daemon.poll() is None, "the daemon has ended: " + (self.folder / "daemon.log").read_text()[-2000:])
        try:
            # The sources are entered last, after the migrations.
            return self.scalar("select count(*) = 2 from hiersync_bi.freshness", user=None)
        except sqlalchemy.exc.DBAPIError:
            return False

    def stop(self):
        for engine in self.engines.values():
            engine.dispose()
        if self.daemon is not None:
            self.daemon.terminate()
            try:
                self.daemon.wait(60)
            except subprocess.TimeoutExpired:
                self.daemon.kill()
                self.daemon.wait()
                raise Failed("the daemon has not stopped within 60 s") from None
            finally:
                self.daemon = None

    # The database, as its owner (None) or as somebody else.

    def engine(self, user=READER):
        if user not in self.engines:
            url = self.url if user is None else self.url.update_query_dict({"user": user})
            self.engines[user] = sqlalchemy.create_engine(url, pool_pre_ping=True)
        return self.engines[user]

    def scalar(self, statement, user=READER):
        with self.engine(user).connect() as connection:
            return connection.execute(text(statement)).scalar()

    def rows(self, statement, user=READER):
        with self.engine(user).connect() as connection:
            return connection.execute(text(statement)).all()

    def execute(self, *statements, user=None):
        with self.engine(user).begin() as connection:
            for statement in statements:
                connection.execute(text(statement))

    def add_people(self):
        self.execute(
            f"create role {READER} login in role hiersync_reader",
            f"create role {PERSONAL_READER} login in role hiersync_pii_reader",
            f"create schema {OWN_SCHEMA} authorization {READER}",
        )

    def next_walks(self):
        """Waits for a complete walk of each source that has begun after now."""
        began = self.scalar("select clock_timestamp()")
        behind = f"""select string_agg(f.source, ', ') from hiersync_bi.freshness f where not exists (
            select from hiersync_bi.sync_run r
            where r.source_id = f.source_id and r.started_at > '{began}' and r.outcome = 'complete')"""
        try:
            until("a complete walk of each source", 60, lambda: self.scalar(behind) is None)
        except Failed as error:
            open_findings = self.rows("select source, say from hiersync_bi.finding where is_open")
            raise Failed(f"{error}: {self.scalar(behind)}; findings: {open_findings}") from None
