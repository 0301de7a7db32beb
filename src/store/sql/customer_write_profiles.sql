-- Profiles, identifiers and channels of customers that have none. Each of the three has its key and then its own columns.
with profiles as (
    insert into hiersync.customer_profile (
        source_id, customer_id, profile_no, profile_source, account_id, first_name, last_name, auto_update_time, fields
    )
    select $1, * from unnest($2::bigint[], $3::int[], $4::text[], $5::text[], $6::text[], $7::text[], $8::timestamptz[], $9::jsonb[])
), identifiers as (
    insert into hiersync.customer_identifier (source_id, customer_id, profile_no, identifier_no, type, value)
    select $1, * from unnest($10::bigint[], $11::int[], $12::int[], $13::text[], $14::text[])
)
insert into hiersync.customer_channel (
    source_id, customer_id, profile_no, channel_no, type, value, is_primary, is_verified, meta, attributes
)
select $1, * from unnest(
    $15::bigint[], $16::int[], $17::int[], $18::text[], $19::text[], $20::bool[], $21::bool[], $22::jsonb[], $23::jsonb[]
)
