-- Live and gone nodes of a source that somebody looks for: by id, and, where persons may be seen ($3), by mobile, e-mail, an identifier's
-- value, or the beginning of a name.
with found as (
    (
        select c.customer_id::text as key, 'customer' as entity, 0 as place
        from hiersync.source s
        join hiersync.customer c
            on c.source_id = s.source_id and c.customer_id = case when $2 ~ '^-?[0-9]{1,18}$' then $2::bigint end
        where s.name = $1
    )
    union all
    (
        select u.user_id::text, 'reporting_user', 0
        from hiersync.source s
        join hiersync.reporting_user u
            on u.source_id = s.source_id
            and u.user_id = case when lower($2) ~ '^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$' then $2::uuid end
        where s.name = $1
    )
    union all
    (
        select i.customer_id::text, 'customer', 1
        from hiersync.source s
        join hiersync.customer_identifier i
            on i.source_id = s.source_id and hashtextextended(i.value, 0) = hashtextextended($2, 0) and i.value = $2
        where s.name = $1 and $3
        limit 50
    )
    union all
    (
        select c.customer_id::text, 'customer', 2
        from hiersync.source s
        join hiersync.customer c on c.source_id = s.source_id and (
            c.email = $2 or c.mobile = $2 or concat_ws(' ', c.first_name, c.last_name) ilike $4 or c.last_name ilike $4
        )
        where s.name = $1 and $3
        limit 50
    )
    union all
    (
        select u.user_id::text, 'reporting_user', 2
        from hiersync.source s
        join hiersync.reporting_user u on u.source_id = s.source_id and (u.email = $2 or u.mobile = $2 or u.name ilike $4)
        where s.name = $1 and $3
        limit 50
    )
)
select key as "key!", min(place) as "place!" from found group by key order by min(place), key limit 50
