{#
    The rows of a staging model for an incremental one: at first all, then those that have changed. Per source, because one that is
    behind must not be hidden by the watermark of another.
#}
{% macro changed_since_last_run(staged) %}
select staged.*
from {{ staged }} staged
{% if is_incremental() %}
left join (
    select source, max(changed_at) as changed_at from {{ this }} group by source
) seen on seen.source = staged.source
where seen.source is null
    or staged.changed_at >= seen.changed_at - interval '{{ var("hiersync_lookback_minutes") }} minutes'
{% endif %}
{% endmacro %}
