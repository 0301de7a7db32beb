-- Queues once more the lists that show users to whom comparing gives another manager than is known, if they were read once only: a line
-- is new when two readings say so.
with fresh as materialized (
    select c.user_no
    from hiersync_internal.compared_lines($1, $2) c
    where not exists (
        select 1 from hiersync.reporting_line l
        where l.source_id = $1 and l.manager_id = c.manager_id and l.user_id = c.user_id and l.retired_at is null
    )
)
update hiersync_internal.frontier f
set state = 'queued', attempts = f.attempts + 1, seen_earlier = f.seen, seen = '{}', pass = $3
where f.source_id = $1 and f.walk_id = $2 and f.depth >= 0 and f.state = 'read' and isempty(f.seen_earlier)
  and exists (select 1 from fresh where f.seen @> fresh.user_no)
