-- Lines to which the walk's lists, each holding everybody below, lead and that are not live. In a walk that is not complete
-- ($3 is false) a user keeps the last line: the manager's own list may not have been read, and the next one above would be taken.
select d.manager_id as "manager_id!", d.user_id as "user_id!"
from hiersync.lines_of_walk($1, $2, $3) d
where not exists (
    select 1 from hiersync.reporting_line l
    where l.source_id = $1 and l.user_id = d.user_id and l.retired_at is null and (l.manager_id = d.manager_id or not $3)
)
