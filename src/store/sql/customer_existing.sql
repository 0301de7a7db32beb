-- What is known of a page's rows, in their order.
-- Rows are looked up one by one, which `limit 1` says, or by the page's ids: the tables grow a thousandfold within one run, and
-- by what the planner knows of them it would rather read a whole table, or the whole of a long list, for every page.
select
    c.node_no as "node_no?",
    c.digest as "digest?",
    c.auto_update_time as "auto_update_time?",
    coalesce(c.retired_at is not null, false) as "retired!",
    (
        select true from hiersync.customer_link l
        where l.source_id = $1 and l.parent_id = $3 and l.child_id = i.id and l.retired_at is null
        limit 1
    ) is not null as "linked!",
    coalesce(f.seen @> c.node_no, false) as "shown!",
    coalesce(f.seen_earlier @> c.node_no, false) as "shown_earlier!",
    -- Counted once per walk: seen in this list, in the list of another parent, or as a root.
    (
        coalesce(f.seen @> c.node_no or f.seen_earlier @> c.node_no, false)
        or exists (
            select 1
            from hiersync.customer_link l
            join hiersync_internal.frontier o on o.source_id = $1 and o.parent_key = l.parent_id::text and o.walk_id = $2
            where l.source_id = $1 and l.child_id = i.id and l.parent_id <> $3 and l.retired_at is null and (o.seen @> c.node_no or o.seen_earlier @> c.node_no)
        )
        or exists (select 1 from hiersync_internal.root r where r.source_id = $1 and r.row_walk_id = $2 and r.node_key = i.id::text)
    ) as "counted!",
    p.id is not null as "has_children!"
from unnest($4::bigint[]) with ordinality as i (id, ord)
left join lateral (
    select k.node_no, k.digest, k.auto_update_time, k.retired_at from hiersync.customer k
    where k.source_id = $1 and k.customer_id = i.id
    limit 1
) c on true
left join hiersync_internal.frontier f on f.source_id = $1 and f.parent_key = $3::bigint::text and f.walk_id = $2
left join (
    select distinct l.parent_id as id from hiersync.customer_link l
    where l.source_id = $1 and l.parent_id = any ($4) and l.retired_at is null
) p on p.id = i.id
order by i.ord
