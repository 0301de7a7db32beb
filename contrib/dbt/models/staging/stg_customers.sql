-- Customers, gone ones too. What changes without `changed_at` is not here: whether one is a root, or hangs on none, is
-- said by the tree; the vendor's count of children and its stamp stand in the source.
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
    default_child,
    has_email,
    has_mobile,
    has_identifier,
    created_at,
    first_seen_at,
    changed_at,
    retired_at
from {{ source('hiersync_bi', 'customer') }}
