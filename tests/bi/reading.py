"""SQLAlchemy and pandas over every view, as each role."""

import datetime

import pandas
import sqlalchemy
from sqlalchemy.types import NullType

from harness import case, check
from program import PERSONAL_READER, READER

BI, MIRROR, MACHINERY = "hiersync_bi", "hiersync", "hiersync_internal"
PERSONAL = {"change_field_value", "customer_identifier", "customer_person", "reporting_person"}
# The migrations' own table, made by a library.
BOOKKEEPING = "_sqlx_migrations"
# Views that are empty while no vendor errs.
MAY_BE_EMPTY = {"finding"}
# Each key and the view that has one row for it.
NODES = {
    "customer": ("customer_key", ["customer_key", "parent_key", "root_key", "ancestor_key", "descendant_key", "from_key", "to_key"]),
    "reporting_user": ("user_key", ["user_key", "manager_key", "root_key", "ancestor_key", "descendant_key", "from_key", "to_key"]),
}


def views(program):
    return sorted(sqlalchemy.inspect(program.engine()).get_view_names(schema=BI))


def is_refused(program, schema, name, user):
    try:
        program.rows(f"select * from {schema}.{name} limit 1", user=user)
    except sqlalchemy.exc.ProgrammingError as error:
        check(error.orig.pgcode == "42501", f"{schema}.{name}: {error}")
        return True
    return False


@case("the inspector finds types, comments and definitions of everything")
def _(program):
    columns = 0
    # Of the mirror only who may read it: SQLAlchemy asks for sequences, which takes a right on the schema.
    for schema, user in [(BI, READER), (MIRROR, PERSONAL_READER)]:
        inspector = sqlalchemy.inspect(program.engine(user))
        check({BI, MIRROR} <= set(inspector.get_schema_names()), "a schema is missing")
        for name in [*inspector.get_table_names(schema=schema), *inspector.get_view_names(schema=schema)]:
            if name == BOOKKEEPING:
                continue
            check(inspector.get_table_comment(name, schema=schema)["text"], f"{schema}.{name} has no comment")
            for read in (inspector.get_pk_constraint, inspector.get_foreign_keys, inspector.get_indexes, inspector.get_unique_constraints):
                read(name, schema=schema)
            for column in inspector.get_columns(name, schema=schema):
                where = f"{schema}.{name}.{column['name']}"
                check(not isinstance(column["type"], NullType), f"{where}: a type that SQLAlchemy does not know")
                check(column["comment"], f"{where} has no comment")
                columns += 1
    for name in views(program):
        check(inspector.get_view_definition(name, schema=BI), f"{name} has no definition")
    return f"{columns} columns"


@case("all views are reflected as tables, and selected from as such")
def _(program):
    metadata = sqlalchemy.MetaData(schema=BI)
    metadata.reflect(program.engine(), views=True)
    with program.engine().connect() as connection:
        for table in metadata.sorted_tables:
            if table.name not in PERSONAL:
                connection.execute(sqlalchemy.select(table).limit(5)).all()
    # A column whose name is a word of SQL: the tool quotes it, people must.
    flow = metadata.tables[f"{BI}.customer_flow"]
    with program.engine().connect() as connection:
        gone = connection.execute(sqlalchemy.select(sqlalchemy.func.sum(flow.c.left))).scalar()
    check(gone >= 1, "nobody has left")
    return f"{len(metadata.tables)} views"


@case("a reader reads every view but those of persons and values")
def _(program):
    refused = {name for name in views(program) if is_refused(program, BI, name, READER)}
    check(refused == PERSONAL, f"refused: {refused}")
    for schema in [MIRROR, MACHINERY]:
        for name in sqlalchemy.inspect(program.engine()).get_table_names(schema=schema):
            check(is_refused(program, schema, name, READER), f"{schema}.{name} can be read")
    return f"{len(views(program)) - len(refused)} views, not {', '.join(sorted(refused))}"


@case("a reader of persons reads every view and the mirror, and no machinery")
def _(program):
    inspector = sqlalchemy.inspect(program.engine(PERSONAL_READER))
    names = [(BI, name) for name in views(program)]
    names += [(MIRROR, name) for name in [*inspector.get_table_names(schema=MIRROR), *inspector.get_view_names(schema=MIRROR)]]
    for schema, name in names:
        check(not is_refused(program, schema, name, PERSONAL_READER), f"{schema}.{name} is refused")
    for name in inspector.get_table_names(schema=MACHINERY):
        check(is_refused(program, MACHINERY, name, PERSONAL_READER), f"{MACHINERY}.{name} can be read")
    return f"{len(names)} tables and views"


@case("pandas reads every view whole, with times as times")
def _(program):
    rows = 0
    with program.engine(PERSONAL_READER).connect() as connection:
        for name in views(program):
            frame = pandas.read_sql(sqlalchemy.text(f"select * from {BI}.{name}"), connection)
            check(len(frame) or name in MAY_BE_EMPTY, f"{name} is empty")
            rows += len(frame)
            for column, of_view in program_types(program, name).items():
                if isinstance(of_view, sqlalchemy.types.DateTime):
                    kept = frame[column]
                    check(kept.isna().all() or isinstance(kept.dtype, pandas.DatetimeTZDtype), f"{name}.{column} is {kept.dtype}")
                    # Some drivers read infinity as a time far away, others not at all.
                    endless = connection.execute(sqlalchemy.text(f"select count(*) from {BI}.{name} where not isfinite({column})")).scalar()
                    check(endless == 0, f"{name}.{column} is infinite")
                elif isinstance(of_view, sqlalchemy.types.Date):
                    check(all(isinstance(day, datetime.date) for day in frame[column]), f"{name}.{column} holds no days")
    return f"{rows} rows"


def program_types(program, name):
    return {column["name"]: column["type"] for column in sqlalchemy.inspect(program.engine()).get_columns(name, schema=BI)}


@case("frames relate by their keys, and lose nobody")
def _(program):
    # One snapshot: the daemon goes on writing.
    with program.engine().connect().execution_options(isolation_level="REPEATABLE READ") as connection:
        readable = [name for name in views(program) if name not in PERSONAL]
        frames = {name: pandas.read_sql(sqlalchemy.text(f"select * from {BI}.{name}"), connection) for name in readable}
    merged = 0
    for nodes, (key, relating) in NODES.items():
        check(frames[nodes][key].is_unique, f"{nodes}.{key} is not unique")
        for name, frame in frames.items():
            if not belongs(name, nodes):
                continue
            for column in set(relating) & set(frame):
                known = frame[[column]].dropna()
                joined = known.merge(frames[nodes][[key]].drop_duplicates(), left_on=column, right_on=key)
                check(len(joined) == len(known), f"{name}.{column}: {len(known) - len(joined)} of {len(known)} are not in {nodes}")
                merged += 1
    tree, bridge = frames["customer_tree"], frames["customer_bridge"]
    sizes = bridge.groupby("ancestor_key").size() - 1
    check(tree.set_index("customer_key")["descendants"].sub(sizes).eq(0).all(), "the bridge does not roll up to descendants")
    return f"{merged} merges"


def belongs(view, nodes):
    return view.startswith("customer") if nodes == "customer" else view.startswith("reporting")
