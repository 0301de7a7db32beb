-- Where every list holds direct reports: those of the lists' users whose line is not live, unless the user's row has
-- stated its manager: then this one was retired in this walk, for before the end nothing else retires a line there.
select s.parent_key::uuid as "manager_id!", u.user_id as "user_id!"
from hiersync_internal.shown s
join hiersync.reporting_user u on u.source_id = $1 and u.node_no = s.node_no
where s.source_id = $1 and s.walk_id = $2 and s.depth >= 0 and s.node_no <> s.parent_no
  and not exists (
      select 1 from hiersync.reporting_line l
      where l.source_id = $1 and l.manager_id = s.parent_key::uuid and l.user_id = u.user_id
        and (l.retired_at is null or l.retired_at >= (select w.started_at from hiersync_internal.walk w where w.source_id = $1 and w.walk_id = $2))
  )
