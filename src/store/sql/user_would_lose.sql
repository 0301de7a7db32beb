-- Whether a list's manager has live lines that neither the walk's pass over the list nor these rows of its page have shown.
select exists (
    select 1
    from hiersync.reporting_line l
    join hiersync.reporting_user u on u.source_id = $1 and u.user_id = l.user_id
    left join hiersync.frontier f on f.source_id = $1 and f.parent_key = $3::uuid::text and f.walk_id = $2
    where l.source_id = $1 and l.manager_id = $3 and l.retired_at is null and l.user_id <> all ($4)
      and not coalesce(f.seen @> u.node_no, false)
) as "loses!"
