-- How many rows the published tables hold.
select name as "name!", rows as "rows!"
from (
    select 1 as place, 'customer' as name, count(*) as rows from hiersync.customer
    union all select 2, 'customer_profile', count(*) from hiersync.customer_profile
    union all select 3, 'customer_identifier', count(*) from hiersync.customer_identifier
    union all select 4, 'customer_channel', count(*) from hiersync.customer_channel
    union all select 5, 'customer_link', count(*) from hiersync.customer_link
    union all select 6, 'reporting_user', count(*) from hiersync.reporting_user
    union all select 7, 'reporting_line', count(*) from hiersync.reporting_line
    union all select 8, 'change', count(*) from hiersync.change
    union all select 9, 'finding', count(*) from hiersync.finding
    union all select 10, 'sync_run', count(*) from hiersync.sync_run
    union all select 11, 'customer_history', count(*) from hiersync.customer_history
    union all select 12, 'customer_profile_history', count(*) from hiersync.customer_profile_history
    union all select 13, 'customer_identifier_history', count(*) from hiersync.customer_identifier_history
    union all select 14, 'customer_channel_history', count(*) from hiersync.customer_channel_history
    union all select 15, 'customer_link_history', count(*) from hiersync.customer_link_history
    union all select 16, 'reporting_user_history', count(*) from hiersync.reporting_user_history
    union all select 17, 'reporting_line_history', count(*) from hiersync.reporting_line_history
) t
order by place
