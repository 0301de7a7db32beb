-- Users known from earlier walks as outside the roots who now hang on one: their content is to be read once more. As in staged_below.sql.
with recursive edge as (
    select t.parent_id as manager_id, t.child_id as user_id from hiersync_internal.user_told($1, $2) t where t.parent_id is not null
    union all
    select l.manager_id, l.user_id
    from hiersync.reporting_line l
    where l.source_id = $1 and l.retired_at is null
      and not exists (select from hiersync_internal.user_told($1, $2) t where t.child_id = l.user_id)
), reached as (
    select r.node_key::uuid as user_id from hiersync_internal.root r where r.source_id = $1 and r.walk_id = $2
    union
    select e.user_id from edge e join reached on reached.user_id = e.manager_id
)
select t.child_id as "user_id!"
from hiersync_internal.user_told($1, $2) t join reached on reached.user_id = t.child_id
where t.content is null
