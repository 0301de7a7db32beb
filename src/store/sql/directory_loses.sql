-- Whether the directory would lose somebody: a user with a live line whom it has not shown in this walk, and who is not known to be
-- hidden.
select exists (
    select 1
    from hiersync.reporting_line l
    join hiersync.reporting_user u on u.source_id = $1 and u.user_id = l.user_id
    where l.source_id = $1 and l.retired_at is null
      and not exists (
          select 1 from hiersync_internal.frontier f
          where f.source_id = $1 and f.walk_id = $2 and f.parent_key = '*' and (f.seen @> u.node_no or f.seen_earlier @> u.node_no)
      )
      and not exists (select from hiersync_internal.user_told($1, $2) t where t.child_id = l.user_id)
      and not exists (
          select 1 from hiersync.finding f
          where f.source_id = $1 and f.kind = 'manager_not_listed' and f.key = l.user_id::text and f.resolved_at is null
      )
) as "loses!"
