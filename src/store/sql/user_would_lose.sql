-- Whether a list's manager has live lines that neither the walk's pass over the list nor these rows of its page have shown; of
-- a root's list that holds everybody below ($5), whether anybody has whom no root's list shows.
-- Looked up one by one, which `limit 1` says; why, says `user_ask.sql`.
select exists (
    select 1
    from hiersync.reporting_line l
    cross join lateral (
        select c.node_no from hiersync.reporting_user c where c.source_id = $1 and c.user_id = l.user_id limit 1
    ) child
    where l.source_id = $1 and (l.manager_id = $3 or $5) and l.retired_at is null and l.user_id <> all ($4)
      and not exists (
          select 1 from hiersync.frontier f
          where f.source_id = $1 and f.walk_id = $2 and (f.parent_key = $3::uuid::text or ($5 and f.depth = 0))
            and f.seen @> child.node_no
      )
) or exists (
    -- Read once more to be sure of somebody: whom the reading before has shown.
    select 1
    from hiersync.frontier f
    cross join lateral unnest(f.seen_before - f.seen) as r (numbers)
    cross join lateral generate_series(lower(r.numbers), upper(r.numbers) - 1) as n (node_no)
    join hiersync.reporting_user c on c.source_id = $1 and c.node_no = n.node_no
    where f.source_id = $1 and f.walk_id = $2 and f.parent_key = $3::uuid::text and f.reading > 0 and c.user_id <> all ($4)
) as "loses!"
