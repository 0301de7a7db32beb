-- Makes sure that links live; gives those that are new and those that are back. What was gone until now goes to the history,
-- looked up link by link; why, says `user_existing.sql`.
with shown as (
    select distinct n.manager_id, n.user_id from unnest($3::uuid[], $4::uuid[]) as n (manager_id, user_id)
), kept as (
    insert into hiersync.reporting_line_history (source_id, manager_id, user_id, first_seen_at, retired_at, valid_from, valid_to)
    select
        l.source_id, l.manager_id, l.user_id, l.first_seen_at, l.retired_at, l.valid_from,
        -- After it began and was retired, wherever the clock has stepped to.
        greatest($2, l.valid_from + interval '1 microsecond', l.retired_at + interval '1 microsecond')
    from shown s
    cross join lateral (
        select * from hiersync.reporting_line k
        where k.source_id = $1 and k.manager_id = s.manager_id and k.user_id = s.user_id
        limit 1
    ) l
    where l.retired_at is not null
    returning manager_id, user_id, valid_to
), back as (
    update hiersync.reporting_line l set retired_at = null, valid_from = k.valid_to
    from kept k
    where l.source_id = $1 and l.manager_id = k.manager_id and l.user_id = k.user_id
    returning l.manager_id, l.user_id
), fresh as (
    insert into hiersync.reporting_line (source_id, manager_id, user_id, first_seen_at, valid_from)
    select $1::int, s.manager_id, s.user_id, $2::timestamptz, $2 from shown s
    on conflict (source_id, manager_id, user_id) do nothing
    returning manager_id, user_id
)
select manager_id as "manager_id!", user_id as "user_id!", true as "is_new!" from fresh
union all
select manager_id, user_id, false from back
