-- Users, gone ones too. What changes without `changed_at` is not here: whether one is a root, or hangs on none, is said by the tree; the vendor's
-- stamp stands in the source.
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
    first_seen_at,
    changed_at,
    retired_at
from {{ source('hiersync_bi', 'reporting_user') }}
