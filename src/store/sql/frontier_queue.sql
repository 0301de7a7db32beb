-- Queues lists that this walk has not met. A row of an earlier walk is used again; one of this walk stays as it is.
insert into hiersync_internal.frontier as f (
    source_id, parent_key, walk_id, node_no, depth, state, ask_kind, ask_value, expected, shown_by
)
select $1, key, $2, node_no, depth, 'queued', ask_kind, ask_value, expected, shown_by
from unnest(
    $3::text[], $4::int[], $5::int[], $6::text[], $7::text[], $8::bigint[], $9::text[]
) as l (key, node_no, depth, ask_kind, ask_value, expected, shown_by)
on conflict (source_id, parent_key) do update
set (walk_id, node_no, depth, state, shown_by, ask_kind, ask_value, expected, attempts, recounts, is_recounted, refusal, pass,
    last_page, seen, seen_earlier)
= (excluded.walk_id, excluded.node_no, excluded.depth, excluded.state, excluded.shown_by, excluded.ask_kind, excluded.ask_value,
    excluded.expected, 0, 0, false, null, '{}', null, '{}', '{}')
where f.walk_id <> excluded.walk_id
returning f.parent_key, f.list_no
