-- Whether a list's manager has live lines that neither the walk's pass over the list nor these rows of its page have shown; of
-- a root's list that holds everybody below ($5), whether anybody below that root has whom no root's list shows.
-- Looked up one by one, which `limit 1` says; why, says `user_ask.sql`.
with recursive below as (
    select l.user_id
    from hiersync.reporting_line l
    where $5 and l.source_id = $1 and l.manager_id = $3 and l.retired_at is null
    union
    select l.user_id
    from below b
    join hiersync.reporting_line l on l.source_id = $1 and l.manager_id = b.user_id and l.retired_at is null
)
select exists (
    select 1
    from hiersync.reporting_line l
    cross join lateral (
        select c.node_no from hiersync.reporting_user c where c.source_id = $1 and c.user_id = l.user_id limit 1
    ) child
    where not $5 and l.source_id = $1 and l.manager_id = $3 and l.retired_at is null and l.user_id <> all ($4)
      and not exists (
          select 1 from hiersync.frontier f
          where f.source_id = $1 and f.walk_id = $2 and f.parent_key = $3::uuid::text and f.seen @> child.node_no
      )
) or exists (
    select 1
    from (select b.user_id from below b except select unnest($4::uuid[])) b
    join hiersync.reporting_user c on c.source_id = $1 and c.user_id = b.user_id
    where not exists (
        select 1 from hiersync.frontier f
        where f.source_id = $1 and f.walk_id = $2 and (f.parent_key = $3::uuid::text or f.depth = 0) and f.seen @> c.node_no
    )
) or exists (
    -- Read once more to be sure of somebody: whom the readings before have shown.
    select 1
    from hiersync.frontier f
    cross join lateral unnest(case when f.depth = 0 then f.met else f.seen_before end - f.seen) as r (numbers)
    cross join lateral generate_series(lower(r.numbers), upper(r.numbers) - 1) as n (node_no)
    join hiersync.reporting_user c on c.source_id = $1 and c.node_no = n.node_no
    where f.source_id = $1 and f.walk_id = $2 and f.parent_key = $3::uuid::text and (f.reading > 0 or f.depth = 0) and c.user_id <> all ($4)
) as "loses!"
