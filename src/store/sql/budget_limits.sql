-- A budget's configured limits, as they are in the configuration now; nothing is written when they are the same.
with gone as (
    delete from hiersync_internal.budget_limit
    where budget_id = $1 and origin = 'configured' and window_ms <> all($2)
)
insert into hiersync_internal.budget_limit as l (budget_id, origin, window_ms, calls)
select $1, 'configured', c.window_ms, c.calls from unnest($2::bigint[], $3::int[]) as c (window_ms, calls)
on conflict (budget_id, origin, window_ms)
do update set calls = excluded.calls, stated_at = excluded.stated_at where l.calls <> excluded.calls
