//! One budget's ledger as it stands while it is locked, and what a trade makes of it. Pure: whoever keeps the rows loads
//! the book, trades, and writes down what the trade changed.

use chrono::{DateTime, TimeDelta, Utc};

use super::ledger::Wants;
use super::window::{self, Grant, Spent};
use crate::model::limit::Limit;

/// Rows above which what has ended is merged.
const CROWDED: usize = 512;

/// Merged calls are counted longer than they must be by at most this part of the window.
const GRAINS: i64 = 256;

/// What a process had sent when it died reaches the vendor within this time.
const STRAGGLING: TimeDelta = TimeDelta::milliseconds(500);

/// A waiter who is later than this is passed over until it asks again.
const LATE: TimeDelta = TimeDelta::milliseconds(250);

/// While a wait hangs on calls under way, the purse asks again at least this often.
const ASKS_AGAIN_IN: TimeDelta = TimeDelta::milliseconds(500);

/// Clocks that differ by more than this did not drift: one of them jumped.
const JUMP: TimeDelta = TimeDelta::milliseconds(250);

/// Permits bought together.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Entry {
    /// Who they are.
    pub batch_id: i64,
    /// How many, and until when they count.
    pub spent: Spent,
}

/// A process that waits for permits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Waiter {
    /// Who.
    pub process_id: i64,
    /// Since when.
    pub since: DateTime<Utc>,
    /// For how many.
    pub wants: u32,
    /// Passed over if it has not asked again by then.
    pub asks_again_by: DateTime<Utc>,
}

/// A batch whose calls have ended, by the ledger's clock.
#[derive(Debug, Clone, Copy)]
pub struct Ended {
    /// The batch.
    pub batch_id: i64,
    /// Its permits that were used.
    pub used: u32,
    /// When the last of its calls ended.
    pub ended_at: DateTime<Utc>,
}

/// The same moment by two clocks.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Moment {
    /// By the ledger's clock.
    pub time: DateTime<Utc>,
    /// By a clock that never jumps, since the machine was started.
    pub uptime: TimeDelta,
}

/// One budget as it stands.
#[derive(Debug, Clone)]
pub struct Book {
    /// By the ledger's clock.
    pub now: DateTime<Utc>,
    /// In force, after headroom and pace.
    pub limits: Vec<Limit>,
    /// No call before this time.
    pub paused_until: Option<DateTime<Utc>>,
    /// The calls that count.
    pub entries: Vec<Entry>,
    /// Who waits, in no order.
    pub waiters: Vec<Waiter>,
}

/// What a trade decided.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Deal {
    /// So many permits are bought.
    Buy(u32),
    /// None now.
    Wait {
        /// The time at which one is expected.
        until: DateTime<Utc>,
        /// Before this time there is none, whatever the calls under way do.
        at_least_until: DateTime<Utc>,
        /// The vendor refused: it is not the windows.
        is_pause: bool,
    },
}

/// What a trade changed, to be written down.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Changes {
    /// Entries with another count or end.
    pub changed: Vec<Entry>,
    /// Batches that are no more.
    pub gone: Vec<i64>,
    /// The buyer's place among those who wait: a new one.
    pub waits: Option<Waiter>,
    /// It has a place no more.
    pub waits_no_more: bool,
}

impl Book {
    /// Lays the book's times by a clock that jumped since `before`, if it did, and says by how much.
    ///
    /// Both moments were seen on one machine. `blur` is how long it took to see `now`.
    pub fn follow_clock(&mut self, before: Moment, now: Moment, blur: TimeDelta) -> Option<TimeDelta> {
        let (passed, lived) = (now.time - before.time, now.uptime - before.uptime);
        let (jump, unsharp) = (passed - lived, JUMP + blur);
        // An uptime that goes back is none, and a step back of the ledger's clock would free calls: it is believed when its last
        // purchase lies in the future, and harmless otherwise.
        let is_doubtful = lived < -unsharp || (jump < TimeDelta::zero() && passed >= TimeDelta::zero());
        if jump.abs() <= unsharp || is_doubtful {
            return None;
        }
        for entry in &mut self.entries {
            entry.spent.ended_at += jump;
        }
        self.paused_until = self.paused_until.map(|until| until + jump);
        self.waiters.clear();
        Some(jump)
    }

    /// What died processes had under way ends soon.
    pub fn bury(&mut self, dead: &[i64], changes: &mut Changes) {
        let soon = self.now + STRAGGLING;
        for entry in &mut self.entries {
            if entry.spent.ended_at > soon && dead.contains(&entry.batch_id) {
                entry.spent.ended_at = soon;
                changes.changed.push(*entry);
            }
        }
    }

    /// Settles what has ended, and buys the permits that a process wants. With none it gives up its place.
    pub fn trade(&mut self, process_id: i64, settle: &[Ended], wants: Wants, changes: &mut Changes) -> Deal {
        self.settle(settle, changes);
        self.merge(changes);
        let deal = self.decide(process_id, wants);
        let place = self.waiters.iter().find(|waiter| waiter.process_id == process_id).copied();
        match deal {
            Deal::Wait { until, at_least_until, .. } if wants.now > 0 => {
                changes.waits = self.keep_place(place, process_id, wants.now, until.max(at_least_until), until == at_least_until);
            }
            _ => changes.waits_no_more = place.is_some(),
        }
        deal
    }

    fn settle(&mut self, settle: &[Ended], changes: &mut Changes) {
        for ended in settle {
            // What has ended by the book may have been merged: a settlement that comes too late would take others' calls away.
            let is_open = |entry: &Entry| entry.batch_id == ended.batch_id && entry.spent.ended_at > self.now;
            let Some(at) = self.entries.iter().position(is_open) else { continue };
            if ended.used == 0 {
                self.entries.swap_remove(at);
                changes.gone.push(ended.batch_id);
                continue;
            }
            let entry = &mut self.entries[at];
            entry.spent = Spent { calls: ended.used, ended_at: entry.spent.ended_at.min(ended.ended_at) };
            changes.changed.push(*entry);
        }
    }

    /// Keeps the book short: what ended at nearly the same time counts as one, until the last of it.
    fn merge(&mut self, changes: &mut Changes) {
        if self.entries.len() <= CROWDED {
            return;
        }
        let mut windows: Vec<i64> = self.limits.iter().map(|limit| window::micros(*limit)).collect();
        windows.sort_unstable();
        let now = self.now.timestamp_micros();
        let grain = |entry: &Entry| {
            let ended = entry.spent.ended_at.timestamp_micros();
            let window = windows.iter().find(|window| **window >= now - ended)?;
            let micros = (window / GRAINS).max(1);
            (ended <= now).then(|| (micros, ended.div_euclid(micros)))
        };
        self.entries.sort_by_key(|entry| entry.spent.ended_at);
        let mut merged: Vec<Entry> = Vec::with_capacity(CROWDED);
        let mut touched = false;
        for entry in self.entries.drain(..) {
            let joins = grain(&entry);
            match merged.last_mut() {
                Some(last) if joins.is_some() && grain(last) == joins => {
                    changes.gone.push(last.batch_id);
                    changes.changed.retain(|changed| changed.batch_id != last.batch_id);
                    let calls = last.spent.calls.saturating_add(entry.spent.calls);
                    *last = Entry { spent: Spent { calls, ..entry.spent }, ..entry };
                    touched = true;
                }
                _ => {
                    note(&mut touched, &merged, changes);
                    merged.push(entry);
                }
            }
        }
        note(&mut touched, &merged, changes);
        self.entries = merged;
    }

    fn decide(&self, process_id: i64, wants: Wants) -> Deal {
        let now = self.now;
        if let Some(until) = self.paused_until.filter(|until| *until > now) {
            return Deal::Wait { until, at_least_until: until, is_pause: true };
        }
        if wants.now == 0 {
            return Deal::Wait { until: now, at_least_until: now, is_pause: false };
        }
        let spent: Vec<Spent> = self.entries.iter().map(|entry| entry.spent).collect();
        match window::grant_ahead(now, &self.limits, &spent, self.ahead_of(process_id), wants) {
            Grant::Now(calls) => Deal::Buy(calls),
            Grant::At { time, earliest } => Deal::Wait { until: time, at_least_until: earliest, is_pause: false },
        }
    }

    /// Permits that those want who have waited for longer and still ask.
    fn ahead_of(&self, process_id: i64) -> u32 {
        let own = self.waiters.iter().find(|waiter| waiter.process_id == process_id).map_or(self.now, |waiter| waiter.since);
        let ahead = |waiter: &&Waiter| {
            waiter.process_id != process_id && waiter.asks_again_by >= self.now && (waiter.since, waiter.process_id) < (own, process_id)
        };
        self.waiters.iter().filter(ahead).fold(0, |sum, waiter| sum.saturating_add(waiter.wants))
    }

    /// The place to write down, if the one that is there does not do.
    fn keep_place(&self, place: Option<Waiter>, process_id: i64, wants: u32, until: DateTime<Utc>, is_firm: bool) -> Option<Waiter> {
        let asks_again_by = if is_firm { until } else { self.now + ASKS_AGAIN_IN } + LATE;
        let waiter = Waiter { process_id, since: place.map_or(self.now, |place| place.since), wants, asks_again_by };
        let does = |place: Waiter| {
            let left = place.asks_again_by - self.now;
            place.wants == wants && left >= LATE && (place.asks_again_by - asks_again_by).abs() <= ASKS_AGAIN_IN
        };
        (!place.is_some_and(does)).then_some(waiter)
    }
}

/// Writes the last merged entry down once all of it is known.
fn note(touched: &mut bool, merged: &[Entry], changes: &mut Changes) {
    if std::mem::take(touched)
        && let Some(last) = merged.last()
    {
        changes.changed.retain(|changed| changed.batch_id != last.batch_id);
        changes.changed.push(*last);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(millis: i64) -> DateTime<Utc> {
        DateTime::from_timestamp_millis(1_700_000_000_000 + millis).expect("a time")
    }

    fn entry(batch_id: i64, calls: u32, ended: i64) -> Entry {
        Entry { batch_id, spent: Spent { calls, ended_at: at(ended) } }
    }

    fn book(now: i64, limit: &str, entries: &[Entry], waiters: &[Waiter]) -> Book {
        let limits = vec![limit.parse().expect("a limit")];
        Book { now: at(now), limits, paused_until: None, entries: entries.to_vec(), waiters: waiters.to_vec() }
    }

    fn waiter(process_id: i64, since: i64, wants: u32, by: i64) -> Waiter {
        Waiter { process_id, since: at(since), wants, asks_again_by: at(by) }
    }

    fn trade(book: &mut Book, process_id: i64, wants: u32) -> (Deal, Changes) {
        let mut changes = Changes::default();
        let deal = book.trade(process_id, &[], wants.into(), &mut changes);
        (deal, changes)
    }

    #[test]
    fn what_will_be_used_soon_is_bought_where_every_window_stays_half_empty() {
        for (limit, spent, bought) in
            [("100/5s", 0, 40), ("100/5s", 20, 30), ("100/5s", 49, 3), ("100/5s", 98, 2), ("60/5s", 0, 30), ("5/5s", 0, 3)]
        {
            let mut book = book(100, limit, &[entry(1, spent, 0)], &[]);
            let mut changes = Changes::default();
            let deal = book.trade(7, &[], Wants { now: 3, soon: 40 }, &mut changes);
            assert_eq!(deal, Deal::Buy(bought), "{spent} of {limit}");
        }
    }

    #[test]
    fn who_must_wait_keeps_a_place_and_who_is_served_leaves_it() {
        let mut full = book(100, "4/5s", &[entry(1, 4, 0)], &[]);
        let (deal, changes) = trade(&mut full, 7, 2);
        let opens = at(5000) + TimeDelta::microseconds(1);
        assert_eq!(deal, Deal::Wait { until: opens, at_least_until: opens, is_pause: false });
        let place = changes.waits.expect("a place");
        assert_eq!((place.since, place.wants, place.asks_again_by), (at(100), 2, opens + LATE));
        // Asked again while nothing has changed: the place does.
        let mut again = book(200, "4/5s", &[entry(1, 4, 0)], &[place]);
        assert_eq!(trade(&mut again, 7, 2).1, Changes::default());
        let mut open = book(5001, "4/5s", &[entry(1, 4, 0)], &[place]);
        assert_eq!(trade(&mut open, 7, 2), (Deal::Buy(2), Changes { waits_no_more: true, ..Changes::default() }));
    }

    #[test]
    fn processes_are_served_in_the_order_in_which_they_began_to_wait() {
        let waiting = [waiter(1, 10, 4, 9000), waiter(2, 20, 1, 9000)];
        // Six are free: four are the first's, and one is the second's.
        assert_eq!(trade(&mut book(100, "6/5s", &[], &waiting), 2, 9).0, Deal::Buy(2));
        assert_eq!(trade(&mut book(100, "6/5s", &[], &waiting), 3, 9).0, Deal::Buy(1));
        let Deal::Wait { .. } = trade(&mut book(100, "4/5s", &[], &waiting), 2, 1).0 else { panic!("it is not its turn") };
        assert_eq!(trade(&mut book(100, "4/5s", &[], &waiting), 1, 4).0, Deal::Buy(4));
    }

    #[test]
    fn who_does_not_come_is_passed_over_and_keeps_its_place() {
        let absent = waiter(1, 10, 4, 99);
        assert_eq!(trade(&mut book(100, "4/5s", &[], &[absent]), 2, 4).0, Deal::Buy(4));
        let mut later = book(100, "4/5s", &[], &[absent, waiter(2, 20, 4, 9000)]);
        assert_eq!(trade(&mut later, 1, 4).0, Deal::Buy(4));
    }

    #[test]
    fn who_wants_nothing_more_leaves_the_queue() {
        let (deal, changes) = trade(&mut book(100, "4/5s", &[], &[waiter(1, 10, 4, 9000)]), 1, 0);
        assert!(matches!(deal, Deal::Wait { .. }) && changes.waits_no_more);
    }

    #[test]
    fn permits_that_were_not_used_are_given_back() {
        let mut changes = Changes::default();
        let mut book = book(100, "4/5s", &[entry(1, 3, 9000), entry(2, 1, 9000)], &[]);
        let ended = [Ended { batch_id: 1, used: 1, ended_at: at(90) }, Ended { batch_id: 2, used: 0, ended_at: at(90) }];
        assert_eq!(book.trade(1, &ended, 9.into(), &mut changes), Deal::Buy(3));
        assert_eq!((changes.changed, changes.gone), (vec![entry(1, 1, 90)], vec![2]));
    }

    #[test]
    fn a_settlement_that_comes_too_late_takes_nothing_away() {
        let mut changes = Changes::default();
        let mut merged = book(100, "40/5s", &[entry(1, 40, 90)], &[]);
        let late = Ended { batch_id: 1, used: 1, ended_at: at(50) };
        assert!(matches!(merged.trade(1, &[late], 1.into(), &mut changes), Deal::Wait { .. }));
        assert_eq!((changes.changed, changes.gone), (vec![], vec![]));
    }

    #[test]
    fn what_the_dead_had_under_way_ends_soon() {
        let mut changes = Changes::default();
        let mut book = book(100, "4/5s", &[entry(1, 2, 30_000), entry(2, 2, 30_000)], &[]);
        book.bury(&[1], &mut changes);
        assert_eq!(changes.changed, [entry(1, 2, 600)]);
        assert_eq!(book.entries[1], entry(2, 2, 30_000));
    }

    #[test]
    fn a_day_of_calls_fits_into_a_short_book_and_none_is_forgotten_early() {
        let day = 86_400_000;
        let entries: Vec<Entry> = (0..5000).map(|no| entry(no, 2, no * day / 5000)).collect();
        let mut crowded = book(day, "20000/1d", &entries, &[]);
        let (deal, changes) = trade(&mut crowded, 1, 64);
        assert_eq!(deal, Deal::Buy(64));
        assert!(crowded.entries.len() <= 260, "{}", crowded.entries.len());
        assert_eq!(crowded.entries.iter().map(|entry| entry.spent.calls).sum::<u32>(), 10_000);
        // What is written down is what the book holds.
        let mut rows: std::collections::BTreeMap<i64, Entry> = entries.iter().map(|entry| (entry.batch_id, *entry)).collect();
        rows.retain(|batch_id, _| !changes.gone.contains(batch_id));
        rows.extend(changes.changed.iter().map(|entry| (entry.batch_id, *entry)));
        let mut held = crowded.entries.clone();
        held.sort_by_key(|entry| entry.batch_id);
        assert_eq!(rows.into_values().collect::<Vec<_>>(), held);
        // No call counts for less time than before, and none for much more.
        for cut in (0..day).step_by(7_000_000) {
            let since = |entries: &[Entry], millis: i64| -> u32 {
                entries.iter().filter(|entry| entry.spent.ended_at >= at(millis)).map(|entry| entry.spent.calls).sum()
            };
            assert!(since(&crowded.entries, cut) >= since(&entries, cut));
            assert!(since(&crowded.entries, cut) <= since(&entries, cut - day / 256));
        }
    }

    #[test]
    fn a_clock_that_jumps_takes_the_book_with_it() {
        let before = Moment { time: at(0), uptime: TimeDelta::seconds(50) };
        let an_hour = TimeDelta::hours(1);
        for jump in [an_hour, -an_hour] {
            let mut book = book(1000, "4/5s", &[entry(1, 4, 0)], &[]);
            book.now += jump;
            book.paused_until = Some(at(2000));
            let now = Moment { time: book.now, uptime: TimeDelta::seconds(51) };
            assert_eq!(book.follow_clock(before, now, TimeDelta::zero()), Some(jump));
            assert_eq!(book.paused_until, Some(at(2000) + jump));
            let opens = at(5000) + jump + TimeDelta::microseconds(1);
            book.paused_until = None;
            assert_eq!(trade(&mut book, 1, 1).0, Deal::Wait { until: opens, at_least_until: opens, is_pause: false });
        }
        let mut book = book(1000, "4/5s", &[entry(1, 4, 0)], &[]);
        let drifted = Moment { time: at(1000), uptime: TimeDelta::milliseconds(51_200) };
        assert_eq!(book.follow_clock(before, drifted, TimeDelta::zero()), None);
        // Uptimes that cannot be compared free nothing and block nothing.
        for uptime in [3000, -3000] {
            let strange = Moment { time: at(1000), uptime: TimeDelta::seconds(uptime) };
            assert_eq!(book.follow_clock(before, strange, TimeDelta::zero()), None);
        }
    }
}
