-- Rows of lists below the roots, and how many of them stand in a root's own list too: those only that stand in each of its
-- readings or in none, for the others have come or gone meanwhile. No row of this while such a list is still to be read, for the
-- first time or once more.
with top as materialized (
    select f.seen, case when isempty(f.met) then f.seen else f.met end as before, f.state
    from hiersync.frontier f
    where f.source_id = $1 and f.walk_id = $2 and f.depth = 0
), told as (
    select
        exists (select 1 from top where top.seen @> s.user_no) as is_inside,
        exists (select 1 from top where top.before @> s.user_no) as was_inside
    from hiersync.shown_users($1, $2, false) s
    join hiersync.reporting_user m on m.source_id = $1 and m.node_no = s.manager_no
    join hiersync.frontier f on f.source_id = $1 and f.parent_key = m.user_id::text
    where f.depth > 0
)
select
    count(*) filter (where t.is_inside) as "among_roots!",
    count(*) as "all_rows!",
    exists (select 1 from top where top.before <> top.seen) as "has_moved!"
from told t
where t.is_inside = t.was_inside
having not exists (select 1 from top where top.state = 'queued')
