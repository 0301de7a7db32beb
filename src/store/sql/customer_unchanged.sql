-- Of texts that came in a customer's list ($3), each by whom it seems to be about and its digest, those that need not be read: the mirror has
-- the very text, as a live leaf that hangs there and nowhere else, and is no root. Rows are looked up one by one, which `limit 1` says:
-- by what the planner knows of growing tables it would rather read a whole one.
with list as materialized (
    select f.seen, f.seen_earlier from hiersync_internal.frontier f where f.source_id = $1 and f.parent_key = $3::bigint::text and f.walk_id = $2
)
select c.customer_id, c.node_no, coalesce((select seen from list) @> c.node_no, false) as "shown!",
    coalesce((select seen_earlier from list) @> c.node_no, false) as "shown_earlier!"
from unnest($4::bigint[], $5::uuid[]) as i (id, digest)
cross join lateral (
    select k.customer_id, k.node_no, k.text_digest, k.retired_at
    from hiersync.customer k where k.source_id = $1 and k.customer_id = i.id limit 1
) c
where c.text_digest = i.digest and c.retired_at is null
  and (select true from hiersync.customer_link l where l.source_id = $1 and l.parent_id = i.id and l.retired_at is null limit 1) is null
  and (
      select bool_and(l.parent_id = $3) from hiersync.customer_link l where l.source_id = $1 and l.child_id = i.id and l.retired_at is null
  )
  and i.id::text <> all (array(select r.node_key from hiersync_internal.root r where r.source_id = $1))
