-- What a run needs to know: sources, leases, walks, runs, budgets. Who reads it: status pages and operators.

-- An administrator may have made both, who gives no right to make any. Only their owner may comment on them.
do $$
begin
    if to_regnamespace('hiersync') is null then
        create schema hiersync;
    end if;
    if to_regnamespace('hiersync_internal') is null then
        create schema hiersync_internal;
    end if;
end
$$;

do $$
begin
    comment on schema hiersync is 'Hierarchies mirrored by hiersync: customers and their children, users and who reports to them.';
    comment on schema hiersync_internal is 'Machinery of hiersync: nobody''s to read, and no promises.';
exception when insufficient_privilege then
    null;
end
$$;

-- One vendor account and the roots below which it is mirrored.
create table hiersync.source (
    source_id int generated always as identity primary key,
    name text not null unique,
    vendor text not null check (vendor in ('capillary', 'leadsquared')),
    is_configured boolean not null default true,
    paused_at timestamptz
);
comment on table hiersync.source is 'One vendor account and the roots below which it is mirrored.';
comment on column hiersync.source.source_id is 'Leads every primary key.';
comment on column hiersync.source.name is 'Its name in the configuration.';
comment on column hiersync.source.vendor is 'capillary or leadsquared.';
comment on column hiersync.source.is_configured is 'Whether the configuration still names it.';
comment on column hiersync.source.paused_at is 'Since when its schedule is stopped; null: it is not.';

-- What a source's walks hand on from one to the next.
create table hiersync_internal.source_state (
    source_id int primary key references hiersync.source,
    -- Dense per source, so that a set of nodes is a few ranges (frontier.seen).
    next_node_no int not null default 1,
    count_is_total boolean,
    first_seen_at timestamptz not null default clock_timestamp(),
    tidied_at timestamptz,
    history_since timestamptz,
    first_complete_walk_id bigint
) with (fillfactor = 70);
comment on table hiersync_internal.source_state is 'What a source''s walks hand on from one to the next.';
comment on column hiersync_internal.source_state.source_id is 'The source.';
comment on column hiersync_internal.source_state.next_node_no is 'The number that the next new node gets.';
comment on column hiersync_internal.source_state.count_is_total is 'Whether the count beside a list is of the whole list, as one of several pages has shown; null: none has.';
comment on column hiersync_internal.source_state.first_seen_at is 'When the source was first met: no firing before that was missed.';
comment on column hiersync_internal.source_state.tidied_at is 'When what is older than it is kept was last removed.';
comment on column hiersync_internal.source_state.first_complete_walk_id is 'The first walk that was complete: what it has brought was there before.';
comment on column hiersync_internal.source_state.history_since is 'Replaced versions and changes from before were removed; null: none was.';

-- One hiersync process. Leases and permits name it, so that a dead one on the same machine is known at once.
create table hiersync_internal.process (
    process_id bigint generated always as identity primary key,
    machine text not null,
    pid int not null,
    start_ticks bigint not null,
    started_at timestamptz not null default clock_timestamp()
);
comment on table hiersync_internal.process is 'One hiersync process that has written here.';
comment on column hiersync_internal.process.process_id is 'Named by leases, runs and permits.';
comment on column hiersync_internal.process.machine is 'Boot id and process namespace: processes with the same text can see each other.';
comment on column hiersync_internal.process.pid is 'Process id there.';
comment on column hiersync_internal.process.start_ticks is 'When the kernel started it, in clock ticks since boot: a reused pid differs here.';
comment on column hiersync_internal.process.started_at is 'When it first wrote.';

-- Tables of few rows that every run writes again and again. Their rows are updated in place, on the page, so that little is left for
-- autovacuum; what it must not do is cut off empty pages at the end, for which it locks out everybody, a hot standby's readers too:
-- `vacuum_truncate`. In tables of which only the latest rows are busy, while they grow for ever, a share of the whole table would be
-- waited for ever longer before it comes: `autovacuum_vacuum_scale_factor`.

-- The daemons that live, which share the sources among them. Not logged: each says so again every few seconds.
create unlogged table hiersync_internal.daemon (
    process_id bigint primary key,
    until timestamptz not null
) with (fillfactor = 50, vacuum_truncate = off);
comment on table hiersync_internal.daemon is 'The daemons that live: they share the sources.';
comment on column hiersync_internal.daemon.process_id is 'The daemon''s process.';
comment on column hiersync_internal.daemon.until is 'It is taken to live until then, by the database''s clock; renewed every few seconds.';

-- Who may write a source's tables. A taker raises the epoch and closes the open run, so that the old holder's
-- next transaction finds no open run and stops.
create table hiersync_internal.lease (
    source_id int primary key references hiersync.source,
    process_id bigint not null references hiersync_internal.process,
    epoch bigint not null,
    until timestamptz not null
) with (fillfactor = 50, vacuum_truncate = off);
comment on table hiersync_internal.lease is 'Who may write a source''s tables, and until when.';
comment on column hiersync_internal.lease.source_id is 'The source.';
comment on column hiersync_internal.lease.process_id is 'The holder.';
comment on column hiersync_internal.lease.epoch is 'Raised by every taker; a writer with an older one is refused.';
comment on column hiersync_internal.lease.until is 'By the database''s clock; renewed while the holder lives.';

-- One generation: reading everything below the roots once.
create table hiersync_internal.walk (
    source_id int not null references hiersync.source,
    walk_id bigint generated always as identity,
    shape text not null,
    reach text check (reach in ('direct', 'subtree', 'stated', 'compared', 'directory')),
    has_moved boolean not null default false,
    has_newcomers boolean not null default false,
    longest_page int not null default 0,
    started_at timestamptz not null default clock_timestamp(),
    finished_at timestamptz,
    verdict text check (verdict in ('complete', 'partial', 'superseded')),
    live_nodes bigint,
    lists_unproven bigint,
    primary key (source_id, walk_id)
) with (autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 500);
comment on table hiersync_internal.walk is 'One generation: reading everything below the roots once. A walk can span several runs.';
comment on column hiersync_internal.walk.source_id is 'The source.';
comment on column hiersync_internal.walk.walk_id is 'Marks what was seen: never a clock.';
comment on column hiersync_internal.walk.shape is 'Digest of the settings that decide what is read; a walk of another shape is not gone on with.';
comment on column hiersync_internal.walk.reach is 'How LeadSquared''s lists are read, once that is known. direct: they hold reports. subtree: everybody below, with managers from the search. stated: everybody below, with their managers. compared: everybody below, and managers follow from comparing lists. directory: no lists, all users come from the search.';
comment on column hiersync_internal.walk.has_moved is 'Something was seen to move in this walk.';
comment on column hiersync_internal.walk.has_newcomers is 'A list of this walk has shown somebody whose link did not live.';
comment on column hiersync_internal.walk.longest_page is 'Rows of the longest page of this walk: a shorter one was not cut off by a silent cap.';
comment on column hiersync_internal.walk.started_at is 'When it was opened.';
comment on column hiersync_internal.walk.finished_at is 'When it was closed; null while it is open.';
comment on column hiersync_internal.walk.live_nodes is 'Live nodes that it left. Of those of the last complete one the next may retire a share.';
comment on column hiersync_internal.walk.lists_unproven is 'Lists that it could not prove.';
comment on column hiersync_internal.walk.verdict is 'complete: everything was proven; partial: something was not; superseded: the settings changed on the way.';

-- One attempt to bring a walk forward. The counters that every page moves stand together, for small WAL records.
create table hiersync.sync_run (
    source_id int not null references hiersync.source,
    run_id bigint generated always as identity,
    walk_id bigint not null,
    process_id bigint not null,
    epoch bigint not null,
    trigger text not null check (trigger in ('schedule', 'manual', 'startup')),
    is_refresh boolean not null default false,
    started_at timestamptz not null default clock_timestamp(),
    finished_at timestamptz,
    outcome text check (outcome in ('complete', 'partial', 'throttled', 'stopped', 'failed', 'abandoned')),
    error text,
    resume_at timestamptz,
    throttled bigint not null default 0,
    retried bigint not null default 0,
    inserted bigint not null default 0,
    updated bigint not null default 0,
    retired bigint not null default 0,
    restored bigint not null default 0,
    wait_ms bigint not null default 0,
    requests bigint not null default 0,
    pages bigint not null default 0,
    rows_seen bigint not null default 0,
    unchanged bigint not null default 0,
    fetch_ms bigint not null default 0,
    write_ms bigint not null default 0,
    steps bigint not null default 0,
    primary key (source_id, run_id),
    check ((outcome is null) = (finished_at is null))
) with (fillfactor = 50, autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 500);
comment on table hiersync.sync_run is 'One attempt to bring a walk forward. Every row is closed; outcome is null while it runs.';
comment on column hiersync.sync_run.source_id is 'The source.';
comment on column hiersync.sync_run.run_id is 'Grows with every run.';
comment on column hiersync.sync_run.walk_id is 'The walk that it brought forward; 0: it could not be begun.';
comment on column hiersync.sync_run.process_id is 'The process that ran it.';
comment on column hiersync.sync_run.epoch is 'The lease''s epoch: the run writes only while it is the latest. 0: it could not be begun.';
comment on column hiersync.sync_run.trigger is 'schedule, manual or startup.';
comment on column hiersync.sync_run.is_refresh is 'It has read only nodes that were asked for, into the walk that was the latest.';
comment on column hiersync.sync_run.started_at is 'When it began.';
comment on column hiersync.sync_run.finished_at is 'When it ended; null while it runs.';
comment on column hiersync.sync_run.outcome is 'complete, partial, throttled, stopped, failed or abandoned; null while it runs.';
comment on column hiersync.sync_run.error is 'What a person must see, for failed and throttled runs.';
comment on column hiersync.sync_run.resume_at is 'When the budget lets a throttled walk go on.';
comment on column hiersync.sync_run.steps is 'Transactions in which it wrote: tells whether one was committed whose answer was lost.';
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

-- Finds the runs of one walk.
create index sync_run_walk on hiersync.sync_run (source_id, walk_id);
comment on index hiersync.sync_run_walk is 'Finds the runs of one walk.';

-- What all closed runs have counted, removed ones too, so that sums never fall and need not be made anew for each who asks.
create table hiersync_internal.run_total (
    source_id int not null,
    outcome text not null,
    runs bigint not null,
    requests bigint not null,
    throttled bigint not null,
    retried bigint not null,
    pages bigint not null,
    rows_seen bigint not null,
    inserted bigint not null,
    updated bigint not null,
    unchanged bigint not null,
    retired bigint not null,
    restored bigint not null,
    wait_ms bigint not null,
    fetch_ms bigint not null,
    write_ms bigint not null,
    run_ms bigint not null,
    primary key (source_id, outcome)
) with (fillfactor = 50, vacuum_truncate = off);
comment on table hiersync_internal.run_total is 'What all closed runs have counted, removed ones too.';
comment on column hiersync_internal.run_total.source_id is 'The source.';
comment on column hiersync_internal.run_total.outcome is 'How they ended.';
comment on column hiersync_internal.run_total.runs is 'How many they were.';
comment on column hiersync_internal.run_total.requests is 'Calls made.';
comment on column hiersync_internal.run_total.throttled is 'Calls that the vendor refused for the budget''s sake.';
comment on column hiersync_internal.run_total.retried is 'Calls that repeated a failed one.';
comment on column hiersync_internal.run_total.pages is 'Answers taken in.';
comment on column hiersync_internal.run_total.rows_seen is 'Rows as received.';
comment on column hiersync_internal.run_total.inserted is 'Nodes seen for the first time.';
comment on column hiersync_internal.run_total.updated is 'Nodes whose content changed.';
comment on column hiersync_internal.run_total.unchanged is 'Nodes that were as known.';
comment on column hiersync_internal.run_total.retired is 'Nodes that the vendor no longer showed.';
comment on column hiersync_internal.run_total.restored is 'Nodes that came back.';
comment on column hiersync_internal.run_total.wait_ms is 'Milliseconds in which they waited for the budget.';
comment on column hiersync_internal.run_total.fetch_ms is 'Milliseconds of requests, summed over requests that ran at once.';
comment on column hiersync_internal.run_total.write_ms is 'Milliseconds of write transactions, summed likewise.';
comment on column hiersync_internal.run_total.run_ms is 'Milliseconds from their beginnings to their ends.';

create function hiersync_internal.count_run() returns trigger language plpgsql as $$
begin
    insert into hiersync_internal.run_total as t
        (source_id, outcome, runs, requests, throttled, retried, pages, rows_seen, inserted, updated, unchanged, retired, restored, wait_ms,
        fetch_ms, write_ms, run_ms)
    values (
        new.source_id, new.outcome, 1, new.requests, new.throttled, new.retried, new.pages, new.rows_seen, new.inserted, new.updated,
        new.unchanged, new.retired, new.restored, new.wait_ms, new.fetch_ms, new.write_ms,
        extract(epoch from greatest(new.finished_at - new.started_at, interval '0')) * 1000
    )
    on conflict (source_id, outcome) do update set
        runs = t.runs + 1, requests = t.requests + excluded.requests, throttled = t.throttled + excluded.throttled,
        retried = t.retried + excluded.retried, pages = t.pages + excluded.pages, rows_seen = t.rows_seen + excluded.rows_seen,
        inserted = t.inserted + excluded.inserted, updated = t.updated + excluded.updated, unchanged = t.unchanged + excluded.unchanged,
        retired = t.retired + excluded.retired, restored = t.restored + excluded.restored, wait_ms = t.wait_ms + excluded.wait_ms,
        fetch_ms = t.fetch_ms + excluded.fetch_ms, write_ms = t.write_ms + excluded.write_ms, run_ms = t.run_ms + excluded.run_ms;
    return null;
end
$$;
comment on function hiersync_internal.count_run() is 'Adds a run that was closed to the totals.';
create trigger run_closed after update of outcome on hiersync.sync_run for each row when (old.outcome is null and new.outcome is not null)
execute function hiersync_internal.count_run();
create trigger run_refused after insert on hiersync.sync_run for each row when (new.outcome is not null)
execute function hiersync_internal.count_run();

-- The customers or users below whom a source is mirrored, as last resolved.
create table hiersync_internal.root (
    source_id int not null,
    asked_by text not null,
    node_key text not null,
    walk_id bigint not null,
    row_walk_id bigint,
    valid_from timestamptz not null,
    primary key (source_id, asked_by)
);
comment on table hiersync_internal.root is 'The nodes below which a source is mirrored.';
comment on column hiersync_internal.root.source_id is 'The source.';
comment on column hiersync_internal.root.asked_by is 'The root as configured: type and value of an identifier, or a UserId.';
comment on column hiersync_internal.root.node_key is 'The node''s id as text.';
comment on column hiersync_internal.root.walk_id is 'The walk that last resolved it.';
comment on column hiersync_internal.root.row_walk_id is 'The walk that last read its own row and queued its list.';
comment on column hiersync_internal.root.valid_from is 'Since when this node is it.';

-- Which nodes were roots before: of a past tree, and of one that lives on.
create table hiersync_internal.root_history (
    source_id int not null,
    node_key text not null,
    valid_from timestamptz not null,
    valid_to timestamptz not null,
    primary key (source_id, node_key, valid_from)
);
comment on table hiersync_internal.root_history is 'Nodes that were roots, and are none now or by another name.';
comment on column hiersync_internal.root_history.source_id is 'The source.';
comment on column hiersync_internal.root_history.node_key is 'The node''s id as text.';
comment on column hiersync_internal.root_history.valid_from is 'Since when it was one.';
comment on column hiersync_internal.root_history.valid_to is 'Until when.';

-- One row per list to read. The rows stay from walk to walk; the state belongs to the walk named. What every walk writes anew stands
-- together, for small WAL records; a page of the table has room for all of its rows once more, when one list above queues them all.
create table hiersync_internal.frontier (
    source_id int not null,
    parent_key text not null,
    list_no bigint generated always as identity,
    node_no int,
    depth int not null,
    expected bigint,
    shown_by text,
    ask_kind text,
    ask_value text,
    walk_id bigint not null,
    state text not null check (state in ('queued', 'doubtful', 'read', 'unproven', 'given_up')),
    seen int4multirange not null default '{}',
    pass jsonb not null default '{}',
    attempts int not null default 0,
    recounts int not null default 0,
    is_recounted boolean not null default false,
    refusal text,
    last_page int,
    seen_earlier int4multirange not null default '{}',
    wanted boolean,
    primary key (source_id, parent_key)
) with (fillfactor = 50);
comment on table hiersync_internal.frontier is 'One row per list to read: whose, how far, and what it has shown.';
comment on column hiersync_internal.frontier.source_id is 'The source.';
comment on column hiersync_internal.frontier.parent_key is 'Whose list: the node''s id as text; * for the directory of all users.';
comment on column hiersync_internal.frontier.list_no is 'Order among lists of one depth.';
comment on column hiersync_internal.frontier.node_no is 'The number of the node whose list it is; null for the directory.';
comment on column hiersync_internal.frontier.depth is 'Levels below the root, by the shortest way: 0 for a root''s own list.';
comment on column hiersync_internal.frontier.expected is 'How many children the vendor said there are (noOfChildren); null when it did not say.';
comment on column hiersync_internal.frontier.shown_by is 'The list that last showed the node whose list it is; null for a root.';
comment on column hiersync_internal.frontier.ask_kind is 'Identifier type by which a customer''s children are asked for.';
comment on column hiersync_internal.frontier.ask_value is 'That identifier''s value. Personal data.';
comment on column hiersync_internal.frontier.walk_id is 'The walk that the state belongs to.';
comment on column hiersync_internal.frontier.state is 'queued: to be read. doubtful: its count disagrees, or the vendor refuses it. read: to its end and proven. unproven: to its end, and it proves nothing. given_up: it cannot be read.';
comment on column hiersync_internal.frontier.seen is 'Numbers (node_no) of the nodes that the last pass has shown in this walk.';
comment on column hiersync_internal.frontier.pass is 'How far the last pass over it has come; empty once it is read and cannot be gone on with.';
comment on column hiersync_internal.frontier.attempts is 'How often it was begun anew in this walk.';
comment on column hiersync_internal.frontier.recounts is 'How often the list above was read again for its count.';
comment on column hiersync_internal.frontier.is_recounted is 'The list above was read again since the doubt arose.';
comment on column hiersync_internal.frontier.refusal is 'Why the vendor refuses it.';
comment on column hiersync_internal.frontier.last_page is 'Rows of its last page, where the vendor''s count alone has ended it and the page may have been cut off.';
comment on column hiersync_internal.frontier.seen_earlier is 'Numbers of those that earlier passes have shown in this walk.';
comment on column hiersync_internal.frontier.wanted is 'It is read next, as somebody asked for it: true: with all lists below; false: alone; null: nobody did.';

-- Empty but for the moments in which a refresh is under way.
create index frontier_wanted on hiersync_internal.frontier (source_id) where wanted is not null;
comment on index hiersync_internal.frontier_wanted is 'Finds the lists that somebody asked for.';

-- Each customer that is new or has changed may have the identifier by which another's list is asked for.
create index frontier_ask on hiersync_internal.frontier (source_id, hashtextextended(ask_value, 0)) where ask_value is not null;
comment on index hiersync_internal.frontier_ask is 'Finds the lists that are asked for by an identifier.';

-- Nodes that somebody wants to be read now. Whichever run comes next serves them first.
create table hiersync_internal.refresh (
    source_id int not null references hiersync.source,
    refresh_id bigint generated always as identity,
    node_key text not null,
    is_below boolean not null,
    asked_at timestamptz not null default clock_timestamp(),
    run_id bigint,
    taken_at timestamptz,
    done_at timestamptz,
    is_proven boolean,
    primary key (source_id, refresh_id)
);
comment on table hiersync_internal.refresh is 'Nodes that somebody asked to be read next.';
comment on column hiersync_internal.refresh.source_id is 'The source.';
comment on column hiersync_internal.refresh.refresh_id is 'Grows with every one that is asked for.';
comment on column hiersync_internal.refresh.node_key is 'The node''s id as text.';
comment on column hiersync_internal.refresh.is_below is 'With everything below it.';
comment on column hiersync_internal.refresh.asked_at is 'When it was asked for.';
comment on column hiersync_internal.refresh.run_id is 'The run that serves it, or has; null: none has begun to.';
comment on column hiersync_internal.refresh.taken_at is 'When that run has begun to.';
comment on column hiersync_internal.refresh.done_at is 'When it was served; null: not yet.';
comment on column hiersync_internal.refresh.is_proven is 'All its lists were read to their end and proven whole.';
create index refresh_open on hiersync_internal.refresh (source_id) where done_at is null;
comment on index hiersync_internal.refresh_open is 'Finds what is still asked for.';

-- A vendor's budget: sources that name the same one share it.
create table hiersync_internal.budget (
    budget_id int generated always as identity primary key,
    name text not null unique,
    headroom double precision not null default 0,
    pace double precision not null default 1 check (pace > 0 and pace <= 1),
    paced_at timestamptz not null default clock_timestamp(),
    paused_until timestamptz,
    paused_why text
) with (fillfactor = 50, vacuum_truncate = off);
comment on table hiersync_internal.budget is 'What a vendor allows: windows that hold all at once.';
comment on column hiersync_internal.budget.budget_id is 'Named by the ledger.';
comment on column hiersync_internal.budget.name is 'Its name in the configuration.';
comment on column hiersync_internal.budget.headroom is 'Share of the limits left to other users of the account.';
comment on column hiersync_internal.budget.pace is 'Share of the shortest window that was used at paced_at: falls when the vendor refuses calls that the limits allow.';
comment on column hiersync_internal.budget.paced_at is 'When the pace last fell; it comes back by a sixtieth with every window, or minute if that is shorter.';
comment on column hiersync_internal.budget.paused_until is 'No call before this time: the vendor refused.';
comment on column hiersync_internal.budget.paused_why is 'Why it is paused.';

-- The calls that a budget's windows still hold. A row is bought before its calls and its end lowered after them. A row that no window
-- remembers becomes a later purchase in its place, under another batch's number: its index need not be told.
create table hiersync_internal.budget_ledger (
    budget_id int not null,
    slot_no int generated always as identity,
    process_id bigint not null,
    calls int not null,
    buyer_boot bigint,
    batch_id bigint generated always as identity,
    bought_at timestamptz not null,
    ended_at timestamptz not null,
    buyer_uptime_s double precision,
    primary key (budget_id, slot_no)
) with (fillfactor = 50, vacuum_truncate = off);
comment on table hiersync_internal.budget_ledger is 'Calls that count against a budget''s windows.';
comment on column hiersync_internal.budget_ledger.budget_id is 'The budget.';
comment on column hiersync_internal.budget_ledger.slot_no is 'Its place, which later purchases take in their turn.';
comment on column hiersync_internal.budget_ledger.process_id is 'Who bought them.';
comment on column hiersync_internal.budget_ledger.calls is 'How many.';
comment on column hiersync_internal.budget_ledger.buyer_boot is 'Digest of the buyer''s boot id: uptimes with the same one can be compared.';
comment on column hiersync_internal.budget_ledger.batch_id is 'Permits bought together.';
comment on column hiersync_internal.budget_ledger.bought_at is 'Before this time none of the calls was sent.';
comment on column hiersync_internal.budget_ledger.ended_at is 'After this time none of the calls reaches the vendor; at first the latest possible, then when the last one was answered.';
comment on column hiersync_internal.budget_ledger.buyer_uptime_s is 'Seconds since the buyer''s machine was started, at bought_at: tells a database clock that has jumped.';

-- Limits, configured and learned. All of a budget's limits hold at once.
create table hiersync_internal.budget_limit (
    budget_id int not null references hiersync_internal.budget,
    origin text not null check (origin in ('configured', 'learned')),
    window_ms bigint not null check (window_ms > 0),
    calls int not null check (calls > 0),
    stated_at timestamptz not null default clock_timestamp(),
    primary key (budget_id, origin, window_ms)
);
comment on table hiersync_internal.budget_limit is 'What a budget allows: at most so many calls in any span of a window. All of them hold at once.';
comment on column hiersync_internal.budget_limit.budget_id is 'The budget.';
comment on column hiersync_internal.budget_limit.origin is 'configured, or learned: the vendor stated it in a refusal and it is lower than configured.';
comment on column hiersync_internal.budget_limit.window_ms is 'Length of the window, in milliseconds.';
comment on column hiersync_internal.budget_limit.calls is 'Calls allowed in one window, before headroom.';
comment on column hiersync_internal.budget_limit.stated_at is 'When it was last configured or stated; a learned limit is forgotten a week later.';

-- Processes that wait for permits are served in order. What is lost with a crash of the server is only the order, so
-- the table needs no WAL.
create unlogged table hiersync_internal.budget_waiter (
    budget_id int not null,
    process_id bigint not null,
    since timestamptz not null,
    wants int not null,
    asks_again_by timestamptz not null,
    primary key (budget_id, process_id)
) with (fillfactor = 50, vacuum_truncate = off);
comment on table hiersync_internal.budget_waiter is 'Processes that wait for permits, in the order in which they are served.';
comment on column hiersync_internal.budget_waiter.budget_id is 'The budget.';
comment on column hiersync_internal.budget_waiter.process_id is 'Who waits.';
comment on column hiersync_internal.budget_waiter.since is 'Since when: the earliest is served first.';
comment on column hiersync_internal.budget_waiter.wants is 'How many permits it waits for.';
comment on column hiersync_internal.budget_waiter.asks_again_by is 'If it has not asked again by this time, others are served meanwhile.';
