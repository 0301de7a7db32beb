-- Of these identifiers, each with the customer who has it, those that another live customer has too. Who stood in lists that this walk ($5) has
-- read, and that show them no more, is none: an identifier is given to another when its owner has gone.
select n.kind as "kind!", n.value as "value!"
from unnest($2::bigint[], $3::text[], $4::text[]) as n (id, kind, value)
where exists (
    select 1
    from hiersync.customer_identifier i
    join hiersync.customer c on c.source_id = $1 and c.customer_id = i.customer_id and c.retired_at is null
    where i.source_id = $1 and hashtextextended(i.value, 0) = hashtextextended(n.value, 0)
      and i.value = n.value and lower(i.type) = lower(n.kind) and i.customer_id <> n.id
      and not (
          select coalesce(bool_and(coalesce(f.state = 'read' and not f.seen @> c.node_no, false)), false)
          from hiersync.customer_link l
          left join hiersync_internal.frontier f on f.source_id = $1 and f.parent_key = l.parent_id::text and f.walk_id = $5
          where l.source_id = $1 and l.child_id = c.customer_id and l.retired_at is null
      )
)
