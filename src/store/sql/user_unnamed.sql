-- Users below the roots, shown by a root's list, of whom nobody says who their manager is: by the search, by comparing lists, or by any
-- live line ($3: search, compared, lines).
select u.user_id as "user_id!"
from hiersync.reporting_user u
where u.source_id = $1
  and exists (
      -- Who has come since the first reading is not known to anybody yet.
      select 1 from hiersync_internal.frontier f
      where f.source_id = $1 and f.walk_id = $2 and f.depth = 0 and f.seen @> u.node_no
        and (isempty(f.seen_earlier) or f.seen_earlier @> u.node_no)
  )
  and not exists (
      select 1 from hiersync_internal.root r where r.source_id = $1 and r.walk_id = $2 and r.node_key = u.user_id::text
  )
  and case $3
      when 'search' then not exists (
          select 1 from hiersync_internal.frontier f
          where f.source_id = $1 and f.walk_id = $2 and f.parent_key = '*' and f.seen @> u.node_no
      ) and not exists (
          select from hiersync_internal.user_told($1, $2) t where t.child_id = u.user_id and t.parent_id is not null
      )
      when 'compared' then not exists (
          select 1 from hiersync_internal.compared_lines($1, $2) c where c.user_id = u.user_id
      )
      else not exists (
          select 1 from hiersync.reporting_line l where l.source_id = $1 and l.user_id = u.user_id and l.retired_at is null
      )
  end
order by 1
