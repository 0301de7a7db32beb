-- Everything about one budget: its state, the limits that the vendor stated, the calls that count, who waits, and the
-- last moment that this machine saw.
select clock_timestamp() as "now!", b.paused_until, b.paused_why, b.pace, b.paced_at, stated.windows as "windows!",
    stated.calls as "stated_calls!", spent.batches as "batches!", spent.calls as "calls!", spent.ends as "ends!",
    spent.machines as "machines!: Vec<Option<String>>", spent.pids as "pids!: Vec<Option<i32>>",
    spent.ticks as "ticks!: Vec<Option<i64>>", queue.processes as "processes!", queue.since as "since!",
    queue.wants as "wants!", queue.ask_by as "ask_by!", seen.bought_at as "seen_at?", seen.buyer_uptime_s as "seen_uptime?"
from hiersync_internal.budget b
cross join lateral (
    select coalesce(array_agg(window_ms), '{}') as windows, coalesce(array_agg(calls), '{}') as calls
    from hiersync_internal.budget_limit
    where budget_id = b.budget_id and origin = 'learned' and stated_at > clock_timestamp() - make_interval(secs => $3)
) stated
cross join lateral (
    -- Who makes the calls under way, if it is not ourselves: it may be dead.
    select coalesce(array_agg(l.batch_id), '{}') as batches, coalesce(array_agg(l.calls), '{}') as calls,
        coalesce(array_agg(l.ended_at), '{}') as ends, coalesce(array_agg(p.machine), '{}') as machines,
        coalesce(array_agg(p.pid), '{}') as pids, coalesce(array_agg(p.start_ticks), '{}') as ticks
    from hiersync_internal.budget_ledger l
    left join hiersync_internal.process p on p.process_id = l.process_id and l.process_id <> $2 and l.ended_at > clock_timestamp()
    where l.budget_id = b.budget_id
) spent
cross join lateral (
    select coalesce(array_agg(process_id), '{}') as processes, coalesce(array_agg(w.since), '{}') as since,
        coalesce(array_agg(w.wants), '{}') as wants, coalesce(array_agg(w.asks_again_by), '{}') as ask_by
    from hiersync_internal.budget_waiter w where w.budget_id = b.budget_id
) queue
left join lateral (
    select l.bought_at, l.buyer_uptime_s from hiersync_internal.budget_ledger l
    where l.budget_id = b.budget_id and l.buyer_boot = $4 order by l.batch_id desc limit 1
) seen on true
where b.budget_id = $1
