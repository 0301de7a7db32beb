-- How many rows each published table holds, in the order in which the schema makes them.
select
    c.relname::text as "name!",
    (xpath('/row/n/text()', query_to_xml(format('select count(*) as n from hiersync.%I', c.relname), false, true, '')))[1]::text::bigint as "rows!"
from pg_class c
where c.relnamespace = 'hiersync'::regnamespace and c.relkind = 'r' and c.relname not like '%migrations'
order by c.oid
