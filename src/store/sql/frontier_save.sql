-- Writes where a list stands after a page: how far it is, what it has become, and which nodes count as shown by it ($7); those of the page are numbered from $6 on, in runs so long ($10).
update hiersync_internal.frontier f
set
    -- Only such lists are gone on with.
    pass = case when $5 in ('queued', 'doubtful') or $8::int is not null then $4::jsonb else '{}' end,
    state = $5,
    last_page = $8,
    attempts = f.attempts + ($7 in ('by_next_pass', 'by_next_pass_alone'))::int,
    is_recounted = false,
    seen = case $7 when 'by_pass' then f.seen + p.numbers when 'together' then f.seen + f.seen_earlier + p.numbers else '{}' end,
    seen_earlier = case $7
        when 'by_next_pass' then f.seen_earlier + f.seen + p.numbers
        when 'by_next_pass_alone' then f.seen + p.numbers
        when 'nobody' then '{}'
        else f.seen_earlier
    end
from (
    select coalesce(range_agg(int4range(r.start, r.start + r.length)), '{}') as numbers from unnest($6::int[], $10::int[]) as r (start, length)
) p
where f.source_id = $1 and f.walk_id = $2 and f.parent_key = $3 and f.ask_value is not distinct from $9::text
  and f.state <> 'given_up'
