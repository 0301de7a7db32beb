-- What people read beside the tables: how fresh each source is, how each budget stands, and the mirror as it stood at a time.

-- How fresh each source is, for a dashboard's corner.
create view hiersync.source_health as
select
    s.source_id,
    s.name,
    s.vendor,
    complete.finished_at as last_complete_at,
    clock_timestamp() - complete.finished_at as staleness,
    latest.run_id as last_run_id,
    latest.started_at as last_started_at,
    latest.finished_at as last_finished_at,
    latest.outcome as last_outcome,
    latest.error as last_error,
    latest.resume_at,
    (
        select count(*) from hiersync.finding f where f.source_id = s.source_id and f.resolved_at is null and f.severity = 'act'
    ) as open_findings,
    s.is_configured,
    s.paused_at
from hiersync.source s
left join lateral (
    select w.finished_at from hiersync_internal.walk w where w.source_id = s.source_id and w.verdict = 'complete'
    order by w.walk_id desc limit 1
) complete on true
left join lateral (
    select r.* from hiersync.sync_run r where r.source_id = s.source_id and not r.is_refresh order by r.run_id desc limit 1
) latest on true;
comment on view hiersync.source_health is 'How fresh each source is.';
comment on column hiersync.source_health.source_id is 'The source.';
comment on column hiersync.source_health.name is 'Its name in the configuration.';
comment on column hiersync.source_health.vendor is 'capillary or leadsquared.';
comment on column hiersync.source_health.last_complete_at is 'When a walk was last completed.';
comment on column hiersync.source_health.staleness is 'Time since then.';
comment on column hiersync.source_health.last_run_id is 'The latest run, but for refreshes.';
comment on column hiersync.source_health.last_started_at is 'When it began.';
comment on column hiersync.source_health.last_finished_at is 'When it ended; null while it runs.';
comment on column hiersync.source_health.last_outcome is 'How it ended; null while it runs.';
comment on column hiersync.source_health.last_error is 'What a person must see.';
comment on column hiersync.source_health.resume_at is 'When the budget lets it go on.';
comment on column hiersync.source_health.is_configured is 'The configuration still names it.';
comment on column hiersync.source_health.paused_at is 'Since when its schedule is stopped; null: it is not.';
comment on column hiersync.source_health.open_findings is 'Open findings on which somebody is to act.';

-- For people and dashboards: each window of each budget as it stands.
create view hiersync.budget_use as
select a.name as budget, a.calls, a.span, a.origin, a.stated_at, a.headroom, a.share as pace, a.allowed,
    s.used, greatest(0, a.allowed - s.used) as free, s.under_way, s.next_free_at,
    case when a.paused_until > clock_timestamp() then a.paused_until end as paused_until,
    case when a.paused_until > clock_timestamp() then a.paused_why end as paused_why
from (
    select p.*, greatest(1, floor(p.after_headroom * p.share))::bigint as allowed
    from (
        select b.*, l.origin, l.calls, l.stated_at, l.window_ms * interval '1 millisecond' as span,
            greatest(1, floor(l.calls * (1 - b.headroom))) as after_headroom,
            case when l.window_ms = min(l.window_ms) over (partition by b.budget_id)
                then least(1, b.pace + extract(epoch from clock_timestamp() - b.paced_at) * 1000 / least(l.window_ms, 60000) / 60)
                else 1 end::double precision as share
        from hiersync_internal.budget b join hiersync_internal.budget_limit l using (budget_id)
        where l.origin = 'configured' or l.stated_at > clock_timestamp() - interval '7 days'
    ) p
) a cross join lateral (
    select coalesce(sum(l.calls), 0)::bigint as used,
        coalesce(sum(l.calls) filter (where l.ended_at > clock_timestamp()), 0)::bigint as under_way,
        min(l.ended_at) + a.span as next_free_at
    from hiersync_internal.budget_ledger l
    where l.budget_id = a.budget_id and l.ended_at + a.span >= clock_timestamp()
) s;
comment on view hiersync.budget_use is 'Each window of each budget as it stands now: allowed, used and free calls, and pauses.';
comment on column hiersync.budget_use.budget is 'The budget''s name in the configuration.';
comment on column hiersync.budget_use.calls is 'Calls in one window, as configured or stated by the vendor.';
comment on column hiersync.budget_use.span is 'Length of the window.';
comment on column hiersync.budget_use.origin is 'configured or learned from a refusal.';
comment on column hiersync.budget_use.stated_at is 'When the limit was last configured or stated.';
comment on column hiersync.budget_use.headroom is 'Share of the limit left to other users of the account.';
comment on column hiersync.budget_use.pace is 'Share of the window in use: below 1 after refusals of calls that the limits allow, as when others spend the same account.';
comment on column hiersync.budget_use.allowed is 'Calls that we allow ourselves in one window: after headroom and pace.';
comment on column hiersync.budget_use.used is 'Calls that the window holds now.';
comment on column hiersync.budget_use.free is 'Calls that could go now.';
comment on column hiersync.budget_use.under_way is 'Of the used, those whose answers are awaited.';
comment on column hiersync.budget_use.next_free_at is 'When the oldest calls leave the window.';
comment on column hiersync.budget_use.paused_until is 'No call before this time: the vendor refused; null when calls may go.';
comment on column hiersync.budget_use.paused_why is 'Why it is paused.';

-- The mirror as it stood at a time is not told where a part of it was removed: an answer that lacks somebody would be believed. With the
-- rights of its owner, so that who reads the tables needs none for the machinery.
create function hiersync.is_kept(t timestamptz) returns boolean language plpgsql stable parallel safe security definer set search_path = '' as $$
declare
    since timestamptz := (select max(history_since) from hiersync_internal.source_state);
begin
    if t < since then
        raise exception 'history before % was removed, as keep_history says: % is too early', since, t using errcode = 'no_data_found';
    end if;
    return true;
end
$$;
comment on function hiersync.is_kept(timestamptz) is 'True where the mirror''s history at a time is kept; else an error that says from when it is.';

-- The mirror as it stood at a time. Each gives the columns of its table, and is a plain selection that the planner puts into the
-- statement around it: conditions on the key are looked up by key. A row that was retired later is given as live; one that was
-- retired by then is given with its retired_at; one that was not yet seen is not given. For the time between a page's time and its
-- commit, the answer changes when the page commits. A null stands for now. Who adds a column to a table replaces its function, too.
create function hiersync.customer_at(t timestamptz) returns setof hiersync.customer language sql stable parallel safe as $$
    select
        v.source_id, v.customer_id, v.node_no, v.digest, v.text_digest, v.first_name, v.last_name, v.email, v.mobile, v.external_id,
        v.account_id, v.profile_source, v.role_code, v.no_of_children, v.default_child, v.created_at, v.auto_update_time,
        v.extended_fields, v.extra, v.is_placeholder, v.first_seen_at,
        case when v.retired_at > t then least(v.changed_at, v.valid_from) else v.changed_at end,
        case when v.retired_at > t then null else v.retired_at end, case when v.retired_at > t then null else v.retired_walk_id end,
        v.forgotten_at, v.valid_from
    from (select null::timestamptz as valid_to, c.* from hiersync.customer c union all table hiersync.customer_history) v
    where v.valid_from <= coalesce(t, 'infinity') and (v.valid_to > coalesce(t, 'infinity')) is not false and (select hiersync.is_kept(t))
$$;
comment on function hiersync.customer_at(timestamptz) is 'Customers as the mirror had them at a time: live ones, and with retired_at those that were gone by then.';

create function hiersync.customer_link_at(t timestamptz) returns setof hiersync.customer_link language sql stable parallel safe as $$
    select
        v.source_id, v.parent_id, v.child_id, v.first_seen_at,
        case when v.retired_at > t then null else v.retired_at end, v.valid_from
    from (select null::timestamptz as valid_to, c.* from hiersync.customer_link c union all table hiersync.customer_link_history) v
    where v.valid_from <= coalesce(t, 'infinity') and (v.valid_to > coalesce(t, 'infinity')) is not false and (select hiersync.is_kept(t))
$$;
comment on function hiersync.customer_link_at(timestamptz) is 'Parents and children as the mirror had them at a time; those that were gone by then with retired_at.';

create function hiersync.reporting_user_at(t timestamptz) returns setof hiersync.reporting_user language sql stable parallel safe as $$
    select
        v.source_id, v.user_id, v.node_no, v.digest, v.name, v.email, v.mobile, v.is_active, v.checked_in,
        v.auto_update_time, v.extra, v.is_placeholder, v.first_seen_at,
        case when v.retired_at > t then least(v.changed_at, v.valid_from) else v.changed_at end,
        case when v.retired_at > t then null else v.retired_at end, case when v.retired_at > t then null else v.retired_walk_id end,
        v.forgotten_at, v.valid_from
    from (select null::timestamptz as valid_to, c.* from hiersync.reporting_user c union all table hiersync.reporting_user_history) v
    where v.valid_from <= coalesce(t, 'infinity') and (v.valid_to > coalesce(t, 'infinity')) is not false and (select hiersync.is_kept(t))
$$;
comment on function hiersync.reporting_user_at(timestamptz) is 'Users as the mirror had them at a time: live ones, and with retired_at those that were gone by then.';

create function hiersync.reporting_line_at(t timestamptz) returns setof hiersync.reporting_line language sql stable parallel safe as $$
    select
        v.source_id, v.manager_id, v.user_id, v.first_seen_at,
        case when v.retired_at > t then null else v.retired_at end, v.valid_from
    from (select null::timestamptz as valid_to, c.* from hiersync.reporting_line c union all table hiersync.reporting_line_history) v
    where v.valid_from <= coalesce(t, 'infinity') and (v.valid_to > coalesce(t, 'infinity')) is not false and (select hiersync.is_kept(t))
$$;
comment on function hiersync.reporting_line_at(timestamptz) is 'Managers and reports as the mirror had them at a time; those that were gone by then with retired_at.';

-- Who was told of in a walk beside the mirror, under the names that both vendors' links have: staged in it, or known from an earlier one and
-- shown by the search as before. A plain selection that the planner puts into the statement around it: looked up by key, or scanned once.
create function hiersync_internal.user_told(the_source int, the_walk bigint) returns table (child_id uuid, parent_id uuid, content jsonb)
language sql stable as $$
    select s.user_id, s.manager_id, s.content
    from hiersync_internal.staged_user s
    where s.source_id = the_source
      and (
          s.walk_id = the_walk
          or (
              select f.seen + f.seen_earlier from hiersync_internal.frontier f
              where f.source_id = the_source and f.walk_id = the_walk and f.parent_key = '*'
          ) @> s.node_no
      )
$$;
comment on function hiersync_internal.user_told(int, bigint) is 'Who was told of in a walk beside the mirror.';

-- Who hangs on a root, the roots too: through users who were told of, and through lines that the directory has shown to stand or whose
-- user it hides though others name them. whole: only through those whose content is known.
create function hiersync_internal.user_reached(the_source int, the_walk bigint, whole boolean) returns table (user_id uuid)
language sql stable as $$
    with recursive edge as (
        select t.parent_id as manager_id, t.child_id as user_id
        from hiersync_internal.user_told(the_source, the_walk) t
        where t.parent_id is not null and (t.content is not null or not whole)
        union all
        select l.manager_id, l.user_id
        from hiersync.reporting_line l
        where l.source_id = the_source and l.retired_at is null
          and not exists (select from hiersync_internal.user_told(the_source, the_walk) t where t.child_id = l.user_id)
    ), reached as (
        select r.node_key::uuid as user_id from hiersync_internal.root r where r.source_id = the_source and r.walk_id = the_walk
        union
        select e.user_id from edge e join reached on reached.user_id = e.manager_id
    )
    select reached.user_id from reached
$$;
comment on function hiersync_internal.user_reached(int, bigint, boolean) is 'Who hangs on a root by what a walk was told.';

create function hiersync_internal.customer_told(the_source int, the_walk bigint) returns table (child_id bigint, parent_id bigint)
language sql stable as $$
    select null::bigint, null::bigint where false
$$;
comment on function hiersync_internal.customer_told(int, bigint) is 'Nobody: customers'' parents are told by lists alone.';

-- Lines that follow from comparing lists of which each holds everybody below: m is u's manager exactly where those above u are those
-- above m, and m. Sets are compared by their size and the xor of their members' hashes. Only lines to which the lists lead both as
-- they were read first and last, and only where one manager fits.
create function hiersync_internal.compared_lines(the_source int, the_walk bigint)
returns table (manager_id uuid, user_id uuid, user_no int) language sql stable as $$
    with reading as (
        select false as is_first union all select true
    ), pair as materialized (
        select g.is_first, f.node_no as manager_no, n.node_no as user_no
        from reading g
        cross join hiersync_internal.frontier f
        cross join lateral unnest(case when g.is_first and not isempty(f.seen_earlier) then f.seen_earlier else f.seen end) as r (numbers)
        cross join lateral generate_series(lower(r.numbers), upper(r.numbers) - 1) as n (node_no)
        where f.source_id = the_source and f.walk_id = the_walk and f.depth >= 0 and n.node_no <> f.node_no
    ), above as materialized (
        select p.is_first, p.user_no, count(*) as many, bit_xor(hashint8extended(p.manager_no, 0)) as hash
        from pair p group by p.is_first, p.user_no
    ), fits as (
        select p.is_first, p.user_no, min(p.manager_no) as manager_no
        from pair p
        join above u on u.is_first = p.is_first and u.user_no = p.user_no
        left join above m on m.is_first = p.is_first and m.user_no = p.manager_no
        where u.many = coalesce(m.many, 0) + 1 and u.hash = coalesce(m.hash, 0) # hashint8extended(p.manager_no, 0)
        group by p.is_first, p.user_no
        having count(*) = 1
    )
    select m.user_id, u.user_id, u.node_no
    from fits last
    join fits first on first.is_first and first.user_no = last.user_no and first.manager_no = last.manager_no
    join hiersync.reporting_user m on m.source_id = the_source and m.node_no = last.manager_no
    join hiersync.reporting_user u on u.source_id = the_source and u.node_no = last.user_no
    where not last.is_first
$$;
comment on function hiersync_internal.compared_lines(int, bigint) is 'Who reports to whom, by comparing lists that hold everybody below.';

-- Removes a source's replaced versions and changes from before a time, so many of each table at most, and gives how many those were.
create function hiersync_internal.remove_history(the_source int, the_time timestamptz, many int) returns bigint language plpgsql as $$
declare
    aged record;
    gone bigint;
    removed bigint := 0;
    closed bigint := coalesce((
        select max(c.walk_id) from hiersync_internal.walk c where c.source_id = the_source and c.verdict in ('complete', 'partial')
    ), 0);
    -- What walks have changed since one was last closed is still to be settled, and what refreshes have changed in that one.
    before timestamptz := case when the_time is not null then least(
        the_time,
        (select min(w.started_at) from hiersync_internal.walk w where w.source_id = the_source and w.walk_id > closed),
        (
            select min(r.started_at)
            from hiersync.sync_run r join hiersync_internal.walk w on w.source_id = the_source and w.walk_id = closed
            where r.source_id = the_source and r.is_refresh and r.walk_id = closed and r.started_at > w.finished_at
        )
    ) end;
begin
    for aged in select * from (values
        ('customer_history'), ('customer_profile_history'), ('customer_identifier_history'), ('customer_channel_history'),
        ('customer_link_history'), ('reporting_user_history'), ('reporting_line_history')
    ) as v (name) loop
        execute format(
            'delete from hiersync.%1$I where source_id = $1 and ctid = any (array(
                 select ctid from hiersync.%1$I where source_id = $1 and valid_to < $2 limit $3
             ))', aged.name
        ) using the_source, before, many;
        get diagnostics gone = row_count;
        removed := removed + gone;
    end loop;
    for aged in select * from (values ('customer_move'), ('reporting_move')) as v (name) loop
        execute format('delete from hiersync.%1$I where source_id = $1 and moved_at < $2', aged.name) using the_source, before;
        get diagnostics gone = row_count;
        removed := removed + gone;
    end loop;
    -- Their numbers grow with their time.
    delete from hiersync.change where source_id = the_source and change_id in (
        select o.change_id from (
            select c.change_id, c.seen_at from hiersync.change c where c.source_id = the_source order by c.change_id limit many
        ) o where o.seen_at < before
    );
    get diagnostics gone = row_count;
    removed := removed + gone;
    if removed > 0 then
        update hiersync_internal.source_state set history_since = greatest(history_since, before) where source_id = the_source;
    end if;
    return removed;
end
$$;
comment on function hiersync_internal.remove_history(int, timestamptz, int) is 'Removes replaced versions and changes from before a time.';

-- What is planned for a tenth of the rows is slow with all of them: until autovacuum comes by, a quiet walk after a first load cost the server
-- half as much again. A table that somebody else analyzes just now is left to them; so is one that is not ours.
create function hiersync_internal.analyze_loaded(the_source int, the_walk bigint) returns void language plpgsql as $$
declare
    loaded bigint := (select coalesce(sum(r.inserted), 0) from hiersync.sync_run r where r.source_id = the_source and r.walk_id = the_walk);
    what regclass;
begin
    if loaded < 1000 then return; end if;
    for what in
        select c.oid from pg_class c
        where c.relnamespace = 'hiersync'::regnamespace and c.relkind = 'r' and c.reltuples < loaded and pg_relation_size(c.oid) > 0
    loop
        execute format('analyze (skip_locked) %s', what);
    end loop;
end
$$;
comment on function hiersync_internal.analyze_loaded(int, bigint) is
    'Renews what the planner knows of tables of which it knows fewer rows than a walk has taken in.';

-- The same of a source's closed runs, ended walks and resolved findings. What still says something stays: the latest run, and the walk that
-- is open, the one that ended last and the last complete one, with their runs.
create function hiersync_internal.remove_runs(the_source int, before timestamptz, many int) returns bigint language sql as $$
    with last as (
        select max(walk_id) filter (where verdict is not null) as ended, max(walk_id) filter (where verdict = 'complete') as complete,
            max(walk_id) filter (where verdict is null) as open,
            (select max(run_id) from hiersync.sync_run where source_id = the_source) as run
        from hiersync_internal.walk where source_id = the_source and verdict is distinct from 'superseded'
    ), run as (
        delete from hiersync.sync_run where source_id = the_source and run_id in (
            select r.run_id from hiersync.sync_run r, last
            where r.source_id = the_source and r.finished_at < before and r.run_id <> last.run and r.walk_id is distinct from last.complete
                and (r.walk_id = 0 or r.walk_id <= last.ended) and r.walk_id is distinct from last.ended and r.walk_id is distinct from last.open
            order by r.run_id limit many
        ) returning 1
    ), walk as (
        delete from hiersync_internal.walk where source_id = the_source and walk_id in (
            select w.walk_id from hiersync_internal.walk w, last
            where w.source_id = the_source and w.finished_at < before and w.walk_id < last.ended
                and w.walk_id is distinct from last.complete
            order by w.walk_id limit many
        ) returning 1
    ), finding as (
        delete from hiersync.finding where source_id = the_source and finding_id in (
            select f.finding_id from hiersync.finding f where f.source_id = the_source and f.resolved_at < before
            order by f.finding_id limit many
        ) returning 1
    )
    select (select count(*) from run) + (select count(*) from walk) + (select count(*) from finding)
$$;
comment on function hiersync_internal.remove_runs(int, timestamptz, int) is 'Removes runs, walks and resolved findings from before a time.';
