//! One pass over a list: from its beginning to its end, page by page, with proof that no row slipped between two pages.
//! Consecutive pages share a row, the seam. A pass proves its list, or the list is read again as a whole.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::{
    page_seen::{self, Kind, PageSeen},
    verdict::{Evidence, Next, Reason},
};
use crate::model::node::NodeId;

/// Passes over one list in a walk, at most.
const PASSES: u32 = 3;
/// Passes over a list of more than [`LONG`] pages.
const PASSES_IF_LONG: u32 = 2;
/// Pages of a long list.
const LONG: u32 = 32;
/// One row in so many may come twice in the last pass. More is disorder: any row may have slipped in each pass.
const DISORDER: u32 = 16;

/// How far a pass has come. All that is stored of it between two pages.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Pass {
    /// Passes before this one.
    #[serde(skip_serializing_if = "is_zero")]
    pub number: u32,
    /// Place of the last row, from 0.
    #[serde(skip_serializing_if = "is_zero")]
    pub offset: u32,
    /// The last row: the next page must begin with it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub seam: Option<NodeId>,
    /// Different rows shown, unreadable ones included.
    #[serde(skip_serializing_if = "is_zero")]
    pub shown: u32,
    /// Rows shown a second time.
    #[serde(skip_serializing_if = "is_zero")]
    pub twice: u32,
    /// A page did not begin with the seam.
    #[serde(skip_serializing_if = "is_false")]
    pub slipped: bool,
    /// Rows that could not be read.
    #[serde(skip_serializing_if = "is_zero")]
    pub unreadable: u32,
    /// The last row of the pass before, until it is shown again.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub end_before: Option<NodeId>,
    /// Rows that the mirror knew in the list and that no pass before has shown.
    #[serde(skip_serializing_if = "is_zero")]
    pub known: u32,
    /// Rows to ask for in one page, where that is not what is configured.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub limit: Option<u32>,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde's signature")]
fn is_zero(number: &u32) -> bool {
    *number == 0
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde's signature")]
fn is_false(flag: &bool) -> bool {
    !*flag
}

impl Pass {
    /// One that reads a list again which was read before. Where that ended is not known, and no row will be it.
    pub fn again() -> Self {
        Self { number: 1, end_before: Some(NodeId::Everybody), ..Self::default() }
    }

    /// From what the frontier kept; nothing or nonsense is the beginning.
    pub fn from_stored(stored: &Value) -> Self {
        serde_json::from_value(stored.clone()).unwrap_or_default()
    }

    /// For the frontier to keep.
    pub fn to_stored(&self) -> Value {
        serde_json::to_value(self).unwrap_or_default()
    }

    /// How many places the list has, as far as it was read.
    pub fn length(&self) -> u32 {
        if self.seam.is_none() { 0 } else { self.offset + 1 }
    }

    /// The places of the pages to read next, by pages of so many rows. Only the first is certain. The others are worth
    /// asking for ahead while the list is calm and its length is known.
    pub fn ahead(&self, limit: u32, expected: Option<i64>) -> impl Iterator<Item = u32> + use<> {
        let step = limit.saturating_sub(1);
        // Its pages so far were as long as asked for: no silent cap.
        let is_full = self.seam.is_some() && step > 0 && self.offset.is_multiple_of(step);
        let last = expected.and_then(|rows| u32::try_from(rows).ok()).filter(|_| is_full && !self.has_moved());
        let more = std::iter::successors(self.offset.checked_add(step), move |offset| offset.checked_add(step));
        let is_worth = move |offset: &u32| last.is_some_and(|rows| *offset + 1 < rows);
        std::iter::once(self.offset).chain(more.take_while(is_worth))
    }

    /// The place of the page after this pass' next one, once that has come as long as asked for. Where the length is not known it is asked
    /// for in any case, so that it may be while the other is written.
    pub fn after_full(&self, limit: u32, expected: Option<i64>) -> Option<u32> {
        let step = limit.checked_sub(1).filter(|step| *step > 0 && expected.is_none() && self.number == 0 && !self.has_moved())?;
        self.offset.checked_add(step)
    }

    /// A seam broke, or a row came twice.
    pub fn has_moved(&self) -> bool {
        self.slipped || self.twice > 0
    }

    /// Looks at a page before it is taken; see [`page_seen::see`].
    pub fn see(&self, asked: (u32, u32), keys: &[NodeId], kind: Kind, is_shown: impl Fn(NodeId) -> bool) -> PageSeen {
        PageSeen {
            has_end: self.end_before.is_some_and(|end| keys.contains(&end)),
            ..page_seen::see(self.seam, asked, keys, kind, is_shown)
        }
    }

    /// Takes a page.
    pub fn take(&mut self, page: &PageSeen) {
        self.slipped |= page.slips;
        self.end_before = self.end_before.filter(|_| !page.has_end);
        self.shown += page.fresh;
        self.unreadable += page.unreadable;
        let Some(last) = &page.last else { return };
        self.seam = Some(*last);
        match page.kind {
            Kind::Paged => {
                self.twice += page.repeated;
                self.offset = page.offset + page.received - 1;
            }
            // It has no places: a row that stands twice in it was shown once.
            Kind::Whole(_) => self.offset = self.shown.saturating_sub(1),
        }
    }

    /// So many rows of a page that was taken the mirror knew in the list, and no pass has shown them before.
    pub fn meet(&mut self, known: u32) {
        self.known += known;
    }

    /// Whether the list may end with this page, so that evidence is worth its cost.
    pub fn may_end(&self, page: &PageSeen, expected: Option<i64>) -> bool {
        page.kind != Kind::Paged || page.is_end() || self.is_counted(expected) || self.is_runaway(page)
    }

    /// How the list goes on after a page that was taken.
    pub fn next(&self, page: &PageSeen, evidence: Evidence) -> Next {
        if let Kind::Whole(stated) = page.kind {
            return self.end_of_whole(page.received.into(), stated, evidence);
        }
        let may_be_cut = page.received >= evidence.longest_page && evidence.walk_moved;
        if self.number == 0 && self.is_counted(evidence.expected) && !evidence.loses && !may_be_cut {
            return self.unless_unreadable(Next::Proven { by_count: true });
        }
        if page.is_end() {
            return self.end(evidence, Some(page.limit));
        }
        if self.is_runaway(page) {
            // A vendor that ignores the offset shows all it has on each page; a full page may have been cut.
            let is_everything = page.received < page.limit && page.received == self.shown;
            return if is_everything { self.unless_unreadable(Next::Proven { by_count: false }) } else { Next::Unproven(Reason::Repeats) };
        }
        Next::ReadOn
    }

    /// Nothing follows. `limit`: rows of one page; `None` for a list in one piece.
    fn end(&self, evidence: Evidence, limit: Option<u32>) -> Next {
        let Evidence { expected, loses, together, .. } = evidence;
        let length = self.length();
        if self.unreadable > 0 {
            return Next::Unproven(Reason::Unreadable);
        }
        let is_exact = !self.has_moved() && self.shown == length;
        let agrees = expected.is_none_or(|count| count == i64::from(length));
        if is_exact && !agrees {
            return Next::Doubtful;
        }
        // Bad news needs two witnesses, and a count is one.
        let is_same = self.number > 0 && self.shown == together;
        let is_gone = loses || self.shown < together;
        let is_bad_news = expected.is_none() && (is_gone || (length == 0 && evidence.is_root));
        // The pass before ended where this one did, but for whom nobody knew. Where one of the two shows somebody known beyond, the other was
        // cut short, and so may the one be.
        let has_met_end = self.number > 0 && self.end_before.is_none();
        let is_confirmed = self.known == 0 && (is_same || has_met_end);
        if is_exact && !is_bad_news {
            return Next::Proven { by_count: false };
        }
        if is_exact && is_confirmed {
            return if is_same { Next::Proven { by_count: false } } else { Next::ProvenTogether };
        }
        let is_unconfirmed = is_bad_news && loses && !is_confirmed;
        if self.number + 1 < if is_unconfirmed { PASSES } else { self.passes(limit) } {
            return if is_exact { Next::Confirm } else { Next::ReadAgain };
        }
        if is_unconfirmed && (is_exact || !(is_same || has_met_end)) {
            return Next::Unproven(Reason::Moved);
        }
        let rows = expected.unwrap_or(0).max(length.into());
        let is_same_again = !self.slipped && is_same && agrees;
        let is_all = i64::from(together) >= rows || (evidence.knows && !loses) || is_same_again;
        let is_in_order = self.twice.saturating_mul(DISORDER) <= self.shown;
        if is_all && is_in_order {
            return Next::ProvenTogether;
        }
        if agrees || !is_in_order { Next::Unproven(Reason::Moved) } else { Next::Doubtful }
    }

    /// The end of a list in one piece. Its own count is cut off with it: it can contradict the list, and not prove it.
    fn end_of_whole(&self, received: u64, stated: Option<u64>, evidence: Evidence) -> Next {
        match stated.filter(|stated| *stated != received) {
            Some(_) if self.number == 0 => Next::ReadAgain,
            Some(stated) => Next::Unproven(Reason::Count { stated, shown: received }),
            None => self.end(Evidence { expected: None, ..evidence }, None),
        }
    }

    fn unless_unreadable(&self, next: Next) -> Next {
        if self.unreadable > 0 { Next::Unproven(Reason::Unreadable) } else { next }
    }

    /// As many rows were shown as the list has places and as the vendor counts, and nothing has moved.
    fn is_counted(&self, expected: Option<i64>) -> bool {
        !self.has_moved() && self.seam.is_some() && self.shown == self.length() && expected == Some(self.shown.into())
    }

    /// Its places are far beyond the rows that it has shown: the vendor ignores the offset.
    fn is_runaway(&self, page: &PageSeen) -> bool {
        self.offset > self.shown.saturating_mul(2).saturating_add(page.limit.saturating_mul(8))
    }

    /// `limit`: rows of one page; `None` for a list in one piece.
    fn passes(&self, limit: Option<u32>) -> u32 {
        if limit.is_some_and(|limit| self.offset > LONG.saturating_mul(limit)) { PASSES_IF_LONG } else { PASSES }
    }

    /// Whether it is the last that the list gets.
    pub fn is_last(&self, limit: u32) -> bool {
        self.number + 1 >= self.passes(Some(limit))
    }

    /// The pass that the list is gone on with.
    #[must_use]
    pub fn then(self, next: Next) -> Self {
        if matches!(next, Next::ReadAgain | Next::Confirm) { self.following() } else { self }
    }

    /// The next pass over the same list.
    #[must_use]
    pub fn following(&self) -> Self {
        Self { number: self.number + 1, limit: self.limit, end_before: self.seam, ..Self::default() }
    }
}

#[cfg(test)]
mod tests {
    use std::{collections::HashSet, ops::Range};

    use fastrand::Rng;

    use super::{
        super::settle::{Above, Doubt, Verdict, settle},
        *,
    };

    /// A vendor's list that changes between any two calls, and a reader.
    struct Play {
        rows: Vec<u32>,
        next_id: u32,
        /// Rows that were there from the beginning and never left.
        stayed: HashSet<u32>,
        rng: Rng,
        /// Changes before each call, on average, and their kinds.
        changes: f64,
        kinds: Range<u8>,
        page_size: u32,
        /// Rows that the vendor gives at most.
        cap: u32,
        counts: bool,
        calls: u32,
        /// Rows from the list's beginning that a pass is shown at most, pass by pass; then all.
        cuts: Vec<usize>,
        passes: usize,
        /// Whom the list holds, as it was read.
        held: HashSet<u32>,
    }

    impl Play {
        fn new(seed: u64, rows: u32, page_size: u32) -> Self {
            Self {
                rows: (0..rows).collect(),
                next_id: rows,
                stayed: (0..rows).collect(),
                rng: Rng::with_seed(seed),
                changes: 0.0,
                kinds: 0..1,
                page_size,
                cap: u32::MAX,
                counts: true,
                calls: 0,
                cuts: Vec::new(),
                passes: 1,
                held: HashSet::new(),
            }
        }

        fn change(&mut self) {
            let len = self.rows.len();
            let at = self.rng.usize(..=len);
            match self.rng.u8(self.kinds.clone()) {
                0 => {
                    self.rows.insert(at, self.next_id);
                    self.next_id += 1;
                }
                1 if len > 0 => {
                    let gone = self.rows.remove(at % len);
                    self.stayed.remove(&gone);
                }
                2 if len > 0 => self.put(at % len),
                3 => self.rng.shuffle(&mut self.rows),
                // Two in one moment.
                4 if len > 1 => {
                    self.put(at % len);
                    let other = self.rng.usize(..len);
                    self.put(other);
                }
                5 => {
                    self.rows.push(self.next_id);
                    self.next_id += 1;
                }
                _ => {}
            }
        }

        fn put(&mut self, at: usize) {
            let moved = self.rows.remove(at);
            let to = self.rng.usize(..=self.rows.len());
            self.rows.insert(to, moved);
        }

        fn call(&mut self) {
            self.calls += 1;
            assert!(self.calls < 10_000, "the list never ended");
            let mut changes = self.changes;
            while self.rng.f64() < changes {
                self.change();
                changes -= 1.0;
            }
        }

        fn length(&self) -> i64 {
            i64::try_from(self.rows.len()).expect("small")
        }

        /// Reads the list with so many calls at once, by a mirror that knows who was there. `true`: it is proven.
        fn read(&mut self, at_once: usize) -> bool {
            let known = self.stayed.clone();
            let mut expected = self.counts.then(|| self.length());
            let (mut pass, mut seen, mut earlier) = (Pass::default(), HashSet::new(), HashSet::new());
            let mut recounts = 0;
            loop {
                let offsets: Vec<u32> = pass.ahead(self.page_size, expected).take(at_once).collect();
                // All are sent before the first is taken.
                let pages: Vec<Vec<u32>> = offsets.iter().map(|offset| self.page(*offset)).collect();
                let mut next = Next::ReadOn;
                for (offset, rows) in offsets.into_iter().zip(pages) {
                    if next != Next::ReadOn || offset != pass.offset {
                        break;
                    }
                    next = self.take(&mut pass, offset, &rows, (&mut seen, &earlier), (&known, expected));
                }
                let together = || u32::try_from(seen.union(&earlier).count()).expect("small");
                if next == Next::Doubtful {
                    self.call();
                    expected = Some(self.length());
                    recounts += 1;
                    let doubt = Doubt {
                        is_refused: false,
                        recounts,
                        is_recounted: true,
                        expected,
                        length: pass.length(),
                        together: together(),
                        has_moved: pass.has_moved(),
                        is_last_pass: pass.is_last(self.page_size),
                    };
                    next = match settle(doubt, Above::Shows) {
                        Verdict::Read => Next::Proven { by_count: false },
                        Verdict::ReadTogether => Next::ProvenTogether,
                        Verdict::ReadAgain => Next::ReadAgain,
                        _ => Next::Unproven(Reason::Moved),
                    };
                }
                match next {
                    Next::ReadOn => {}
                    Next::ReadAgain | Next::Confirm => {
                        self.passes += 1;
                        if next == Next::Confirm {
                            earlier.clear();
                        }
                        earlier.extend(seen.drain());
                        pass = serde_json::from_value(serde_json::json!(pass.then(next))).expect("a pass");
                    }
                    Next::ProvenTogether => {
                        self.held = seen.union(&earlier).copied().collect();
                        return true;
                    }
                    Next::Proven { .. } => {
                        self.held = seen;
                        return true;
                    }
                    Next::Doubtful | Next::Unproven(_) => return false,
                }
            }
        }

        fn page(&mut self, offset: u32) -> Vec<u32> {
            self.call();
            let size = self.page_size.min(self.cap) as usize;
            let cut = self.cuts.get(self.passes - 1).copied().unwrap_or(usize::MAX);
            self.rows.iter().take(cut).skip(offset as usize).take(size).copied().collect()
        }

        fn take(
            &self,
            pass: &mut Pass,
            offset: u32,
            rows: &[u32],
            (seen, earlier): (&mut HashSet<u32>, &HashSet<u32>),
            (known, expected): (&HashSet<u32>, Option<i64>),
        ) -> Next {
            let keys: Vec<NodeId> = rows.iter().map(|row| NodeId::Customer(i64::from(*row))).collect();
            let page = pass
                .see((offset, self.page_size), &keys, Kind::Paged, |key| seen.iter().any(|row| NodeId::Customer(i64::from(*row)) == key));
            let again: HashSet<&u32> =
                rows.iter().filter(|row| known.contains(row) && !seen.contains(row) && !earlier.contains(row)).collect();
            seen.extend(rows);
            pass.take(&page);
            pass.meet(u32::try_from(again.len()).expect("small"));
            let evidence = Evidence {
                expected,
                loses: known.iter().any(|row| !seen.contains(row) && !earlier.contains(row)),
                together: u32::try_from(seen.union(earlier).count()).expect("small"),
                knows: true,
                ..Evidence::default()
            };
            pass.next(&page, evidence)
        }

        fn lost(&self) -> usize {
            self.stayed.difference(&self.held).count()
        }
    }

    #[test]
    fn a_list_at_rest_costs_the_floor() {
        for page_size in [2u32, 10, 100] {
            for rows in [1u32, 2, 9, 10, 11, 99, 100, 101, 199, 200, 1000] {
                for at_once in [1, 4] {
                    let mut play = Play::new(7, rows, page_size);
                    assert!(play.read(at_once));
                    let floor = (rows - 1).div_ceil(page_size - 1).max(1);
                    assert_eq!((play.calls, play.lost()), (floor, 0), "{rows} rows by {page_size}");
                }
            }
        }
    }

    #[test]
    fn a_list_of_unknown_size_costs_one_call_more() {
        for rows in [0u32, 1, 99, 100, 101, 1000] {
            let mut play = Play { counts: false, ..Play::new(7, rows, 100) };
            assert!(play.read(4) && play.lost() == 0);
            assert_eq!(play.calls, rows.saturating_sub(1).div_ceil(99).max(1) + u32::from(rows > 0), "{rows} rows");
        }
    }

    #[test]
    fn a_silent_cap_is_not_the_end() {
        for counts in [true, false] {
            for cap in [2, 40, 99] {
                let mut play = Play { counts, cap, ..Play::new(7, 250, 100) };
                assert!(play.read(1) && play.lost() == 0, "by {cap}");
            }
        }
    }

    /// Reads so many moving lists: how many were proven, and of those how many had lost a row that stayed.
    fn moving(lists: u64, kinds: Range<u8>, changes: f64, rows: u32, page_sizes: Range<u32>) -> (u64, u64) {
        let (mut proven, mut wrong) = (0, 0);
        for seed in 0..lists {
            let mut rng = Rng::with_seed(seed);
            let (rows, page_size, at_once) = (rng.u32(..rows), rng.u32(page_sizes.clone()), rng.usize(1..4));
            let mut play = Play { kinds: kinds.clone(), changes, counts: rng.u8(..4) > 0, ..Play::new(seed, rows, page_size) };
            let is_proven = play.read(at_once);
            proven += u64::from(is_proven);
            wrong += u64::from(is_proven && play.lost() > 0);
        }
        (proven, wrong)
    }

    const COME_AND_GO: Range<u8> = 0..2;
    const MOVE: Range<u8> = 2..3;
    const SHUFFLE: Range<u8> = 3..4;
    const MOVE_TWO: Range<u8> = 4..5;
    const ALL: Range<u8> = 0..5;

    #[test]
    fn a_proven_list_has_lost_nobody_however_it_moved() {
        for kinds in [COME_AND_GO, MOVE, SHUFFLE, MOVE_TWO, ALL] {
            for (rows, page_sizes) in [(12, 2..6), (40, 2..12), (200, 20..60)] {
                for changes in [0.02, 0.1] {
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
            assert!(proven >= 285, "only {proven} of 300 below {rows} rows");
        }
    }

    fn named(name: &str) -> NodeId {
        NodeId::Customer(i64::from(name.as_bytes()[0]))
    }

    fn keys(names: &[&str]) -> Vec<NodeId> {
        names.iter().map(|name| named(name)).collect()
    }

    /// What a pass makes of a page that shows nobody for the first time but `fresh`.
    fn after(pass: &Pass, offset: u32, rows: &[&str], fresh: &[&str], evidence: Evidence) -> (Pass, Next) {
        let page = pass.see((offset, 3), &keys(rows), Kind::Paged, |key| fresh.iter().all(|name| named(name) != key));
        let mut pass = pass.clone();
        pass.take(&page);
        let together = if evidence.together == 0 { pass.shown } else { evidence.together };
        let next = pass.next(&page, Evidence { together, ..evidence });
        (pass, next)
    }

    /// A pass that has shown "a", "b" and "c" of a list, in pages of three.
    fn begun() -> Pass {
        after(&Pass::default(), 0, &["a", "b", "c"], &["a", "b", "c"], Evidence::default()).0
    }

    #[test]
    fn a_pass_is_small_in_the_store_and_survives_it() {
        let pass = begun();
        let stored = serde_json::json!(pass);
        assert_eq!(stored, serde_json::json!({"offset": 2, "seam": "99", "shown": 3}));
        assert_eq!(serde_json::from_value::<Pass>(stored).expect("a pass"), pass);
        assert_eq!(serde_json::from_value::<Pass>(serde_json::json!({})).expect("a pass"), Pass::default());
    }

    #[test]
    fn pages_are_asked_for_ahead_while_the_list_is_calm_and_its_length_is_known() {
        let ahead = |pass: &Pass, expected| pass.ahead(3, expected).collect::<Vec<u32>>();
        assert_eq!(ahead(&begun(), Some(8)), [2, 4, 6]);
        assert_eq!(ahead(&begun(), Some(7)), [2, 4]);
        assert_eq!(ahead(&begun(), None), [2]);
        assert_eq!(ahead(&Pass::default(), Some(8)), [0], "the first page tells whether pages are cut");
        assert_eq!(ahead(&Pass { slipped: true, ..begun() }, Some(8)), [2]);
        assert_eq!(ahead(&Pass { twice: 1, ..begun() }, Some(8)), [2]);
        assert_eq!(ahead(&Pass { offset: 1, ..begun() }, Some(8)), [1], "the vendor gives less than asked for");
    }

    #[test]
    fn where_the_length_is_not_known_a_full_page_is_followed_while_the_list_is_calm() {
        assert_eq!((begun().after_full(3, None), Pass::default().after_full(3, None)), (Some(4), Some(2)));
        assert_eq!(begun().after_full(3, Some(8)), None, "the length says");
        assert_eq!(begun().after_full(1, None), None, "a page of one row is only the seam");
        for moved in [Pass { slipped: true, ..begun() }, Pass { twice: 1, ..begun() }, Pass { number: 1, ..begun() }] {
            assert_eq!(moved.after_full(3, None), None);
        }
    }

    #[test]
    fn a_page_that_does_not_begin_with_the_seam_has_slipped_and_the_pass_goes_on() {
        for rows in [["new", "c", "d"], ["d", "e", "f"]] {
            let (pass, next) = after(&begun(), 2, &rows, &rows, Evidence { expected: Some(5), ..Evidence::default() });
            assert!(pass.slipped && next == Next::ReadOn, "{rows:?}");
        }
    }

    #[test]
    fn a_row_that_comes_twice_has_moved() {
        let (pass, _) = after(&begun(), 2, &["c", "a", "d"], &["d"], Evidence::default());
        assert_eq!((pass.slipped, pass.twice, pass.shown, pass.length()), (false, 1, 4, 5));
    }

    #[test]
    fn a_full_last_page_is_asked_for_what_follows_once_something_has_moved() {
        let ends = |walk_moved, longest_page| {
            let evidence = Evidence { expected: Some(3), walk_moved, longest_page, ..Evidence::default() };
            after(&Pass::default(), 0, &["a", "b", "c"], &["a", "b", "c"], evidence).1
        };
        assert_eq!(ends(false, 3), Next::Proven { by_count: true });
        assert_eq!(ends(true, 3), Next::ReadOn);
        assert_eq!(ends(true, 4), Next::Proven { by_count: true }, "a longer page was seen: this one was not cut");
    }

    #[test]
    fn a_count_that_disagrees_at_a_certain_end_is_in_doubt() {
        for expected in [2, 4, 30] {
            let evidence = Evidence { expected: Some(expected), ..Evidence::default() };
            assert_eq!(after(&begun(), 2, &["c"], &[], evidence).1, Next::Doubtful, "{expected}");
        }
    }

    #[test]
    fn that_somebody_is_gone_is_believed_when_two_passes_say_so() {
        let loses = Evidence { loses: true, ..Evidence::default() };
        let (pass, next) = after(&begun(), 2, &["c"], &[], loses);
        assert_eq!(next, Next::Confirm);
        let second = Pass { offset: 2, seam: Some(named("c")), shown: 3, ..pass.then(next) };
        assert_eq!(after(&second, 2, &["c"], &[], loses).1, Next::Proven { by_count: false });
        // Whom only the first has shown is not gone.
        assert_eq!(after(&second, 2, &["c"], &[], Evidence { together: 4, ..loses }).1, Next::ProvenTogether);
    }

    #[test]
    fn answers_that_were_cut_short_at_different_places_are_no_two_witnesses() {
        let lengths = |cuts: u32| (0..3).map(move |pass| cuts / 6u32.pow(pass) % 6);
        for cuts in 0..6u32.pow(3) {
            for (page_size, is_moved) in [(2, false), (100, false), (2, true)] {
                let mut play = Play::new(1, 5, page_size);
                (play.counts, play.cuts) = (false, lengths(cuts).map(|rows| rows as usize).collect());
                if is_moved {
                    // Somebody new at its end each time.
                    (play.changes, play.kinds) = (0.2, 5..6);
                }
                let is_proven = play.read(1);
                let cut: Vec<u32> = lengths(cuts).take(play.passes).collect();
                let is_twice = cut.windows(2).any(|two| two[0] == two[1]);
                assert!(!is_proven || play.lost() == 0 || is_twice, "{cut:?} by {page_size}: {} lost", play.lost());
            }
        }
    }

    #[test]
    fn that_a_root_has_nobody_is_believed_when_two_passes_say_so() {
        let root = Evidence { is_root: true, ..Evidence::default() };
        let (pass, next) = after(&Pass::default(), 0, &[], &[], root);
        assert_eq!(next, Next::Confirm);
        assert_eq!(after(&pass.following(), 0, &[], &[], root).1, Next::Proven { by_count: false });
        assert_eq!(after(&Pass::default(), 0, &[], &[], Evidence::default()).1, Next::Proven { by_count: false });
    }

    #[test]
    fn a_list_at_rest_that_shows_a_row_twice_is_proven_by_its_last_pass() {
        let evidence = Evidence { expected: Some(4), together: 3, ..Evidence::default() };
        let first = Pass { offset: 3, seam: Some(named("c")), shown: 3, twice: 1, ..Pass::default() };
        assert_eq!(after(&first, 3, &["c"], &[], evidence).1, Next::ReadAgain);
        let rows = Pass { shown: 30, offset: 30, number: 2, ..first };
        let evidence = Evidence { expected: Some(31), together: 30, ..evidence };
        assert_eq!(after(&rows, 30, &["c"], &[], evidence).1, Next::ProvenTogether);
    }

    #[test]
    fn a_list_in_one_piece_is_held_against_its_own_count() {
        let read = |pass: &Pass, rows: &[&str], stated, loses| {
            let page = pass.see((0, 3), &keys(rows), Kind::Whole(stated), |_| false);
            let mut pass = pass.clone();
            pass.take(&page);
            pass.next(&page, Evidence { loses, together: pass.shown, ..Evidence::default() })
        };
        let second = Pass::default().following();
        assert_eq!(read(&Pass::default(), &["a", "b", "b"], Some(3), false), Next::Proven { by_count: false });
        assert_eq!(read(&Pass::default(), &["a"], None, true), Next::Confirm);
        assert_eq!(read(&second, &["a"], None, true), Next::Proven { by_count: false });
        assert_eq!(read(&Pass::default(), &["a"], Some(3), false), Next::ReadAgain);
        assert_eq!(read(&second, &["a"], Some(3), false), Next::Unproven(Reason::Count { stated: 3, shown: 1 }));
    }

    #[test]
    fn a_vendor_that_ignores_the_offset_does_not_go_on_for_ever() {
        for (limit, end) in [(3, Next::Unproven(Reason::Repeats)), (10, Next::Proven { by_count: false })] {
            let (mut pass, mut calls) = (Pass::default(), 0);
            let next = loop {
                calls += 1;
                let is_first = calls == 1;
                let page = pass.see((pass.offset, limit), &keys(&["a", "b", "c"]), Kind::Paged, |_| !is_first);
                pass.take(&page);
                let next = pass.next(&page, Evidence { together: 3, ..Evidence::default() });
                if next != Next::ReadOn {
                    break next;
                }
            };
            assert!(next == end && calls < 60, "{next:?} after {calls} calls");
        }
    }

    #[test]
    fn rows_that_cannot_be_read_keep_their_place_and_prove_nothing() {
        let bad = NodeId::unreadable("bad");
        for limit in [2u32, 3, 10] {
            for place in 0..5usize {
                let list: Vec<NodeId> =
                    (0..5).map(|row| if row == place { bad } else { NodeId::Customer(i64::try_from(row).unwrap()) }).collect();
                for expected in [None, Some(5)] {
                    let (mut pass, mut seen, mut calls) = (Pass::default(), HashSet::new(), 0);
                    let next = loop {
                        calls += 1;
                        let rows: Vec<NodeId> = list.iter().skip(pass.offset as usize).take(limit as usize).cloned().collect();
                        let page = pass.see((pass.offset, limit), &rows, Kind::Paged, |key| seen.contains(&key));
                        seen.extend(rows);
                        pass.take(&page);
                        let next = pass.next(&page, Evidence { expected, ..Evidence::default() });
                        if next != Next::ReadOn {
                            break next;
                        }
                    };
                    assert_eq!(next, Next::Unproven(Reason::Unreadable), "row {place} by {limit}");
                    assert!(calls <= 4u32.div_ceil(limit - 1) + 1, "row {place} by {limit}: {calls} calls");
                }
            }
        }
    }
}
