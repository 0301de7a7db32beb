"""Every query of the Grafana dashboard, as a reader, with what Grafana puts in."""

import datetime
import json
import re
from pathlib import Path

import yaml

from harness import case, check

CONTRIB = Path(__file__).resolve().parents[2] / "contrib"
# Panels that are empty while all is well.
MAY_BE_EMPTY = {"Findings to act on"}


def dashboard():
    return json.loads((CONTRIB / "grafana/hiersync.json").read_text())


def queries():
    return [(panel, target) for panel in dashboard()["panels"] for target in panel["targets"]]


def filled_in(statement, sources):
    """As Grafana fills it in, for the last week."""
    now = datetime.datetime.now(datetime.timezone.utc)
    begin, end = (f"'{time:%Y-%m-%dT%H:%M:%SZ}'" for time in (now - datetime.timedelta(days=7), now + datetime.timedelta(seconds=1)))
    filled = re.sub(r"\$__timeFilter\(([^)]*)\)", rf"\1 BETWEEN {begin} AND {end}", statement)
    filled = filled.replace("$__timeFrom()", begin).replace("$__timeTo()", end)
    filled = filled.replace("${source:sqlstring}", ",".join(f"'{source}'" for source in sources))
    check("$" not in filled, f"Grafana is to put in something else: {filled}")
    return filled


@case("every query of the Grafana dashboard runs")
def _(program):
    variables = {variable["name"]: variable["query"] for variable in dashboard()["templating"]["list"]}
    sources = [row.source for row in program.rows(variables["source"])]
    check(sources == ["customers", "sales"], f"sources: {sources}")
    with program.engine().connect() as connection:
        for panel, target in queries():
            found = connection.exec_driver_sql(filled_in(target["rawSql"], sources))
            names, rows = list(found.keys()), found.all()
            check(rows or panel["title"] in MAY_BE_EMPTY, f"{panel['title']}: no rows")
            if target["format"] == "time_series":
                times = [row.time for row in rows]
                check(times == sorted(times) and all(time.tzinfo for time in times), f"{panel['title']}: times: {times}")
                check(len(names) > 1, f"{panel['title']}: no value beside the time")
    return f"{len(queries())} queries"


@case("the headcount of the dashboard is that of the views")
def _(program):
    statement = next(target["rawSql"] for panel, target in queries() if panel["title"] == "Headcount")
    # One snapshot for both: the daemon goes on writing.
    with program.engine().connect().execution_options(isolation_level="REPEATABLE READ") as connection:
        counted = {row.metric: row.value for row in connection.exec_driver_sql(filled_in(statement, ["customers", "sales"]))}
        live = connection.exec_driver_sql(
            "select source, count(*) from hiersync_bi.customer where is_live group by 1 "
            "union all select source, count(*) from hiersync_bi.reporting_user where is_live group by 1"
        )
        check(counted == dict(live.all()), f"counted {counted}")
    return counted


@case("the exposure of the dbt package names the views of the dashboard")
def _(program):
    used = {view for _, target in queries() for view in re.findall(r"hiersync_bi\.(\w+)", target["rawSql"])}
    (exposure,) = yaml.safe_load((CONTRIB / "dbt/models/exposures.yml").read_text())["exposures"]
    named = set(re.findall(r"'hiersync_bi', '(\w+)'", " ".join(exposure["depends_on"])))
    check(named == used, f"other views: {named ^ used}")
    return ", ".join(sorted(used))
