-- Lines to which the walk's lists, each holding everybody below, do not lead.
update hiersync.reporting_line l
set retired_at = $3
where l.source_id = $1 and l.retired_at is null
  and not exists (
      select 1 from hiersync.lines_of_walk($1, $2, true) d where d.manager_id = l.manager_id and d.user_id = l.user_id
  )
returning l.manager_id, l.user_id
