-- Staged rows that hang on a root, of those whose content is known.
with reached as materialized (
    select r.user_id from hiersync_internal.user_reached($1, $2, true) r
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
