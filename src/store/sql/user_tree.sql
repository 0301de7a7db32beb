-- The tree below a user ($2), or below the roots if none is named, as it stood at a time ($4; null: as it stands), depth
-- first in the order of ids, down to a depth ($3). Who lies deeper is counted at the node where the tree is cut.
-- Links and users are looked up one by one: the planner knows neither how many there are nor how they hang together.
with recursive top as (
    select $2::uuid as id where $2::uuid is not null
    union
    select r.node_key::uuid from hiersync_internal.root r where r.source_id = $1 and $2::uuid is null
    union
    -- Roots of that time, which the config may not name any more: who lived without a parent.
    select n.user_id from hiersync.reporting_user_at(coalesce($4::timestamptz, 'infinity')) n
    where n.source_id = $1 and $2::uuid is null and $4::timestamptz is not null and n.retired_at is null
      and not exists (
          select from hiersync.reporting_line_at(coalesce($4::timestamptz, 'infinity')) l
          where l.source_id = $1 and l.user_id = n.user_id and l.manager_id <> n.user_id and l.retired_at is null
      )
), tree as (
    select t.id, 0 as depth, array[t.id] as path, true as is_last, false as is_again from top t
    union all
    select c.id, t.depth + 1, t.path || c.id, c.is_last, c.id = any (t.path)
    from tree t
    cross join lateral (
        select l.user_id as id, lead(l.user_id) over (order by l.user_id) is null as is_last
        from hiersync.reporting_line_at(coalesce($4::timestamptz, 'infinity')) l
        where l.source_id = $1 and l.manager_id = t.id and l.retired_at is null
    ) c
    where not t.is_again and t.depth < $3
), deeper as (
    select t.path, t.id from tree t where t.depth = $3 and not t.is_again
    union
    select d.path, c.id
    from deeper d
    cross join lateral (
        select l.user_id as id from hiersync.reporting_line_at(coalesce($4::timestamptz, 'infinity')) l
        where l.source_id = $1 and l.manager_id = d.id and l.retired_at is null
        offset 0
    ) c
    where not c.id = any (d.path)
), cut as (
    -- Who was cut off counts itself.
    select d.path, count(*) - 1 as below from deeper d group by d.path
)
select
    t.id::text as "key!", t.depth as "depth!", t.is_last as "is_last!", t.is_again as "is_again!",
    n.name as "name?", n.is_active as "is_active?", coalesce(n.is_placeholder, false) as "is_placeholder!",
    n.retired_at as "retired_at?", coalesce(c.below, 0) as "below!"
from tree t
left join lateral (
    select nullif(k.name, '') as name, k.is_active as is_active, k.is_placeholder, k.retired_at
    from hiersync.reporting_user_at(coalesce($4::timestamptz, 'infinity')) k
    where k.source_id = $1 and k.user_id = t.id
    limit 1
) n on true
left join cut c on c.path = t.path and not t.is_again
-- A top that was not seen yet is none.
where t.depth > 0 or n.is_placeholder is not null
order by t.path
