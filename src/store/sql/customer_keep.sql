-- Keeps customers as they stand before they are written over, whole: with profiles, identifiers and channels. The columns of a history
-- table are those of its table, in their order, behind the times.
with old as (
    select c.customer_id, c.valid_from as since,
        greatest($2, c.valid_from + interval '1 microsecond', c.retired_at + interval '1 microsecond') as until
    from hiersync.customer c
    where c.source_id = $1 and c.customer_id = any ($3)
), profiles as (
    insert into hiersync.customer_profile_history
    select o.since, o.until, p.* from hiersync.customer_profile p join old o using (customer_id)
    where p.source_id = $1 and p.customer_id = any ($3)
), identifiers as (
    insert into hiersync.customer_identifier_history
    select o.since, o.until, p.* from hiersync.customer_identifier p join old o using (customer_id)
    where p.source_id = $1 and p.customer_id = any ($3)
), channels as (
    insert into hiersync.customer_channel_history
    select o.since, o.until, p.* from hiersync.customer_channel p join old o using (customer_id)
    where p.source_id = $1 and p.customer_id = any ($3)
)
insert into hiersync.customer_history
select o.until, c.* from hiersync.customer c join old o using (customer_id)
where c.source_id = $1 and c.customer_id = any ($3)
returning customer_id, valid_to
