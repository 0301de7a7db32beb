-- One node of a source by the text of its id, of either vendor.
select
    s.name as "source!",
    case when c.customer_id is not null then 'customer' else 'reporting_user' end as "entity!",
    coalesce(c.customer_id::text, u.user_id::text) as "key!",
    coalesce(nullif(concat_ws(' ', nullif(c.first_name, ''), nullif(c.last_name, '')), ''), nullif(u.name, '')) as name,
    coalesce(c.email, u.email) as email,
    coalesce(c.mobile, u.mobile) as mobile,
    c.external_id as "external_id?",
    u.is_active as "is_active?",
    coalesce(c.is_placeholder, u.is_placeholder) as "is_placeholder!",
    coalesce(c.auto_update_time, u.auto_update_time) as auto_update_time,
    coalesce(c.first_seen_at, u.first_seen_at) as "first_seen_at!",
    coalesce(c.changed_at, u.changed_at) as "changed_at!",
    coalesce(c.retired_at, u.retired_at) as retired_at,
    coalesce(c.forgotten_at, u.forgotten_at) as forgotten_at,
    c.no_of_children as "no_of_children?",
    coalesce(cp.path::text[], up.path::text[]) as path,
    coalesce(cp.children, up.children) as children,
    coalesce(cp.descendants, up.descendants) as descendants,
    array(
        select l.parent_id::text from hiersync.customer_link l
        where l.source_id = s.source_id and l.child_id = c.customer_id and l.retired_at is null
        union all
        select l.manager_id::text from hiersync.reporting_line l
        where l.source_id = s.source_id and l.user_id = u.user_id and l.retired_at is null
    ) as "parents!",
    f.state as "list_state?",
    f.expected as "list_expected?",
    case when f.source_id is not null then (
        select coalesce(sum(upper(r.numbers) - lower(r.numbers)), 0)::bigint from unnest(f.seen) as r (numbers)
    ) end as list_shown,
    array(
        select h.valid_from from hiersync.customer_history h
        where h.source_id = s.source_id and h.customer_id = c.customer_id
        union all
        select h.valid_from from hiersync.reporting_user_history h
        where h.source_id = s.source_id and h.user_id = u.user_id
        union all
        select coalesce(c.valid_from, u.valid_from)
        order by 1 desc limit 20
    ) as "versions!"
from hiersync.source s
left join hiersync.customer c
    on c.source_id = s.source_id and c.customer_id = case when $2 ~ '^-?[0-9]{1,18}$' then $2::bigint end
left join hiersync.reporting_user u
    on u.source_id = s.source_id
    and u.user_id = case when $2 ~ '^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$' then $2::uuid end
left join hiersync.customer_place cp on cp.source_id = s.source_id and cp.customer_id = c.customer_id
left join hiersync.reporting_place up on up.source_id = s.source_id and up.user_id = u.user_id
left join hiersync_internal.frontier f on f.source_id = s.source_id and f.parent_key = $2
where s.name = $1 and (c.customer_id is not null or u.user_id is not null)
