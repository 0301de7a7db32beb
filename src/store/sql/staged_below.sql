-- Staged rows that hang on a root: through staged rows, and through lines that the directory has shown to stand or whose user it
-- hides though others name them. Those whose content is known.
with recursive told as materialized (
    select s.user_id, s.manager_id, s.content from hiersync_internal.told_user s where s.source_id = $1 and s.walk_id = $2
), edge as (
    select t.manager_id, t.user_id from told t where t.manager_id is not null and t.content is not null
    union all
    select l.manager_id, l.user_id
    from hiersync.reporting_line l
    where l.source_id = $1 and l.retired_at is null and l.user_id not in (select t.user_id from told t)
), reached as (
    select r.node_key::uuid as user_id from hiersync_internal.root r where r.source_id = $1 and r.walk_id = $2
    union
    select e.user_id from edge e join reached on reached.user_id = e.manager_id
)
select
    s.user_id as "user_id!",
    -- A root's own manager lies outside, unless another root reaches it.
    case when exists (select 1 from reached m where m.user_id = s.manager_id) then s.manager_id end as manager_id,
    s.content as "content!"
from told s
join reached on reached.user_id = s.user_id
where s.content is not null
order by s.user_id
