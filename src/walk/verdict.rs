//! What a list's pages prove: whether it has ended, whether its count is to be checked, whether it is read once more.

use super::{
    list::{Shown, Terms},
    progress::{Follows, Progress},
};

/// Passes over one list at most, the first one included.
const PASSES: u32 = 4;
/// Passes over a list of more than [`SHORT`] pages,
const LONG_PASSES: u32 = 3;
/// and over one of more than [`LONG`] pages.
const LONGEST_PASSES: u32 = 2;
/// Pages of a list that is read until a pass proves it, or it was read often enough.
pub const SHORT: u32 = 8;
/// Pages of a list that would cost too much to be read so often.
const LONG: u32 = 32;
/// One in so many rows that stands elsewhere than before is disorder rather than a change.
const DISORDER: u32 = 16;
/// Times in a pass that the parent's row is read again for its count.
const CHECKS: u32 = 2;
/// Seams that may break in one pass, beside two for each page.
const REPAIRS: u32 = 8;
/// A short page that misses so few rows of the count is rather a list that moved than a page that was cut.
const FEW: i64 = 3;

/// What a page has made of its list.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Course {
    /// There may be more: read on.
    On,
    /// The count does not agree: read the parent's row again.
    Check,
    /// Read it once more from its beginning.
    Again,
    /// Read to its end, and nothing speaks against it.
    Proven,
    /// Read to its end while it moved, every seam made good.
    Repaired,
    /// Read to its end, but it proves nothing: the reason, for a finding.
    Unproven(Doubt),
}

/// Why a list that was read to its end proves nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Doubt {
    /// It moved faster than it could be read.
    Moved,
    /// The same rows come again, however far on they are asked for.
    Repeats,
    /// Some of its rows could not be read.
    Unreadable,
    /// The vendor's own count says otherwise.
    Count {
        /// What the vendor said.
        stated: u64,
        /// What it showed.
        shown: u64,
    },
}

/// What became of a parent's row that was read again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fresh {
    /// It stands where it stood, with this count.
    Count(i64),
    /// It does not stand in its list any more.
    Left,
    /// It could not be found out.
    Unknown,
}

impl Progress {
    /// Where the list stands, after a page.
    pub(super) fn conclude(mut self, limit: u32, terms: Terms) -> (Self, Course) {
        if terms.under_way > 0 {
            return (self, Course::On);
        }
        // By rows, not by places: a vendor that ignores the offset has any number of those, and rows that cannot be read may
        // be others at each call.
        if self.repairs > REPAIRS + 2 * self.distinct / limit.max(1) {
            return self.drift(limit);
        }
        if self.back > 0 || !self.ahead.is_empty() || self.sweep.is_some() {
            return (self, Course::On);
        }
        if self.is_counted(terms.expected) {
            self.tight = self.follows == Follows::More;
            // The count alone would be believed: not where rows would be lost by it, nor where who has come may hide who was pushed
            // on to the next page.
            self.sure |= terms.would_lose || (self.tight && self.newer);
            return if self.sure { (self, Course::On) } else { self.end(limit, terms) };
        }
        match (self.follows, terms.expected) {
            // As short as in the last pass, which was sure of its end.
            (Follows::Short, Some(count)) if !self.agrees(count) && self.length_before == Some(self.length()) => self.disagree(count),
            (Follows::More, _) | (Follows::Short, None) => (self, Course::On),
            // No count bears the end out: where rows would be lost by it, one answer that was cut short must not be enough, nor one
            // empty answer for a whole tree.
            (Follows::Nothing, None) if !self.ended && if self.length() > 0 { terms.would_lose } else { !terms.can_check } => {
                self.ended = true;
                (self, Course::On)
            }
            (Follows::Nothing, None) => self.end(limit, terms),
            // A vendor may give fewer rows than were asked for, and a count that moves tells too little.
            (Follows::Short, Some(_)) if terms.would_lose || self.has_count_moved() => (self, Course::On),
            (_, Some(count)) if self.agrees(count) => self.end(limit, terms),
            // Cut short by the vendor rather than by its end.
            (Follows::Short, Some(count)) if i64::from(self.length()) + FEW < count => (self, Course::On),
            (_, Some(_)) if terms.can_check && self.checks < CHECKS => {
                self.doubted = true;
                (self, Course::Check)
            }
            (Follows::Short, Some(_)) => (self, Course::On),
            (Follows::Nothing, Some(count)) => self.disagree(count),
        }
    }

    /// The parent's row was read again.
    #[must_use]
    pub fn checked(mut self, fresh: Fresh, limit: u32, terms: Terms) -> (Self, Course) {
        self.doubted = false;
        self.checks += 1;
        // The list that it was is the last that was to be seen of it, as far as it has been shown.
        if fresh == Fresh::Left {
            let terms = Terms { expected: None, ..terms };
            return if self.follows == Follows::Nothing { self.end(limit, terms) } else { self.conclude(limit, terms) };
        }
        if fresh == Fresh::Unknown {
            self.checks = CHECKS;
        }
        if let (Fresh::Count(count), Some(before)) = (fresh, terms.expected) {
            let (least, most) = self.counts.unwrap_or((before, before));
            self.counts = Some((least.min(count), most.max(count)));
            self.sure |= count != before;
            if count == before {
                // The same once more: asking a third time would not tell more.
                self.checks = CHECKS;
            }
            return self.conclude(limit, Terms { expected: Some(count), ..terms });
        }
        self.conclude(limit, terms)
    }

    /// A list in one piece.
    pub(super) fn take_whole(mut self, page: Shown<'_>, terms: Terms) -> (Self, Course) {
        self.offset = page.received().saturating_sub(1);
        self.edge = page.keys.last().cloned();
        self.tail = page.keys.to_vec();
        self.follows = Follows::Nothing;
        if let Some(stated) = page.stated.filter(|stated| *stated != u64::from(page.received())) {
            let doubt = Doubt::Count { stated, shown: page.received().into() };
            // What it said before does not count as once.
            self.length_before = None;
            return if self.passes + 1 < PASSES / 2 { self.again() } else { (self, Course::Unproven(doubt)) };
        }
        // Its own count is cut short with it: that somebody is gone is believed when it is said twice. Who stands in one of the
        // two answers is kept.
        let is_whole_tree = page.received() == 0 && !terms.can_check;
        if (terms.would_lose || is_whole_tree) && self.length_before.is_none() {
            return (Self { offset: 0, edge: None, length_before: Some(page.received()), ..self }, Course::On);
        }
        // However many there are, it is not in pieces.
        self.end(u32::MAX, Terms { would_lose: false, ..terms })
    }

    /// As many as the vendor said were seen, and the list is calm.
    fn is_counted(&self, expected: Option<i64>) -> bool {
        !self.sure && self.edge.is_some() && expected == Some(i64::from(self.shown()))
    }

    /// The list's length is one that the vendor has said, or lies between two of them: it moved on from one to the other.
    fn agrees(&self, count: i64) -> bool {
        let length = i64::from(self.length());
        let (least, most) = self.counts.unwrap_or((count, count));
        (least..=most).contains(&length) || (self.repairs == 0 && count == i64::from(self.shown()))
    }

    fn has_count_moved(&self) -> bool {
        self.counts.is_some_and(|(least, most)| least < most)
    }

    /// It is certain where the list ends, and the vendor says otherwise.
    fn disagree(mut self, count: i64) -> (Self, Course) {
        let length = self.length();
        let doubt = Doubt::Count { stated: u64::try_from(count).unwrap_or(0), shown: length.into() };
        let is_settled = self.length_before.replace(length) == Some(length);
        if is_settled || self.passes + 1 >= PASSES { (self, Course::Unproven(doubt)) } else { self.again() }
    }

    fn end(mut self, limit: u32, terms: Terms) -> (Self, Course) {
        if self.unreadable > 0 {
            return (self, Course::Unproven(Doubt::Unreadable));
        }
        let length = self.length();
        // Nobody, where somebody was: believed when it is said twice.
        if length == 0 && terms.would_lose && self.length_before.replace(0) != Some(0) {
            return self.again();
        }
        if self.overtaken {
            self.sweep = Some(0);
            return (self, Course::On);
        }
        // At rest every place shows another row.
        let is_moved = self.repairs > 0 || self.counts.is_some() || self.shown() != length || self.repeated > 0;
        let most = self.counts.map(|(_, most)| most).or(terms.expected).unwrap_or(0).max(length.into());
        let pages = self.pages(limit);
        // A long list is not read again only because the reader had to step back.
        let again = if pages <= LONG { self.repeated } else { self.disorder };
        // Somebody who was there before may have gone behind the reader.
        let misses = i64::from(self.shown()) < most || again > 0 || terms.would_lose;
        // A list within one answer was seen at one moment.
        let in_pieces = length > limit || self.tail.len() < self.shown() as usize;
        if is_moved && misses && in_pieces {
            let passes = if pages <= SHORT {
                PASSES
            } else if pages <= LONG {
                LONG_PASSES
            } else {
                LONGEST_PASSES
            };
            if self.passes + 1 < passes {
                return self.again();
            }
            // Where rows have another order at each call, any of them may go behind the reader in each pass.
            if self.disorder.saturating_mul(DISORDER) > self.shown() {
                return (self, Course::Unproven(Doubt::Moved));
            }
            // A row that does so in one pass hardly does so in each.
            self.united = true;
        }
        let course = if is_moved || self.passes > 0 { Course::Repaired } else { Course::Proven };
        (self, course)
    }

    fn drift(self, limit: u32) -> (Self, Course) {
        // A long list that drifts would drift again, at a high price.
        if self.passes == 0 && self.pages(limit) <= SHORT { self.again() } else { (self, Course::Unproven(Doubt::Moved)) }
    }

    fn again(self) -> (Self, Course) {
        let next = Self { limit: self.limit, passes: self.passes + 1, length_before: self.length_before, sure: true, ..Self::default() };
        (next, Course::Again)
    }

    fn pages(&self, limit: u32) -> u32 {
        self.offset / limit.max(1)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use fastrand::Rng;

    use super::*;
    use crate::model::node::NodeKey;

    /// A vendor's list that is changed between any two calls, and one reader of it.
    struct Play {
        rows: Vec<u32>,
        next_id: u32,
        page_size: u32,
        cap: u32,
        counts: bool,
        changes: f64,
        kinds: std::ops::Range<u8>,
        stayed: HashSet<u32>,
        seen: HashSet<u32>,
        calls: u32,
        rng: Rng,
    }

    impl Play {
        fn new(seed: u64, rows: u32, page_size: u32) -> Self {
            let ids: Vec<u32> = (0..rows).collect();
            let stayed = ids.iter().copied().collect();
            let (seen, rng) = (HashSet::new(), Rng::with_seed(seed));
            Self {
                rows: ids,
                next_id: rows,
                page_size,
                cap: page_size,
                counts: true,
                changes: 0.0,
                kinds: 0..2,
                stayed,
                seen,
                calls: 0,
                rng,
            }
        }

        fn change(&mut self) {
            let (len, at) = (self.rows.len(), self.rng.usize(..=self.rows.len()));
            match self.rng.u8(self.kinds.clone()) {
                0 => {
                    self.rows.insert(at, self.next_id);
                    self.next_id += 1;
                }
                1 if len > 0 => {
                    let gone = self.rows.remove(at % len);
                    self.stayed.remove(&gone);
                }
                2 if len > 0 => {
                    let moved = self.rows.remove(at % len);
                    let to = self.rng.usize(..len);
                    self.rows.insert(to, moved);
                }
                3 => self.rng.shuffle(&mut self.rows),
                // Two in one moment.
                4 if len > 1 => {
                    for at in [at % len, self.rng.usize(..len)] {
                        let moved = self.rows.remove(at);
                        let to = self.rng.usize(..len);
                        self.rows.insert(to, moved);
                    }
                }
                _ => {}
            }
        }

        fn call(&mut self) {
            self.calls += 1;
            let mut changes = self.changes;
            while self.rng.f64() < changes {
                self.change();
                changes -= 1.0;
            }
        }

        /// Reads the list with so many calls at once.
        fn read(&mut self, at_once: usize) -> Course {
            let mut expected = self.counts.then(|| i64::try_from(self.rows.len()).expect("small"));
            let (mut progress, mut asked) = (Progress::default(), Vec::new());
            let mut met = HashSet::new();
            // Rows that the mirror has from an earlier walk, or, in a first walk, nobody.
            let known: HashSet<u32> = self.stayed.clone();
            loop {
                assert!(self.calls < 10_000, "the list never ended");
                while asked.len() < at_once
                    && let Some(offset) = progress.next(self.page_size, expected, &asked)
                {
                    asked.push(offset);
                }
                let offset = asked.swap_remove(self.rng.usize(..asked.len()));
                self.call();
                let size = self.page_size.min(self.cap) as usize;
                let page: Vec<u32> = self.rows.iter().skip(offset as usize).take(size).copied().collect();
                let fresh = page.iter().filter(|row| self.seen.insert(**row)).count();
                let keys: Vec<NodeKey> = page.iter().map(|row| NodeKey(row.to_string())).collect();
                let would_lose = known.iter().any(|row| !self.seen.contains(row));
                let shown = Shown {
                    offset,
                    limit: self.page_size,
                    keys: &keys,
                    fresh: u32::try_from(fresh).expect("small"),
                    whole: false,
                    stated: None,
                };
                let terms = Terms { expected, can_check: self.counts, would_lose, under_way: asked.len(), ..Terms::default() };
                let (next, mut course) = progress.take(shown, terms);
                progress = Progress { tail: next.tail.clone(), united: next.united, ..Progress::from_stored(&next.to_stored()) };
                while course == Course::Check {
                    self.call();
                    let count = i64::try_from(self.rows.len()).expect("small");
                    let (next, then) = progress.checked(Fresh::Count(count), self.page_size, Terms { expected, ..terms });
                    (progress, course, expected) = (next, then, Some(count));
                }
                match course {
                    Course::On => {}
                    Course::Again => met.extend(self.seen.drain()),
                    end => {
                        if progress.united {
                            self.seen.extend(met);
                            let is_short = self.seen.len() < progress.length() as usize;
                            if is_short && known.iter().any(|row| !self.seen.contains(row)) {
                                return Course::Unproven(Doubt::Moved);
                            }
                        }
                        return end;
                    }
                }
            }
        }

        fn lost(&self) -> usize {
            self.stayed.difference(&self.seen).count()
        }
    }

    #[test]
    fn a_list_at_rest_costs_the_floor() {
        for page_size in [2u32, 10, 100] {
            for rows in [1u32, 2, 9, 10, 11, 99, 100, 101, 199, 200, 1000] {
                for at_once in [1, 4] {
                    let mut play = Play::new(7, rows, page_size);
                    assert_eq!(play.read(at_once), Course::Proven);
                    let floor = (rows - 1).div_ceil(page_size - 1).max(1);
                    // A mirror that knows rows of a full last page may ask what follows: here it knows none beyond.
                    assert_eq!((play.calls, play.lost()), (floor, 0), "{rows} rows by {page_size}");
                }
            }
        }
    }

    #[test]
    fn a_list_of_unknown_size_costs_one_call_more() {
        for rows in [0u32, 1, 99, 100, 101, 1000] {
            let mut play = Play { counts: false, ..Play::new(7, rows, 100) };
            assert_eq!((play.read(4), play.lost()), (Course::Proven, 0));
            assert!(play.calls <= rows.saturating_sub(1).div_ceil(99).max(1) + 1, "{rows} rows took {}", play.calls);
        }
    }

    #[test]
    fn a_silent_cap_is_not_the_end() {
        for counts in [true, false] {
            for cap in [2, 40, 99] {
                let mut play = Play { counts, cap, ..Play::new(7, 250, 100) };
                let end = play.read(4);
                assert!(matches!(end, Course::Proven | Course::Repaired), "{end:?} by {cap}");
                assert_eq!(play.lost(), 0);
            }
        }
    }

    /// Reads so many moving lists: how many were proven, and of those how many had lost a row that stayed.
    fn moving(lists: u64, kinds: std::ops::Range<u8>, changes: f64, rows: u32, page_sizes: std::ops::Range<u32>) -> (u64, u64) {
        let (mut proven, mut wrong) = (0, 0);
        for seed in 0..lists {
            let mut rng = Rng::with_seed(seed);
            let (rows, page_size, at_once) = (rng.u32(..rows), rng.u32(page_sizes.clone()), rng.usize(1..4));
            let mut play = Play { kinds: kinds.clone(), changes, counts: rng.u8(..4) > 0, ..Play::new(seed, rows, page_size) };
            let is_proven = matches!(play.read(at_once), Course::Proven | Course::Repaired);
            proven += u64::from(is_proven);
            wrong += u64::from(is_proven && play.lost() > 0);
        }
        (proven, wrong)
    }

    const INSERT_DELETE: std::ops::Range<u8> = 0..2;
    const MOVE: std::ops::Range<u8> = 2..3;
    const SHUFFLE: std::ops::Range<u8> = 3..4;
    const MOVE_TWO: std::ops::Range<u8> = 4..5;
    const ALL: std::ops::Range<u8> = 0..5;

    #[test]
    fn a_proven_list_has_lost_nobody_however_it_moved() {
        let kinds = [(INSERT_DELETE, [0.1, 1.0]), (MOVE, [0.1, 1.0]), (SHUFFLE, [0.1, 1.0]), (MOVE_TWO, [0.02, 0.1]), (ALL, [0.01, 0.02])];
        for (kinds, rates) in kinds {
            for (rows, page_sizes) in [(12, 2..6), (40, 2..12), (200, 20..60)] {
                for changes in rates {
                    let (_, wrong) = moving(300, kinds.clone(), changes, rows, page_sizes.clone());
                    assert_eq!(wrong, 0, "{kinds:?} at {changes} a call, below {rows} rows by {page_sizes:?}");
                }
            }
        }
    }

    #[test]
    fn a_list_that_moves_a_little_is_proven_all_the_same() {
        for (rows, page_sizes) in [(12, 2..6), (40, 2..12), (200, 20..60)] {
            let (proven, _) = moving(300, ALL, 0.05, rows, page_sizes);
            assert!(proven >= 294, "only {proven} of 300 below {rows} rows");
        }
    }

    /// Pages that the vendor answers from a fixed list.
    fn answers(rows: &[&str], limit: u32, expected: Option<i64>, can_check: bool) -> (u32, Course) {
        let (mut progress, mut shown) = (Progress::default(), HashSet::new());
        for call in 1..100 {
            let offset = progress.next(limit, expected, &[]).expect("a place");
            let keys: Vec<NodeKey> = rows.iter().skip(offset as usize).take(limit as usize).map(|row| NodeKey((*row).to_owned())).collect();
            let fresh = keys.iter().filter(|key| shown.insert((*key).clone())).count();
            let fresh = u32::try_from(fresh).expect("small");
            let page = Shown { offset, limit, keys: &keys, fresh, whole: false, stated: None };
            let terms = Terms { expected, can_check, ..Terms::default() };
            let (next, mut course) = progress.take(page, terms);
            progress = next;
            if course == Course::Check {
                (progress, course) = progress.checked(Fresh::Count(expected.expect("a count")), limit, terms);
            }
            match course {
                Course::On => {}
                Course::Again => shown.clear(),
                end => return (call, end),
            }
        }
        panic!("the list never ended");
    }

    #[test]
    fn a_count_that_the_rows_never_bear_out_proves_nothing_and_costs_little() {
        for expected in [4, 2, 30] {
            for can_check in [true, false] {
                let (calls, end) = answers(&["a", "b", "c"], 10, Some(expected), can_check);
                assert!(matches!(end, Course::Unproven(Doubt::Count { shown: 3, .. })), "{end:?}");
                assert!(calls <= 4, "{calls} calls");
            }
        }
        let (calls, end) = answers(&[], 10, Some(5), true);
        assert_eq!((calls, end), (2, Course::Unproven(Doubt::Count { stated: 5, shown: 0 })));
    }

    #[test]
    fn a_row_that_stands_twice_in_a_list_at_rest_does_not_keep_it_from_ending() {
        let (_, end) = answers(&["a", "b", "b", "c"], 10, Some(4), true);
        assert!(matches!(end, Course::Proven | Course::Repaired), "{end:?}");
        let (calls, _) = answers(&["a", "b", "c", "b", "d"], 2, None, true);
        assert!(calls < 60, "{calls} calls");
    }

    fn empty(would_lose: bool, before: &Progress) -> (Progress, Course) {
        let page = Shown { offset: 0, limit: 10, keys: &[], fresh: 0, whole: false, stated: None };
        before.clone().take(page, Terms { would_lose, can_check: true, ..Terms::default() })
    }

    #[test]
    fn an_empty_list_where_somebody_was_is_believed_when_it_is_said_twice() {
        assert_eq!(empty(false, &Progress::default()).1, Course::Proven);
        let (again, course) = empty(true, &Progress::default());
        assert_eq!(course, Course::Again);
        assert_eq!(empty(true, &again).1, Course::Repaired);
    }

    #[test]
    fn an_empty_list_of_a_root_is_believed_when_it_is_said_twice() {
        for whole in [false, true] {
            let page = Shown { offset: 0, limit: 10, keys: &[], fresh: 0, whole, stated: Some(0) };
            let (once, course) = Progress::default().take(page, Terms::default());
            assert_eq!((course, once.next(10, None, &[])), (Course::On, Some(0)));
            assert_eq!(once.take(page, Terms::default()).1, Course::Proven);
        }
    }

    #[test]
    fn rows_that_come_again_behind_a_seam_that_held_by_chance_make_the_list_be_read_again() {
        // A silent cap of three rows, and all rows in another order after the second page: "e" stands where it stood.
        let answers = [["a", "b", "c"], ["c", "d", "e"], ["e", "a", "b"]];
        let last = [NodeKey("b".into())];
        let (mut progress, mut course) = (Progress::default(), Course::On);
        for (number, (rows, fresh)) in (0..).zip(answers.into_iter().zip([3, 2, 0])) {
            assert_eq!((course, progress.next(100, None, &[])), (Course::On, Some(2 * number)));
            let keys = rows.map(|name| NodeKey(name.into()));
            let page = Shown { offset: 2 * number, limit: 100, keys: &keys, fresh, whole: false, stated: None };
            (progress, course) = progress.take(page, Terms::default());
        }
        let page = Shown { offset: 6, limit: 100, keys: &last, fresh: 0, whole: false, stated: None };
        assert_eq!(progress.take(page, Terms::default()).1, Course::Again);
    }

    #[test]
    fn rows_that_come_again_make_the_list_be_read_again_though_as_many_were_shown_as_it_has() {
        // After two pages "y" goes before "a" and "b" to the end, so that the seam holds, and no page shows "y"; after the third "c"
        // leaves, which makes the list as long as what was shown of it.
        let answers: [(u32, &[&str], u32); 6] = [
            (0, &["a", "b", "c"], 3),
            (2, &["c", "d", "e"], 2),
            (4, &["e", "f", "g"], 2),
            (6, &["h", "b"], 1),
            (5, &["g", "h", "b"], 0),
            (7, &["b"], 0),
        ];
        let (mut progress, mut course) = (Progress::default(), Course::On);
        for (offset, rows, fresh) in answers {
            assert_eq!((course, progress.next(3, None, &[])), (Course::On, Some(offset)));
            let keys: Vec<NodeKey> = rows.iter().map(|name| NodeKey((*name).into())).collect();
            let page = Shown { offset, limit: 3, keys: &keys, fresh, whole: false, stated: None };
            (progress, course) = progress.take(page, Terms::default());
        }
        assert_eq!(course, Course::Again);
    }

    #[test]
    fn a_list_in_one_piece_whose_count_disagrees_is_asked_for_twice() {
        let page = Shown { offset: 0, limit: 10, keys: &[], fresh: 0, whole: true, stated: Some(3) };
        let (again, course) = Progress::default().take(page, Terms::default());
        assert_eq!(course, Course::Again);
        assert_eq!(again.take(page, Terms::default()).1, Course::Unproven(Doubt::Count { stated: 3, shown: 0 }));
    }

    #[test]
    fn a_list_in_one_piece_that_shows_a_row_twice_is_whole() {
        let keys = ["a", "b", "b"].map(|name| NodeKey(name.into()));
        for limit in [2, 10] {
            let page = Shown { offset: 0, limit, keys: &keys, fresh: 2, whole: true, stated: Some(3) };
            assert_eq!(Progress::default().take(page, Terms::default()).1, Course::Repaired, "limit {limit}");
        }
    }

    #[test]
    fn a_list_in_one_piece_that_loses_somebody_is_believed_when_it_is_said_twice() {
        let keys = [NodeKey("a".into())];
        let page = Shown { offset: 0, limit: 10, keys: &keys, fresh: 1, whole: true, stated: Some(1) };
        assert_eq!(Progress::default().take(page, Terms::default()).1, Course::Proven);
        let loses = Terms { would_lose: true, ..Terms::default() };
        let (once, course) = Progress::default().take(page, loses);
        assert_eq!((course, once.next(10, None, &[])), (Course::On, Some(0)));
        assert_eq!(once.clone().take(Shown { fresh: 0, ..page }, loses).1, Course::Proven);
        // Who stands in one of the two is kept, so the two need not be alike.
        let other = [NodeKey("b".into())];
        let (both, course) = once.take(Shown { keys: &other, ..page }, loses);
        assert_eq!((course, both.shown()), (Course::Repaired, 2));
    }

    #[test]
    fn a_parent_that_has_left_takes_its_list_along() {
        let keys = [NodeKey("a".into())];
        let page = Shown { offset: 0, limit: 10, keys: &keys, fresh: 1, whole: false, stated: None };
        let terms = Terms { expected: Some(3), can_check: true, ..Terms::default() };
        let (progress, course) = Progress::default().take(page, terms);
        assert_eq!(course, Course::Check);
        assert!(progress.doubted);
        let (progress, course) = progress.checked(Fresh::Left, 10, terms);
        assert_eq!((course, progress.next(10, None, &[])), (Course::On, Some(0)), "it may have been cut short before");
        let page = Shown { fresh: 0, ..page };
        assert_eq!(progress.take(page, Terms { expected: None, ..terms }).1, Course::Proven);
    }

    #[test]
    fn a_vendor_that_ignores_the_offset_does_not_go_on_for_ever() {
        let keys: Vec<NodeKey> = ["a", "b", "c"].map(|name| NodeKey(name.into())).into();
        let (mut progress, mut is_first) = (Progress::default(), true);
        let end = (0..100).find_map(|_| {
            let offset = progress.next(3, None, &[]).expect("a place");
            let fresh = if std::mem::take(&mut is_first) { 3 } else { 0 };
            let page = Shown { offset, limit: 3, keys: &keys, fresh, whole: false, stated: None };
            let (next, course) = progress.clone().take(page, Terms::default());
            progress = next;
            is_first = course == Course::Again;
            (!matches!(course, Course::On | Course::Again)).then_some(course)
        });
        assert_eq!(end, Some(Course::Unproven(Doubt::Moved)));
    }

    /// Reads a list at rest of which some rows cannot be read; `nonce` makes them others at each call. Gives the calls and the verdict.
    fn read_with_bad_rows(length: u32, limit: u32, is_bad: impl Fn(u32, u32) -> bool, expected: Option<i64>, nonce: bool) -> (u32, Course) {
        let (mut progress, mut seen, mut calls) = (Progress::default(), HashSet::new(), 0);
        loop {
            calls += 1;
            assert!(calls < 100 + 2 * length, "it does not end: {progress:?}");
            let offset = progress.next(limit, None, &[]).expect("a place");
            let rows: Vec<u32> = (offset..length.min(offset + limit)).collect();
            let text = |row: &u32| format!("bad {row} {}", if nonce { calls } else { 0 });
            let key = |row: &u32| if is_bad(*row, offset) { NodeKey::unreadable(&text(row)) } else { NodeKey(row.to_string()) };
            let keys: Vec<NodeKey> = rows.iter().map(key).collect();
            let readable: Vec<u32> = rows.iter().copied().filter(|row| !is_bad(*row, offset)).collect();
            let fresh = u32::try_from(readable.into_iter().filter(|row| seen.insert(*row)).count()).expect("small");
            let page = Shown { offset, limit, keys: &keys, fresh, whole: false, stated: None };
            let course;
            (progress, course) = progress.take(page, Terms { expected, ..Terms::default() });
            match course {
                Course::On => {}
                Course::Again => seen.clear(),
                _ => return (calls, course),
            }
        }
    }

    #[test]
    fn rows_that_cannot_be_read_keep_their_place_and_end_no_list_nor_lengthen_it() {
        for (length, limit) in [(10u32, 2), (10, 3), (250, 100), (300, 100)] {
            for expected in [None, Some(length.into())] {
                for bad in 0..length {
                    let pages = (length - 1).div_ceil(limit - 1);
                    let one = read_with_bad_rows(length, limit, |row, _| row == bad, expected, false);
                    assert_eq!(one.1, Course::Unproven(Doubt::Unreadable), "row {bad} of {length} by {limit}");
                    assert!(one.0 <= pages + 1, "row {bad} of {length} by {limit} costs {} calls", one.0);
                    let many = read_with_bad_rows(length, limit, |row, _| row >= bad && row < bad + limit + 10, expected, false);
                    assert_eq!(many.1, Course::Unproven(Doubt::Unreadable));
                    assert!(many.0 <= pages + 1);
                    let from_the_second_page_on = read_with_bad_rows(length, limit, |row, offset| row >= bad && offset > 0, expected, true);
                    assert!(matches!(from_the_second_page_on.1, Course::Unproven(_)));
                }
            }
        }
    }
}
