-- Users, gone ones too. Whether one is a root, or hangs on none, is said by the tree: that changes without its `changed_at`.
select
    user_key,
    source,
    user_id,
    is_live,
    is_placeholder,
    is_forgotten,
    is_active,
    checked_in,
    role,
    team_id,
    groups,
    has_email,
    has_mobile,
    auto_update_time,
    first_seen_at,
    changed_at,
    retired_at
from {{ source('hiersync_bi', 'reporting_user') }}
