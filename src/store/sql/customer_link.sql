-- Makes sure that links live; gives those that are new and those that are back.
insert into hiersync.customer_link as l (source_id, parent_id, child_id, first_seen_at)
select distinct $1::int, n.parent_id, n.child_id, $2::timestamptz from unnest($3::bigint[], $4::bigint[]) as n (parent_id, child_id)
on conflict (source_id, parent_id, child_id) do update set retired_at = null where l.retired_at is not null
returning parent_id, child_id, (xmax = 0) as "is_new!"
