"""dbt: the package of contrib/dbt in an analyst's own project."""

import json
import os
import subprocess
import sys
from pathlib import Path

from harness import case, check
from program import OWN_SCHEMA, READER
from reading import BI

PACKAGE = Path(__file__).resolve().parents[2] / "contrib/dbt"
PROJECT = """name: analyst
version: "1.0.0"
config-version: 2
profile: analyst
flags: {send_anonymous_usage_stats: false}
"""
# Without this the models would read the last hour anew, which is all there is in a test.
NO_LOOKBACK = ["--vars", "{hiersync_lookback_minutes: 0}"]


def prepare(program):
    folder = program.folder / "dbt"
    folder.mkdir()
    (folder / "dbt_project.yml").write_text(PROJECT)
    (folder / "packages.yml").write_text(json.dumps({"packages": [{"local": str(PACKAGE)}]}))
    place = program.url.query
    target = {"type": "postgres", "host": place["host"], "port": int(place["port"]), "user": READER, "password": "none"}
    target |= {"dbname": program.url.database, "schema": OWN_SCHEMA, "threads": 2}
    (folder / "profiles.yml").write_text(json.dumps({"analyst": {"target": "dev", "outputs": {"dev": target}}}))


def dbt(program, *arguments, fails=False):
    command = [Path(sys.executable).with_name("dbt"), *arguments]
    environment = {**os.environ, "DO_NOT_TRACK": "1", "NO_COLOR": "1"}
    done = subprocess.run(command, cwd=program.folder / "dbt", env=environment, capture_output=True, text=True, check=False, timeout=120)
    check((done.returncode != 0) == fails, f"dbt {' '.join(arguments)}: exit code {done.returncode}:\n{done.stdout}{done.stderr}")
    return done.stdout


def written(program, name):
    return json.loads((program.folder / "dbt/target" / name).read_text())


@case("dbt builds the package, with its tests and without a deprecation")
def _(program):
    prepare(program)
    dbt(program, "deps")
    dbt(program, "build", "--warn-error-options", '{"error": ["Deprecations"]}')
    results = written(program, "run_results.json")["results"]
    kinds = [result["unique_id"].split(".")[0] for result in results]
    check(all(kind in kinds for kind in ["model", "snapshot", "test"]), f"built: {set(kinds)}")
    return ", ".join(f"{kinds.count(kind)} {kind}s" for kind in sorted(set(kinds) - {"exposure"}))


@case("dbt knows fresh sources from stale ones")
def _(program):
    dbt(program, "source", "freshness")
    fresh = written(program, "sources.json")["results"]
    check({result["status"] for result in fresh} == {"pass"}, f"{fresh}")
    dbt(program, "source", "freshness", "--vars", "{hiersync_warn_after_hours: 0, hiersync_error_after_hours: 0}", fails=True)
    stale = written(program, "sources.json")["results"]
    check({result["status"] for result in stale} == {"error"}, f"{stale}")
    return f"{len(fresh)} sources"


@case("the incremental models and the snapshots see who is gone, and who is back")
def _(program):
    customer, user = program.vendors.customers.leaves()[-1], program.vendors.users.leaves()[-1]
    both = [(program.vendors.customers, customer), (program.vendors.users, user)]
    before = sum(program.scalar(f"select count(*) from {OWN_SCHEMA}.hiersync_{table}") for table in ["customers", "reporting_users"])
    for company, node in both:
        company.leave(node)
    program.next_walks()
    few = bring_forward(program)
    check(few < before / 2, f"{few} rows were written anew, of {before}")
    seen = [(look(program, f"customers:{customer}"), look(program, f"sales:{user}"))]
    for company, node in both:
        company.come_back(node, company.root)
    program.next_walks()
    bring_forward(program)
    seen.append((look(program, f"customers:{customer}"), look(program, f"sales:{user}")))
    gone, back = (False, [True, False]), (True, [True, False, True])
    check(seen == [(gone, gone), (back, back)], f"seen: {seen}")
    # Whatever the order in which it was met, the table is the view.
    for table, view, key in [("customers", "customer", "customer_key"), ("reporting_users", "reporting_user", "user_key")]:
        other = program.scalar(
            f"select count(*) from {OWN_SCHEMA}.hiersync_{table} t full join {BI}.{view} v using ({key}) "
            "where (t.is_live, t.changed_at) is distinct from (v.is_live, v.changed_at)"
        )
        check(other == 0, f"{other} rows of hiersync_{table} are not those of {view}")
    return f"{few} rows of some {before} written"


def bring_forward(program):
    """Runs models and snapshots; how many rows the models have written."""
    dbt(program, "build", "--select", "hiersync_customers", "hiersync_reporting_users", "resource_type:snapshot", *NO_LOOKBACK)
    results = written(program, "run_results.json")["results"]
    return sum(result["adapter_response"]["rows_affected"] for result in results if result["unique_id"].startswith("model."))


def look(program, key):
    """What the table says of a node, and what the versions of its snapshot."""
    table, snapshot, column = ("hiersync_customers", "customers_snapshot", "customer_key")
    if key.startswith("sales:"):
        table, snapshot, column = ("hiersync_reporting_users", "reporting_users_snapshot", "user_key")
    is_live = program.scalar(f"select is_live from {OWN_SCHEMA}.{table} where {column} = '{key}'")
    versions = program.rows(f"select is_live from {OWN_SCHEMA}.{snapshot} where {column} = '{key}' order by dbt_valid_from")
    return is_live, [version.is_live for version in versions]
