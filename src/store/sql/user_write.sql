-- Users that are new, that changed, that came back changed, or whose placeholder gets its data.
insert into hiersync.reporting_user as u (
    source_id, first_seen_at, changed_at, node_no, valid_from, user_id, digest, name, email, mobile, is_active, checked_in,
    auto_update_time, extra
)
select $1, $2, $2, n.* from unnest(
    $3::int[], $4::timestamptz[], $5::uuid[], $6::uuid[], $7::text[], $8::text[], $9::text[], $10::bool[], $11::bool[],
    $12::timestamptz[], $13::jsonb[]
) n
on conflict (source_id, user_id) do update
set (changed_at, valid_from, retired_at, retired_walk_id, is_placeholder, digest, name, email, mobile, is_active, checked_in,
    auto_update_time, extra)
= (excluded.changed_at, excluded.valid_from, null, null, false, excluded.digest, excluded.name, excluded.email, excluded.mobile,
    excluded.is_active, excluded.checked_in, excluded.auto_update_time, excluded.extra)
