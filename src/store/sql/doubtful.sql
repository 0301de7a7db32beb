-- Lists in doubt, upper ones first, each with the list that last showed its parent.
select
    f.parent_key, f.ask_kind, f.ask_value, f.expected, f.pass, f.refusal, f.recounts, f.is_recounted, f.shown_by,
    (
        select coalesce(sum(upper(r.numbers) - lower(r.numbers)), 0)::bigint from unnest(f.seen + f.seen_earlier) as r (numbers)
    ) as "together!",
    a.state as "above_state?",
    coalesce(a.seen @> f.node_no, false) or exists (
        -- It has left that list, and stands in another one.
        select 1 from hiersync_internal.frontier o
        where a.state = 'read' and o.source_id = $1 and o.walk_id = $2 and o.parent_key <> '*' and o.seen @> f.node_no
    ) as "above_shows!"
from hiersync_internal.frontier f
left join hiersync_internal.frontier a on a.source_id = $1 and a.walk_id = $2 and a.parent_key = f.shown_by
where f.source_id = $1 and f.walk_id = $2 and f.state = 'doubtful'
order by f.depth, f.list_no
