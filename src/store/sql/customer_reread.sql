-- Queues once more the short lists that were read before and hold one of these children: it stood there before the walk
-- and now shows up below another parent, and either has two or has moved. Each list once per walk.
-- Looked up one by one, which `limit` says; why, says `customer_existing.sql`.
update hiersync_internal.frontier f
set state = 'queued', attempts = f.attempts + 1, seen_earlier = f.seen_earlier + f.seen, seen = '{}', pass = $6, last_page = null
where f.source_id = $1 and f.walk_id = $2 and f.parent_key = any (array(
    select k.parent_key
    from unnest($3::bigint[], $4::bigint[]) as n (parent, child)
    cross join lateral (
        select l.parent_id as id from hiersync.customer_link l
        where l.source_id = $1 and l.child_id = n.child and l.parent_id <> n.parent and l.retired_at is null
          and l.first_seen_at < (select w.started_at from hiersync_internal.walk w where w.source_id = $1 and w.walk_id = $2)
        limit 10
    ) other
    cross join lateral (
        select c.node_no from hiersync.customer c where c.source_id = $1 and c.customer_id = n.child limit 1
    ) child
    cross join lateral (
        select o.parent_key from hiersync_internal.frontier o
        where o.source_id = $1 and o.parent_key = other.id::text and o.walk_id = $2 and o.state = 'read' and o.attempts = 0
          and o.seen @> child.node_no
          and (select sum(upper(r.numbers) - lower(r.numbers)) from unnest(o.seen) as r (numbers)) < $5
        limit 1
    ) k
))
