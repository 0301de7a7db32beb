-- Users known from earlier walks as outside the roots who now hang on one: their content is to be read once more. As in staged_below.sql.
with recursive told as materialized (
    select s.user_id, s.manager_id from hiersync_internal.told_user s where s.source_id = $1 and s.walk_id = $2
), edge as (
    select t.manager_id, t.user_id from told t where t.manager_id is not null
    union all
    select l.manager_id, l.user_id
    from hiersync.reporting_line l
    where l.source_id = $1 and l.retired_at is null and l.user_id not in (select t.user_id from told t)
), reached as (
    select r.node_key::uuid as user_id from hiersync_internal.root r where r.source_id = $1 and r.walk_id = $2
    union
    select e.user_id from edge e join reached on reached.user_id = e.manager_id
)
update hiersync_internal.staged_user s set digest = null
from told t join reached on reached.user_id = t.user_id
where s.source_id = $1 and s.user_id = t.user_id and s.content is null and s.digest is not null
