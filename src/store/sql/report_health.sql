-- Every source's health, with its live nodes.
select
    h.name as "name!",
    h.vendor as "vendor!",
    h.last_complete_at,
    extract(epoch from h.staleness)::float8 as staleness_s,
    h.last_outcome,
    h.last_started_at,
    h.last_error,
    h.resume_at,
    h.open_findings as "open_findings!",
    (
        (select count(*) from hiersync.customer c where c.source_id = h.source_id and c.retired_at is null)
        + (select count(*) from hiersync.reporting_user u where u.source_id = h.source_id and u.retired_at is null)
    ) as "live_nodes!"
from hiersync.source_health h
order by h.name
