-- Staged rows that hang on a root: through staged rows, and through lines that the directory has shown to stand or whose user it
-- hides though others name them. Those whose content is known.
with recursive edge as (
    select t.parent_id as manager_id, t.child_id as user_id
    from hiersync_internal.user_told($1, $2) t
    where t.parent_id is not null and t.content is not null
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
select
    s.child_id as "user_id!",
    -- A root's own manager lies outside, unless another root reaches it.
    case when exists (select 1 from reached m where m.user_id = s.parent_id) then s.parent_id end as manager_id,
    s.content as "content!"
from hiersync_internal.user_told($1, $2) s
join reached on reached.user_id = s.child_id
where s.content is not null
order by s.child_id
