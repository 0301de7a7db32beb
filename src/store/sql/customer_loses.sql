-- Whether a list's parent has live links that neither the walk's passes over the list nor these rows of its page have shown.
-- Looked up one by one, which `limit 1` says; why, says `customer_existing.sql`.
select exists (
    select 1
    from hiersync.customer_link l
    cross join lateral (
        select c.node_no from hiersync.customer c where c.source_id = $1 and c.customer_id = l.child_id limit 1
    ) child
    where l.source_id = $1 and l.parent_id = $3 and l.retired_at is null and l.child_id <> all ($4)
      and not coalesce((
          select f.seen + f.seen_earlier from hiersync_internal.frontier f
          where f.source_id = $1 and f.parent_key = $3::bigint::text and f.walk_id = $2
      ) @> child.node_no, false)
) as "loses!"
