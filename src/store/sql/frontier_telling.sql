-- Rows of lists below the roots, and how many of them stand in a root's own list too; no row of this while such a list is still
-- to be read, for the first time or once more.
select
    count(*) filter (
        where exists (
            select 1 from hiersync.frontier top
            where top.source_id = $1 and top.walk_id = $2 and top.depth = 0 and top.seen @> s.user_no
        )
    ) as "among_roots!",
    count(*) as "all_rows!"
from hiersync.shown_users($1, $2, false) s
join hiersync.reporting_user m on m.source_id = $1 and m.node_no = s.manager_no
join hiersync.frontier f on f.source_id = $1 and f.parent_key = m.user_id::text
where f.depth > 0
having not exists (
    select 1 from hiersync.frontier top
    where top.source_id = $1 and top.walk_id = $2 and top.depth = 0 and top.state = 'queued'
)
