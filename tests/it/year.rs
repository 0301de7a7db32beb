//! A simulated year of the budget: thousands of sources in many processes, days of virtual time, faults, deaths, restarts
//! and clocks that jump, in seconds. The door counts every call in exact sliding windows.

use std::{
    cmp::Reverse,
    collections::{BTreeMap, BinaryHeap, HashSet, VecDeque},
    time::Duration,
};

use chrono::{DateTime, TimeDelta, Utc};
use hiersync::{
    budget::{
        book::{Book, Changes, Deal, Ended, Entry, Moment, Waiter},
        pace::{self, Pace},
        window::Spent,
    },
    model::limit::Limit,
};

/// Milliseconds of true time.
type Millis = i64;

const HOUR: Millis = 3_600_000;
const DAY: Millis = 24 * HOUR;

/// A call is over this long after its purchase at the latest.
const LONGEST: Millis = 38_000;

/// What a dead process had sent arrives within this time.
const STRAGGLING: Millis = 500;

/// How the world of one test is.
#[derive(Clone, Copy)]
struct Nature {
    limits: &'static [&'static str],
    processes: usize,
    sources: usize,
    /// Calls of one run, at most.
    calls: u64,
    /// Milliseconds between two runs of a source.
    pause: Millis,
    latency: Millis,
    /// While a wait hangs on calls under way, how often it is asked again.
    poll: Millis,
    until: Millis,
    /// One in so many rounds ends with the process's death.
    deaths: u64,
    /// One in so many rounds is refused.
    refusals: u64,
    /// One in so many rounds sees the database's clock jump.
    jumps: u64,
}

/// One budget's rows, as the database keeps them, and what is true.
struct Bank {
    limits: Vec<Limit>,
    rows: BTreeMap<i64, Row>,
    waiters: BTreeMap<i64, Waiter>,
    paused_until: Option<DateTime<Utc>>,
    pace: Pace,
    batches: i64,
    dead: HashSet<i64>,
    /// What the database's clock is wrong by.
    wrong: TimeDelta,
    arrivals: Vec<Millis>,
}

#[derive(Clone, Copy)]
struct Row {
    spent: Spent,
    process_id: i64,
    seen: Moment,
}

#[derive(Clone)]
struct Source {
    process: usize,
    left: u64,
    under_way: Option<(i64, u32, Millis)>,
    /// When its calls under way were sent, and when they arrive.
    sent: Vec<(Millis, Millis)>,
    is_resting: bool,
}

fn at(millis: Millis) -> DateTime<Utc> {
    DateTime::from_timestamp_millis(1_700_000_000_000 + millis).unwrap()
}

impl Bank {
    fn new(limits: &[&str]) -> Self {
        Self {
            limits: limits.iter().map(|limit| limit.parse().unwrap()).collect(),
            rows: BTreeMap::new(),
            waiters: BTreeMap::new(),
            paused_until: None,
            pace: Pace { share: 1.0, at: at(0) },
            batches: 0,
            dead: HashSet::new(),
            wrong: TimeDelta::zero(),
            arrivals: Vec::new(),
        }
    }

    /// As the ledger in Postgres does it: load, follow the clock, bury the dead, trade, write down what changed.
    fn trade(&mut self, now: Millis, process_id: i64, ended: Option<(i64, u32, Millis)>, wants: u32) -> (Deal, i64) {
        let time = at(now) + self.wrong;
        let moment = Moment { time, uptime: TimeDelta::milliseconds(now) };
        let mut book = Book {
            now: time,
            limits: pace::in_force(time, &self.limits, 0.0, self.pace),
            paused_until: self.paused_until,
            entries: self.rows.iter().map(|(batch_id, row)| Entry { batch_id: *batch_id, spent: row.spent }).collect(),
            waiters: self.waiters.values().copied().collect(),
        };
        if let Some(last) = self.rows.values().next_back().copied()
            && let Some(jump) = book.follow_clock(last.seen, moment, TimeDelta::zero())
        {
            self.follow_clock(jump);
        }
        let orphans: Vec<i64> =
            self.rows.iter().filter(|(_, row)| self.dead.contains(&row.process_id)).map(|(batch_id, _)| *batch_id).collect();
        let mut changes = Changes::default();
        book.bury(&orphans, &mut changes);
        let ended = ended.map(|(batch_id, used, end)| Ended { batch_id, used, ended_at: at(end) + self.wrong });
        let deal = book.trade(process_id, ended.as_slice(), wants.into(), &mut changes);
        self.write_down(&changes, process_id);
        if let Deal::Buy(calls) = deal {
            let spent = Spent { calls, ended_at: time + TimeDelta::milliseconds(LONGEST) };
            self.rows.insert(self.batches, Row { spent, process_id, seen: moment });
            self.batches += 1;
            let memory = self.limits.iter().map(|limit| TimeDelta::from_std(limit.window).unwrap()).max().unwrap();
            self.rows.retain(|_, row| row.spent.ended_at >= time - memory);
        }
        (deal, self.batches - 1)
    }

    fn write_down(&mut self, changes: &Changes, process_id: i64) {
        for entry in &changes.changed {
            self.rows.get_mut(&entry.batch_id).unwrap().spent = entry.spent;
        }
        self.rows.retain(|batch_id, _| !changes.gone.contains(batch_id));
        if let Some(place) = changes.waits {
            self.waiters.insert(process_id, place);
        }
        if changes.waits_no_more {
            self.waiters.remove(&process_id);
        }
    }

    fn follow_clock(&mut self, jump: TimeDelta) {
        for row in self.rows.values_mut() {
            row.spent.ended_at += jump;
            row.seen.time += jump;
        }
        self.paused_until = self.paused_until.map(|until| until + jump);
        self.pace.at += jump;
        self.waiters.clear();
    }

    fn refuse(&mut self, now: Millis, pause: Millis) {
        let time = at(now) + self.wrong;
        self.pace = self.pace.refused(time, pace::shortest(&self.limits).unwrap());
        self.paused_until = self.paused_until.max(Some(time + TimeDelta::milliseconds(pause)));
    }

    /// The most calls that the door saw in any closed span of a window.
    fn most_in_any(&mut self, window: Duration) -> usize {
        self.arrivals.sort_unstable();
        let window = Millis::try_from(window.as_millis()).unwrap();
        let mut first = 0;
        let in_span = self.arrivals.iter().enumerate().map(|(last, time)| {
            while self.arrivals[first] + window < *time {
                first += 1;
            }
            last - first + 1
        });
        in_span.max().unwrap_or(0)
    }
}

/// One budget with its processes and sources.
struct World {
    nature: Nature,
    random: fastrand::Rng,
    bank: Bank,
    /// Number of each process, anew after a restart.
    processes: Vec<i64>,
    /// Sources that want permits, by process: only the first asks, as in a purse.
    queues: Vec<VecDeque<usize>>,
    sources: Vec<Source>,
    todo: BinaryHeap<Reverse<(Millis, usize, i64)>>,
    deaths: usize,
    runs: usize,
}

impl World {
    fn new(nature: Nature, seed: u64) -> Self {
        let mut random = fastrand::Rng::with_seed(seed);
        let processes: Vec<i64> = (0..nature.processes).map(|no| i64::try_from(no).unwrap()).collect();
        let sources = (0..nature.sources)
            .map(|no| Source { process: no % nature.processes, left: 0, under_way: None, sent: Vec::new(), is_resting: false })
            .collect();
        let first = |no: usize| Reverse((random.i64(0..=nature.pause), no, processes[no % nature.processes]));
        let todo = (0..nature.sources).map(first).collect();
        let queues = vec![VecDeque::new(); nature.processes];
        Self { nature, random, bank: Bank::new(nature.limits), processes, queues, sources, todo, deaths: 0, runs: 0 }
    }

    fn live(&mut self) {
        while let Some(Reverse((now, source, process_id))) = self.todo.pop() {
            if now > self.nature.until {
                return;
            }
            self.turn(now, source, process_id);
        }
    }

    /// A source's turn, unless others of its process want permits already.
    fn turn(&mut self, now: Millis, source: usize, process_id: i64) {
        let process = self.sources[source].process;
        // A process that died in the meantime does nothing any more.
        if self.processes[process] != process_id {
            return;
        }
        if self.queues[process].front().is_some_and(|first| *first != source) {
            self.queues[process].push_back(source);
            return;
        }
        let next = self.round(now, source, process_id);
        if self.processes[process] != process_id {
            return;
        }
        self.todo.push(Reverse((next, source, process_id)));
        // Who was served makes room for the next; who was not asks again.
        let is_served = self.sources[source].under_way.is_some() || self.sources[source].is_resting;
        let waits = self.queues[process].front() == Some(&source);
        match (is_served, waits) {
            (false, false) => self.queues[process].push_front(source),
            (true, true) => drop(self.queues[process].pop_front()),
            _ => {}
        }
        if is_served && let Some(next) = self.queues[process].front() {
            self.todo.push(Reverse((now, *next, process_id)));
        }
    }

    fn one_in(&mut self, many: u64) -> bool {
        many > 0 && self.random.u64(0..many) == 0
    }

    /// A source settles its calls and wants more. Gives when it comes back.
    fn round(&mut self, now: Millis, no: usize, process_id: i64) -> Millis {
        if self.one_in(self.nature.jumps) {
            self.bank.wrong += TimeDelta::milliseconds(self.random.i64(-5 * HOUR..5 * HOUR));
        }
        let ended = self.sources[no].under_way.take();
        let arrived = std::mem::take(&mut self.sources[no].sent);
        self.bank.arrivals.extend(arrived.into_iter().map(|(_, arrives)| arrives));
        if self.sources[no].left == 0 {
            self.bank.trade(now, process_id, ended, 0);
            self.sources[no].left = self.random.u64(1..=self.nature.calls);
            self.sources[no].is_resting = true;
            self.runs += 1;
            return now + self.nature.pause;
        }
        self.sources[no].is_resting = false;
        if ended.is_some() && self.one_in(self.nature.refusals) {
            let pause = self.random.i64(1..20_000);
            self.bank.refuse(now, pause);
        }
        let wants = u32::try_from(self.sources[no].left.min(4)).unwrap();
        let (deal, batch_id) = self.bank.trade(now, process_id, ended, wants);
        match deal {
            Deal::Buy(calls) => self.call(now, no, batch_id, calls),
            Deal::Wait { until, at_least_until, .. } => {
                let from_now = |time: DateTime<Utc>| (time - at(now) - self.bank.wrong).num_milliseconds() + 1;
                now + from_now(at_least_until).max(from_now(until).clamp(self.nature.poll, 4 * self.nature.poll))
            }
        }
    }

    /// Sends the calls. Gives when the last of them has ended.
    fn call(&mut self, now: Millis, no: usize, batch_id: i64, calls: u32) -> Millis {
        let mut end = now;
        let dies = self.one_in(self.nature.deaths).then(|| now + self.random.i64(0..=self.nature.latency));
        for _ in 0..calls {
            let sent = now + self.random.i64(0..=20);
            let latency = self.random.i64(0..=self.nature.latency) * if self.one_in(50) { 8 } else { 1 };
            let arrives = sent + self.random.i64(0..=latency);
            end = end.max(sent + latency.max(1));
            self.sources[no].sent.push((sent, arrives));
        }
        self.sources[no].left -= u64::from(calls);
        self.sources[no].under_way = Some((batch_id, calls, end));
        match dies {
            Some(death) => self.die(death, self.sources[no].process),
            None => end,
        }
    }

    /// All sources of the process begin again, a while later. Gives when.
    fn die(&mut self, now: Millis, process: usize) -> Millis {
        self.deaths += 1;
        self.bank.dead.insert(self.processes[process]);
        self.processes[process] += i64::try_from(self.nature.processes).unwrap();
        let back = now + self.random.i64(100..5000);
        self.queues[process].clear();
        for (no, source) in self.sources.iter_mut().enumerate().filter(|(_, source)| source.process == process) {
            source.under_way = None;
            // What was not sent yet is not sent, and what was sent arrives soon or never.
            let sent = std::mem::take(&mut source.sent).into_iter().filter(|(sent, _)| *sent <= now);
            self.bank.arrivals.extend(sent.map(|(_, arrives)| arrives.min(now + STRAGGLING)));
            self.todo.push(Reverse((back, no, self.processes[process])));
        }
        back
    }
}

/// Lives through it and holds the door's counts against the limits.
fn live(nature: Nature, seed: u64) -> World {
    let mut world = World::new(nature, seed);
    world.live();
    for limit in world.bank.limits.clone() {
        let most = world.bank.most_in_any(limit.window);
        assert!(most <= limit.calls as usize, "seed {seed}: {most} calls in a span of {limit}");
    }
    world
}

const QUIET: Nature = Nature {
    limits: &["25/5s"],
    processes: 3,
    sources: 3,
    calls: 400,
    pause: 0,
    latency: 40,
    poll: 50,
    until: HOUR,
    deaths: 0,
    refusals: 0,
    jumps: 0,
};

#[test]
fn thousands_of_sources_never_go_over_any_limit_for_days() {
    let natures: [&[&str]; 6] =
        [&["25/5s"], &["100/1m"], &["25/5s", "3000/1d"], &["10/1s", "300/1m", "8000/1d"], &["3/250ms", "40/30s"], &["500/1h"]];
    let (mut calls, mut deaths, mut runs, mut sources) = (0, 0, 0, 0);
    for seed in 0..18 {
        let limits = natures[usize::try_from(seed).unwrap() % natures.len()];
        let nature = Nature {
            limits,
            sources: 120,
            calls: 24,
            pause: 9 * HOUR,
            latency: 700,
            poll: 2000,
            until: 2 * DAY,
            deaths: 150,
            refusals: 300,
            // A process on another machine that never bought anything cannot know that a clock jumped.
            jumps: 2000,
            ..QUIET
        };
        let world = live(nature, seed);
        calls += world.bank.arrivals.len();
        deaths += world.deaths;
        runs += world.runs;
        sources += world.sources.len();
    }
    assert!(calls > 100_000 && deaths > 300 && runs > 10_000 && sources > 2000, "{calls} calls, {deaths} deaths, {runs} runs of {sources}");
}

#[test]
fn a_year_of_nightly_walks_keeps_within_the_minute_and_the_day() {
    let nature = Nature {
        limits: &["60/1m", "400/1d"],
        sources: 4,
        calls: 200,
        pause: DAY - HOUR,
        latency: 900,
        poll: 5000,
        until: 365 * DAY,
        deaths: 200,
        refusals: 2000,
        jumps: 3000,
        ..QUIET
    };
    let world = live(nature, 1);
    assert!(world.bank.arrivals.len() > 80_000, "{} calls", world.bank.arrivals.len());
    assert!(world.bank.rows.len() < 1000, "{} rows", world.bank.rows.len());
}

#[test]
fn three_processes_use_what_is_allowed_even_while_they_are_killed() {
    for (seed, deaths) in [(1, 0), (2, 0), (3, 200), (4, 200)] {
        let world = live(Nature { deaths, ..QUIET }, seed);
        let allowed = 25 * usize::try_from(HOUR / 5000).unwrap();
        let used = world.bank.arrivals.len();
        assert!(used * 100 >= allowed * 97, "{used} of {allowed} calls used, {} deaths", world.deaths);
        assert_eq!(world.deaths > 10, deaths > 0, "{} deaths", world.deaths);
    }
}

#[test]
fn a_short_source_is_not_starved_by_long_ones() {
    let nature = Nature { calls: 1_000_000, until: 2 * 60_000, ..QUIET };
    let mut world = World::new(nature, 5);
    // The last one wants little, a minute after the others began.
    let short = world.sources.len() - 1;
    world.sources[short].left = 10;
    world.todo.retain(|Reverse((_, no, _))| *no != short);
    world.todo.push(Reverse((60_000, short, world.processes[short % nature.processes])));
    let mut done = None;
    while let Some(Reverse((now, source, process_id))) = world.todo.pop() {
        if source == short && world.sources[short].left == 0 {
            done = Some(now);
            break;
        }
        world.turn(now, source, process_id);
    }
    // Its fair third of 25 calls in five seconds: ten calls take two windows.
    assert!(done.is_some_and(|time| time <= 60_000 + 11_000), "{done:?}");
}
