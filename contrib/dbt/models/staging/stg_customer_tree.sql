-- The settled tree of customers: one row per customer that hangs in it.
select
    customer_key,
    source,
    customer_id,
    parent_key,
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
from {{ source('hiersync_bi', 'customer_tree') }}
