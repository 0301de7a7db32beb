-- Queues lists that this walk has not met. A row of an earlier walk is used again; one of this walk stays as it is. Nobody else writes
-- them: the run holds the lease. An upsert would log a lock of each row beside. Which there are is looked up one by one, which `limit 1` says:
-- in a first walk the planner does not know that there are many.
with list as materialized (
    select l.*, f.walk_id
    from unnest(
        $3::text[], $4::int[], $5::int[], $6::text[], $7::text[], $8::bigint[], $9::text[], $10::bool[]
    ) as l (key, node_no, depth, ask_kind, ask_value, expected, shown_by, wanted)
    left join lateral (
        select q.walk_id from hiersync_internal.frontier q where q.source_id = $1 and q.parent_key = l.key limit 1
    ) f on true
), again as (
    update hiersync_internal.frontier f
    set (walk_id, node_no, depth, state, shown_by, ask_kind, ask_value, expected, attempts, recounts, is_recounted, refusal, pass,
        last_page, seen, seen_earlier, wanted)
    = ($2, l.node_no, l.depth, 'queued', l.shown_by, l.ask_kind, l.ask_value, l.expected, 0, 0, false, null, '{}', null, '{}', '{}', l.wanted)
    from list l
    where f.source_id = $1 and f.parent_key = l.key and l.walk_id <> $2
    returning f.parent_key, f.list_no
), new as (
    insert into hiersync_internal.frontier
        (source_id, parent_key, walk_id, node_no, depth, state, ask_kind, ask_value, expected, shown_by, wanted)
    select $1, l.key, $2, l.node_no, l.depth, 'queued', l.ask_kind, l.ask_value, l.expected, l.shown_by, l.wanted
    from list l
    where l.walk_id is null
    returning parent_key, list_no
)
select parent_key as "parent_key!", list_no as "list_no!" from again union all select parent_key, list_no from new
