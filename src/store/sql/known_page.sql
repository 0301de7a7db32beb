-- A page of a list ($3) as it is known, whom of it the walk has shown already, and the roots on it, which are to be looked up.
select k.digest, k.starts, k.lengths,
    array(select generate_series(lower(r), upper(r) - 1) from unnest(f.seen * k.numbers) r) as "shown!",
    array(select generate_series(lower(r), upper(r) - 1) from unnest(f.seen_earlier * k.numbers) r) as "shown_earlier!",
    array(
        select c.node_no
        from hiersync_internal.root r
        cross join lateral (select n.node_no from hiersync.customer n where n.source_id = $1 and n.customer_id = r.node_key::bigint limit 1) c
        where r.source_id = $1 and k.numbers @> c.node_no
    ) as "roots!"
from hiersync_internal.known_page k
left join hiersync_internal.frontier f on f.source_id = $1 and f.parent_key = $3::bigint::text and f.walk_id = $2
where k.source_id = $1 and k.parent_id = $3 and k.place = $4
