-- The mirror, for analysts: customers and their children, users and who reports to them, what changed, what is odd.

-- One Capillary customer. Single columns come from its profile with the latest autoUpdateTime.
create table hiersync.customer (
    source_id int not null,
    customer_id bigint not null,
    node_no int not null,
    digest uuid,
    text_digest uuid,
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
    extended_fields jsonb not null default '{}',
    extra jsonb not null default '{}',
    is_placeholder boolean not null default false,
    first_seen_at timestamptz not null,
    changed_at timestamptz not null,
    retired_at timestamptz,
    retired_walk_id bigint,
    forgotten_at timestamptz,
    valid_from timestamptz not null,
    primary key (source_id, customer_id)
);
comment on table hiersync.customer is 'One Capillary customer; gone ones are kept with retired_at.';
comment on column hiersync.customer.source_id is 'The source.';
comment on column hiersync.customer.customer_id is 'The vendor''s userId; negative for a root whose id could not be learned.';
comment on column hiersync.customer.node_no is 'Dense number within the source, for compact sets.';
comment on column hiersync.customer.digest is 'Digest of the content without its change stamps; null for a placeholder.';
comment on column hiersync.customer.text_digest is 'Digest of the text as it came in its parent''s list; null where it is to be read again each time.';
comment on column hiersync.customer.first_name is 'firstName of the leading profile: the one with the latest autoUpdateTime.';
comment on column hiersync.customer.last_name is 'lastName of the leading profile.';
comment on column hiersync.customer.email is 'E-mail address of the leading profile: an identifier, else a channel.';
comment on column hiersync.customer.mobile is 'Mobile number of the leading profile, likewise.';
comment on column hiersync.customer.external_id is 'externalId of the leading profile.';
comment on column hiersync.customer.account_id is 'accountId of the leading profile.';
comment on column hiersync.customer.profile_source is 'source of the leading profile.';
comment on column hiersync.customer.role_code is 'roleCode: the customer''s role in its hierarchy.';
comment on column hiersync.customer.no_of_children is 'noOfChildren as the vendor last stated it: said of others, so that a new one is no change of this customer.';
comment on column hiersync.customer.default_child is 'defaultChild: the one default child of its parent.';
comment on column hiersync.customer.created_at is 'createdDate.';
comment on column hiersync.customer.auto_update_time is 'The latest autoUpdateTime over the profiles.';
comment on column hiersync.customer.extended_fields is 'extendedFields.';
comment on column hiersync.customer.extra is 'What the vendor sent and no column holds; under profiles by profile number.';
comment on column hiersync.customer.is_placeholder is 'Only the id is known: a root that no list has shown.';
comment on column hiersync.customer.first_seen_at is 'When we first saw it.';
comment on column hiersync.customer.changed_at is 'When we last saw it change, go or come back.';
comment on column hiersync.customer.retired_at is 'When the vendor was found to show it no longer; null while it lives.';
comment on column hiersync.customer.retired_walk_id is 'The walk that found so.';
comment on column hiersync.customer.forgotten_at is 'When all that was known of the person was erased, for good; null: it was not.';
comment on column hiersync.customer.valid_from is 'Since when this version stands.';

-- One entry of a customer's profiles[].
create table hiersync.customer_profile (
    source_id int not null,
    customer_id bigint not null,
    profile_no int not null,
    profile_source text,
    account_id text,
    first_name text,
    last_name text,
    auto_update_time timestamptz,
    fields jsonb not null default '{}',
    primary key (source_id, customer_id, profile_no)
);
comment on table hiersync.customer_profile is 'One profile of a customer: one per source or account.';
comment on column hiersync.customer_profile.source_id is 'The source.';
comment on column hiersync.customer_profile.customer_id is 'The customer.';
comment on column hiersync.customer_profile.profile_no is 'Its place among the customer''s profiles by source, account and content, from 1.';
comment on column hiersync.customer_profile.profile_source is 'source, such as INSTORE.';
comment on column hiersync.customer_profile.account_id is 'accountId.';
comment on column hiersync.customer_profile.first_name is 'firstName.';
comment on column hiersync.customer_profile.last_name is 'lastName.';
comment on column hiersync.customer_profile.auto_update_time is 'autoUpdateTime.';
comment on column hiersync.customer_profile.fields is 'fields.';

-- One entry of a profile's identifiers[].
create table hiersync.customer_identifier (
    source_id int not null,
    customer_id bigint not null,
    profile_no int not null,
    identifier_no int not null,
    type text,
    value text,
    primary key (source_id, customer_id, profile_no, identifier_no)
);
comment on table hiersync.customer_identifier is 'One identifier of a profile. Not unique across customers.';
comment on column hiersync.customer_identifier.source_id is 'The source.';
comment on column hiersync.customer_identifier.customer_id is 'The customer.';
comment on column hiersync.customer_identifier.profile_no is 'The profile.';
comment on column hiersync.customer_identifier.identifier_no is 'Its place among the profile''s identifiers by type and value, from 1.';
comment on column hiersync.customer_identifier.type is 'mobile, email, externalId, …';
comment on column hiersync.customer_identifier.value is 'Its value, as sent.';

-- Finds customers who share an identifier. Hashed: a value may be longer than an index can hold.
create index customer_identifier_value on hiersync.customer_identifier (source_id, hashtextextended(value, 0));
comment on index hiersync.customer_identifier_value is 'Finds customers who share an identifier.';

-- One entry of a profile's commChannels[].
create table hiersync.customer_channel (
    source_id int not null,
    customer_id bigint not null,
    profile_no int not null,
    channel_no int not null,
    type text,
    value text,
    is_primary boolean,
    is_verified boolean,
    meta jsonb not null default '{}',
    attributes jsonb not null default '{}',
    primary key (source_id, customer_id, profile_no, channel_no)
);
comment on table hiersync.customer_channel is 'One communication channel of a profile.';
comment on column hiersync.customer_channel.source_id is 'The source.';
comment on column hiersync.customer_channel.customer_id is 'The customer.';
comment on column hiersync.customer_channel.profile_no is 'The profile.';
comment on column hiersync.customer_channel.channel_no is 'Its place among the profile''s channels by type and value, from 1.';
comment on column hiersync.customer_channel.type is 'mobile, email, …';
comment on column hiersync.customer_channel.value is 'Its value, as sent.';
comment on column hiersync.customer_channel.is_primary is 'primary.';
comment on column hiersync.customer_channel.is_verified is 'verified.';
comment on column hiersync.customer_channel.meta is 'meta, such as residence and office.';
comment on column hiersync.customer_channel.attributes is 'attributes.';

-- Parent → child. A child with two live parents is mirrored as shown, with a finding.
create table hiersync.customer_link (
    source_id int not null,
    parent_id bigint not null,
    child_id bigint not null,
    first_seen_at timestamptz not null,
    retired_at timestamptz,
    valid_from timestamptz not null,
    primary key (source_id, parent_id, child_id)
);
comment on table hiersync.customer_link is 'Parent and child; gone ones are kept with retired_at.';
comment on column hiersync.customer_link.source_id is 'The source.';
comment on column hiersync.customer_link.parent_id is 'The parent customer.';
comment on column hiersync.customer_link.child_id is 'The child customer.';
comment on column hiersync.customer_link.first_seen_at is 'When we first saw it.';
comment on column hiersync.customer_link.retired_at is 'When the parent''s list was proven not to hold it any more; null while it lives.';
comment on column hiersync.customer_link.valid_from is 'Since when this version stands.';

-- A list may hold a whole table: from what a sample shows, a planner would then expect every look-up by parent to find all of it, and
-- read the table for each. That most parents have few children is said here, for every table of links.
alter table hiersync.customer_link alter column parent_id set (n_distinct = -0.1);

-- Finds a child's parents.
create index customer_link_child on hiersync.customer_link (source_id, child_id);
comment on index hiersync.customer_link_child is 'Finds a child''s parents.';

-- Pages whose rows need not be looked up one by one while nothing is known to have changed about whom they show: whatever changes a node or
-- its links removes the pages of the lists in which it stands.
create table hiersync_internal.known_page (
    source_id int not null,
    parent_id bigint not null,
    place int not null,
    digest uuid not null,
    starts int[] not null,
    lengths int[] not null,
    numbers int4multirange not null,
    primary key (source_id, parent_id, place)
);
comment on table hiersync_internal.known_page is 'Full pages of lists, as long as nothing has changed about those of them who need not be looked up.';
comment on column hiersync_internal.known_page.source_id is 'The source.';
comment on column hiersync_internal.known_page.parent_id is 'Whose list.';
comment on column hiersync_internal.known_page.place is 'The place of its first row in the list, from 0.';
comment on column hiersync_internal.known_page.digest is 'Of the texts of the rows that need not be looked up, in their order.';
comment on column hiersync_internal.known_page.starts is 'The first number of each run of rows whose nodes are numbered one after the other; 0 for rows that are to be looked up.';
comment on column hiersync_internal.known_page.lengths is 'How many rows each run has.';
comment on column hiersync_internal.known_page.numbers is 'All numbers of these runs.';
-- As for links: most lists have few pages, whatever one of them may hold.
alter table hiersync_internal.known_page alter column parent_id set (n_distinct = -0.1);

create function hiersync_internal.forget_pages(the_source int, ids bigint[]) returns void language plpgsql
-- A plan that knows no sizes may have been made while the tables were small.
set plan_cache_mode = force_custom_plan as $$
begin
    -- By the key, of which it needs one row; first loads and lists that fill no page have none.
    perform from hiersync_internal.known_page k where k.source_id = the_source order by k.parent_id, k.place limit 1;
    if not found then
        return;
    end if;
    delete from hiersync_internal.known_page k
    using (
        select l.parent_id, range_agg(int4range(c.node_no, c.node_no, '[]')) as numbers
        from unnest(ids) i (id)
        cross join lateral (
            select n.node_no from hiersync.customer n where n.source_id = the_source and n.customer_id = i.id limit 1
        ) c
        cross join lateral (
            select p.parent_id from hiersync.customer_link p where p.source_id = the_source and p.child_id = i.id limit 1000
        ) l
        group by l.parent_id
    ) changed
    where k.source_id = the_source and k.parent_id = changed.parent_id and k.numbers && changed.numbers;
end
$$;
comment on function hiersync_internal.forget_pages(int, bigint[]) is 'Removes the pages that show one of these customers, for something about them has changed.';

-- One LeadSquared user.
create table hiersync.reporting_user (
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
    extra jsonb not null default '{}',
    is_placeholder boolean not null default false,
    first_seen_at timestamptz not null,
    changed_at timestamptz not null,
    retired_at timestamptz,
    retired_walk_id bigint,
    forgotten_at timestamptz,
    valid_from timestamptz not null,
    primary key (source_id, user_id)
);
comment on table hiersync.reporting_user is 'One LeadSquared user; gone ones are kept with retired_at.';
comment on column hiersync.reporting_user.source_id is 'The source.';
comment on column hiersync.reporting_user.user_id is 'UserId.';
comment on column hiersync.reporting_user.node_no is 'Dense number within the source, for compact sets.';
comment on column hiersync.reporting_user.digest is 'Digest of the content without its change stamps; null for a placeholder.';
comment on column hiersync.reporting_user.name is 'Name.';
comment on column hiersync.reporting_user.email is 'Email.';
comment on column hiersync.reporting_user.mobile is 'Mobile.';
comment on column hiersync.reporting_user.is_active is 'IsActive.';
comment on column hiersync.reporting_user.checked_in is 'CheckedIn.';
comment on column hiersync.reporting_user.auto_update_time is 'ModifiedOn, when asked for and given.';
comment on column hiersync.reporting_user.extra is 'Asked-for columns and anything else.';
comment on column hiersync.reporting_user.is_placeholder is 'Only the id is known: a root that no list has shown.';
comment on column hiersync.reporting_user.first_seen_at is 'When we first saw it.';
comment on column hiersync.reporting_user.changed_at is 'When we last saw it change, go or come back.';
comment on column hiersync.reporting_user.retired_at is 'When the vendor was found to show it no longer; null while it lives.';
comment on column hiersync.reporting_user.retired_walk_id is 'The walk that found so.';
comment on column hiersync.reporting_user.forgotten_at is 'When all that was known of the person was erased, for good; null: it was not.';
comment on column hiersync.reporting_user.valid_from is 'Since when this version stands.';

-- Manager → report.
create table hiersync.reporting_line (
    source_id int not null,
    manager_id uuid not null,
    user_id uuid not null,
    first_seen_at timestamptz not null,
    retired_at timestamptz,
    valid_from timestamptz not null,
    primary key (source_id, manager_id, user_id)
);
comment on table hiersync.reporting_line is 'Manager and report; gone ones are kept with retired_at.';
comment on column hiersync.reporting_line.source_id is 'The source.';
comment on column hiersync.reporting_line.manager_id is 'The manager.';
comment on column hiersync.reporting_line.user_id is 'The user who reports to the manager.';
comment on column hiersync.reporting_line.first_seen_at is 'When we first saw it.';
comment on column hiersync.reporting_line.retired_at is 'When it was found to be gone; null while it lives.';
comment on column hiersync.reporting_line.valid_from is 'Since when this version stands.';

alter table hiersync.reporting_line alter column manager_id set (n_distinct = -0.1);

-- Finds a user's managers.
create index reporting_line_user on hiersync.reporting_line (source_id, user_id);
comment on index hiersync.reporting_line_user is 'Finds a user''s managers.';

-- Users whom User Advanced Search has shown and who are not as the mirror has them. Who lies below the roots is known only when all of it
-- is read; then those are taken in and removed. Who lies outside stays, as a number and a digest, so that the next walk need not write
-- them again.
create table hiersync_internal.staged_user (
    source_id int not null,
    user_id uuid not null,
    manager_id uuid,
    walk_id bigint not null,
    node_no int,
    digest uuid,
    content jsonb,
    primary key (source_id, user_id)
);
comment on table hiersync_internal.staged_user is 'Users whom the search has shown in an open walk and who differ from the mirror, and those outside the roots. Personal data while a walk is open.';
comment on column hiersync_internal.staged_user.source_id is 'The source.';
comment on column hiersync_internal.staged_user.user_id is 'The user.';
comment on column hiersync_internal.staged_user.manager_id is 'The manager whom the row states; null for nobody.';
comment on column hiersync_internal.staged_user.walk_id is 'The walk that wrote it.';
comment on column hiersync_internal.staged_user.node_no is 'Dense number within the source, of a user who was outside the roots at a walk''s end.';
comment on column hiersync_internal.staged_user.digest is 'Digest of the content; null where only the manager is taken from it, or it is to be read once more.';
comment on column hiersync_internal.staged_user.content is 'The user as read; null once the walk has ended, or where only the manager is taken from it. Personal data.';

-- What changed, row by row.
create table hiersync.change (
    source_id int not null,
    change_id bigint generated always as identity,
    run_id bigint not null,
    walk_id bigint not null,
    entity text not null check (entity in ('customer', 'customer_link', 'reporting_user', 'reporting_line')),
    key text not null,
    op text not null check (op in ('insert', 'update', 'retire', 'restore')),
    fields jsonb,
    vendor_time timestamptz,
    seen_at timestamptz not null,
    primary key (source_id, change_id)
);
comment on table hiersync.change is 'What changed in the mirror, row by row.';
comment on column hiersync.change.source_id is 'The source.';
comment on column hiersync.change.change_id is 'Unique; grows.';
comment on column hiersync.change.run_id is 'The run that saw it.';
comment on column hiersync.change.walk_id is 'The walk that saw it: what changed in one walk has changed together.';
comment on column hiersync.change.entity is 'customer, customer_link, reporting_user or reporting_line.';
comment on column hiersync.change.key is 'The node''s id, or parent/child for a link.';
comment on column hiersync.change.op is 'insert, update, retire or restore.';
comment on column hiersync.change.fields is 'For an update, the old and the new value of each field.';
comment on column hiersync.change.vendor_time is 'The vendor''s stamp of the new state.';
comment on column hiersync.change.seen_at is 'When we saw it.';

-- Finds what happened to one node.
create index change_key on hiersync.change (source_id, entity, key);
comment on index hiersync.change_key is 'Finds what happened to one node.';

-- Finds what one run has changed.
create index change_run on hiersync.change (source_id, run_id, change_id);
comment on index hiersync.change_run is 'Finds what one run has changed.';

-- Something a person should know.
create table hiersync.finding (
    source_id int not null,
    finding_id bigint generated always as identity,
    run_id bigint not null,
    walk_id bigint not null,
    kind text not null,
    severity text not null check (severity in ('act', 'look', 'told')),
    entity text not null check (entity in ('customer', 'reporting_user', 'source', 'field')),
    key text not null,
    detail jsonb not null default '{}',
    seen_at timestamptz not null,
    resolved_at timestamptz,
    primary key (source_id, finding_id)
);
comment on table hiersync.finding is 'Something a person should know: a list that moved, a cycle, a second parent, a silent change.';
comment on column hiersync.finding.source_id is 'The source.';
comment on column hiersync.finding.finding_id is 'Unique; grows.';
comment on column hiersync.finding.run_id is 'The run that first saw it.';
comment on column hiersync.finding.walk_id is 'The walk that last saw it.';
comment on column hiersync.finding.kind is 'What kind of thing.';
comment on column hiersync.finding.severity is 'act: something is to be done, or it stays so. look: something was not proven, or is odd. told: only told.';
comment on column hiersync.finding.entity is 'What its key names: customer or reporting_user, the source, or a field of whatever rows.';
comment on column hiersync.finding.key is 'Contains the id that it is about.';
comment on column hiersync.finding.detail is 'In plain words, under say, and what else is known.';
comment on column hiersync.finding.seen_at is 'When it was first seen.';
comment on column hiersync.finding.resolved_at is 'When a later walk no longer saw it; null while it is open.';

-- The same finding is open once, however often it is seen.
create unique index finding_open on hiersync.finding (source_id, kind, key) where resolved_at is null;
comment on index hiersync.finding_open is 'The same finding is open once.';

-- Finds the newest of each kind.
create index finding_kind on hiersync.finding (source_id, kind, finding_id);
comment on index hiersync.finding_kind is 'Finds the newest of each kind.';
create index finding_kind_open on hiersync.finding (source_id, kind, finding_id) where resolved_at is null;
comment on index hiersync.finding_kind_open is 'Finds the newest open ones of each kind.';

-- History: every replaced version with the time for which it stood.
--
-- A version begins at the time of the page that brought it (`valid_from`) and ends where the next one begins (`valid_to`). Each
-- begins at least a microsecond after the one before, and after its retirement, whatever the clock says: periods never overlap.
-- Retiring makes no version: it only sets `retired_at`, from which the time before can be told. A version of a customer is kept
-- whole, whatever of it was replaced. The times stand first: a column that is added to a table and to its history stands in the same
-- order in both.

create table hiersync.customer_history (
    valid_to timestamptz not null,
    like hiersync.customer including comments,
    primary key (source_id, customer_id, valid_from),
    check (valid_from < valid_to)
);
comment on table hiersync.customer_history is 'A replaced version of a customer: before an update, before a newer stamp alone, and before it came back (then retired_at says since when it was gone).';
comment on column hiersync.customer_history.valid_from is 'Since when it stood.';
comment on column hiersync.customer_history.valid_to is 'When it was replaced: it stood until just before.';

create table hiersync.customer_profile_history (
    valid_from timestamptz not null,
    valid_to timestamptz not null,
    like hiersync.customer_profile including comments,
    primary key (source_id, customer_id, valid_from, profile_no),
    check (valid_from < valid_to)
);
comment on table hiersync.customer_profile_history is 'The profiles of a replaced version of a customer.';
comment on column hiersync.customer_profile_history.valid_from is 'Since when it stood.';
comment on column hiersync.customer_profile_history.valid_to is 'When it was replaced: it stood until just before.';

create table hiersync.customer_identifier_history (
    valid_from timestamptz not null,
    valid_to timestamptz not null,
    like hiersync.customer_identifier including comments,
    primary key (source_id, customer_id, valid_from, profile_no, identifier_no),
    check (valid_from < valid_to)
);
comment on table hiersync.customer_identifier_history is 'The identifiers of a replaced version of a customer.';
comment on column hiersync.customer_identifier_history.valid_from is 'Since when it stood.';
comment on column hiersync.customer_identifier_history.valid_to is 'When it was replaced: it stood until just before.';

create table hiersync.customer_channel_history (
    valid_from timestamptz not null,
    valid_to timestamptz not null,
    like hiersync.customer_channel including comments,
    primary key (source_id, customer_id, valid_from, profile_no, channel_no),
    check (valid_from < valid_to)
);
comment on table hiersync.customer_channel_history is 'The communication channels of a replaced version of a customer.';
comment on column hiersync.customer_channel_history.valid_from is 'Since when it stood.';
comment on column hiersync.customer_channel_history.valid_to is 'When it was replaced: it stood until just before.';

create table hiersync.customer_link_history (
    valid_to timestamptz not null,
    like hiersync.customer_link including comments,
    primary key (source_id, parent_id, child_id, valid_from),
    check (valid_from < valid_to)
);
comment on table hiersync.customer_link_history is 'What a link of customers was before it came back: retired_at says since when it was gone.';
comment on column hiersync.customer_link_history.valid_from is 'Since when it stood.';
comment on column hiersync.customer_link_history.valid_to is 'When it was replaced: it stood until just before.';

alter table hiersync.customer_link_history alter column parent_id set (n_distinct = -0.1);

-- Finds a child's former parents.
create index customer_link_history_child on hiersync.customer_link_history (source_id, child_id);
comment on index hiersync.customer_link_history_child is 'Finds a child''s former parents.';

create table hiersync.reporting_user_history (
    valid_to timestamptz not null,
    like hiersync.reporting_user including comments,
    primary key (source_id, user_id, valid_from),
    check (valid_from < valid_to)
);
comment on table hiersync.reporting_user_history is 'A replaced version of a user: before an update, before a newer stamp alone, and before it came back (then retired_at says since when it was gone).';
comment on column hiersync.reporting_user_history.valid_from is 'Since when it stood.';
comment on column hiersync.reporting_user_history.valid_to is 'When it was replaced: it stood until just before.';

create table hiersync.reporting_line_history (
    valid_to timestamptz not null,
    like hiersync.reporting_line including comments,
    primary key (source_id, manager_id, user_id, valid_from),
    check (valid_from < valid_to)
);
comment on table hiersync.reporting_line_history is 'What a reporting line was before it came back: retired_at says since when it was gone.';
comment on column hiersync.reporting_line_history.valid_from is 'Since when it stood.';
comment on column hiersync.reporting_line_history.valid_to is 'When it was replaced: it stood until just before.';

alter table hiersync.reporting_line_history alter column manager_id set (n_distinct = -0.1);

-- Finds a user's former managers.
create index reporting_line_history_user on hiersync.reporting_line_history (source_id, user_id);
comment on index hiersync.reporting_line_history_user is 'Finds a user''s former managers.';

-- Find what is older than it is kept.
create index customer_history_end on hiersync.customer_history (valid_to);
create index customer_profile_history_end on hiersync.customer_profile_history (valid_to);
create index customer_identifier_history_end on hiersync.customer_identifier_history (valid_to);
create index customer_channel_history_end on hiersync.customer_channel_history (valid_to);
create index customer_link_history_end on hiersync.customer_link_history (valid_to);
create index reporting_user_history_end on hiersync.reporting_user_history (valid_to);
create index reporting_line_history_end on hiersync.reporting_line_history (valid_to);
comment on index hiersync.customer_history_end is 'Finds old versions.';
comment on index hiersync.customer_profile_history_end is 'Finds old versions.';
comment on index hiersync.customer_identifier_history_end is 'Finds old versions.';
comment on index hiersync.customer_channel_history_end is 'Finds old versions.';
comment on index hiersync.customer_link_history_end is 'Finds old versions.';
comment on index hiersync.reporting_user_history_end is 'Finds old versions.';
comment on index hiersync.reporting_line_history_end is 'Finds old versions.';

-- Both vendors' nodes and links under one set of names, so that what holds for both is written once.
create view hiersync_internal.customer_node as
select source_id, customer_id as id, node_no, digest, auto_update_time, extra, is_placeholder, first_seen_at, changed_at, retired_at,
    retired_walk_id, forgotten_at, valid_from, no_of_children
from hiersync.customer;
comment on view hiersync_internal.customer_node is 'Customers by the names that both vendors'' nodes have.';

create view hiersync_internal.user_node as
select source_id, user_id as id, node_no, digest, auto_update_time, extra, is_placeholder, first_seen_at, changed_at, retired_at,
    retired_walk_id, forgotten_at, valid_from, null::bigint as no_of_children
from hiersync.reporting_user;
comment on view hiersync_internal.user_node is 'Users by the names that both vendors'' nodes have.';
comment on column hiersync_internal.user_node.no_of_children is 'Null: nobody says.';

create view hiersync_internal.customer_edge as table hiersync.customer_link;
comment on view hiersync_internal.customer_edge is 'Customers'' links by the names that both vendors'' links have.';

create view hiersync_internal.customer_edge_history as table hiersync.customer_link_history;
comment on view hiersync_internal.customer_edge_history is 'Their history.';

create view hiersync_internal.user_edge as
select source_id, manager_id as parent_id, user_id as child_id, first_seen_at, retired_at, valid_from from hiersync.reporting_line;
comment on view hiersync_internal.user_edge is 'Users'' lines by the names that both vendors'' links have.';

create view hiersync_internal.user_edge_history as
select source_id, manager_id as parent_id, user_id as child_id, first_seen_at, retired_at, valid_from, valid_to
from hiersync.reporting_line_history;
comment on view hiersync_internal.user_edge_history is 'Their history.';

-- Sets of nodes as rows.
create view hiersync_internal.shown as
select f.source_id, f.walk_id, f.parent_key, f.node_no as parent_no, f.depth, f.list_no, n.node_no
from hiersync_internal.frontier f
cross join lateral unnest(f.seen) as r (numbers)
cross join lateral generate_series(lower(r.numbers), upper(r.numbers) - 1) as n (node_no);
comment on view hiersync_internal.shown is 'Which node the last pass over which list has shown.';
comment on column hiersync_internal.shown.source_id is 'The source.';
comment on column hiersync_internal.shown.walk_id is 'The walk.';
comment on column hiersync_internal.shown.parent_key is 'Whose list; * for the directory of all users.';
comment on column hiersync_internal.shown.parent_no is 'The number of the node whose list it is.';
comment on column hiersync_internal.shown.depth is 'Levels below the root; 0 for a root''s own list.';
comment on column hiersync_internal.shown.list_no is 'Order among lists of one depth.';
comment on column hiersync_internal.shown.node_no is 'The number of the node that it has shown.';
