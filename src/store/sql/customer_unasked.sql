-- Live customers whose lists this walk has not met, as each of their identifiers was another's, too; with the list that shows them.
select c.customer_id as "id!", c.node_no as "node_no!", o.parent_key as "above!", o.depth as "depth!"
from hiersync.finding f
join hiersync.customer c on c.source_id = $1 and c.customer_id = f.key::bigint and c.retired_at is null
cross join lateral (
    select o.parent_key, o.depth
    from hiersync.customer_link l
    join hiersync_internal.frontier o on o.source_id = $1 and o.parent_key = l.parent_id::text and o.walk_id = $2
    where l.source_id = $1 and l.child_id = c.customer_id and l.retired_at is null and o.seen @> c.node_no
    order by o.depth
    limit 1
) o
where f.source_id = $1 and f.walk_id = $2 and f.kind = 'cannot_ask' and f.resolved_at is null
  and not exists (select from hiersync_internal.frontier q where q.source_id = $1 and q.walk_id = $2 and q.parent_key = f.key)
