-- Makes sure that links live; gives those that are new and those that are back.
insert into hiersync.reporting_line as l (source_id, manager_id, user_id, first_seen_at)
select distinct $1::int, n.manager_id, n.user_id, $2::timestamptz from unnest($3::uuid[], $4::uuid[]) as n (manager_id, user_id)
on conflict (source_id, manager_id, user_id) do update set retired_at = null where l.retired_at is not null
returning manager_id, user_id, (xmax = 0) as "is_new!"
