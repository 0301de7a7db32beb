-- Lists of this walk that are asked for by an identifier ($4, $5) of another customer ($3), just taken in; their own still has it, too. Looked
-- up one by one, which `offset 0` says: what the planner knows of tables that grow from nothing is that they are small.
select distinct f.parent_key as "parent_key!"
from unnest($3::bigint[], $4::text[], $5::text[]) as n (id, kind, value)
cross join lateral (
    select f.parent_key
    from hiersync_internal.frontier f
    where f.source_id = $1 and hashtextextended(f.ask_value, 0) = hashtextextended(n.value, 0) and f.ask_value = n.value
      and lower(f.ask_kind) = lower(n.kind) and f.walk_id = $2 and f.parent_key <> n.id::text
      and exists (
          select from hiersync.customer_identifier o
          where o.source_id = $1 and o.customer_id = f.parent_key::bigint and o.value = n.value and lower(o.type) = lower(n.kind)
      )
    offset 0
) f
