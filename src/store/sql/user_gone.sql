-- Retires users whom no live line holds. Not roots; where $4, not managers whom live lines name; where $5, not whom a root's list shows.
update hiersync.reporting_user u
set retired_at = $3, retired_walk_id = $2
where u.source_id = $1 and u.retired_at is null
  and not exists (
      select 1 from hiersync.reporting_line l where l.source_id = $1 and l.user_id = u.user_id and l.retired_at is null
  )
  and not exists (
      select 1 from hiersync_internal.root r where r.source_id = $1 and r.walk_id = $2 and r.node_key = u.user_id::text
  )
  and not ($4 and exists (
      select 1 from hiersync.reporting_line l where l.source_id = $1 and l.manager_id = u.user_id and l.retired_at is null
  ))
  and not ($5 and exists (
      select 1 from hiersync_internal.frontier f where f.source_id = $1 and f.walk_id = $2 and f.depth = 0 and f.seen @> u.node_no
  ))
returning u.user_id
