-- Customers, gone ones too. Whether one is a root, or hangs on none, is said by the tree: that changes without its `changed_at`.
select
    customer_key,
    source,
    customer_id,
    is_live,
    is_placeholder,
    is_forgotten,
    profile_source,
    account_id,
    role_code,
    no_of_children,
    default_child,
    has_email,
    has_mobile,
    has_identifier,
    created_at,
    auto_update_time,
    first_seen_at,
    changed_at,
    retired_at
from {{ source('hiersync_bi', 'customer') }}
