-- Buys permits, and forgets what no window remembers.
with forgotten as (
    delete from hiersync.budget_ledger where budget_id = $1 and ended_at < $6
)
insert into hiersync.budget_ledger (budget_id, process_id, calls, bought_at, ended_at)
values ($1, $2, $3, $4, $5)
returning batch_id
