-- Erasing persons: whatever is known of them goes, history included. Of each a node without a name stays, so that the tree stands.

-- Who is marked and not erased yet: between the two a process may die, and the end of the next walk goes on.
create table hiersync_internal.forgetting (
    source_id int not null,
    node_key text not null,
    marked_at timestamptz not null default clock_timestamp(),
    primary key (source_id, node_key)
);
comment on table hiersync_internal.forgetting is 'Who is to be forgotten, and is not erased yet.';
comment on column hiersync_internal.forgetting.source_id is 'The source.';
comment on column hiersync_internal.forgetting.node_key is 'The node''s id as text.';
comment on column hiersync_internal.forgetting.marked_at is 'Since when nothing is taken in of them.';

do $each$
declare
    vendor record;
begin
    for vendor in select * from (values
        ('customer', 'bigint', 'customer', '', $parts$
    perform hiersync_internal.forget_pages(the_source, ids);
    delete from hiersync.customer_profile where source_id = the_source and customer_id = any (ids);
    delete from hiersync.customer_identifier where source_id = the_source and customer_id = any (ids);
    delete from hiersync.customer_channel where source_id = the_source and customer_id = any (ids);
    delete from hiersync.customer_profile_history where source_id = the_source and customer_id = any (ids);
    delete from hiersync.customer_identifier_history where source_id = the_source and customer_id = any (ids);
    delete from hiersync.customer_channel_history where source_id = the_source and customer_id = any (ids);
    $parts$, 'first_name = null, last_name = null, email = null, mobile = null, external_id = null, account_id = null, profile_source = null,
        role_code = null, default_child = null, created_at = null, extended_fields = ''{}'', text_digest = null'),
        ('user', 'uuid', 'reporting_user', $waits$ and not exists (
            select from hiersync_internal.staged_user s
            where s.source_id = n.source_id and s.user_id = n.user_id and s.content is not null
        )$waits$, $parts$
    update hiersync_internal.staged_user
    set digest = case when digest is not null then blank end, content = case when content is not null then '{}'::jsonb end
    where source_id = the_source and user_id = any (ids);
    $parts$, 'name = null, email = null, mobile = null, is_active = null, checked_in = null')
    ) v (node, id, nodes, waits, parts, columns) loop
        execute replace(replace(replace(replace(replace(replace($sql$

create index {nodes}_forgotten on hiersync.{nodes} (source_id, {node}_id) where forgotten_at is not null;
comment on index hiersync.{nodes}_forgotten is 'Finds the forgotten.';

create index {nodes}_retired on hiersync.{nodes} (source_id, retired_at) where retired_at is not null and forgotten_at is null;
comment on index hiersync.{nodes}_retired is 'Finds who is gone for how long.';

-- blank: the digest of a node of which nothing is known.
create function hiersync_internal.forget_{node}s(the_source int, ids {id}[], blank uuid) returns void language plpgsql as $$
declare
    keys text[] := ids::text[];
begin
    update hiersync.{nodes} set {columns}, auto_update_time = null, extra = '{}', digest = case when is_placeholder then null else blank end,
        changed_at = clock_timestamp(), forgotten_at = coalesce(forgotten_at, clock_timestamp())
    where source_id = the_source and {node}_id = any (ids);
    update hiersync.{nodes}_history set {columns}, auto_update_time = null, extra = '{}', digest = null, forgotten_at = clock_timestamp()
    where source_id = the_source and {node}_id = any (ids);
    {parts}
    update hiersync.change set fields = null
    where source_id = the_source and entity = '{nodes}' and key = any (keys) and fields is not null;
    update hiersync.finding set detail = detail - 'digest' where source_id = the_source and key = any (keys) and detail ? 'digest';
    -- Several identifiers may have led to it.
    delete from hiersync_internal.root r where r.source_id = the_source and r.node_key = any (keys) and r.asked_by <> r.node_key and exists (
        select from hiersync_internal.root o
        where o.source_id = the_source and o.node_key = r.node_key and (o.asked_by = o.node_key or o.asked_by < r.asked_by)
    );
    update hiersync_internal.root set asked_by = node_key where source_id = the_source and node_key = any (keys) and asked_by <> node_key;
    delete from hiersync_internal.forgetting where source_id = the_source and node_key = any (keys);
    perform hiersync_internal.keep_{node}s_forgotten(the_source, blank);
end
$$;
comment on function hiersync_internal.forget_{node}s(int, {id}[], uuid) is 'Erases what is known of these nodes, now and before, and keeps it so.';

-- Beside their rows: by what their lists were asked for, once no walk needs it, and their names in the rows of those who report to them. Where
-- the config names the source no more, no walk goes on: what is still to be read of one is given up. The end of each walk calls this, and goes
-- on with whoever was marked and not erased.
create function hiersync_internal.keep_{node}s_forgotten(the_source int, blank uuid) returns void language plpgsql as $$
declare
    marked {id}[] := array(select f.node_key::{id} from hiersync_internal.forgetting f where f.source_id = the_source);
    ids {id}[];
    keys text[];
begin
    if cardinality(marked) > 0 then
        -- It calls this again, with nobody marked.
        perform hiersync_internal.forget_{node}s(the_source, marked, blank);
        return;
    end if;
    ids := array(select n.{node}_id from hiersync.{nodes} n where n.source_id = the_source and n.forgotten_at is not null);
    if cardinality(ids) = 0 then
        return;
    end if;
    keys := ids::text[];
    update hiersync_internal.frontier f
    set ask_kind = null, ask_value = null, state = case when f.state in ('queued', 'doubtful') then 'given_up' else f.state end
    where f.source_id = the_source and f.parent_key = any (keys) and f.ask_value is not null and not (
        exists (select from hiersync.source s where s.source_id = the_source and s.is_configured)
        and exists (
            select from hiersync_internal.walk w where w.source_id = the_source and w.walk_id = f.walk_id and w.finished_at is null
        )
    );
    update hiersync_internal.staged_user s set content = s.content #- '{extra,ManagerName}'
    where s.source_id = the_source and s.manager_id::text = any (keys) and s.content #> '{extra,ManagerName}' is not null;
    update hiersync.reporting_user u set extra = u.extra - 'ManagerName'
    where u.source_id = the_source and u.extra ? 'ManagerName' and (lower(u.extra ->> 'ManagerUserId') = any (keys) or exists (
        select from hiersync.reporting_line l where l.source_id = the_source and l.user_id = u.user_id and l.manager_id::text = any (keys)
    ));
    update hiersync.reporting_user_history u set extra = u.extra - 'ManagerName'
    where u.source_id = the_source and u.extra ? 'ManagerName' and (lower(u.extra ->> 'ManagerUserId') = any (keys) or exists (
        select from hiersync.reporting_line l where l.source_id = the_source and l.user_id = u.user_id and l.manager_id::text = any (keys)
    ));
end
$$;
comment on function hiersync_internal.keep_{node}s_forgotten(int, uuid) is 'Erases what a walk has brought of forgotten nodes beside their rows.';

-- Erases those who were retired before a time, so many at most, and gives how many those were.
create function hiersync_internal.forget_retired_{node}s(the_source int, before timestamptz, blank uuid, many int) returns bigint
language plpgsql as $$
declare
    ids {id}[] := array(
        select n.{node}_id from hiersync.{nodes} n
        where n.source_id = the_source and n.retired_at < before and n.forgotten_at is null{waits} limit many
    );
begin
    if cardinality(ids) > 0 then
        perform hiersync_internal.forget_{node}s(the_source, ids, blank);
    end if;
    return cardinality(ids);
end
$$;
comment on function hiersync_internal.forget_retired_{node}s(int, timestamptz, uuid, int) is 'Erases those who were retired before a time.';

        $sql$, '{node}', vendor.node), '{id}', vendor.id), '{nodes}', vendor.nodes), '{waits}', vendor.waits), '{parts}', vendor.parts),
            '{columns}', vendor.columns);
    end loop;
end
$each$;
