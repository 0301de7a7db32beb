-- Makes sure that links live; gives those that are new and those that are back. What was gone until now goes to the history,
-- looked up link by link; why, says `customer_existing.sql`.
with shown as (
    select distinct n.parent_id, n.child_id from unnest($3::bigint[], $4::bigint[]) as n (parent_id, child_id)
), kept as (
    insert into hiersync.customer_link_history (source_id, parent_id, child_id, first_seen_at, retired_at, valid_from, valid_to)
    select
        l.source_id, l.parent_id, l.child_id, l.first_seen_at, l.retired_at, l.valid_from,
        -- After it began and was retired, wherever the clock has stepped to.
        greatest($2, l.valid_from + interval '1 microsecond', l.retired_at + interval '1 microsecond')
    from shown s
    cross join lateral (
        select * from hiersync.customer_link k
        where k.source_id = $1 and k.parent_id = s.parent_id and k.child_id = s.child_id
        limit 1
    ) l
    where l.retired_at is not null
    returning parent_id, child_id, valid_to
), back as (
    update hiersync.customer_link l set retired_at = null, valid_from = k.valid_to
    from kept k
    where l.source_id = $1 and l.parent_id = k.parent_id and l.child_id = k.child_id
    returning l.parent_id, l.child_id
), fresh as (
    insert into hiersync.customer_link (source_id, parent_id, child_id, first_seen_at, valid_from)
    select $1::int, s.parent_id, s.child_id, $2::timestamptz, $2 from shown s
    on conflict (source_id, parent_id, child_id) do nothing
    returning parent_id, child_id
)
select parent_id as "parent_id!", child_id as "child_id!", true as "is_new!" from fresh
union all
select parent_id, child_id, false from back
