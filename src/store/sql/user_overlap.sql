-- Rows of the lists below the roots, in any of their passes, and how many of them the roots' lists have too.
with top as materialized (
    select range_agg(r.numbers) as numbers
    from hiersync_internal.frontier f cross join lateral unnest(f.seen + f.seen_earlier) as r (numbers)
    where f.source_id = $1 and f.walk_id = $2 and f.depth = 0
)
select
    count(*) filter (where coalesce(top.numbers @> n.node_no, false)) as "among_roots!",
    count(*) as "all_rows!"
from hiersync_internal.frontier f
cross join top
cross join lateral unnest(f.seen + f.seen_earlier) as r (numbers)
cross join lateral generate_series(lower(r.numbers), upper(r.numbers) - 1) as n (node_no)
where f.source_id = $1 and f.walk_id = $2 and f.depth > 0 and n.node_no <> f.node_no
