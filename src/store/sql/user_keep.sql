-- Keeps users as they stand before they are written over. Gives where the next version begins: after this one began and was
-- retired, wherever the clock has stepped to.
insert into hiersync.reporting_user_history (
    source_id, user_id, node_no, digest, name, email, mobile, is_active, checked_in, auto_update_time, extra,
    is_placeholder, first_seen_at, changed_at, retired_at, retired_walk_id, valid_from, valid_to
)
select
    u.source_id, u.user_id, u.node_no, u.digest, u.name, u.email, u.mobile, u.is_active, u.checked_in, u.auto_update_time,
    u.extra, u.is_placeholder, u.first_seen_at, u.changed_at, u.retired_at, u.retired_walk_id,
    u.valid_from,
    greatest($2, u.valid_from + interval '1 microsecond', u.retired_at + interval '1 microsecond')
from hiersync.reporting_user u
where u.source_id = $1 and u.user_id = any ($3)
returning user_id, valid_to
