-- Customers that are new, that changed, that came back changed, or whose placeholder gets its data.
insert into hiersync.customer as c (
    source_id, first_seen_at, changed_at, node_no, valid_from, customer_id, digest, first_name, last_name, email, mobile,
    external_id, account_id, profile_source, role_code, no_of_children, default_child, created_at, auto_update_time,
    extended_fields, extra, text_digest
)
select $1, $2, $2, n.* from unnest(
    $3::int[], $4::timestamptz[], $5::bigint[], $6::uuid[], $7::text[], $8::text[], $9::text[], $10::text[], $11::text[], $12::text[],
    $13::text[], $14::text[], $15::bigint[], $16::bool[], $17::timestamptz[], $18::timestamptz[], $19::jsonb[], $20::jsonb[],
    $21::uuid[]
) n
on conflict (source_id, customer_id) do update
set (
    changed_at, valid_from, retired_at, retired_walk_id, is_placeholder, digest, first_name, last_name, email, mobile, external_id,
    account_id, profile_source, role_code, no_of_children, default_child, created_at, auto_update_time, extended_fields, extra, text_digest
) = (
    excluded.changed_at, excluded.valid_from, null, null, false, excluded.digest, excluded.first_name, excluded.last_name,
    excluded.email, excluded.mobile, excluded.external_id, excluded.account_id, excluded.profile_source, excluded.role_code,
    excluded.no_of_children, excluded.default_child, excluded.created_at, excluded.auto_update_time, excluded.extended_fields,
    excluded.extra, excluded.text_digest
)
