-- Rows of the lists below the roots, in any of their passes, and how many of them the roots' lists have too. Whom the search names as a
-- root's report has moved there meanwhile, and tells nothing.
with top as materialized (
    select range_agg(r.numbers) as numbers
    from hiersync_internal.frontier f cross join lateral unnest(f.seen + f.seen_earlier) as r (numbers)
    where f.source_id = $1 and f.walk_id = $2 and f.depth = 0
), moved as materialized (
    select coalesce(range_agg(int4range(u.node_no, u.node_no, '[]')), '{}') as numbers
    from hiersync_internal.user_told($1, $2) t
    join hiersync_internal.root r on r.source_id = $1 and r.walk_id = $2 and r.node_key = t.parent_id::text
    join hiersync.reporting_user u on u.source_id = $1 and u.user_id = t.child_id
)
select
    count(*) filter (where coalesce(top.numbers @> n.node_no, false)) as "among_roots!",
    count(*) as "all_rows!"
from hiersync_internal.frontier f
cross join top
cross join moved
cross join lateral unnest(f.seen + f.seen_earlier) as r (numbers)
cross join lateral generate_series(lower(r.numbers), upper(r.numbers) - 1) as n (node_no)
where f.source_id = $1 and f.walk_id = $2 and f.depth > 0 and n.node_no <> f.node_no and not moved.numbers @> n.node_no
