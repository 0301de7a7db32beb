-- Where a root's list or the directory holds everybody below: lines of users whom it does not show, after a complete walk. Whoever is
-- above somebody shown stays, listed or not: the vendor's rows name managers whom it hides.
with recursive shown as materialized (
    select u.user_id
    from hiersync_internal.frontier f
    cross join lateral unnest(f.seen) as r (numbers)
    cross join lateral generate_series(lower(r.numbers), upper(r.numbers) - 1) as n (node_no)
    join hiersync.reporting_user u on u.source_id = $1 and u.node_no = n.node_no
    where f.source_id = $1 and f.walk_id = $2 and f.depth = 0
), line as materialized (
    -- Where the directory ($4) states another manager, or none, the known line is no more.
    select l.manager_id, l.user_id
    from hiersync.reporting_line l
    where l.source_id = $1 and l.retired_at is null
      and not ($4 and exists (
          select 1 from hiersync_internal.staged_user s
          where s.source_id = $1 and s.walk_id = $2 and s.user_id = l.user_id and s.manager_id is distinct from l.manager_id
      ))
), kept as (
    select s.user_id from shown s
    union
    select l.manager_id from kept k join line l on l.user_id = k.user_id
), reached as (
    select r.node_key::uuid as user_id from hiersync_internal.root r where r.source_id = $1 and r.walk_id = $2
    union
    select l.user_id from reached d join line l on l.manager_id = d.user_id
)
update hiersync.reporting_line l
set retired_at = $3
where l.source_id = $1 and l.retired_at is null
  and not exists (
      select 1 from line k
      where k.manager_id = l.manager_id and k.user_id = l.user_id
        and exists (select 1 from kept where kept.user_id = l.user_id)
        -- The directory shows those outside the roots, too.
        and (not $4 or exists (select 1 from reached d where d.user_id = l.manager_id))
  )
returning l.manager_id, l.user_id
