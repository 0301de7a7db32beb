-- The role, the server's version, the encoding, and what must be granted before the tables can be made or used.
select current_user::text as "user!", current_setting('server_encoding') as "encoding!",
    exists (
        select from pg_class t join pg_namespace n on n.oid = t.relnamespace
        where n.nspname in ('hiersync', 'hiersync_internal', 'hiersync_bi') and t.relkind in ('r', 'p', 'v', 'm')
    ) and not exists (
        select from pg_class t join pg_namespace n on n.oid = t.relnamespace where n.nspname = 'hiersync' and t.relname = '_sqlx_migrations'
    ) as "is_foreign!",
    current_setting('server_version_num')::int as "version_no!", current_setting('server_version') as "version!", nullif(concat_ws('; ', (
    select string_agg(distinct
        case
            when n.oid is null then format('create schema %I authorization %I', s.name, current_user)
            when (select o.rolsuper from pg_roles o where o.oid = coalesce(t.relowner, n.nspowner))
                then format('alter schema %I owner to %I', s.name, current_user)
            else format('grant %I to %I', pg_get_userbyid(coalesce(t.relowner, n.nspowner)), current_user)
        end, '; ')
    from (values ('hiersync'), ('hiersync_internal'), ('hiersync_bi')) s (name)
    left join pg_namespace n on n.nspname = s.name
    left join pg_class t on t.relnamespace = n.oid and t.relname in ('_sqlx_migrations', 'lease')
    where not case
        when n.oid is null then has_database_privilege(current_database(), 'create')
        when t.oid is not null then has_schema_privilege(n.oid, 'usage') and has_table_privilege(t.oid, 'select')
        else has_schema_privilege(n.oid, 'create') and has_schema_privilege(n.oid, 'usage')
    end
), (
    select format('grant temporary on database %I to %I', current_database(), current_user)
    where not has_database_privilege(current_database(), 'temporary')
)), '') as missing
