-- Where every list holds everybody below: a user's manager is the one whose list is the smallest that holds the user.
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
select d.manager_id as "manager_id!", d.user_id as "user_id!"
from derived d
where not exists (
    select 1 from hiersync.reporting_line l
    where l.source_id = $1 and l.manager_id = d.manager_id and l.user_id = d.user_id and l.retired_at is null
)
