-- Retires every other live line of users who are named a manager.
update hiersync.reporting_line l
set retired_at = $2
from unnest($3::uuid[], $4::uuid[]) as n (manager_id, user_id)
where l.source_id = $1 and l.user_id = n.user_id and l.manager_id <> n.manager_id and l.retired_at is null
returning l.manager_id, l.user_id
