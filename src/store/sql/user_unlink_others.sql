-- Retires every other live line of users whose rows state their manager; where $5, but for those of the walk's roots.
update hiersync.reporting_line l
set retired_at = $2
from unnest($3::uuid[], $4::uuid[]) as n (manager_id, user_id)
where l.source_id = $1 and l.user_id = n.user_id and l.manager_id <> n.manager_id and l.retired_at is null
  and not (
      $5 and exists (select 1 from hiersync.root r where r.source_id = $1 and r.walk_id = $6 and r.node_key = l.manager_id::text)
  )
returning l.manager_id, l.user_id
