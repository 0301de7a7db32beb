-- New users, numbered from $3 in their order.
insert into hiersync.reporting_user (
    source_id, first_seen_at, changed_at, valid_from, node_no, user_id, digest, name, email, mobile, is_active, checked_in,
    auto_update_time, extra
)
select
    $1, $2, $2, $2, $3::int + n.ord::int - 1, n.id, n.digest, n.name, n.email, n.mobile, n.is_active, n.checked_in, n.stamp, n.extra
from unnest(
    $4::uuid[], $5::uuid[], $6::text[], $7::text[], $8::text[], $9::bool[], $10::bool[], $11::timestamptz[], $12::jsonb[]
) with ordinality as n (id, digest, name, email, mobile, is_active, checked_in, stamp, extra, ord)
