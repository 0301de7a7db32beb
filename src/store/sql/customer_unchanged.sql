-- Of texts that came in a customer's list ($3), each by whom it seems to be about and its digest, those that need not be read: the mirror has
-- the very text, as a live leaf that hangs there and nowhere else, and is no root. Rows are looked up one by one, which `limit 1` says:
-- by what the planner knows of growing tables it would rather read a whole one.
select c.customer_id, c.node_no, coalesce(f.seen @> c.node_no, false) as "shown!", coalesce(f.seen_earlier @> c.node_no, false) as "shown_earlier!"
from unnest($4::bigint[], $5::uuid[]) as i (id, digest)
cross join lateral (
    select k.customer_id, k.node_no, k.text_digest, k.retired_at
    from hiersync.customer k where k.source_id = $1 and k.customer_id = i.id limit 1
) c
left join hiersync_internal.frontier f on f.source_id = $1 and f.parent_key = $3::bigint::text and f.walk_id = $2
left join (
    select distinct l.parent_id as id from hiersync.customer_link l where l.source_id = $1 and l.parent_id = any ($4) and l.retired_at is null
) p on p.id = i.id
where c.text_digest = i.digest and c.retired_at is null and p.id is null
  and (
      select bool_and(l.parent_id = $3) from hiersync.customer_link l where l.source_id = $1 and l.child_id = i.id and l.retired_at is null
  )
  and i.id::text <> all (array(select r.node_key from hiersync_internal.root r where r.source_id = $1))
