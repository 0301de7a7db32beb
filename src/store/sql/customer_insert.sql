-- New customers, numbered from $3 in their order.
insert into hiersync.customer (
    source_id, first_seen_at, changed_at, valid_from, node_no, customer_id, digest, first_name, last_name, email, mobile, external_id,
    account_id, profile_source, role_code, no_of_children, default_child, created_at, auto_update_time, extended_fields, extra
)
select
    $1, $2, $2, $2, $3::int + n.ord::int - 1, n.id, n.digest, n.first_name, n.last_name, n.email, n.mobile, n.external_id,
    n.account_id, n.profile_source, n.role_code, n.no_of_children, n.default_child, n.created_at, n.stamp, n.extended_fields, n.extra
from unnest(
    $4::bigint[], $5::uuid[], $6::text[], $7::text[], $8::text[], $9::text[], $10::text[], $11::text[], $12::text[], $13::text[],
    $14::bigint[], $15::bool[], $16::timestamptz[], $17::timestamptz[], $18::jsonb[], $19::jsonb[]
) with ordinality as n (
    id, digest, first_name, last_name, email, mobile, external_id, account_id, profile_source, role_code,
    no_of_children, default_child, created_at, stamp, extended_fields, extra, ord
)
