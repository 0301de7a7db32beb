-- Lists of this walk that are asked for by an identifier which another customer, just taken in ($3), has too. Looked up one by one, which
-- `offset 0` says: what the planner knows of tables that grow from nothing is that they are small.
select distinct f.parent_key as "parent_key!"
from (
    select distinct t.type, t.value
    from unnest($3::bigint[]) as n (id)
    cross join lateral (
        select k.type, k.value from hiersync.customer_identifier k where k.source_id = $1 and k.customer_id = n.id offset 0
    ) t
) n
cross join lateral (
    select k.customer_id, k.type, k.value
    from hiersync.customer_identifier k
    where k.source_id = $1 and hashtextextended(k.value, 0) = hashtextextended(n.value, 0) and k.value = n.value
      and lower(k.type) = lower(n.type)
    offset 0
) i
cross join lateral (
    select q.parent_key
    from hiersync_internal.frontier q
    where q.source_id = $1 and q.walk_id = $2 and q.parent_key = i.customer_id::text and lower(q.ask_kind) = lower(i.type)
      and q.ask_value = i.value
    offset 0
) f
where (
    select true
    from hiersync.customer_identifier o
    where o.source_id = $1 and o.customer_id = any ($3) and o.customer_id <> i.customer_id and o.value = i.value
      and lower(o.type) = lower(i.type)
    limit 1
)
