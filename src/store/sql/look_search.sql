-- Live and gone nodes of a source that somebody looks for: by id, and, where persons may be seen ($3), by an identifier's value. Where that
-- finds nobody, by the beginning of a name. By mobile and e-mail anyway, for which all nodes of the source are looked through.
with source as (
    select source_id from hiersync.source where name = $1
), exact as (
    (
        select c.customer_id::text as key, 0 as place from source s
        join hiersync.customer c on c.source_id = s.source_id and c.customer_id = case when $2 ~ '^-?[0-9]{1,18}$' then $2::bigint end
    )
    union all
    (
        select u.user_id::text, 0 from source s
        join hiersync.reporting_user u on u.source_id = s.source_id
            and u.user_id = case when lower($2) ~ '^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$' then $2::uuid end
    )
    union all
    (
        select i.customer_id::text, 1 from source s
        join hiersync.customer_identifier i on i.source_id = s.source_id
            and hashtextextended(i.value, 0) = hashtextextended($2, 0) and i.value = $2
        where $3
        limit $5
    )
), found as (
    select key, place from exact
    union all
    (
        select c.customer_id::text, 2 from source s
        join hiersync.customer c on c.source_id = s.source_id and (
            c.email = $2 or c.mobile = $2
            or not exists (select from exact) and (concat_ws(' ', c.first_name, c.last_name) ilike $4 or c.last_name ilike $4)
        )
        where $3
        limit $5
    )
    union all
    (
        select u.user_id::text, 2 from source s
        join hiersync.reporting_user u on u.source_id = s.source_id
            and (u.email = $2 or u.mobile = $2 or not exists (select from exact) and u.name ilike $4)
        where $3
        limit $5
    )
)
select key as "key!", min(place) as "place!" from found group by key order by min(place), key limit $5
