-- Live nodes, where the walk ($2), proven whole, leaves a source's tree as the last complete one did: nothing has changed since, the roots are
-- the same, no node has two parents, each that the walk has shown stood where it was shown, and these are as many as there are links.
with tops as materialized (
    select array(select t.id from hiersync_internal.tops_of_customer($1, $2) t order by t.id) as ids
), shown as (
    select coalesce(sum(upper(r.numbers) - lower(r.numbers)), 0) as links
    from hiersync_internal.frontier f cross join lateral unnest(f.seen) as r (numbers)
    where f.source_id = $1 and f.walk_id = $2 and f.state = 'read'
), live as (
    select count(*) as links from hiersync.customer_link l where l.source_id = $1 and l.retired_at is null
)
select last.live_nodes
from hiersync_internal.settled s
join hiersync_internal.walk last on last.source_id = $1 and last.walk_id = s.walk_id and last.verdict = 'complete'
join hiersync_internal.walk this on this.source_id = $1 and this.walk_id = $2 and this.shape = last.shape and not this.has_newcomers
cross join tops t
where s.source_id = $1
  and not exists (
      -- Run by run, which the limit says: there are few since, and none of many changes is theirs.
      select from hiersync.sync_run r
      cross join lateral (select from hiersync.change g where g.source_id = $1 and g.run_id = r.run_id limit 1) g
      where r.source_id = $1 and (r.walk_id > last.walk_id or r.is_refresh and r.walk_id = last.walk_id)
  )
  and t.ids = array(select p.customer_id from hiersync.customer_place p where p.source_id = $1 and p.parent_id is null order by p.customer_id)
  and last.live_nodes = hiersync_internal.placed_of_customer($1)
  and last.live_nodes - cardinality(t.ids) = all (select s.links from shown s union all select l.links from live l)
