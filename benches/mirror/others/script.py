"""What somebody writes in an afternoon: pages in, upserts of 1,000 rows out, a transaction each. It keeps no budget and no history."""

import json
import sys

import psycopg2
import psycopg2.extras
from vendor import pages

TABLES = """
create schema if not exists script;
create table if not exists script.customer (
    customer_id bigint primary key, first_name text, last_name text, role_code text, no_of_children int, auto_update_time timestamptz,
    payload jsonb not null, seen_at timestamptz not null default now());
create table if not exists script.customer_link (
    parent text, child_id bigint, seen_at timestamptz not null default now(), primary key (parent, child_id));
create table if not exists script.customer_identifier (
    customer_id bigint, type text, value text, primary key (customer_id, type));
"""
CUSTOMER = """
insert into script.customer (customer_id, first_name, last_name, role_code, no_of_children, auto_update_time, payload) values %s
on conflict (customer_id) do update set first_name = excluded.first_name, last_name = excluded.last_name, role_code = excluded.role_code,
    no_of_children = excluded.no_of_children, auto_update_time = excluded.auto_update_time, payload = excluded.payload, seen_at = now()
"""
LINK = """
insert into script.customer_link (parent, child_id) values %s on conflict (parent, child_id) do update set seen_at = now()
"""
IDENTIFIER = """
insert into script.customer_identifier (customer_id, type, value) values %s
on conflict (customer_id, type) do update set value = excluded.value
"""


def main(url: str, root: str, database: str):
    connection = psycopg2.connect(database)
    with connection, connection.cursor() as cursor:
        cursor.execute(TABLES)
    for rows in pages(url, root):
        customers, links, identifiers = [], [], []
        for row in rows:
            profile = row["profiles"][0]
            key = profile["userId"]
            customers.append((key, profile["firstName"], profile["lastName"], row["roleCode"], row["noOfChildren"],
                              profile["autoUpdateTime"], json.dumps(row)))
            links.append((root, key))
            identifiers += [(key, entry["type"], entry["value"]) for entry in profile["identifiers"]]
        with connection, connection.cursor() as cursor:
            psycopg2.extras.execute_values(cursor, CUSTOMER, customers, page_size=len(customers))
            psycopg2.extras.execute_values(cursor, LINK, links, page_size=len(links))
            psycopg2.extras.execute_values(cursor, IDENTIFIER, identifiers, page_size=len(identifiers))


main(*sys.argv[1:4])
