-- How the latest runs of each source went, of the last twenty that have ended. A refresh tells nothing of it.
select
    s.name as "source!",
    l.last_run_s::float8 as "last_run_s?",
    coalesce(l.failures, 0) as "failures!",
    exists (
        select from hiersync.finding f where f.source_id = s.source_id and f.kind = 'retire_guard' and f.resolved_at is null
    ) as "is_guarded!"
from hiersync.source s
left join lateral (
    select
        max(r.took) filter (where r.place = 1) as last_run_s,
        coalesce(min(r.place) filter (where r.outcome not in ('failed', 'abandoned')) - 1, count(*)) as failures
    from (
        select r.outcome, extract(epoch from r.finished_at - r.started_at) as took, row_number() over (order by r.run_id desc) as place
        from hiersync.sync_run r
        where r.source_id = s.source_id and r.outcome is not null and not r.is_refresh
        order by r.run_id desc limit 20
    ) r
) l on true
