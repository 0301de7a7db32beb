-- The settled tree of users: one row per user that hangs in it.
select
    user_key,
    source,
    user_id,
    manager_key,
    root_key,
    depth,
    path_text,
    level_1_key,
    level_2_key,
    level_3_key,
    level_4_key,
    level_5_key,
    level_6_key,
    level_7_key,
    level_8_key,
    children,
    descendants,
    is_root,
    is_leaf,
    as_of
from {{ source('hiersync_bi', 'reporting_tree') }}
