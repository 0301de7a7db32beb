-- The budget, part two: limits as rows, limits that the vendor stated, a pace that falls when others spend the same
-- account, who waits for permits, and what a jump of the clock is known by.

-- Limits, configured and learned. All of a budget's limits hold at once.
create table hiersync.budget_limit (
    budget_id int not null references hiersync.budget,
    origin text not null check (origin in ('configured', 'learned')),
    window_ms bigint not null check (window_ms > 0),
    calls int not null check (calls > 0),
    stated_at timestamptz not null default clock_timestamp(),
    primary key (budget_id, origin, window_ms)
);
comment on table hiersync.budget_limit is 'What a budget allows: at most so many calls in any span of a window. All of them hold at once.';
comment on column hiersync.budget_limit.budget_id is 'The budget.';
comment on column hiersync.budget_limit.origin is 'configured, or learned: the vendor stated it in a refusal and it is lower than configured.';
comment on column hiersync.budget_limit.window_ms is 'Length of the window, in milliseconds.';
comment on column hiersync.budget_limit.calls is 'Calls allowed in one window, before headroom.';
comment on column hiersync.budget_limit.stated_at is 'When it was last configured or stated; a learned limit is forgotten a week later.';

alter table hiersync.budget drop column limits;
alter table hiersync.budget drop column learned_limit;
alter table hiersync.budget add column pace double precision not null default 1 check (pace > 0 and pace <= 1);
alter table hiersync.budget add column paced_at timestamptz not null default clock_timestamp();
comment on column hiersync.budget.pace is 'Share of the shortest window that was used at paced_at: falls when the vendor refuses calls that the limits allow.';
comment on column hiersync.budget.paced_at is 'When the pace last fell; it comes back by a sixtieth with every window, or minute if that is shorter.';

-- The same clock as the buyer sees it: the database's clock is known to have jumped when the two drift apart.
alter table hiersync.budget_ledger add column buyer_boot bigint;
alter table hiersync.budget_ledger add column buyer_uptime_s double precision;
comment on column hiersync.budget_ledger.buyer_boot is 'Digest of the buyer''s boot id: uptimes with the same one can be compared.';
comment on column hiersync.budget_ledger.buyer_uptime_s is 'Seconds since the buyer''s machine was started, at bought_at.';

-- Processes that wait for permits are served in order. What is lost with a crash of the server is only the order, so
-- the table needs no WAL.
create unlogged table hiersync.budget_waiter (
    budget_id int not null,
    process_id bigint not null,
    since timestamptz not null,
    wants int not null,
    asks_again_by timestamptz not null,
    primary key (budget_id, process_id)
) with (fillfactor = 50);
comment on table hiersync.budget_waiter is 'Processes that wait for permits, in the order in which they are served.';
comment on column hiersync.budget_waiter.budget_id is 'The budget.';
comment on column hiersync.budget_waiter.process_id is 'Who waits.';
comment on column hiersync.budget_waiter.since is 'Since when: the earliest is served first.';
comment on column hiersync.budget_waiter.wants is 'How many permits it waits for.';
comment on column hiersync.budget_waiter.asks_again_by is 'If it has not asked again by this time, others are served meanwhile.';

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
        from hiersync.budget b join hiersync.budget_limit l using (budget_id)
        where l.origin = 'configured' or l.stated_at > clock_timestamp() - interval '7 days'
    ) p
) a cross join lateral (
    select coalesce(sum(l.calls), 0)::bigint as used,
        coalesce(sum(l.calls) filter (where l.ended_at > clock_timestamp()), 0)::bigint as under_way,
        min(l.ended_at) + a.span as next_free_at
    from hiersync.budget_ledger l
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

-- What a vendor's pages have taught: kept from walk to walk, so that it costs a call once.
alter table hiersync.source add column page_cap int;
alter table hiersync.source add column whole_page bigint;
comment on column hiersync.source.page_cap is 'Rows that the vendor gives at most, though more are asked for; null while it gives as many.';
comment on column hiersync.source.whole_page is 'Digest of the ids on a page that looked cut short and after which there was nothing.';
