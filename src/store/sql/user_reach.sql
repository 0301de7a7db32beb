-- What the search tells of the roots' lists: how many users report to somebody in them, and how many of those are in them too. Who reports to
-- a root stands in its list, whatever lists hold.
with top as materialized (
    select coalesce(range_agg(r.numbers), '{}') as numbers
    from hiersync_internal.frontier f cross join lateral unnest(f.seen) as r (numbers)
    where f.source_id = $1 and f.walk_id = $2 and f.depth = 0
), named as (
    select t.child_id as user_id, t.parent_id as manager_id from hiersync_internal.user_told($1, $2) t where t.parent_id is not null
    union all
    select l.user_id, l.manager_id
    from hiersync.reporting_line l
    join hiersync.reporting_user u on u.source_id = $1 and u.user_id = l.user_id
    join hiersync_internal.frontier f on f.source_id = $1 and f.walk_id = $2 and f.parent_key = '*' and f.seen @> u.node_no
    where l.source_id = $1 and l.retired_at is null
)
select
    count(*) filter (where top.numbers @> m.node_no and r.node_key is null) as "below!",
    count(*) filter (where top.numbers @> m.node_no and r.node_key is null and top.numbers @> u.node_no) as "below_shown!",
    count(*) filter (where top.numbers @> u.node_no) as "named!",
    (select coalesce(sum(upper(r.numbers) - lower(r.numbers)), 0) from top cross join lateral unnest(top.numbers) as r (numbers)) as "shown!"
from named n
cross join top
left join hiersync.reporting_user m on m.source_id = $1 and m.user_id = n.manager_id
left join hiersync.reporting_user u on u.source_id = $1 and u.user_id = n.user_id
left join hiersync_internal.root r on r.source_id = $1 and r.walk_id = $2 and r.node_key = n.manager_id::text
