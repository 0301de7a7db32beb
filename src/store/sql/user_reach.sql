-- What the search tells of the roots' lists: how many users report to somebody in them, and how many of those are in them too.
with top as materialized (
    select distinct s.node_no from hiersync_internal.shown s where s.source_id = $1 and s.walk_id = $2 and s.depth = 0
), named as (
    select s.user_id, s.manager_id
    from hiersync_internal.staged_user s
    where s.source_id = $1 and s.walk_id = $2 and s.manager_id is not null
    union all
    select l.user_id, l.manager_id
    from hiersync.reporting_line l
    join hiersync.reporting_user u on u.source_id = $1 and u.user_id = l.user_id
    join hiersync_internal.frontier f on f.source_id = $1 and f.walk_id = $2 and f.parent_key = '*' and f.seen @> u.node_no
    where l.source_id = $1 and l.retired_at is null
)
select
    count(above.node_no) as "below!",
    count(*) filter (where above.node_no is not null and top.node_no is not null) as "below_shown!",
    count(top.node_no) as "named!",
    (select count(*) from top) as "shown!"
from named n
left join hiersync.reporting_user m on m.source_id = $1 and m.user_id = n.manager_id
left join top above on above.node_no = m.node_no
left join hiersync.reporting_user u on u.source_id = $1 and u.user_id = n.user_id
left join top on top.node_no = u.node_no
