"""The sources of the dbt package say of each view and column what the database says.

HIERSYNC_BI_WRITE=1 writes it there: after a change to the comments or columns of a view.
"""

import os
import re

import sqlalchemy
import yaml

from harness import case, check
from modelling import PACKAGE
from reading import BI, PERSONAL, views

SOURCES = PACKAGE / "models/sources.yml"


def comments(program):
    """By view: its own comment, and those of its columns in order."""
    inspector = sqlalchemy.inspect(program.engine())
    columns = {name: {column["name"]: column["comment"] for column in inspector.get_columns(name, schema=BI)} for name in views(program)}
    return {name: (inspector.get_table_comment(name, schema=BI)["text"], columns[name]) for name in columns if name not in PERSONAL}


def stated(text):
    (source,) = yaml.safe_load(text)["sources"]
    columns = {table["name"]: {column["name"]: column["description"] for column in table["columns"]} for table in source["tables"]}
    return {table["name"]: (table["description"], columns[table["name"]]) for table in source["tables"]}


def quoted(text):
    return "'" + text.replace("'", "''") + "'"


def rewritten(text, wanted):
    """The file with other descriptions, and with columns that are new at the end of their view. A view that is new takes a person."""
    head, *blocks = re.split(r"(?m)^      - name: ", text)
    parts = [head]
    for block in blocks:
        view = block.split("\n", 1)[0]
        about, columns = wanted.get(view, ("", {}))
        block = re.sub(r"(?m)^        description: .*", lambda _: f"        description: {quoted(about)}", block)

        def describe(found, columns=columns):
            return found[1] + quoted(columns.get(found[2], "")) + found[3]

        block = re.sub(r"(?m)^(          - \{name: (\w+), description: ).*(\})$", describe, block)
        block = re.sub(r"(?m)^(          - name: (\w+)\n            description: ).*()$", describe, block)
        known = re.findall(r"(?m)^          - \{?name: (\w+)", block)
        new = [f"          - {{name: {name}, description: {quoted(columns[name])}}}\n" for name in columns if name not in known]
        parts.append(block + "".join(new))
    return "      - name: ".join(parts)


@case("the sources of the dbt package are the views, in their words")
def _(program):
    wanted = comments(program)
    if os.environ.get("HIERSYNC_BI_WRITE"):
        SOURCES.write_text(rewritten(SOURCES.read_text(), wanted))
    found = stated(SOURCES.read_text())
    check(set(found) == set(wanted), f"views: {set(found) ^ set(wanted)}")
    for name, (about, columns) in wanted.items():
        check(found[name][0] == about, f"{name} has another description: {about}")
        other = dict(columns.items() ^ found[name][1].items())
        check(not other, f"{name}: other columns or descriptions: {other}; HIERSYNC_BI_WRITE=1 script/bi BINARY 'their words'")
    return f"{len(found)} sources"
