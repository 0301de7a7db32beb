-- Queues once more the short lists that were read before and hold one of these children: it stood there before the walk
-- and now shows up below another parent, and either has two or has moved. Each list once per walk.
update hiersync.frontier f
set state = 'queued', attempts = f.attempts + 1, met = f.met + f.seen, seen = '{}', progress = '{"s": true, "p": 1}'
from (
    select distinct l.manager_id::text as parent_key
    from unnest($3::uuid[], $4::uuid[]) as n (parent, child)
    join hiersync.reporting_line l on l.source_id = $1 and l.user_id = n.child and l.manager_id <> n.parent and l.retired_at is null
    join hiersync.reporting_user c on c.source_id = $1 and c.user_id = n.child
    join hiersync.walk w on w.source_id = $1 and w.walk_id = $2 and l.first_seen_at < w.started_at
    join hiersync.frontier k on k.source_id = $1 and k.parent_key = l.manager_id::text and k.walk_id = $2
    where k.state = 'read' and k.attempts = 0 and k.seen @> c.node_no
      and (select sum(upper(r.numbers) - lower(r.numbers)) from unnest(k.seen) as r (numbers)) < $5
) other
where f.source_id = $1 and f.walk_id = $2 and f.parent_key = other.parent_key
