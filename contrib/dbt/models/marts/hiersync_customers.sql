-- Customers as a table of your own, brought forward by what has changed. It keeps everybody: whoever is gone has `is_live` false,
-- and `changed_at` moves with that as with any other change.
{{
    config(
        materialized='incremental',
        unique_key='customer_key',
        incremental_strategy='delete+insert',
        on_schema_change='append_new_columns',
    )
}}

{{ changed_since_last_run(ref('stg_customers')) }}
