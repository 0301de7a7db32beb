-- Resolves, at the end of a walk that is not complete, what it would have seen again: about a list that it has read, a node that it
-- has shown, and what is worked out anew at every end.
with shown as materialized (
    select range_agg(r.numbers) as numbers
    from hiersync_internal.frontier f cross join lateral unnest(f.seen) as r (numbers)
    where f.source_id = $1 and f.walk_id = $2
), old as materialized (
    select f.finding_id, f.kind, f.key
    from hiersync.finding f
    where f.source_id = $1 and f.resolved_at is null and f.walk_id <> $2
), about_nodes as (
    select o.finding_id, c.node_no
    from old o
    join hiersync.customer c on c.source_id = $1 and c.customer_id = case when o.key ~ '^-?[0-9]{1,18}$' then o.key::bigint end
    where o.kind = any ($4)
    union all
    select o.finding_id, u.node_no
    from old o
    join hiersync.reporting_user u on u.source_id = $1 and u.user_id = case when o.key ~ '^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$' then o.key::uuid end
    where o.kind = any ($4)
)
update hiersync.finding f
set resolved_at = clock_timestamp()
where f.source_id = $1 and f.finding_id in (
    select n.finding_id from about_nodes n join shown s on s.numbers @> n.node_no
    union all
    select o.finding_id
    from old o
    join hiersync_internal.frontier l on l.source_id = $1 and l.walk_id = $2 and l.parent_key = split_part(o.key, ' ', 1)
    where o.kind = any ($3)
      and (l.state = 'read' or (o.kind = 'bad_row' and exists (
          select 1 from hiersync.finding too
          where too.source_id = $1 and too.walk_id = $2 and too.kind = 'list_unreadable' and too.key = l.parent_key and too.resolved_at is null
      )))
    union all
    select o.finding_id from old o where o.kind = any ($5)
)
