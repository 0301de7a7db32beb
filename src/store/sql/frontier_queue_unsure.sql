-- Begins a round of readings of the lists that tell of users who are not sure yet; there are $3 rounds at most.
with unsure as materialized (
    select distinct l.list_key
    from (select u.list_key, bool_and(u.is_read) over (partition by u.user_no) as all_read from hiersync.unsure_lists($1, $2) u) l
    where l.all_read
), round as (
    select max(f.reading) + 1 as number from hiersync.frontier f where f.source_id = $1 and f.walk_id = $2
)
update hiersync.frontier f
set
    progress = '{}',
    state = 'queued',
    attempts = f.attempts + 1,
    reading = round.number,
    seen_first = coalesce(f.seen_first, f.seen),
    seen_before = f.seen,
    met = f.met + f.seen,
    seen = '{}'
from unsure, round
where f.source_id = $1 and f.walk_id = $2 and f.parent_key = unsure.list_key and f.state = 'read' and round.number <= $3
