-- Staged managers of users whom this walk's lists have shown. Whether the manager is a root or was shown too; else whether the search
-- shows them, so that they have left the tree, or nobody does.
select
    s.child_id as "user_id!",
    s.parent_id as "manager_id!",
    (
        exists (
            select 1
            from hiersync.reporting_user m
            join hiersync_internal.frontier f on f.source_id = $1 and f.walk_id = $2 and f.depth >= 0 and f.seen @> m.node_no
            where m.source_id = $1 and m.user_id = s.parent_id
        )
        or exists (
            select 1 from hiersync_internal.root r where r.source_id = $1 and r.walk_id = $2 and r.node_key = s.parent_id::text
        )
    ) as "is_listed!",
    (
        told.child_id is not null
        or exists (
            select 1
            from hiersync.reporting_user m
            join hiersync_internal.frontier f on f.source_id = $1 and f.walk_id = $2 and f.parent_key = '*' and f.seen @> m.node_no
            where m.source_id = $1 and m.user_id = s.parent_id
        )
    ) as "is_elsewhere!"
from hiersync_internal.user_told($1, $2) s
join hiersync.reporting_user u on u.source_id = $1 and u.user_id = s.child_id
left join hiersync_internal.user_told($1, $2) told on told.child_id = s.parent_id
where s.parent_id is not null
  and exists (
      select 1 from hiersync_internal.frontier f where f.source_id = $1 and f.walk_id = $2 and f.depth >= 0 and f.seen @> u.node_no
  )
order by s.child_id
