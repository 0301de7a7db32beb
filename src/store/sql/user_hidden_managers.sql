-- Managers whom rows of this walk name, and whom neither a list nor the directory shows: how many name them, and one of those. Not roots.
-- In the directory's rows ($3) also those of users who could not be placed for want of them.
with shown as materialized (
    select range_agg(r.numbers) as numbers
    from hiersync_internal.frontier f cross join lateral unnest(f.seen) as r (numbers)
    where f.source_id = $1 and f.walk_id = $2
), named as (
    select l.manager_id, l.user_id, true as is_placed
    from hiersync.reporting_line l
    join hiersync.reporting_user u on u.source_id = $1 and u.user_id = l.user_id
    cross join shown
    where l.source_id = $1 and l.retired_at is null and shown.numbers @> u.node_no
    union all
    select t.parent_id, t.child_id, false
    from hiersync_internal.user_told($1, $2) t
    where $3 and t.parent_id is not null
      and not exists (
          select 1 from hiersync.reporting_line l
          where l.source_id = $1 and l.manager_id = t.parent_id and l.user_id = t.child_id and l.retired_at is null
      )
)
select
    n.manager_id as "manager_id!",
    count(*) as "reports!",
    min(n.user_id::text) as "example!",
    bool_or(n.is_placed) as "is_placed!"
from named n
cross join shown
left join hiersync.reporting_user m on m.source_id = $1 and m.user_id = n.manager_id
where coalesce(not shown.numbers @> m.node_no, true)
  and not exists (
      select 1 from hiersync_internal.root r where r.source_id = $1 and r.walk_id = $2 and r.node_key = n.manager_id::text
  )
  and not exists (select from hiersync_internal.user_told($1, $2) t where t.child_id = n.manager_id)
group by n.manager_id
order by 1
