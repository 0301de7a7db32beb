-- Users $3 levels below a root who have somebody below them to whom no shorter way leads.
with recursive live as materialized (
    select l.manager_id as parent, l.user_id as child from hiersync.reporting_line l where l.source_id = $1 and l.retired_at is null
), reached as (
    select r.node_key::uuid as id, 0 as depth from hiersync_internal.root r where r.source_id = $1 and r.walk_id = $2
    union
    select l.child, d.depth + 1 from reached d join live l on l.parent = d.id where d.depth <= $3
), nearest as (
    select d.id, min(d.depth) as depth from reached d group by d.id
)
select distinct n.id as "id!"
from nearest n
join live l on l.parent = n.id
join nearest below on below.id = l.child
where n.depth = $3 and below.depth = $3 + 1
order by 1
