"""Reading while the daemon writes, and what a customer has built on the views."""

import time

import sqlalchemy
from sqlalchemy import text

from harness import case, check
from program import OWN_SCHEMA, READER

# Per vendor: the entity, and the names of its node's key and of its parent's.
TREES = [("customer", "customer_key", "parent_key"), ("reporting", "user_key", "manager_key")]
# Each gives the number of rows that contradict the rest of the tree.
CONTRADICTIONS = {
    "parents that are no nodes": """
        select count(*) from hiersync_bi.{entity}_tree t
        where t.{parent} is not null and not exists (select from hiersync_bi.{entity}_tree p where p.{node} = t.{parent})""",
    "children that are not those of the rows": """
        select count(*) from hiersync_bi.{entity}_tree t
        where t.children <> (select count(*) from hiersync_bi.{entity}_tree c where c.{parent} = t.{node})""",
    "descendants that are not those of the bridge": """
        select count(*) from hiersync_bi.{entity}_tree t
        join (select ancestor_key, count(*) - 1 as below from hiersync_bi.{entity}_bridge group by 1) b on b.ancestor_key = t.{node}
        where t.descendants <> b.below""",
    "nodes beyond the roots and those below them": """
        select abs(count(*) - sum(descendants + 1) filter (where is_root)) from hiersync_bi.{entity}_tree""",
    "sums of children that are not nodes less roots": """
        select abs(sum(children) - count(*) filter (where not is_root)) from hiersync_bi.{entity}_tree""",
    "nodes one level below another than their parent's": """
        select count(*) from hiersync_bi.{entity}_tree t join hiersync_bi.{entity}_tree p on p.{node} = t.{parent}
        where t.depth <> p.depth + 1 or t.path_text <> p.path_text || '/' || t.{id}::text""",
    "nodes of no view of nodes": """
        select count(*) from hiersync_bi.{entity}_tree t where not exists (select from hiersync_bi.{nodes} n where n.{node} = t.{node})""",
}
WALKS_TO_SEE = 4


@case("each snapshot shows a whole tree while walks change it")
def _(program):
    closed = {entity: set() for entity, *_ in TREES}
    snapshots, during = 0, 0
    life = program.vendors.live_for(10)
    # A sync must neither wait for readers nor make them wait.
    options = {"isolation_level": "REPEATABLE READ"}
    while life.is_alive() or min(len(seen) for seen in closed.values()) < WALKS_TO_SEE:
        with program.engine().connect().execution_options(**options) as connection:
            connection.execute(text("set local lock_timeout = '1s'; set local statement_timeout = '10s'"))
            for entity, node, parent in TREES:
                names = {"entity": entity, "node": node, "parent": parent, "id": node.replace("_key", "_id")}
                names["nodes"] = "customer" if entity == "customer" else "reporting_user"
                for what, statement in CONTRADICTIONS.items():
                    found = connection.execute(text(statement.format(**names))).scalar()
                    check(found == 0, f"{entity}: {found} {what}")
                times = connection.execute(text(f"select distinct as_of from hiersync_bi.{entity}_tree")).scalars().all()
                check(len(times) == 1, f"{entity}: the tree is of {len(times)} times")
                closed[entity].update(times)
            during += connection.execute(text("select count(*) from hiersync_bi.freshness where is_running")).scalar()
        snapshots += 1
        check(snapshots < 2000, "the walks do not go on")
    check(during, "no snapshot was taken while a walk was under way")
    moved = program.scalar("select count(distinct walk_id) from hiersync_bi.customer_move")
    check(moved >= 2, f"moves in {moved} walks only")
    walks = ", ".join(f"{len(seen)} of {entity}" for entity, seen in closed.items())
    return f"{snapshots} snapshots, {during} during a walk; settled trees seen: {walks}"


@case("every view can be read whole while a sync writes")
def _(program):
    names = sqlalchemy.inspect(program.engine()).get_view_names(schema="hiersync_bi")
    life = program.vendors.live_for(5)
    slowest, reads = (0, ""), 0
    while life.is_alive():
        for name in names:
            if program.scalar(f"select has_table_privilege('hiersync_bi.{name}', 'select')"):
                began = time.monotonic()
                program.rows(f"select * from hiersync_bi.{name}")
                slowest = max(slowest, (time.monotonic() - began, name))
                reads += 1
    check(slowest[0] < 5, f"{slowest[1]} took {slowest[0]:.1f} s")
    return f"{reads} reads, the slowest of {slowest[1]} in {slowest[0] * 1000:.0f} ms"


def identities(program):
    """The views by their numbers: one that was dropped and made anew has another."""
    return program.rows("select oid, relname from pg_class where relnamespace = 'hiersync_bi'::regnamespace order by 1")


@case("a customer's own views and grants outlive complete syncs and a restart")
def _(program):
    program.execute(
        f"create view {OWN_SCHEMA}.heads as select t.customer_key, t.descendants from hiersync_bi.customer_tree t where t.depth = 1",
        f"create materialized view {OWN_SCHEMA}.live as select * from hiersync_bi.reporting_user where is_live",
        user=READER,
    )
    program.execute(
        "create role guest login",
        "grant usage on schema hiersync_bi to guest",
        "grant select on hiersync_bi.customer_tree to guest",
    )
    before = identities(program)
    program.vendors.customers.live()
    program.next_walks()
    examine(program, before)
    program.stop()
    program.start()
    program.next_walks()
    examine(program, before)
    return f"{len(before)} views are the same"


def examine(program, before):
    check(identities(program) == before, "a view was made anew")
    check(program.scalar(f"select count(*) from {OWN_SCHEMA}.heads") >= 8, "the customer's view is empty")
    program.execute(f"refresh materialized view {OWN_SCHEMA}.live", user=READER)
    check(program.scalar("select count(*) from hiersync_bi.customer_tree", user="guest") > 100, "the guest reads nothing")
    try:
        program.rows("select * from hiersync_bi.customer", user="guest")
    except sqlalchemy.exc.ProgrammingError:
        return
    check(False, "the guest reads more than was granted")
