-- What people with a BI tool read: views only, with the rights of their owner, so that a reader needs no right elsewhere. Views are replaced,
-- never dropped, and columns only added at their end: somebody may have built on them.

do $$
begin
    if to_regnamespace('hiersync_bi') is null then
        create schema hiersync_bi;
    end if;
end
$$;

do $$
begin
    comment on schema hiersync_bi is 'Hierarchies for analysts and dashboards: views with keys by which tools can relate them.';
exception when insufficient_privilege then
    null;
end
$$;

-- Nodes.

create view hiersync_bi.customer as
select s.name as source, c.source_id, s.name || ':' || c.customer_id as customer_key, c.customer_id,
    c.retired_at is null as is_live, c.is_placeholder, c.forgotten_at is not null as is_forgotten,
    coalesce(p.customer_id is not null and p.parent_id is null, false) as is_root,
    c.profile_source, c.account_id, c.role_code, c.no_of_children, c.default_child,
    nullif(c.email, '') is not null as has_email, nullif(c.mobile, '') is not null as has_mobile,
    exists (
        select from hiersync.customer_identifier i where i.source_id = c.source_id and i.customer_id = c.customer_id and i.value <> ''
    ) as has_identifier,
    c.retired_at is null and p.customer_id is null and (
        -- Of the few who have no place, which it names so that it is asked of no others; as a join it would read all changes.
        select true from hiersync.change g
        where g.source_id = c.source_id and g.entity = 'customer' and g.key = c.customer_id::text and p.customer_id is null and g.op in ('insert', 'restore')
          -- A refresh tells of newcomers in the walk that was closed last.
          and ((g.walk_id, g.seen_at) > (select w.walk_id, w.as_of from hiersync_internal.settled w where w.source_id = c.source_id)) is not false
        limit 1
    ) is null as is_orphan,
    c.created_at, c.auto_update_time, c.first_seen_at, c.changed_at, c.retired_at, s.is_configured
from hiersync.customer c
join hiersync.source s on s.source_id = c.source_id
left join hiersync.customer_place p on p.source_id = c.source_id and p.customer_id = c.customer_id;
comment on view hiersync_bi.customer is 'Customers, gone ones too: what is not personal of them.';

create view hiersync_bi.customer_person as
select s.name as source, c.source_id, s.name || ':' || c.customer_id as customer_key, c.customer_id, c.retired_at is null as is_live,
    nullif(concat_ws(' ', nullif(c.first_name, ''), nullif(c.last_name, '')), '') as display_name, c.first_name, c.last_name, c.email, c.mobile, c.external_id,
    (
        select string_agg(distinct i.type || ' ' || i.value, '; ' order by i.type || ' ' || i.value)
        from hiersync.customer_identifier i where i.source_id = c.source_id and i.customer_id = c.customer_id
    ) as identifiers
from hiersync.customer c
join hiersync.source s on s.source_id = c.source_id;
comment on view hiersync_bi.customer_person is 'Customers, gone ones too: what is personal of them.';

create view hiersync_bi.customer_identifier as
select s.name as source, i.source_id, s.name || ':' || i.customer_id as customer_key, i.customer_id, i.profile_no, i.type, i.value
from hiersync.customer_identifier i
join hiersync.source s on s.source_id = i.source_id;
comment on view hiersync_bi.customer_identifier is 'Identifiers of customers, gone ones too, one a row. Personal data.';

create view hiersync_bi.reporting_user as
select s.name as source, u.source_id, s.name || ':' || u.user_id as user_key, u.user_id,
    u.retired_at is null as is_live, u.is_placeholder, u.forgotten_at is not null as is_forgotten,
    coalesce(p.user_id is not null and p.parent_id is null, false) as is_root,
    u.is_active, u.checked_in, u.extra ->> 'Role' as role, u.extra ->> 'TeamId' as team_id, u.extra ->> 'Groups' as groups,
    nullif(u.email, '') is not null as has_email, nullif(u.mobile, '') is not null as has_mobile,
    u.retired_at is null and p.user_id is null and (
        select true from hiersync.change g
        where g.source_id = u.source_id and g.entity = 'reporting_user' and g.key = u.user_id::text and p.user_id is null and g.op in ('insert', 'restore')
          and ((g.walk_id, g.seen_at) > (select w.walk_id, w.as_of from hiersync_internal.settled w where w.source_id = u.source_id)) is not false
        limit 1
    ) is null as is_orphan,
    u.auto_update_time, u.first_seen_at, u.changed_at, u.retired_at, s.is_configured
from hiersync.reporting_user u
join hiersync.source s on s.source_id = u.source_id
left join hiersync.reporting_place p on p.source_id = u.source_id and p.user_id = u.user_id;
comment on view hiersync_bi.reporting_user is 'Users, gone ones too: what is not personal of them.';

create view hiersync_bi.reporting_person as
select s.name as source, u.source_id, s.name || ':' || u.user_id as user_key, u.user_id, u.retired_at is null as is_live,
    nullif(u.name, '') as display_name, u.email, u.mobile
from hiersync.reporting_user u
join hiersync.source s on s.source_id = u.source_id;
comment on view hiersync_bi.reporting_person is 'Users, gone ones too: what is personal of them.';

create view hiersync_bi.customer_period as
select s.name as source, v.source_id, s.name || ':' || v.customer_id as customer_key, v.customer_id, v.valid_from, v.valid_to,
    v.valid_to is null as is_current, v.is_placeholder, v.profile_source, v.account_id, v.role_code, v.default_child, v.created_at,
    v.auto_update_time
from (
    select c.source_id, c.customer_id, c.valid_from, c.retired_at as valid_to, c.is_placeholder, c.profile_source, c.account_id, c.role_code,
        c.default_child, c.created_at, c.auto_update_time
    from hiersync.customer c
    union all
    select h.source_id, h.customer_id, h.valid_from, least(h.valid_to, h.retired_at), h.is_placeholder, h.profile_source, h.account_id,
        h.role_code, h.default_child, h.created_at, h.auto_update_time
    from hiersync.customer_history h
) v
join hiersync.source s on s.source_id = v.source_id
where (v.valid_from < v.valid_to) is not false;
comment on view hiersync_bi.customer_period is 'The time in which each version of a customer stood; the time in which it was gone is left out.';

create view hiersync_bi.reporting_user_period as
select s.name as source, v.source_id, s.name || ':' || v.user_id as user_key, v.user_id, v.valid_from, v.valid_to,
    v.valid_to is null as is_current, v.is_placeholder, v.is_active, v.checked_in, v.role, v.team_id, v.auto_update_time
from (
    select u.source_id, u.user_id, u.valid_from, u.retired_at as valid_to, u.is_placeholder, u.is_active, u.checked_in,
        u.extra ->> 'Role' as role, u.extra ->> 'TeamId' as team_id, u.auto_update_time
    from hiersync.reporting_user u
    union all
    select h.source_id, h.user_id, h.valid_from, least(h.valid_to, h.retired_at), h.is_placeholder, h.is_active, h.checked_in,
        h.extra ->> 'Role', h.extra ->> 'TeamId', h.auto_update_time
    from hiersync.reporting_user_history h
) v
join hiersync.source s on s.source_id = v.source_id
where (v.valid_from < v.valid_to) is not false;
comment on view hiersync_bi.reporting_user_period is 'The time in which each version of a user stood; the time in which they were gone is left out.';

-- Trees and links of both vendors: {node} is what a node is called, {above} what its parent is.
do $each$
declare
    vendor record;
begin
    for vendor in select * from (values
        ('customer', 'customer', 'parent', 'customer', 'customer_link', 'parent_id', 'child_id'),
        ('user', 'reporting', 'manager', 'reporting_user', 'reporting_line', 'manager_id', 'user_id')
    ) v (node, entity, above, nodes, link, parent, child) loop
        execute replace(replace(replace(replace(replace(replace(replace($sql$

create view hiersync_bi.{entity}_tree as
select s.name as source, p.source_id, p.{node}_key, p.{node}_id,
    s.name || ':' || p.parent_id as {above}_key, p.parent_id as {above}_id, s.name || ':' || p.root_id as root_key, p.root_id,
    p.depth, array_to_string(p.path, '/') as path_text,
    s.name || ':' || p.path[1] as level_1_key, s.name || ':' || p.path[2] as level_2_key, s.name || ':' || p.path[3] as level_3_key,
    s.name || ':' || p.path[4] as level_4_key, s.name || ':' || p.path[5] as level_5_key, s.name || ':' || p.path[6] as level_6_key,
    s.name || ':' || p.path[7] as level_7_key, s.name || ':' || p.path[8] as level_8_key,
    p.children, p.descendants, p.parent_id is null as is_root, p.children = 0 as is_leaf, p.walk_id, w.as_of, s.is_configured
from hiersync.{entity}_place p
join hiersync.source s on s.source_id = p.source_id
left join hiersync_internal.settled w on w.source_id = p.source_id;
comment on view hiersync_bi.{entity}_tree is 'The settled tree, as the last closed walk has left it: one row per node that hangs in it.';

create view hiersync_bi.{entity}_bridge as
select s.name as source, b.source_id, b.ancestor_key, b.ancestor_id, b.descendant_key, b.descendant_id, b.distance
from hiersync.{entity}_bridge b
join hiersync.source s on s.source_id = b.source_id;
comment on view hiersync_bi.{entity}_bridge is 'Each node of the settled tree with everybody above it, and with itself: for roll-ups, which count nobody twice.';

create view hiersync_bi.{link}_period as
select s.name as source, v.source_id, s.name || ':' || v.{parent} as {above}_key, v.{parent} as {above}_id,
    s.name || ':' || v.{child} as {node}_key, v.{child} as {node}_id, v.valid_from, v.valid_to, v.valid_to is null as is_current
from (
    select l.source_id, l.{parent}, l.{child}, l.valid_from, l.retired_at as valid_to from hiersync.{link} l
    union all
    select h.source_id, h.{parent}, h.{child}, h.valid_from, least(h.valid_to, h.retired_at) from hiersync.{link}_history h
) v
join hiersync.source s on s.source_id = v.source_id
where (v.valid_from < v.valid_to) is not false;
comment on view hiersync_bi.{link}_period is 'The time in which somebody hung on somebody, all links that were shown. Who moves hangs on both from when one list showed them to the end of the walk.';

create view hiersync_bi.{entity}_move as
select s.name as source, m.source_id, s.name || ':' || m.{node}_id as {node}_key, m.{node}_id, s.name || ':' || m.from_id as from_key, m.from_id,
    s.name || ':' || m.to_id as to_key, m.to_id, m.walk_id, m.moved_at
from hiersync.{entity}_move m
join hiersync.source s on s.source_id = m.source_id;
comment on view hiersync_bi.{entity}_move is 'Who has another parent in the tree than at the end of the walk before.';

create view hiersync_bi.{entity}_flow as
select s.name as source, f.source_id, (f.at at time zone 'UTC')::date as day, count(*) filter (where f.what = 'insert') as joined,
    count(*) filter (where f.what = 'restore') as returned, count(*) filter (where f.what = 'retire') as "left",
    count(*) filter (where f.what = 'move') as moved
from (
    select c.source_id, c.walk_id, c.op as what, c.seen_at as at from hiersync.change c where c.entity = '{nodes}' and c.op <> 'update'
    union all
    select m.source_id, m.walk_id, 'move', m.moved_at from hiersync.{entity}_move m
) f
join hiersync.source s on s.source_id = f.source_id
join hiersync_internal.source_state t on t.source_id = f.source_id
left join hiersync_internal.walk w on w.source_id = f.source_id and w.walk_id = t.first_complete_walk_id
where f.walk_id > t.first_complete_walk_id or f.at > w.finished_at
group by s.name, f.source_id, day;
comment on view hiersync_bi.{entity}_flow is 'Who came, came back, went and moved, by day in UTC; after the first complete walk, to which everybody was new.';

        $sql$, '{node}', vendor.node), '{entity}', vendor.entity), '{above}', vendor.above), '{nodes}', vendor.nodes), '{link}', vendor.link),
            '{parent}', vendor.parent), '{child}', vendor.child);
    end loop;
end
$each$;

-- Changes, findings, runs.

create view hiersync_bi.change as
select s.name as source, c.source_id, c.change_id, c.entity, c.key,
    s.name || ':' || case when c.entity in ('customer', 'reporting_user') then c.key else split_part(c.key, '/', 2) end as node_key,
    c.op, c.run_id, c.walk_id, c.vendor_time, c.seen_at as changed_at
from hiersync.change c
join hiersync.source s on s.source_id = c.source_id;
comment on view hiersync_bi.change is 'What changed, row by row, without the values.';

create view hiersync_bi.change_field as
select s.name as source, c.source_id, c.change_id, c.entity, c.key, s.name || ':' || c.key as node_key, f.field, c.run_id, c.walk_id,
    c.vendor_time, c.seen_at as changed_at
from hiersync.change c
join hiersync.source s on s.source_id = c.source_id
cross join lateral jsonb_object_keys(c.fields) as f (field);
comment on view hiersync_bi.change_field is 'Which fields changed, without the values.';

create view hiersync_bi.change_field_value as
select s.name as source, c.source_id, c.change_id, c.entity, c.key, s.name || ':' || c.key as node_key, f.field,
    f.pair #>> '{0}' as old_value, f.pair #>> '{1}' as new_value, c.run_id, c.walk_id, c.vendor_time, c.seen_at as changed_at
from hiersync.change c
join hiersync.source s on s.source_id = c.source_id
cross join lateral jsonb_each(c.fields) as f (field, pair);
comment on view hiersync_bi.change_field_value is 'Which fields changed, from what to what. Personal data.';

create view hiersync_bi.finding as
select s.name as source, f.source_id, f.finding_id, f.kind, f.severity, f.entity, f.key,
    case when f.entity in ('customer', 'reporting_user') and f.key not like '*%' then s.name || ':' || split_part(f.key, ' ', 1) end as node_key,
    f.detail ->> 'say' as say, f.resolved_at is null as is_open, f.run_id, f.walk_id, f.seen_at, f.resolved_at
from hiersync.finding f
join hiersync.source s on s.source_id = f.source_id;
comment on view hiersync_bi.finding is 'What a person should know, in plain words.';

create view hiersync_bi.sync_run as
select s.name as source, r.source_id, r.run_id, nullif(r.walk_id, 0) as walk_id, r.trigger, r.is_refresh, r.started_at, r.finished_at, r.outcome, r.error,
    r.resume_at, r.requests, r.throttled, r.retried, r.pages, r.rows_seen, r.inserted, r.updated, r.unchanged, r.retired, r.restored,
    r.wait_ms, r.fetch_ms, r.write_ms
from hiersync.sync_run r
join hiersync.source s on s.source_id = r.source_id;
comment on view hiersync_bi.sync_run is 'Each attempt to bring a source up to date; outcome is null while it runs.';

create view hiersync_bi.freshness as
select s.name as source, s.source_id, s.vendor, complete.finished_at as last_complete_at, closed.finished_at as last_closed_at,
    round((extract(epoch from clock_timestamp() - complete.finished_at) / 60)::numeric, 1) as minutes_old,
    closed.verdict as last_closed_outcome,
    exists (
        select from hiersync.sync_run r join hiersync_internal.lease l on l.source_id = r.source_id and l.epoch = r.epoch
        where r.source_id = s.source_id and r.outcome is null and l.until > clock_timestamp()
    ) as is_running,
    s.is_configured, coalesce(closed.lists_unproven, 0) as lists_unproven,
    (
        select count(*) from hiersync.finding f where f.source_id = s.source_id and f.resolved_at is null and f.severity = 'act'
    ) as findings_to_act_on,
    coalesce(closed.live_nodes, 0) as live_nodes,
    (select t.history_since from hiersync_internal.source_state t where t.source_id = s.source_id) as history_since
from hiersync.source s
left join lateral (
    select w.finished_at from hiersync_internal.walk w where w.source_id = s.source_id and w.verdict = 'complete'
    order by w.walk_id desc limit 1
) complete on true
left join lateral (
    select w.finished_at, w.verdict, w.lists_unproven, w.live_nodes from hiersync_internal.walk w
    where w.source_id = s.source_id and w.verdict in ('complete', 'partial')
    order by w.walk_id desc limit 1
) closed on true;
comment on view hiersync_bi.freshness is 'How fresh and how complete each source is.';

-- A column of these views means the same wherever it stands.
do $$
declare
    made text;
begin
    for made in
        select format('comment on column hiersync_bi.%I.%I is %L', c.relname, a.attname, d.says)
        from pg_class c
        join pg_attribute a on a.attrelid = c.oid and a.attnum > 0
        join (values
            ('account_id', 'accountId of the leading profile.'),
            ('ancestor_id', 'The node above.'),
            ('ancestor_key', 'The node above, as source:id.'),
            ('as_of', 'When the last walk of the source was closed: so the tree stood then.'),
            ('auto_update_time', 'The vendor''s time of the latest change.'),
            ('change_id', 'Unique; grows within its source.'),
            ('changed_at', 'When it was last seen to change, go or come back.'),
            ('checked_in', 'CheckedIn.'),
            ('children', 'How many nodes hang on it in the tree.'),
            ('created_at', 'createdDate: since when the vendor has it.'),
            ('customer_id', 'The customer: the vendor''s userId.'),
            ('customer_key', 'The customer, as source:id.'),
            ('day', 'The day, in UTC.'),
            ('default_child', 'It is the default child of its parent.'),
            ('depth', 'Levels below the root; 0 for a root.'),
            ('descendant_id', 'The node below, or the same.'),
            ('descendant_key', 'The node below, or the same, as source:id.'),
            ('descendants', 'How many nodes are below it in the tree, on all levels.'),
            ('display_name', 'The name. Personal data.'),
            ('distance', 'Levels between them; 0 for itself.'),
            ('email', 'E-mail address. Personal data.'),
            ('entity', 'What it is about: customer, customer_link, reporting_user or reporting_line; of findings also source or field.'),
            ('error', 'What a person must see, of failed and throttled runs.'),
            ('external_id', 'externalId. Personal data.'),
            ('fetch_ms', 'Milliseconds of requests, summed over requests that ran at once.'),
            ('field', 'Which field: a column''s name, or where it stands in what the vendor sends.'),
            ('finding_id', 'Unique; grows.'),
            ('findings_to_act_on', 'Open findings on which somebody is to act.'),
            ('finished_at', 'When it ended; null while it runs.'),
            ('first_name', 'First name. Personal data.'),
            ('first_seen_at', 'When it was first seen.'),
            ('from_id', 'The parent before.'),
            ('from_key', 'The parent before, as source:id.'),
            ('groups', 'Groups, where asked for.'),
            ('has_email', 'It has an e-mail address.'),
            ('has_identifier', 'It has an identifier of whatever type.'),
            ('has_mobile', 'It has a mobile number.'),
            ('history_since', 'What stood before is told from this time on only: earlier versions and changes were removed; null: none was.'),
            ('identifiers', 'All identifiers, with their types. Personal data.'),
            ('inserted', 'Nodes seen for the first time.'),
            ('is_active', 'IsActive.'),
            ('is_configured', 'The configuration still names the source.'),
            ('is_current', 'It stands now.'),
            ('is_forgotten', 'All that was known of the person was erased, for good.'),
            ('is_leaf', 'Nobody hangs on it in the tree.'),
            ('is_live', 'The vendor shows it; else it is gone since retired_at.'),
            ('is_open', 'It is still so.'),
            ('is_orphan', 'It lived when the last walk was closed, and hangs on no root: nobody is its parent, or those above it are in a cycle.'),
            ('is_placeholder', 'Only its id is known: a root that no list has shown.'),
            ('is_refresh', 'It has read only nodes that were asked for.'),
            ('is_root', 'A tree begins with it.'),
            ('is_running', 'The source is being read right now.'),
            ('joined', 'Nodes seen for the first time.'),
            ('key', 'The node''s id, or parent/child of a link.'),
            ('kind', 'What kind of thing.'),
            ('last_closed_at', 'When its last walk was closed, complete or not.'),
            ('last_closed_outcome', 'complete, or partial: something was not proven.'),
            ('last_complete_at', 'When its last complete walk was closed.'),
            ('last_name', 'Last name. Personal data.'),
            ('left', 'Nodes that the vendor shows no longer.'),
            ('level_1_key', 'The node on the first level above it or itself: the root, as source:id.'),
            ('level_2_key', 'Likewise on the second level; null for who is higher.'),
            ('level_3_key', 'Likewise on the third level.'),
            ('level_4_key', 'Likewise on the fourth level.'),
            ('level_5_key', 'Likewise on the fifth level.'),
            ('level_6_key', 'Likewise on the sixth level.'),
            ('level_7_key', 'Likewise on the seventh level.'),
            ('level_8_key', 'Likewise on the eighth level.'),
            ('lists_unproven', 'Lists that the last closed walk could not prove: nobody was retired by them.'),
            ('live_nodes', 'Live nodes that the last closed walk has left.'),
            ('manager_id', 'The manager.'),
            ('manager_key', 'The manager, as source:id; null for a root.'),
            ('minutes_old', 'Minutes since the last complete walk.'),
            ('mobile', 'Mobile number. Personal data.'),
            ('moved', 'Nodes that have another parent than before.'),
            ('moved_at', 'When the walk that found so was closed.'),
            ('new_value', 'The value since. Personal data.'),
            ('no_of_children', 'noOfChildren, as the vendor states it.'),
            ('node_key', 'The node that it is about, as source:id; of a link the child.'),
            ('old_value', 'The value before. Personal data.'),
            ('op', 'insert, update, retire or restore.'),
            ('outcome', 'complete, partial, throttled, stopped, failed or abandoned; null while it runs.'),
            ('pages', 'Answers taken in.'),
            ('parent_id', 'The parent.'),
            ('parent_key', 'The parent, as source:id; null for a root.'),
            ('path_text', 'Ids from the root to the node itself, with slashes between.'),
            ('profile_no', 'The customer''s profile.'),
            ('profile_source', 'source of the leading profile.'),
            ('requests', 'Calls made.'),
            ('resolved_at', 'Since when it is no longer so; null while it is.'),
            ('restored', 'Nodes that came back.'),
            ('resume_at', 'When the budget lets a throttled run go on.'),
            ('retired', 'Nodes that the vendor shows no longer.'),
            ('retired_at', 'Since when it is gone; null while it lives.'),
            ('retried', 'Calls that repeated a failed one.'),
            ('returned', 'Nodes that were gone and are back.'),
            ('role', 'Role, where asked for.'),
            ('role_code', 'roleCode: the customer''s role in its hierarchy.'),
            ('root_id', 'The root below which it hangs; a root''s own id.'),
            ('root_key', 'The root below which it hangs, as source:id.'),
            ('rows_seen', 'Rows as received.'),
            ('run_id', 'The run.'),
            ('say', 'In plain words, with what to do.'),
            ('seen_at', 'When it was first seen.'),
            ('severity', 'act: something is to be done, or it stays so. look: something was not proven, or is odd. told: only told.'),
            ('source', 'The source''s name in the configuration.'),
            ('source_id', 'The source''s number.'),
            ('started_at', 'When it began.'),
            ('team_id', 'TeamId, where asked for.'),
            ('throttled', 'Calls that the vendor refused for the budget''s sake.'),
            ('to_id', 'The parent since.'),
            ('to_key', 'The parent since, as source:id.'),
            ('trigger', 'schedule, manual or startup.'),
            ('type', 'mobile, email, externalId, and so on.'),
            ('unchanged', 'Nodes that were as known.'),
            ('updated', 'Nodes whose content changed.'),
            ('user_id', 'The user: the vendor''s UserId.'),
            ('user_key', 'The user, as source:id.'),
            ('valid_from', 'Since when it stood.'),
            ('valid_to', 'Until just before when it stood; null while it stands.'),
            ('value', 'The value, as sent. Personal data.'),
            ('vendor', 'capillary or leadsquared.'),
            ('vendor_time', 'The vendor''s stamp of the new state.'),
            ('wait_ms', 'Milliseconds in which the run waited for the budget.'),
            ('walk_id', 'The walk: what changed in one walk has changed together.'),
            ('write_ms', 'Milliseconds of write transactions, summed likewise.')
        ) d (name, says) on d.name = a.attname
        where c.relnamespace = 'hiersync_bi'::regnamespace and c.relkind = 'v'
    loop
        execute made;
    end loop;
end
$$;

-- What a DBA runs where the owner of the schemas may not create roles. Of personal data a reader sees nothing.
create function hiersync_internal.reader_statements() returns table (statement text) language sql stable as $$
    select s.statement from (select pg_get_userbyid(relowner) as name from pg_class where oid = 'hiersync.source'::regclass) owner, lateral (values
        ('create role hiersync_reader nologin'),
        ('create role hiersync_pii_reader nologin'),
        ('grant usage on schema hiersync_bi to hiersync_reader, hiersync_pii_reader'),
        ('grant usage on schema hiersync to hiersync_pii_reader'),
        ('grant select on all tables in schema hiersync_bi to hiersync_reader, hiersync_pii_reader'),
        ('grant select on all tables in schema hiersync to hiersync_pii_reader'),
        ('revoke select on hiersync_bi.customer_person, hiersync_bi.customer_identifier, hiersync_bi.reporting_person, '
            || 'hiersync_bi.change_field_value from hiersync_reader'),
        ('grant execute on all functions in schema hiersync to hiersync_pii_reader'),
        (format('alter default privileges for role %I in schema hiersync_bi grant select on tables to hiersync_reader, hiersync_pii_reader', owner.name)),
        (format('alter default privileges for role %I in schema hiersync grant select on tables to hiersync_pii_reader', owner.name))
    ) s (statement)
$$;
comment on function hiersync_internal.reader_statements() is 'What makes the roles of readers, and what they may read.';

do $$
declare
    made text;
begin
    for made in select r.statement from hiersync_internal.reader_statements() r loop
        begin
            execute made;
        exception
            -- Roles are the cluster's: another database may have made them, or be making them now.
            when duplicate_object or unique_violation then null;
            when insufficient_privilege or undefined_object then null;
        end;
    end loop;
end
$$;
