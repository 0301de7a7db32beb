-- Of these identifiers, each with the customer who has it, those that another live customer has too.
select n.kind as "kind!", n.value as "value!"
from unnest($2::bigint[], $3::text[], $4::text[]) as n (id, kind, value)
where exists (
    select 1
    from hiersync.customer_identifier i
    join hiersync.customer c on c.source_id = $1 and c.customer_id = i.customer_id and c.retired_at is null
    where i.source_id = $1 and hashtextextended(i.value, 0) = hashtextextended(n.value, 0)
      and i.value = n.value and lower(i.type) = lower(n.kind) and i.customer_id <> n.id
)
