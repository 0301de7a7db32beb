-- History: every replaced version with the time for which it stood, and the mirror as it stood at a time.
--
-- A version begins at the time of the page that brought it (`valid_from`) and ends where the next one begins (`valid_to`). Each
-- begins at least a microsecond after the one before, and after its retirement, whatever the clock says: periods never overlap.
-- Retiring makes no version: it only sets `retired_at`, from which the time before can be told.

-- Since when the present version stands. The column is added without touching a row: to fill it would write every row anew
-- (measured with 200,000 customers: 2.4 s, 136 MB of WAL, and the table twice as large) while whoever reads the table waits. Rows
-- from before history was kept have null until they change, which reads as changed_at, for a link as first_seen_at; what they
-- were before that is not known.
alter table hiersync.customer add column valid_from timestamptz;
alter table hiersync.customer_link add column valid_from timestamptz;
alter table hiersync.reporting_user add column valid_from timestamptz;
alter table hiersync.reporting_line add column valid_from timestamptz;
comment on column hiersync.customer.valid_from is 'Since when this version stands; null: since changed_at, before history was kept.';
comment on column hiersync.customer_link.valid_from is 'Since when this version stands; null: since first_seen_at, before history was kept.';
comment on column hiersync.reporting_user.valid_from is 'Since when this version stands; null: since changed_at, before history was kept.';
comment on column hiersync.reporting_line.valid_from is 'Since when this version stands; null: since first_seen_at, before history was kept.';

-- What customers were before they were replaced. The key leads to one customer's versions in their order.
create table hiersync.customer_history (
    source_id int not null,
    customer_id bigint not null,
    node_no int not null,
    digest uuid,
    first_name text,
    last_name text,
    email text,
    mobile text,
    external_id text,
    account_id text,
    profile_source text,
    role_code text,
    no_of_children bigint,
    default_child boolean,
    created_at timestamptz,
    auto_update_time timestamptz,
    extended_fields jsonb not null,
    extra jsonb not null,
    is_placeholder boolean not null,
    first_seen_at timestamptz not null,
    changed_at timestamptz not null,
    retired_at timestamptz,
    retired_walk_id bigint,
    valid_from timestamptz not null,
    valid_to timestamptz not null,
    primary key (source_id, customer_id, valid_from),
    check (valid_from < valid_to)
);
comment on table hiersync.customer_history is 'A replaced version of a customer: before an update, before a newer stamp alone, and before it came back (then retired_at says since when it was gone).';
comment on column hiersync.customer_history.source_id is 'The source.';
comment on column hiersync.customer_history.customer_id is 'The vendor''s userId; negative for a root whose id could not be learned.';
comment on column hiersync.customer_history.node_no is 'Dense number within the source, for compact sets.';
comment on column hiersync.customer_history.digest is 'Digest of the content without its change stamps; null for a placeholder.';
comment on column hiersync.customer_history.first_name is 'firstName of the leading profile: the one with the latest autoUpdateTime.';
comment on column hiersync.customer_history.last_name is 'lastName of the leading profile.';
comment on column hiersync.customer_history.email is 'E-mail address of the leading profile: an identifier, else a channel.';
comment on column hiersync.customer_history.mobile is 'Mobile number of the leading profile, likewise.';
comment on column hiersync.customer_history.external_id is 'externalId of the leading profile.';
comment on column hiersync.customer_history.account_id is 'accountId of the leading profile.';
comment on column hiersync.customer_history.profile_source is 'source of the leading profile.';
comment on column hiersync.customer_history.role_code is 'roleCode: the customer''s role in its hierarchy.';
comment on column hiersync.customer_history.no_of_children is 'noOfChildren as the vendor states it.';
comment on column hiersync.customer_history.default_child is 'defaultChild: the one default child of its parent.';
comment on column hiersync.customer_history.created_at is 'createdDate.';
comment on column hiersync.customer_history.auto_update_time is 'The latest autoUpdateTime over the profiles.';
comment on column hiersync.customer_history.extended_fields is 'extendedFields.';
comment on column hiersync.customer_history.extra is 'What the vendor sent and no column holds; under profiles by profile number.';
comment on column hiersync.customer_history.is_placeholder is 'Only the id is known: a root that no list has shown.';
comment on column hiersync.customer_history.first_seen_at is 'When we first saw it.';
comment on column hiersync.customer_history.changed_at is 'When we last saw it change.';
comment on column hiersync.customer_history.retired_at is 'When the vendor was found to show it no longer; null while it lives.';
comment on column hiersync.customer_history.retired_walk_id is 'The walk that found so.';
comment on column hiersync.customer_history.valid_from is 'Since when it stood.';
comment on column hiersync.customer_history.valid_to is 'When it was replaced: it stood until just before.';

-- The profiles of those versions: a version is kept whole, whatever of it was replaced.
create table hiersync.customer_profile_history (
    source_id int not null,
    customer_id bigint not null,
    profile_no int not null,
    profile_source text,
    account_id text,
    first_name text,
    last_name text,
    auto_update_time timestamptz,
    fields jsonb not null,
    valid_from timestamptz not null,
    valid_to timestamptz not null,
    primary key (source_id, customer_id, valid_from, profile_no),
    check (valid_from < valid_to)
);
comment on table hiersync.customer_profile_history is 'The profiles of a replaced version of a customer.';
comment on column hiersync.customer_profile_history.source_id is 'The source.';
comment on column hiersync.customer_profile_history.customer_id is 'The customer.';
comment on column hiersync.customer_profile_history.profile_no is 'Its place in profiles[], from 1.';
comment on column hiersync.customer_profile_history.profile_source is 'source, such as INSTORE.';
comment on column hiersync.customer_profile_history.account_id is 'accountId.';
comment on column hiersync.customer_profile_history.first_name is 'firstName.';
comment on column hiersync.customer_profile_history.last_name is 'lastName.';
comment on column hiersync.customer_profile_history.auto_update_time is 'autoUpdateTime.';
comment on column hiersync.customer_profile_history.fields is 'fields.';
comment on column hiersync.customer_profile_history.valid_from is 'Since when it stood.';
comment on column hiersync.customer_profile_history.valid_to is 'When it was replaced: it stood until just before.';

-- Their identifiers.
create table hiersync.customer_identifier_history (
    source_id int not null,
    customer_id bigint not null,
    profile_no int not null,
    identifier_no int not null,
    type text,
    value text,
    valid_from timestamptz not null,
    valid_to timestamptz not null,
    primary key (source_id, customer_id, valid_from, profile_no, identifier_no),
    check (valid_from < valid_to)
);
comment on table hiersync.customer_identifier_history is 'The identifiers of a replaced version of a customer.';
comment on column hiersync.customer_identifier_history.source_id is 'The source.';
comment on column hiersync.customer_identifier_history.customer_id is 'The customer.';
comment on column hiersync.customer_identifier_history.profile_no is 'The profile.';
comment on column hiersync.customer_identifier_history.identifier_no is 'Its place in identifiers[], from 1.';
comment on column hiersync.customer_identifier_history.type is 'mobile, email, externalId, …';
comment on column hiersync.customer_identifier_history.value is 'Its value, as sent.';
comment on column hiersync.customer_identifier_history.valid_from is 'Since when it stood.';
comment on column hiersync.customer_identifier_history.valid_to is 'When it was replaced: it stood until just before.';

-- Their channels.
create table hiersync.customer_channel_history (
    source_id int not null,
    customer_id bigint not null,
    profile_no int not null,
    channel_no int not null,
    type text,
    value text,
    is_primary boolean,
    is_verified boolean,
    meta jsonb not null,
    attributes jsonb not null,
    valid_from timestamptz not null,
    valid_to timestamptz not null,
    primary key (source_id, customer_id, valid_from, profile_no, channel_no),
    check (valid_from < valid_to)
);
comment on table hiersync.customer_channel_history is 'The communication channels of a replaced version of a customer.';
comment on column hiersync.customer_channel_history.source_id is 'The source.';
comment on column hiersync.customer_channel_history.customer_id is 'The customer.';
comment on column hiersync.customer_channel_history.profile_no is 'The profile.';
comment on column hiersync.customer_channel_history.channel_no is 'Its place in commChannels[], from 1.';
comment on column hiersync.customer_channel_history.type is 'mobile, email, …';
comment on column hiersync.customer_channel_history.value is 'Its value, as sent.';
comment on column hiersync.customer_channel_history.is_primary is 'primary.';
comment on column hiersync.customer_channel_history.is_verified is 'verified.';
comment on column hiersync.customer_channel_history.meta is 'meta, such as residence and office.';
comment on column hiersync.customer_channel_history.attributes is 'attributes.';
comment on column hiersync.customer_channel_history.valid_from is 'Since when it stood.';
comment on column hiersync.customer_channel_history.valid_to is 'When it was replaced: it stood until just before.';

-- Links that were gone and came back.
create table hiersync.customer_link_history (
    source_id int not null,
    parent_id bigint not null,
    child_id bigint not null,
    first_seen_at timestamptz not null,
    retired_at timestamptz,
    valid_from timestamptz not null,
    valid_to timestamptz not null,
    primary key (source_id, parent_id, child_id, valid_from),
    check (valid_from < valid_to)
);
comment on table hiersync.customer_link_history is 'What a link of customers was before it came back: retired_at says since when it was gone.';
comment on column hiersync.customer_link_history.source_id is 'The source.';
comment on column hiersync.customer_link_history.parent_id is 'The parent customer.';
comment on column hiersync.customer_link_history.child_id is 'The child customer.';
comment on column hiersync.customer_link_history.first_seen_at is 'When we first saw it.';
comment on column hiersync.customer_link_history.retired_at is 'When the parent''s list was proven not to hold it any more; null while it lives.';
comment on column hiersync.customer_link_history.valid_from is 'Since when it stood.';
comment on column hiersync.customer_link_history.valid_to is 'When it was replaced: it stood until just before.';

-- Finds a child's former parents.
create index customer_link_history_child on hiersync.customer_link_history (source_id, child_id);
comment on index hiersync.customer_link_history_child is 'Finds a child''s former parents.';

-- What users were before they were replaced.
create table hiersync.reporting_user_history (
    source_id int not null,
    user_id uuid not null,
    node_no int not null,
    digest uuid,
    name text,
    email text,
    mobile text,
    is_active boolean,
    checked_in boolean,
    auto_update_time timestamptz,
    extra jsonb not null,
    is_placeholder boolean not null,
    first_seen_at timestamptz not null,
    changed_at timestamptz not null,
    retired_at timestamptz,
    retired_walk_id bigint,
    valid_from timestamptz not null,
    valid_to timestamptz not null,
    primary key (source_id, user_id, valid_from),
    check (valid_from < valid_to)
);
comment on table hiersync.reporting_user_history is 'A replaced version of a user: before an update, before a newer stamp alone, and before it came back (then retired_at says since when it was gone).';
comment on column hiersync.reporting_user_history.source_id is 'The source.';
comment on column hiersync.reporting_user_history.user_id is 'UserId.';
comment on column hiersync.reporting_user_history.node_no is 'Dense number within the source, for compact sets.';
comment on column hiersync.reporting_user_history.digest is 'Digest of the content without its change stamps; null for a placeholder.';
comment on column hiersync.reporting_user_history.name is 'Name.';
comment on column hiersync.reporting_user_history.email is 'Email.';
comment on column hiersync.reporting_user_history.mobile is 'Mobile.';
comment on column hiersync.reporting_user_history.is_active is 'IsActive.';
comment on column hiersync.reporting_user_history.checked_in is 'CheckedIn.';
comment on column hiersync.reporting_user_history.auto_update_time is 'ModifiedOn, when asked for and given.';
comment on column hiersync.reporting_user_history.extra is 'Asked-for columns and anything else.';
comment on column hiersync.reporting_user_history.is_placeholder is 'Only the id is known: a root that no list has shown.';
comment on column hiersync.reporting_user_history.first_seen_at is 'When we first saw it.';
comment on column hiersync.reporting_user_history.changed_at is 'When we last saw it change.';
comment on column hiersync.reporting_user_history.retired_at is 'When the vendor was found to show it no longer; null while it lives.';
comment on column hiersync.reporting_user_history.retired_walk_id is 'The walk that found so.';
comment on column hiersync.reporting_user_history.valid_from is 'Since when it stood.';
comment on column hiersync.reporting_user_history.valid_to is 'When it was replaced: it stood until just before.';

-- Lines that were gone and came back.
create table hiersync.reporting_line_history (
    source_id int not null,
    manager_id uuid not null,
    user_id uuid not null,
    first_seen_at timestamptz not null,
    retired_at timestamptz,
    valid_from timestamptz not null,
    valid_to timestamptz not null,
    primary key (source_id, manager_id, user_id, valid_from),
    check (valid_from < valid_to)
);
comment on table hiersync.reporting_line_history is 'What a reporting line was before it came back: retired_at says since when it was gone.';
comment on column hiersync.reporting_line_history.source_id is 'The source.';
comment on column hiersync.reporting_line_history.manager_id is 'The manager.';
comment on column hiersync.reporting_line_history.user_id is 'The user who reports to the manager.';
comment on column hiersync.reporting_line_history.first_seen_at is 'When we first saw it.';
comment on column hiersync.reporting_line_history.retired_at is 'When it was found to be gone; null while it lives.';
comment on column hiersync.reporting_line_history.valid_from is 'Since when it stood.';
comment on column hiersync.reporting_line_history.valid_to is 'When it was replaced: it stood until just before.';

-- Finds a user's former managers.
create index reporting_line_history_user on hiersync.reporting_line_history (source_id, user_id);
comment on index hiersync.reporting_line_history_user is 'Finds a user''s former managers.';

-- The mirror as it stood at a time. Each gives the columns of its table, and is a plain selection that the planner puts into the
-- statement around it: conditions on the key are looked up by key. A row that was retired later is given as live; one that was
-- retired by then is given with its retired_at; one that was not yet seen is not given. For the time between a page's time and its
-- commit, the answer changes when the page commits. Who adds a column to a table replaces its function, too.
create function hiersync.customer_at(t timestamptz) returns setof hiersync.customer language sql stable parallel safe as $$
    select
        c.source_id, c.customer_id, c.node_no, c.digest, c.first_name, c.last_name, c.email, c.mobile, c.external_id,
        c.account_id, c.profile_source, c.role_code, c.no_of_children, c.default_child, c.created_at, c.auto_update_time,
        c.extended_fields, c.extra, c.is_placeholder, c.first_seen_at, c.changed_at,
        case when c.retired_at > t then null else c.retired_at end,
        case when c.retired_at > t then null else c.retired_walk_id end, coalesce(c.valid_from, c.changed_at)
    from hiersync.customer c
    where coalesce(c.valid_from, c.changed_at) <= t
    union all
    select
        h.source_id, h.customer_id, h.node_no, h.digest, h.first_name, h.last_name, h.email, h.mobile, h.external_id,
        h.account_id, h.profile_source, h.role_code, h.no_of_children, h.default_child, h.created_at, h.auto_update_time,
        h.extended_fields, h.extra, h.is_placeholder, h.first_seen_at, h.changed_at,
        case when h.retired_at > t then null else h.retired_at end,
        case when h.retired_at > t then null else h.retired_walk_id end, h.valid_from
    from hiersync.customer_history h
    where h.valid_from <= t and h.valid_to > t
$$;
comment on function hiersync.customer_at(timestamptz) is 'Customers as the mirror had them at a time: live ones, and with retired_at those that were gone by then.';

create function hiersync.customer_link_at(t timestamptz) returns setof hiersync.customer_link language sql stable parallel safe as $$
    select
        l.source_id, l.parent_id, l.child_id, l.first_seen_at, case when l.retired_at > t then null else l.retired_at end,
        coalesce(l.valid_from, l.first_seen_at)
    from hiersync.customer_link l
    where coalesce(l.valid_from, l.first_seen_at) <= t
    union all
    select
        h.source_id, h.parent_id, h.child_id, h.first_seen_at, case when h.retired_at > t then null else h.retired_at end,
        h.valid_from
    from hiersync.customer_link_history h
    where h.valid_from <= t and h.valid_to > t
$$;
comment on function hiersync.customer_link_at(timestamptz) is 'Parents and children as the mirror had them at a time; those that were gone by then with retired_at.';

create function hiersync.reporting_user_at(t timestamptz) returns setof hiersync.reporting_user language sql stable parallel safe as $$
    select
        u.source_id, u.user_id, u.node_no, u.digest, u.name, u.email, u.mobile, u.is_active, u.checked_in,
        u.auto_update_time, u.extra, u.is_placeholder, u.first_seen_at, u.changed_at,
        case when u.retired_at > t then null else u.retired_at end,
        case when u.retired_at > t then null else u.retired_walk_id end, coalesce(u.valid_from, u.changed_at)
    from hiersync.reporting_user u
    where coalesce(u.valid_from, u.changed_at) <= t
    union all
    select
        h.source_id, h.user_id, h.node_no, h.digest, h.name, h.email, h.mobile, h.is_active, h.checked_in,
        h.auto_update_time, h.extra, h.is_placeholder, h.first_seen_at, h.changed_at,
        case when h.retired_at > t then null else h.retired_at end,
        case when h.retired_at > t then null else h.retired_walk_id end, h.valid_from
    from hiersync.reporting_user_history h
    where h.valid_from <= t and h.valid_to > t
$$;
comment on function hiersync.reporting_user_at(timestamptz) is 'Users as the mirror had them at a time: live ones, and with retired_at those that were gone by then.';

create function hiersync.reporting_line_at(t timestamptz) returns setof hiersync.reporting_line language sql stable parallel safe as $$
    select
        l.source_id, l.manager_id, l.user_id, l.first_seen_at, case when l.retired_at > t then null else l.retired_at end,
        coalesce(l.valid_from, l.first_seen_at)
    from hiersync.reporting_line l
    where coalesce(l.valid_from, l.first_seen_at) <= t
    union all
    select
        h.source_id, h.manager_id, h.user_id, h.first_seen_at, case when h.retired_at > t then null else h.retired_at end,
        h.valid_from
    from hiersync.reporting_line_history h
    where h.valid_from <= t and h.valid_to > t
$$;
comment on function hiersync.reporting_line_at(timestamptz) is 'Managers and reports as the mirror had them at a time; those that were gone by then with retired_at.';
