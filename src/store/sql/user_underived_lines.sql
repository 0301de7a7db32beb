-- Lines that the walk's lists, each holding everybody below, do not lead to.
with list as (
    select f.parent_key::uuid as manager_id, f.seen, sum(upper(r.numbers) - lower(r.numbers)) as size
    from hiersync.frontier f
    cross join lateral unnest(f.seen) as r (numbers)
    where f.source_id = $1 and f.walk_id = $2
    group by f.parent_key, f.seen
), derived as (
    select distinct on (u.user_id) list.manager_id, u.user_id
    from list
    cross join lateral unnest(list.seen) as r (numbers)
    cross join lateral generate_series(lower(r.numbers), upper(r.numbers) - 1) as n (node_no)
    join hiersync.reporting_user u on u.source_id = $1 and u.node_no = n.node_no
    where u.user_id <> list.manager_id
    order by u.user_id, list.size, list.manager_id
)
update hiersync.reporting_line l
set retired_at = $3
where l.source_id = $1 and l.retired_at is null
  and not exists (select 1 from derived d where d.manager_id = l.manager_id and d.user_id = l.user_id)
returning l.manager_id, l.user_id
