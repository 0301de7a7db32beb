-- Users of whom all lists that tell have said the same in two rounds, as those who report to one; asked only after a second round.
with around as materialized (
    select l.manager_no, l.user_no, bool_and(l.is_same) as is_sure
    from hiersync.unsure_lists($1, $2) l
    where exists (select 1 from hiersync.frontier f where f.source_id = $1 and f.walk_id = $2 and f.reading > 0)
    group by l.manager_no, l.user_no
), sure as (
    select m.user_id::text as parent_key, range_agg(int4range(a.user_no, a.user_no, '[]')) as users
    from around a
    join hiersync.reporting_user m on m.source_id = $1 and m.node_no = a.manager_no
    where a.is_sure
    group by m.user_id
)
update hiersync.frontier f
set reports = coalesce(f.reports, '{}') + sure.users
from sure
where f.source_id = $1 and f.walk_id = $2 and f.parent_key = sure.parent_key
