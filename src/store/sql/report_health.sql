-- Every source's health, with its live nodes: those that the last closed walk left, and what later ones have made of them.
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
    h.is_configured as "is_configured!",
    h.paused_at,
    coalesce(closed.live_nodes, 0) + coalesce(since.nodes, 0) as "live_nodes!"
from hiersync.source_health h
left join lateral (
    select w.walk_id, w.live_nodes, w.finished_at from hiersync_internal.walk w
    where w.source_id = h.source_id and w.live_nodes is not null
    order by w.walk_id desc limit 1
) closed on true
left join lateral (
    select sum(r.inserted + r.restored - r.retired)::bigint as nodes from hiersync.sync_run r
    where r.source_id = h.source_id and r.walk_id >= coalesce(closed.walk_id, 1)
        and (r.walk_id is distinct from closed.walk_id or r.is_refresh and r.started_at > closed.finished_at)
) since on true
order by h.name
