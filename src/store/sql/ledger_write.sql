-- What a trade changed: ends and counts, batches that are no more or that no window remembers, and the purchase, which takes their places.
with changed as (
    update hiersync_internal.budget_ledger l set calls = c.calls, ended_at = c.ended_at
    from unnest($2::bigint[], $3::int[], $4::timestamptz[]) as c (batch_id, calls, ended_at)
    where l.budget_id = $1 and l.batch_id = c.batch_id
), bought as (
    select b.calls, b.place from unnest($8::int[]) with ordinality as b (calls, place)
), over as (
    select slot_no, row_number() over (order by slot_no) as place from hiersync_internal.budget_ledger
    where budget_id = $1 and (batch_id = any($5) or (ended_at < $6 and batch_id <> all($2)))
), gone as (
    delete from hiersync_internal.budget_ledger l using over o
    where l.budget_id = $1 and l.slot_no = o.slot_no and not exists (select from bought b where b.place = o.place)
), again as (
    update hiersync_internal.budget_ledger l
    set process_id = $7, calls = b.calls, buyer_boot = $11, batch_id = default, bought_at = $9, ended_at = $10, buyer_uptime_s = $12
    from over o join bought b using (place)
    where l.budget_id = $1 and l.slot_no = o.slot_no
    returning l.batch_id, l.calls
), new as (
    insert into hiersync_internal.budget_ledger (budget_id, process_id, calls, bought_at, ended_at, buyer_boot, buyer_uptime_s)
    select $1, $7, b.calls, $9, $10, $11, $12 from bought b where not exists (select from over o where o.place = b.place)
    returning batch_id, calls
)
select batch_id as "batch_id!", calls as "calls!" from again union all select batch_id, calls from new
