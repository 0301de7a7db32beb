-- What is odd about the tree as it stands: children that are their own parent, children with several parents, and
-- cycles. Whoever is reached from a root and lies in a cycle was entered twice or is a root: only those are looked into.
with recursive live as (
    select l.parent_id as parent, l.child_id as child from hiersync.customer_link l where l.source_id = $1 and l.retired_at is null
), several as (
    select l.child, count(*) as parents from live l where l.parent <> l.child group by l.child having count(*) > 1
), suspect as (
    select s.child as id from several s
    union
    select r.node_key::bigint from hiersync_internal.root r where r.source_id = $1 and r.walk_id = $2
), above as (
    select s.id, l.parent from suspect s join live l on l.child = s.id where l.parent <> s.id
    union
    select a.id, l.parent from above a join live l on l.child = a.parent where l.parent <> l.child and a.parent <> a.id
)
select 'self_parent' as "kind!", l.child::text as "key!", 1::bigint as "parents!" from live l where l.parent = l.child
union all
select 'second_parent', s.child::text, s.parents from several s
union all
select 'cycle', a.id::text, 1 from above a where a.parent = a.id
