-- Queues lists that this walk has not met. A row of an earlier walk is used again; one of this walk stays as it is.
insert into hiersync_internal.frontier as f (
    source_id, parent_key, walk_id, node_no, depth, state, ask_kind, ask_value, expected, shown_by
)
select $1, key, $2, node_no, depth, 'queued', ask_kind, ask_value, expected, shown_by
from unnest(
    $3::text[], $4::int[], $5::int[], $6::text[], $7::text[], $8::bigint[], $9::text[]
) as l (key, node_no, depth, ask_kind, ask_value, expected, shown_by)
on conflict (source_id, parent_key) do update
set
    walk_id = excluded.walk_id,
    node_no = excluded.node_no,
    depth = excluded.depth,
    state = excluded.state,
    attempts = 0,
    recounts = 0,
    is_recounted = false,
    refusal = null,
    shown_by = excluded.shown_by,
    ask_kind = excluded.ask_kind,
    ask_value = excluded.ask_value,
    expected = excluded.expected,
    pass = excluded.pass,
    last_page = null,
    seen = excluded.seen,
    seen_earlier = excluded.seen_earlier
where f.walk_id <> excluded.walk_id
returning f.parent_key, f.list_no
