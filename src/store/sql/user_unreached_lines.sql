-- After a roster was read and taken in: lines of users whom it did not show, and lines that do not hang on a root.
with recursive shown as (
    select l.manager_id, l.user_id
    from hiersync.reporting_line l
    join hiersync.reporting_user u on u.source_id = $1 and u.user_id = l.user_id
    join hiersync.frontier f on f.source_id = $1 and f.walk_id = $2 and f.parent_key = '*' and f.seen @> u.node_no
    where l.source_id = $1 and l.retired_at is null
), reached as (
    select r.node_key::uuid as user_id from hiersync.root r where r.source_id = $1 and r.walk_id = $2
    union
    select s.user_id from shown s join reached on reached.user_id = s.manager_id
)
update hiersync.reporting_line l
set retired_at = $3
where l.source_id = $1 and l.retired_at is null
  and not exists (
      select 1 from shown s join reached on reached.user_id = s.manager_id
      where s.manager_id = l.manager_id and s.user_id = l.user_id
  )
returning l.manager_id, l.user_id
