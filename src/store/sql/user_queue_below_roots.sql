-- Queues the lists of all whom the roots' lists have shown.
insert into hiersync_internal.frontier as f (source_id, parent_key, walk_id, node_no, depth, state, shown_by)
select distinct on (u.node_no) $1::int, u.user_id::text, $2::bigint, u.node_no, 1, 'queued', t.parent_key
from hiersync_internal.frontier t
cross join lateral unnest(t.seen) as r (numbers)
cross join lateral generate_series(lower(r.numbers), upper(r.numbers) - 1) as n (node_no)
join hiersync.reporting_user u on u.source_id = $1 and u.node_no = n.node_no
where t.source_id = $1 and t.walk_id = $2 and t.depth = 0 and u.node_no <> t.node_no
order by u.node_no, t.list_no
on conflict (source_id, parent_key) do update
set walk_id = excluded.walk_id, node_no = excluded.node_no, depth = excluded.depth, state = excluded.state, attempts = 0, recounts = 0,
    is_recounted = false, refusal = null, shown_by = excluded.shown_by, pass = '{}', last_page = null, seen = '{}', seen_earlier = '{}'
where f.walk_id <> excluded.walk_id
