-- What a run needs to know: sources, leases, walks, runs, budgets. Who reads it: status pages and operators.

create schema if not exists hiersync;
comment on schema hiersync is 'Hierarchies mirrored by hiersync: customers and their children, users and who reports to them.';

-- One vendor account and the roots below which it is mirrored.
create table hiersync.source (
    source_id int generated always as identity primary key,
    name text not null unique,
    vendor text not null check (vendor in ('capillary', 'leadsquared')),
    -- Node numbers are dense per source, so that a set of nodes is a few ranges (frontier.seen).
    next_node_no int not null default 1
) with (fillfactor = 70);
comment on table hiersync.source is 'One vendor account and the roots below which it is mirrored.';
comment on column hiersync.source.source_id is 'Leads every primary key.';
comment on column hiersync.source.name is 'Its name in the configuration.';
comment on column hiersync.source.vendor is 'capillary or leadsquared.';
comment on column hiersync.source.next_node_no is 'The number that the next new node gets.';

-- One hiersync process. Leases and permits name it, so that a dead one on the same machine is known at once.
create table hiersync.process (
    process_id bigint generated always as identity primary key,
    machine text not null,
    pid int not null,
    start_ticks bigint not null,
    started_at timestamptz not null default clock_timestamp()
);
comment on table hiersync.process is 'One hiersync process that has written here.';
comment on column hiersync.process.process_id is 'Named by leases, runs and permits.';
comment on column hiersync.process.machine is 'Boot id and process namespace: processes with the same text can see each other.';
comment on column hiersync.process.pid is 'Process id there.';
comment on column hiersync.process.start_ticks is 'When the kernel started it, in clock ticks since boot: a reused pid differs here.';
comment on column hiersync.process.started_at is 'When it first wrote.';

-- Who may write a source's tables. A taker raises the epoch and closes the open run, so that the old holder's
-- next transaction finds no open run and stops.
create table hiersync.lease (
    source_id int primary key references hiersync.source,
    process_id bigint not null references hiersync.process,
    epoch bigint not null,
    until timestamptz not null
) with (fillfactor = 50);
comment on table hiersync.lease is 'Who may write a source''s tables, and until when.';
comment on column hiersync.lease.source_id is 'The source.';
comment on column hiersync.lease.process_id is 'The holder.';
comment on column hiersync.lease.epoch is 'Raised by every taker; a writer with an older one is refused.';
comment on column hiersync.lease.until is 'By the database''s clock; renewed while the holder lives.';

-- One generation: reading everything below the roots once.
create table hiersync.walk (
    source_id int not null references hiersync.source,
    walk_id bigint generated always as identity,
    shape text not null,
    reach text check (reach in ('direct', 'subtree', 'stated', 'roster')),
    started_at timestamptz not null default clock_timestamp(),
    finished_at timestamptz,
    verdict text check (verdict in ('complete', 'partial', 'superseded')),
    primary key (source_id, walk_id)
);
comment on table hiersync.walk is 'One generation: reading everything below the roots once. A walk can span several runs.';
comment on column hiersync.walk.source_id is 'The source.';
comment on column hiersync.walk.walk_id is 'Marks what was seen: never a clock.';
comment on column hiersync.walk.shape is 'Digest of the settings that decide what is read; a walk of another shape is not gone on with.';
comment on column hiersync.walk.reach is 'How LeadSquared''s answers are read in this walk, once that is known: direct (reports), subtree (everybody below), stated (everybody below, with their managers), roster (all users, with their managers).';
comment on column hiersync.walk.started_at is 'When it was opened.';
comment on column hiersync.walk.finished_at is 'When it was closed; null while it is open.';
comment on column hiersync.walk.verdict is 'complete: everything was proven; partial: something was not; superseded: the settings changed on the way.';

-- One attempt to bring a walk forward. The counters that every page moves stand together, for small WAL records.
create table hiersync.sync_run (
    source_id int not null references hiersync.source,
    run_id bigint generated always as identity,
    walk_id bigint not null,
    process_id bigint not null,
    epoch bigint not null,
    trigger text not null check (trigger in ('schedule', 'manual', 'startup')),
    started_at timestamptz not null default clock_timestamp(),
    finished_at timestamptz,
    outcome text check (outcome in ('complete', 'partial', 'throttled', 'stopped', 'failed', 'abandoned')),
    error text,
    resume_at timestamptz,
    requests bigint not null default 0,
    throttled bigint not null default 0,
    retried bigint not null default 0,
    pages bigint not null default 0,
    rows_seen bigint not null default 0,
    inserted bigint not null default 0,
    updated bigint not null default 0,
    unchanged bigint not null default 0,
    retired bigint not null default 0,
    restored bigint not null default 0,
    wait_ms bigint not null default 0,
    fetch_ms bigint not null default 0,
    write_ms bigint not null default 0,
    primary key (source_id, run_id),
    check ((outcome is null) = (finished_at is null))
) with (fillfactor = 50);
comment on table hiersync.sync_run is 'One attempt to bring a walk forward. Every row is closed; outcome is null while it runs.';
comment on column hiersync.sync_run.source_id is 'The source.';
comment on column hiersync.sync_run.run_id is 'Grows with every run.';
comment on column hiersync.sync_run.walk_id is 'The walk that it brought forward.';
comment on column hiersync.sync_run.process_id is 'The process that ran it.';
comment on column hiersync.sync_run.epoch is 'The lease''s epoch: the run writes only while it is the latest.';
comment on column hiersync.sync_run.trigger is 'schedule, manual or startup.';
comment on column hiersync.sync_run.started_at is 'When it began.';
comment on column hiersync.sync_run.finished_at is 'When it ended; null while it runs.';
comment on column hiersync.sync_run.outcome is 'complete, partial, throttled, stopped, failed or abandoned; null while it runs.';
comment on column hiersync.sync_run.error is 'What a person must see, for failed and throttled runs.';
comment on column hiersync.sync_run.resume_at is 'When the budget lets a throttled walk go on.';
comment on column hiersync.sync_run.requests is 'Calls made, token and lookup calls too.';
comment on column hiersync.sync_run.throttled is 'Calls that the vendor refused for the budget''s sake.';
comment on column hiersync.sync_run.retried is 'Calls that repeated a failed one.';
comment on column hiersync.sync_run.pages is 'Answers taken in.';
comment on column hiersync.sync_run.rows_seen is 'Rows as received.';
comment on column hiersync.sync_run.inserted is 'Nodes seen for the first time; each node is counted once per walk.';
comment on column hiersync.sync_run.updated is 'Nodes whose content changed.';
comment on column hiersync.sync_run.unchanged is 'Nodes that were as known.';
comment on column hiersync.sync_run.retired is 'Nodes that the vendor no longer shows.';
comment on column hiersync.sync_run.restored is 'Nodes that came back.';
comment on column hiersync.sync_run.wait_ms is 'Milliseconds in which the run waited for the budget.';
comment on column hiersync.sync_run.fetch_ms is 'Milliseconds of requests, summed over requests that ran at once.';
comment on column hiersync.sync_run.write_ms is 'Milliseconds of write transactions, summed likewise.';

-- Finds the runs that are open: at most one per source, so the index stays empty almost always.
create unique index sync_run_open on hiersync.sync_run (source_id) where outcome is null;
comment on index hiersync.sync_run_open is 'At most one open run per source.';

-- The customers or users below whom a source is mirrored, as last resolved.
create table hiersync.root (
    source_id int not null,
    asked_by text not null,
    node_key text not null,
    walk_id bigint not null,
    primary key (source_id, asked_by)
);
comment on table hiersync.root is 'The nodes below which a source is mirrored.';
comment on column hiersync.root.source_id is 'The source.';
comment on column hiersync.root.asked_by is 'The root as configured: type and value of an identifier, or a UserId.';
comment on column hiersync.root.node_key is 'The node''s id as text.';
comment on column hiersync.root.walk_id is 'The walk that last resolved it.';

-- One row per list to read. The rows stay from walk to walk; the state belongs to the walk named.
create table hiersync.frontier (
    source_id int not null,
    parent_key text not null,
    list_no bigint generated always as identity,
    walk_id bigint not null,
    depth int not null,
    state text not null check (state in ('queued', 'read', 'unproven', 'given_up')),
    attempts int not null default 0,
    ask_kind text,
    ask_value text,
    expected bigint,
    progress jsonb not null default '{}',
    seen int4multirange not null default '{}',
    primary key (source_id, parent_key)
) with (fillfactor = 70);
comment on table hiersync.frontier is 'One row per list to read: whose, how far, and what it has shown.';
comment on column hiersync.frontier.source_id is 'The source.';
comment on column hiersync.frontier.parent_key is 'Whose list: the node''s id as text; * for a roster of all users.';
comment on column hiersync.frontier.list_no is 'Order among lists of one depth.';
comment on column hiersync.frontier.walk_id is 'The walk that the state belongs to.';
comment on column hiersync.frontier.depth is 'Levels below the root: 0 for a root''s own list.';
comment on column hiersync.frontier.state is 'queued: to be read; read: to its end and proven; unproven: to its end, a finding says why that proves nothing; given_up: a finding says why.';
comment on column hiersync.frontier.attempts is 'Calls for this list that failed in this walk.';
comment on column hiersync.frontier.ask_kind is 'Identifier type by which a customer''s children are asked for.';
comment on column hiersync.frontier.ask_value is 'That identifier''s value.';
comment on column hiersync.frontier.expected is 'How many children the vendor said there are (noOfChildren); null when it did not say.';
comment on column hiersync.frontier.progress is 'What was read, by row offsets, with the ids at the edges.';
comment on column hiersync.frontier.seen is 'Numbers (node_no) of the nodes that the list has shown in this walk.';

-- A vendor's budget: sources that name the same one share it.
create table hiersync.budget (
    budget_id int generated always as identity primary key,
    name text not null unique,
    limits text[] not null default '{}',
    headroom double precision not null default 0,
    paused_until timestamptz,
    paused_why text,
    learned_limit text
) with (fillfactor = 50);
comment on table hiersync.budget is 'What a vendor allows: windows that hold all at once.';
comment on column hiersync.budget.budget_id is 'Named by the ledger.';
comment on column hiersync.budget.name is 'Its name in the configuration.';
comment on column hiersync.budget.limits is 'Calls and window of each limit, such as 25/5s, as last configured.';
comment on column hiersync.budget.headroom is 'Share of the limits left to other users of the account.';
comment on column hiersync.budget.paused_until is 'No call before this time: the vendor refused.';
comment on column hiersync.budget.paused_why is 'Why it is paused.';
comment on column hiersync.budget.learned_limit is 'A limit that the vendor stated in a refusal and that is lower than configured.';

-- The calls that a budget's windows still hold. A row is bought before its calls and its end lowered after them.
create table hiersync.budget_ledger (
    budget_id int not null,
    batch_id bigint generated always as identity,
    process_id bigint not null,
    calls int not null,
    bought_at timestamptz not null,
    ended_at timestamptz not null,
    primary key (budget_id, batch_id)
) with (fillfactor = 50);
comment on table hiersync.budget_ledger is 'Calls that count against a budget''s windows.';
comment on column hiersync.budget_ledger.budget_id is 'The budget.';
comment on column hiersync.budget_ledger.batch_id is 'Permits bought together.';
comment on column hiersync.budget_ledger.process_id is 'Who bought them.';
comment on column hiersync.budget_ledger.calls is 'How many.';
comment on column hiersync.budget_ledger.bought_at is 'Before this time none of the calls was sent.';
comment on column hiersync.budget_ledger.ended_at is 'After this time none of the calls reaches the vendor; at first the latest possible, then when the last one was answered.';
