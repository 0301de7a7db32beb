-- Queues the lists of all whom the roots' lists have shown.
insert into hiersync_internal.frontier as f (source_id, parent_key, walk_id, node_no, depth, state, shown_by)
select distinct on (u.node_no) $1::int, u.user_id::text, $2::bigint, u.node_no, 1, 'queued', s.parent_key
from hiersync_internal.shown s
join hiersync.reporting_user u on u.source_id = $1 and u.node_no = s.node_no
where s.source_id = $1 and s.walk_id = $2 and s.depth = 0 and s.node_no <> s.parent_no
order by u.node_no, s.list_no
on conflict (source_id, parent_key) do update
set (walk_id, node_no, depth, state, shown_by, attempts, recounts, is_recounted, refusal, pass, last_page, seen, seen_earlier)
    = (excluded.walk_id, excluded.node_no, excluded.depth, excluded.state, excluded.shown_by, 0, 0, false, null, '{}', null, '{}', '{}')
where f.walk_id <> excluded.walk_id
