-- Staged managers of users whom this walk's lists have shown. Whether the manager is a root or was shown too; else whether the search
-- shows them, so that they have left the tree, or nobody does.
with told as materialized (
    select s.user_id, s.manager_id from hiersync_internal.told_user s where s.source_id = $1 and s.walk_id = $2
)
select
    s.user_id as "user_id!",
    s.manager_id as "manager_id!",
    (
        exists (
            select 1
            from hiersync.reporting_user m
            join hiersync_internal.frontier f on f.source_id = $1 and f.walk_id = $2 and f.depth >= 0 and f.seen @> m.node_no
            where m.source_id = $1 and m.user_id = s.manager_id
        )
        or exists (
            select 1 from hiersync_internal.root r where r.source_id = $1 and r.walk_id = $2 and r.node_key = s.manager_id::text
        )
    ) as "is_listed!",
    (
        s.manager_id in (select o.user_id from told o)
        or exists (
            select 1
            from hiersync.reporting_user m
            join hiersync_internal.frontier f on f.source_id = $1 and f.walk_id = $2 and f.parent_key = '*' and f.seen @> m.node_no
            where m.source_id = $1 and m.user_id = s.manager_id
        )
    ) as "is_elsewhere!"
from told s
join hiersync.reporting_user u on u.source_id = $1 and u.user_id = s.user_id
where s.manager_id is not null
  and exists (
      select 1 from hiersync_internal.frontier f where f.source_id = $1 and f.walk_id = $2 and f.depth >= 0 and f.seen @> u.node_no
  )
order by s.user_id
