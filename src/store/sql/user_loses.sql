-- Whether a list would lose somebody: a live report of its manager's whom neither a pass of this walk nor these rows of its page have
-- shown. Of a root's list that holds everybody below ($5), whether anybody below the root, whom no root's list has shown either.
-- Who is known to be hidden by the vendor is not lost again. Looked up one by one; why, says `user_existing.sql`.
with recursive below as (
    select l.user_id
    from hiersync.reporting_line l
    where l.source_id = $1 and l.manager_id = $3 and l.retired_at is null
    union
    select l.user_id
    from below b
    join hiersync.reporting_line l on l.source_id = $1 and l.manager_id = b.user_id and l.retired_at is null
    where $5
), shown as materialized (
    select f.seen + f.seen_earlier as numbers
    from hiersync_internal.frontier f
    where f.source_id = $1 and f.walk_id = $2 and (f.parent_key = $3::uuid::text or ($5 and f.depth = 0))
)
select exists (
    select 1
    from (select b.user_id from below b except select unnest($4::uuid[])) b
    cross join lateral (
        select u.node_no from hiersync.reporting_user u where u.source_id = $1 and u.user_id = b.user_id limit 1
    ) u
    where not exists (select 1 from shown s where s.numbers @> u.node_no)
      and not exists (select 1 from hiersync_internal.root r where r.source_id = $1 and r.walk_id = $2 and r.node_key = b.user_id::text)
      and not exists (
          select 1 from hiersync.finding f
          where f.source_id = $1 and f.kind = 'manager_not_listed' and f.key = b.user_id::text and f.resolved_at is null
      )
) as "loses!"
