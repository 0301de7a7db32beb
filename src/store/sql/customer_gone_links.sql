-- Links whose parent's list was proven without the child, and, after a complete walk ($4), links of parents that
-- the walk did not meet: nobody below the roots holds them any more. After another walk a child keeps its last link: who
-- holds it now may stand in a list that was not read.
update hiersync.customer_link l
set retired_at = $3
from (
    select k.parent_id, k.child_id
    from hiersync.customer_link k
    join hiersync.customer c on c.source_id = $1 and c.customer_id = k.child_id
    left join hiersync_internal.frontier f on f.source_id = $1 and f.parent_key = k.parent_id::text and f.walk_id = $2
    where k.source_id = $1 and k.retired_at is null
      and case when f.parent_key is null then $4 else f.state = 'read' and not f.seen @> c.node_no end
      and (
          $4
          or exists (
              select 1
              from hiersync.customer_link o
              join hiersync_internal.frontier g on g.source_id = $1 and g.parent_key = o.parent_id::text and g.walk_id = $2
              where o.source_id = $1 and o.child_id = k.child_id and o.parent_id <> k.parent_id and o.retired_at is null
                and g.seen @> c.node_no
          )
      )
) gone
where l.source_id = $1 and l.parent_id = gone.parent_id and l.child_id = gone.child_id
returning l.parent_id, l.child_id
