-- What a trade changed: ends and counts, batches that are no more or that no window remembers, and the purchase.
with changed as (
    update hiersync_internal.budget_ledger l set calls = c.calls, ended_at = c.ended_at
    from unnest($2::bigint[], $3::int[], $4::timestamptz[]) as c (batch_id, calls, ended_at)
    where l.budget_id = $1 and l.batch_id = c.batch_id
), gone as (
    delete from hiersync_internal.budget_ledger
    where budget_id = $1 and (batch_id = any($5) or (ended_at < $6 and batch_id <> all($2)))
)
insert into hiersync_internal.budget_ledger (budget_id, process_id, calls, bought_at, ended_at, buyer_boot, buyer_uptime_s)
select $1, $7, b.calls, $9, $10, $11, $12 from unnest($8::int[]) as b (calls)
returning batch_id, calls
