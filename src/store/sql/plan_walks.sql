-- What the last whole walk of each source came to, and how far the walk is that is open now.
select
    s.name as "source!",
    l.walk_id as "last_walk_id?",
    l.verdict as "verdict?",
    l.finished_at as "ended_at?",
    coalesce(r.calls, 0) as "calls!",
    coalesce(r.nodes, 0) as "nodes!",
    coalesce(r.fetch_ms, 0) as "fetch_ms!",
    coalesce(r.work_ms, 0) as "work_ms!",
    o.walk_id as "open_walk_id?",
    coalesce(m.calls, 0) as "made!",
    -- Looked through only for who walks: there may be a thousand sources, and one of them may hold most of all lists.
    case when o.walk_id is null then 0 else (
        select count(*) from hiersync_internal.frontier f where f.source_id = s.source_id and f.walk_id = o.walk_id and f.state = 'queued'
    ) end as "queued!",
    case when o.walk_id is null then 0 else (
        select count(*) from hiersync_internal.root t where t.source_id = s.source_id and t.walk_id = o.walk_id
    ) end as "resolved!",
    s.paused_at is not null as "is_paused!"
from hiersync.source s
-- A complete walk tells more than a later one that was not; a superseded one ended before its lists did. Each is looked for from the
-- latest on, and the second only where there is no first. `limit` keeps one source's walks from being read for another's.
left join lateral (
    select w.walk_id, w.verdict, w.finished_at
    from hiersync_internal.walk w
    where w.source_id = s.source_id and w.walk_id = coalesce(
        (select max(c.walk_id) from hiersync_internal.walk c where c.source_id = s.source_id and c.verdict = 'complete'),
        (select max(p.walk_id) from hiersync_internal.walk p where p.source_id = s.source_id and p.verdict = 'partial')
    )
    limit 1
) l on true
left join lateral (
    select
        sum(requests)::bigint as calls,
        sum(inserted + updated + unchanged + restored)::bigint as nodes,
        sum(fetch_ms)::bigint as fetch_ms,
        sum(greatest(extract(epoch from finished_at - started_at) * 1000 - wait_ms, 0))::bigint as work_ms
    from hiersync.sync_run
    where source_id = s.source_id and walk_id = l.walk_id and not is_refresh
) r on true
-- Only the latest can be open.
left join lateral (
    select w.walk_id, w.finished_at from hiersync_internal.walk w where w.source_id = s.source_id order by w.walk_id desc limit 1
) latest on true
left join lateral (select latest.walk_id where latest.finished_at is null) o on true
left join lateral (
    select sum(requests)::bigint as calls from hiersync.sync_run where source_id = s.source_id and walk_id = o.walk_id and not is_refresh
) m on true
where $1::text[] is null or s.name = any($1)
order by s.name
