-- Where lists hold direct reports: lines whose manager's list was proven without the user, and, after a complete walk ($4), lines of
-- managers whom the walk did not meet. After another walk a user keeps the last line: who holds it now may stand in a list that was
-- not read. A line that the user's own row states stays.
update hiersync.reporting_line l
set retired_at = $3
from (
    select k.manager_id, k.user_id
    from hiersync.reporting_line k
    join hiersync.reporting_user u on u.source_id = $1 and u.user_id = k.user_id
    left join hiersync_internal.frontier f on f.source_id = $1 and f.parent_key = k.manager_id::text and f.walk_id = $2
    where k.source_id = $1 and k.retired_at is null
      and case when f.parent_key is null then $4 else f.state = 'read' and not f.seen @> u.node_no end
      and (
          $4
          or exists (
              select 1
              from hiersync.reporting_line o
              join hiersync_internal.frontier g on g.source_id = $1 and g.parent_key = o.manager_id::text and g.walk_id = $2
              where o.source_id = $1 and o.user_id = k.user_id and o.manager_id <> k.manager_id and o.retired_at is null
                and g.seen @> u.node_no
          )
      )
      and not exists (
          select 1 from hiersync_internal.staged_user s
          where s.source_id = $1 and s.walk_id = $2 and s.user_id = k.user_id and s.manager_id = k.manager_id
      )
) gone
where l.source_id = $1 and l.manager_id = gone.manager_id and l.user_id = gone.user_id
returning l.manager_id, l.user_id
