-- What is known of rows of the directory, in their order. Each is looked up by itself; why, says `Nodes::existing`.
select
    u.node_no as "node_no?",
    u.digest as "digest?",
    u.auto_update_time as "auto_update_time?",
    coalesce(u.user_id is not null and u.retired_at is null, false) as "live!",
    coalesce(u.forgotten_at is not null, false) as "forgotten!",
    root.is_it as "is_root!",
    -- Whether its manager ($4) is somebody of the tree.
    root.is_it and exists (
        select from hiersync.reporting_user k where k.source_id = $1 and k.user_id = i.manager_id and k.retired_at is null
    ) as "is_below_another!",
    exists (
        select 1 from hiersync_internal.frontier f
        where f.source_id = $1 and f.walk_id = $2 and f.parent_key = '*'
          and (
              f.seen @> u.node_no or f.seen_earlier @> u.node_no or f.seen @> s.node_no or f.seen_earlier @> s.node_no
              or s.walk_id = f.walk_id
          )
    ) as "shown!",
    coalesce(s.walk_id = $2, false) as "staged!",
    s.node_no as "outside_no?",
    s.digest as "outside_digest?",
    s.manager_id as "outside_manager?",
    array(
        select l.manager_id from hiersync.reporting_line l
        where l.source_id = $1 and l.user_id = i.id and l.retired_at is null
    ) as "managers!"
from unnest($3::uuid[], $4::uuid[]) with ordinality as i (id, manager_id, ord)
cross join lateral (
    select exists (select from hiersync_internal.root r where r.source_id = $1 and r.walk_id = $2 and r.node_key = i.id::text) as is_it
) root
left join lateral (
    select k.user_id, k.node_no, k.digest, k.auto_update_time, k.retired_at, k.forgotten_at from hiersync.reporting_user k
    where k.source_id = $1 and k.user_id = i.id
    limit 1
) u on true
left join lateral (
    select k.walk_id, k.node_no, k.digest, k.manager_id from hiersync_internal.staged_user k where k.source_id = $1 and k.user_id = i.id limit 1
) s on true
order by i.ord
