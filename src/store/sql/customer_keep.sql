-- Keeps customers as they stand before they are written over, whole: with profiles, identifiers and channels. Gives where the
-- next version begins: after this one began and was retired, wherever the clock has stepped to.
with old as (
    select
        c.*,
        c.valid_from as since,
        greatest($2, c.valid_from + interval '1 microsecond', c.retired_at + interval '1 microsecond') as until
    from hiersync.customer c
    where c.source_id = $1 and c.customer_id = any ($3)
), profiles as (
    insert into hiersync.customer_profile_history (
        source_id, customer_id, profile_no, profile_source, account_id, first_name, last_name, auto_update_time, fields,
        valid_from, valid_to
    )
    select
        p.source_id, p.customer_id, p.profile_no, p.profile_source, p.account_id, p.first_name, p.last_name, p.auto_update_time,
        p.fields, o.since, o.until
    from hiersync.customer_profile p join old o using (customer_id)
    where p.source_id = $1 and p.customer_id = any ($3)
), identifiers as (
    insert into hiersync.customer_identifier_history (
        source_id, customer_id, profile_no, identifier_no, type, value, valid_from, valid_to
    )
    select p.source_id, p.customer_id, p.profile_no, p.identifier_no, p.type, p.value, o.since, o.until
    from hiersync.customer_identifier p join old o using (customer_id)
    where p.source_id = $1 and p.customer_id = any ($3)
), channels as (
    insert into hiersync.customer_channel_history (
        source_id, customer_id, profile_no, channel_no, type, value, is_primary, is_verified, meta, attributes, valid_from,
        valid_to
    )
    select
        p.source_id, p.customer_id, p.profile_no, p.channel_no, p.type, p.value, p.is_primary, p.is_verified, p.meta, p.attributes,
        o.since, o.until
    from hiersync.customer_channel p join old o using (customer_id)
    where p.source_id = $1 and p.customer_id = any ($3)
)
insert into hiersync.customer_history (
    source_id, customer_id, node_no, digest, first_name, last_name, email, mobile, external_id, account_id, profile_source,
    role_code, no_of_children, default_child, created_at, auto_update_time, extended_fields, extra, is_placeholder,
    first_seen_at, changed_at, retired_at, retired_walk_id, valid_from, valid_to
)
select
    o.source_id, o.customer_id, o.node_no, o.digest, o.first_name, o.last_name, o.email, o.mobile, o.external_id,
    o.account_id, o.profile_source, o.role_code, o.no_of_children, o.default_child, o.created_at, o.auto_update_time,
    o.extended_fields, o.extra, o.is_placeholder, o.first_seen_at, o.changed_at, o.retired_at, o.retired_walk_id, o.since,
    o.until
from old o
returning customer_id, valid_to
