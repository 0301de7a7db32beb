-- What is known of an answer's rows, in their order.
-- Rows are looked up one by one, which `limit 1` says, or by the page's ids: the tables grow a thousandfold within one run, and
-- by what the planner knows of them it would rather read a whole table, or the whole of a long list, for every page.
select
    u.node_no as "node_no?",
    u.digest as "digest?",
    u.auto_update_time as "auto_update_time?",
    coalesce(u.retired_at is not null, false) as "retired!",
    (
        select true from hiersync.reporting_line l
        where l.source_id = $1 and l.manager_id = $3 and l.user_id = i.id and l.retired_at is null
        limit 1
    ) is not null as "linked!",
    coalesce(f.seen @> u.node_no, false) as "shown!",
    coalesce(f.seen_earlier @> u.node_no, false) as "shown_earlier!",
    exists (
        select 1 from hiersync_internal.frontier r where r.source_id = $1 and r.walk_id = $2 and r.depth = 0 and r.seen @> u.node_no
    ) as "in_roots_list!",
    -- Counted once per walk: seen in this list, in a root's list (which may reach everybody below), in the list of
    -- another manager, or as a root.
    (
        coalesce(f.seen @> u.node_no or f.seen_earlier @> u.node_no, false)
        or exists (
            select 1 from hiersync_internal.frontier r
            where r.source_id = $1 and r.walk_id = $2 and r.depth = 0 and (r.seen @> u.node_no or r.seen_earlier @> u.node_no)
        )
        or exists (
            select 1
            from hiersync.reporting_line l
            join hiersync_internal.frontier o on o.source_id = $1 and o.parent_key = l.manager_id::text and o.walk_id = $2
            where l.source_id = $1 and l.user_id = i.id and l.manager_id <> $3 and l.retired_at is null and (o.seen @> u.node_no or o.seen_earlier @> u.node_no)
        )
        or exists (select 1 from hiersync_internal.root r where r.source_id = $1 and r.row_walk_id = $2 and r.node_key = i.id::text)
    ) as "counted!",
    p.id is not null as "has_children!"
from unnest($4::uuid[]) with ordinality as i (id, ord)
left join lateral (
    select k.node_no, k.digest, k.auto_update_time, k.retired_at from hiersync.reporting_user k
    where k.source_id = $1 and k.user_id = i.id
    limit 1
) u on true
left join hiersync_internal.frontier f on f.source_id = $1 and f.parent_key = $3::uuid::text and f.walk_id = $2
left join (
    select distinct l.manager_id as id from hiersync.reporting_line l
    where l.source_id = $1 and l.manager_id = any ($4) and l.retired_at is null
) p on p.id = i.id
order by i.ord
