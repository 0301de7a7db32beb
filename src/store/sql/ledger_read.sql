-- What still counts. For calls under way also who makes them.
select l.batch_id, l.process_id, l.calls, l.ended_at, p.machine as "machine?", p.pid as "pid?", p.start_ticks as "start_ticks?"
from hiersync.budget_ledger l
left join hiersync.process p on p.process_id = l.process_id and l.ended_at > $3
where l.budget_id = $1 and l.ended_at >= $2
