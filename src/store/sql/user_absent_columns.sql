-- Which of these columns have a value of no live user, where there are any: some vendors send null for a name that they do not know.
select c.name as "name!"
from unnest($2::text[]) as c (name)
where exists (
    select from hiersync.reporting_user u where u.source_id = $1 and u.retired_at is null and not u.is_placeholder
)
and not exists (
    select from hiersync.reporting_user u
    where u.source_id = $1 and u.retired_at is null
      and (
          exists (select from jsonb_each(u.extra) as k (name, value) where lower(k.name) = lower(c.name) and k.value <> 'null')
          or lower(c.name) = 'modifiedon' and u.auto_update_time is not null
      )
)
