-- Live and gone nodes of a source that somebody looks for: by id, and, where persons may be seen ($3), by an identifier's value. Where that
-- finds nobody, by the beginning of a name. By mobile and e-mail anyway, for which all nodes of the source are looked through.
with source as (
    select source_id from hiersync.source where name = $1
), exact as (
    (
        select customer_id::text as key, 0 as place from hiersync.customer
        where source_id = (select source_id from source) and customer_id = case when $2 ~ '^-?[0-9]{1,18}$' then $2::bigint end
    )
    union all
    (
        select user_id::text, 0 from hiersync.reporting_user
        where source_id = (select source_id from source)
            and user_id = case when lower($2) ~ '^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$' then $2::uuid end
    )
    union all
    (
        select customer_id::text, 1 from hiersync.customer_identifier
        where $3 and source_id = (select source_id from source) and hashtextextended(value, 0) = hashtextextended($2, 0) and value = $2
        limit 50
    )
), found as (
    select key, place from exact
    union all
    (
        select customer_id::text, 2 from hiersync.customer
        where $3 and source_id = (select source_id from source) and (email = $2 or mobile = $2)
        limit 50
    )
    union all
    (
        select customer_id::text, 3 from hiersync.customer
        where $3 and not exists (select from exact) and source_id = (select source_id from source)
            and (concat_ws(' ', first_name, last_name) ilike $4 or last_name ilike $4)
        limit 50
    )
    union all
    (
        select user_id::text, 2 from hiersync.reporting_user
        where $3 and source_id = (select source_id from source) and (email = $2 or mobile = $2 or name ilike $4)
        limit 50
    )
)
select key as "key!", min(place) as "place!" from found group by key order by min(place), key limit 50
