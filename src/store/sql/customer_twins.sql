-- Lists of this walk that are asked for by an identifier which another customer, just taken in ($3), has too. Looked up one by one and in this
-- order, which `offset 0` says: what the planner knows of tables that grow from nothing is that they are small.
select distinct f.parent_key as "parent_key!"
from (
    select i.customer_id, i.type, i.value, q.parent_key
    from (
        select distinct k.type, k.value
        from unnest($3::bigint[]) as c (id)
        cross join lateral (
            select o.type, o.value from hiersync.customer_identifier o where o.source_id = $1 and o.customer_id = c.id offset 0
        ) k
    ) n
    cross join lateral (
        select o.customer_id, o.type, o.value
        from hiersync.customer_identifier o
        where o.source_id = $1 and hashtextextended(o.value, 0) = hashtextextended(n.value, 0) and o.value = n.value
          and lower(o.type) = lower(n.type)
        offset 0
    ) i
    cross join lateral (
        select f.parent_key
        from hiersync_internal.frontier f
        where f.source_id = $1 and f.walk_id = $2 and f.parent_key = i.customer_id::text and lower(f.ask_kind) = lower(i.type)
          and f.ask_value = i.value
        offset 0
    ) q
    offset 0
) f
where (
    select true
    from hiersync.customer_identifier o
    where o.source_id = $1 and hashtextextended(o.value, 0) = hashtextextended(f.value, 0) and o.value = f.value
      and lower(o.type) = lower(f.type) and o.customer_id <> f.customer_id and o.customer_id = any ($3)
    limit 1
)
