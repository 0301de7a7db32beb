-- The top of a source's tree, depth first.
with recursive s as (
    select source_id from hiersync.source where name = $1
), node as (
    select c.customer_id::text as key, nullif(concat_ws(' ', c.first_name, c.last_name), '') as name
    from hiersync.customer c join s using (source_id) where c.retired_at is null
    union all
    select u.user_id::text, u.name from hiersync.reporting_user u join s using (source_id) where u.retired_at is null
), edge as (
    select l.parent_id::text as parent, l.child_id::text as child
    from hiersync.customer_link l join s using (source_id) where l.retired_at is null
    union all
    select l.manager_id::text, l.user_id::text from hiersync.reporting_line l join s using (source_id) where l.retired_at is null
), tree as (
    select r.node_key as key, 0 as depth, array[r.node_key] as path from hiersync.root r join s using (source_id)
    union all
    select e.child, t.depth + 1, t.path || e.child
    from tree t join edge e on e.parent = t.key
    where not e.child = any(t.path) and t.depth < 3
)
select t.key as "key!", t.depth as "depth!", n.name
from tree t join node n on n.key = t.key
order by t.path limit $2
