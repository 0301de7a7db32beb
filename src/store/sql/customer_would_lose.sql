-- Whether a list's parent has live links that neither the walk's pass over the list nor these rows of its page have shown.
select exists (
    select 1
    from hiersync.customer_link l
    join hiersync.customer c on c.source_id = $1 and c.customer_id = l.child_id
    left join hiersync.frontier f on f.source_id = $1 and f.parent_key = $3::bigint::text and f.walk_id = $2
    where l.source_id = $1 and l.parent_id = $3 and l.retired_at is null and l.child_id <> all ($4)
      and not coalesce(f.seen @> c.node_no, false)
) as "loses!"
