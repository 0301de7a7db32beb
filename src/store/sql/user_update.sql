-- Users that changed, that came back changed, or whose placeholder gets its data.
update hiersync.reporting_user u
set
    changed_at = $2,
    valid_from = n.since,
    retired_at = null,
    retired_walk_id = null,
    is_placeholder = false,
    digest = n.digest,
    name = n.name,
    email = n.email,
    mobile = n.mobile,
    is_active = n.is_active,
    checked_in = n.checked_in,
    auto_update_time = n.stamp,
    extra = n.extra
from unnest(
    $3::uuid[], $4::uuid[], $5::text[], $6::text[], $7::text[], $8::bool[], $9::bool[], $10::timestamptz[], $11::jsonb[],
    $12::timestamptz[]
) as n (id, digest, name, email, mobile, is_active, checked_in, stamp, extra, since)
where u.source_id = $1 and u.user_id = n.id
