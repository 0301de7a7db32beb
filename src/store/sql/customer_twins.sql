-- Lists of this walk that are asked for by an identifier which another customer, just taken in ($3), has too.
select distinct f.parent_key as "parent_key!"
from (
    select distinct i.type, i.value from hiersync.customer_identifier i where i.source_id = $1 and i.customer_id = any ($3)
) n
join hiersync.customer_identifier i
    on i.source_id = $1 and hashtextextended(i.value, 0) = hashtextextended(n.value, 0) and i.value = n.value
    and lower(i.type) = lower(n.type)
join hiersync_internal.frontier f
    on f.source_id = $1 and f.walk_id = $2 and f.parent_key = i.customer_id::text
    and lower(f.ask_kind) = lower(i.type) and f.ask_value = i.value
where exists (
    select 1
    from hiersync.customer_identifier o
    where o.source_id = $1 and o.customer_id = any ($3) and o.customer_id <> i.customer_id and o.value = i.value
      and lower(o.type) = lower(i.type)
)
