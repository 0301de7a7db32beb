-- Customers that changed, that came back changed, or whose placeholder gets its data.
update hiersync.customer c
set
    changed_at = $2,
    valid_from = n.since,
    retired_at = null,
    retired_walk_id = null,
    is_placeholder = false,
    digest = n.digest,
    first_name = n.first_name,
    last_name = n.last_name,
    email = n.email,
    mobile = n.mobile,
    external_id = n.external_id,
    account_id = n.account_id,
    profile_source = n.profile_source,
    role_code = n.role_code,
    no_of_children = n.no_of_children,
    default_child = n.default_child,
    created_at = n.created_at,
    auto_update_time = n.stamp,
    extended_fields = n.extended_fields,
    extra = n.extra
from unnest(
    $3::bigint[], $4::uuid[], $5::text[], $6::text[], $7::text[], $8::text[], $9::text[], $10::text[], $11::text[], $12::text[],
    $13::bigint[], $14::bool[], $15::timestamptz[], $16::timestamptz[], $17::jsonb[], $18::jsonb[],
    $19::timestamptz[]
) as n (
    id, digest, first_name, last_name, email, mobile, external_id, account_id, profile_source, role_code,
    no_of_children, default_child, created_at, stamp, extended_fields, extra, since
)
where c.source_id = $1 and c.customer_id = n.id
