-- Queues lists. A row of an earlier walk is used again; one of this walk stays as it is.
insert into hiersync.frontier as f (source_id, parent_key, walk_id, depth, state, ask_kind, ask_value, expected, found_in, found_at)
select $1, key, $2, depth, 'queued', ask_kind, ask_value, expected, found_in, found_at
from unnest(
    $3::text[], $4::int[], $5::text[], $6::text[], $7::bigint[], $8::text[], $9::int[]
) as l (key, depth, ask_kind, ask_value, expected, found_in, found_at)
on conflict (source_id, parent_key) do update
set
    walk_id = excluded.walk_id,
    depth = excluded.depth,
    state = excluded.state,
    attempts = 0,
    ask_kind = excluded.ask_kind,
    ask_value = excluded.ask_value,
    expected = excluded.expected,
    progress = excluded.progress,
    seen = excluded.seen,
    met = excluded.met,
    seen_before = excluded.seen_before,
    reading = excluded.reading,
    seen_first = excluded.seen_first,
    reports = excluded.reports,
    found_in = excluded.found_in,
    found_at = excluded.found_at
where f.walk_id <> excluded.walk_id
