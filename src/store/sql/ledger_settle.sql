-- Permits that were used: their calls end when the last of them ended, told as seconds ago.
-- Permits that were not used are given back.
with settled as (
    select * from unnest($2::bigint[], $3::int[], $4::float8[]) as s (batch_id, used, ago)
), returned as (
    delete from hiersync.budget_ledger l using settled s
    where l.budget_id = $1 and l.batch_id = s.batch_id and s.used = 0
)
update hiersync.budget_ledger l
set calls = s.used, ended_at = least(l.ended_at, clock_timestamp() - make_interval(secs => s.ago))
from settled s
where l.budget_id = $1 and l.batch_id = s.batch_id and s.used > 0
