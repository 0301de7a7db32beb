//! The course of a roster: pages of all nodes of an account, numbered by the vendor by the size that is asked for.
//! The overlap of two pages is what tells that rows have slipped by.

use super::{
    progress::Progress,
    verdict::{Course, Doubt},
};
use crate::model::node::NodeKey;

/// A page of a roster, as far as its course is concerned.
#[derive(Debug, Clone, Copy)]
pub struct Shown<'a> {
    /// Rows before it, as it was asked for.
    pub offset: u32,
    /// Rows that were asked for.
    pub limit: u32,
    /// The rows' ids in the vendor's order, stand-ins for those that could not be read.
    pub keys: &'a [NodeKey],
    /// How many of those this walk had not shown before.
    pub fresh: u32,
}

impl Shown<'_> {
    fn received(&self) -> u32 {
        u32::try_from(self.keys.len()).unwrap_or(u32::MAX)
    }
}

/// What the vendor's pages have taught.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Learned {
    /// Nothing follows the page of this digest, short as it is.
    Whole(i64),
    /// The vendor gives so many rows at most, though more are asked for.
    Cap(u32),
}

/// Readings of a roster that moves, in one walk.
const READINGS: u32 = 4;

/// Where the next page begins and how long it is, so that it shows the last row read so far once more: the vendor counts pages
/// of the size that is asked for, so their size is what must give way.
#[must_use]
pub fn next_page(progress: &Progress, limit: u32) -> (u32, u32) {
    if progress.edge.is_none() {
        return (0, limit);
    }
    let last = progress.offset;
    // Rows beyond the last one on the page of this size that holds it.
    let beyond = |size: &u32| size - 1 - last % size;
    let best = (2..=limit).max_by_key(beyond).filter(|size| beyond(size) > 0);
    // Where no page shows both the last row and another one (of at most ten rows, after 2,518), the next page is all there is.
    best.map_or(((last / limit + 1) * limit, limit), |size| (last - last % size, size))
}

/// Brings the roster's course forward. A first page shorter than asked for may have been capped silently: the vendor is asked once,
/// by pages of that length, whether anything follows. `whole` is the digest of a page after which nothing followed the last time.
/// Where the last row read is not on a next page that should show it, rows have slipped by.
#[must_use]
pub fn course(mut progress: Progress, page: Shown<'_>, whole: Option<i64>) -> (Progress, Course) {
    let digest = ids_digest(page.keys);
    let is_suspicious = page.offset == 0 && page.received() < page.limit && page.received() > 1 && whole != Some(digest);
    let is_shared = page.offset <= progress.offset;
    progress.sure |= is_shared && progress.edge.as_ref().is_some_and(|edge| !page.keys.contains(edge));
    progress.distinct += page.fresh;
    progress.unreadable += super::list::unreadable(page.keys);
    progress.offset = (page.offset + page.received()).saturating_sub(1);
    progress.edge = page.keys.last().cloned().or(progress.edge);
    progress.whole = is_suspicious.then_some(digest);
    if is_suspicious {
        progress.limit = Some(page.received());
    }
    let course = match () {
        // Its places are far beyond the rows that it has shown: it would go on for ever.
        () if progress.offset > 2 * progress.shown() + page.limit => Course::Unproven(Doubt::Repeats),
        () if is_suspicious || page.received() == page.limit => Course::On,
        () if progress.unreadable == 0 => Course::Proven,
        () => Course::Unproven(Doubt::Unreadable),
    };
    (progress, course)
}

/// What becomes of a roster at its end. What all readings have shown counts.
#[must_use]
pub fn ended(progress: Progress, is_doubtful: bool) -> (Progress, Course) {
    if !is_doubtful {
        return (progress, Course::Proven);
    }
    if progress.passes + 1 >= READINGS {
        return (progress, Course::Unproven(Doubt::Moved));
    }
    let next = Progress { passes: progress.passes + 1, limit: progress.limit, distinct: progress.distinct, ..Progress::default() };
    (next, Course::On)
}

/// What the answer to the question whether anything follows has taught.
#[must_use]
pub fn learned(before: &Progress, page: Shown<'_>) -> Option<Learned> {
    let known = before.edge.as_ref().map_or(0, |_| (before.offset + 1).saturating_sub(page.offset));
    let digest = before.whole?;
    if page.received() <= known { Some(Learned::Whole(digest)) } else { before.limit.map(Learned::Cap) }
}

/// A digest of who stands on a page, in whatever order.
fn ids_digest(keys: &[NodeKey]) -> i64 {
    let mut ids: Vec<&str> = keys.iter().map(|key| key.0.as_str()).collect();
    ids.sort_unstable();
    xxhash_rust::xxh3::xxh3_64(ids.join(" ").as_bytes()).cast_signed()
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    /// A vendor's users: it counts pages by the size that was asked for, and may give fewer rows.
    struct Users {
        all: Vec<u32>,
        cap: usize,
        /// It ignores which page is asked for.
        repeats: bool,
        calls: u32,
        shown: HashSet<u32>,
    }

    impl Users {
        fn new(rows: u32, cap: u32) -> Self {
            Self { all: (0..rows).map(|row| row * 10).collect(), cap: cap as usize, repeats: false, calls: 0, shown: HashSet::new() }
        }

        /// Reads the roster once; between two calls something happens.
        fn read(
            &mut self,
            known: Option<Learned>,
            mut progress: Progress,
            mut meanwhile: impl FnMut(&mut Vec<u32>),
        ) -> (Progress, Course, Option<Learned>) {
            let mut taught = known;
            let whole = match known {
                Some(Learned::Whole(digest)) => Some(digest),
                Some(Learned::Cap(_)) | None => None,
            };
            loop {
                let (offset, limit) = next_page(&progress, progress.limit.unwrap_or(1000));
                assert_eq!(offset % limit, 0, "the vendor counts pages");
                let place = if self.repeats { 0 } else { offset as usize };
                let page: Vec<u32> = self.all.iter().skip(place).take(self.cap.min(limit as usize)).copied().collect();
                self.calls += 1;
                let fresh = page.iter().filter(|row| self.shown.insert(**row)).count();
                let keys: Vec<NodeKey> = page.iter().map(|row| NodeKey(row.to_string())).collect();
                let fresh = u32::try_from(fresh).expect("small");
                let page = Shown { offset, limit, keys: &keys, fresh };
                taught = learned(&progress, page).or(taught);
                let (next, end) = course(progress, page, whole);
                progress = Progress::from_stored(&next.to_stored());
                if end != Course::On {
                    return (progress, end, taught);
                }
                meanwhile(&mut self.all);
            }
        }
    }

    /// The calls and the end of a roster of so many rows at rest, with a silent cap, and what it taught.
    fn read(rows: u32, cap: u32, known: Option<Learned>) -> (u32, Course, Option<Learned>) {
        let mut users = Users::new(rows, cap);
        let (progress, end, taught) = users.read(known, Progress::default(), |_| {});
        assert!(!progress.sure && users.shown.len() == rows as usize, "{rows} rows");
        (users.calls, end, taught)
    }

    #[test]
    fn a_roster_costs_a_call_for_a_thousand_rows() {
        for (rows, calls) in [(0, 1), (1, 1), (1001, 2), (2500, 3), (3400, 4), (20_000, 21)] {
            assert_eq!(read(rows, 1000, None), (calls, Course::Proven, None), "{rows} rows");
        }
        // Whether anything follows a full page is not known before it is asked for.
        assert_eq!(read(1000, 1000, None).0, 2);
    }

    #[test]
    fn a_silent_cap_is_learned_once_and_remembered() {
        for rows in [700, 1000, 2500] {
            let (_, end, learned) = read(rows, 500, None);
            assert_eq!((end, learned), (Course::Proven, Some(Learned::Cap(500))), "{rows} rows");
            let (calls, end, _) = read(rows, 500, learned);
            assert_eq!((calls, end), (rows / 500 + 1, Course::Proven), "{rows} rows");
        }
    }

    #[test]
    fn a_long_roster_under_a_small_cap_comes_to_its_end() {
        for (cap, rows) in [(2, 9), (7, 30), (300, 1000), (10, 3400), (10, 72), (10, 2500), (20, 342), (25, 552), (50, 3400), (100, 12_000)]
        {
            let (calls, end, learned) = read(rows, cap, None);
            assert_eq!((end, learned), (Course::Proven, Some(Learned::Cap(cap))), "{rows} rows by {cap}");
            assert!(calls <= 2 * rows.div_ceil(cap), "{rows} rows by {cap}: {calls} calls");
        }
    }

    #[test]
    fn a_roster_that_may_have_been_capped_is_asked_about_once() {
        for rows in [2, 3, 4, 6, 500, 999] {
            let (calls, end, learned) = read(rows, 1000, None);
            assert_eq!((calls, end), (2, Course::Proven));
            assert!(matches!(learned, Some(Learned::Whole(_))), "{learned:?}");
            assert_eq!(read(rows, 1000, learned).0, 1);
        }
    }

    #[test]
    fn rows_that_slip_over_a_seam_make_the_roster_be_read_again() {
        let mut users = Users::new(2500, 1000);
        let (progress, end, _) = users.read(None, Progress::default(), |all| drop(all.drain(3..5)));
        assert!(progress.sure && users.shown.len() < 2500 && end == Course::Proven);
        let (again, end) = ended(progress, true);
        assert_eq!((end, again.passes, again.edge.clone(), again.sure), (Course::On, 1, None, false));
        let (progress, end, _) = users.read(None, again, |_| {});
        assert_eq!((ended(progress, false).1, end, users.shown.len()), (Course::Proven, Course::Proven, 2500));
    }

    #[test]
    fn rows_that_come_in_before_a_seam_cost_nothing() {
        let mut users = Users::new(2500, 1000);
        let (progress, _, _) = users.read(None, Progress::default(), |all| all.insert(1, 1));
        assert!(!progress.sure && users.shown.len() >= 2500);
    }

    #[test]
    fn a_vendor_that_gives_the_same_page_for_every_number_does_not_go_on_for_ever() {
        for (rows, cap) in [(3400, 1000), (1000, 1000), (3400, 500), (40, 10)] {
            let mut users = Users { repeats: true, ..Users::new(rows, cap) };
            let (_, end, _) = users.read(None, Progress::default(), |_| {});
            assert!(end == Course::Unproven(Doubt::Repeats) && users.calls < 10, "{rows} by {cap}: {} calls", users.calls);
        }
    }

    #[test]
    fn a_roster_that_never_rests_proves_nothing() {
        let mut progress = Progress::default();
        for reading in 1..=READINGS {
            progress.sure = true;
            let end;
            (progress, end) = ended(progress, true);
            assert_eq!(end == Course::Unproven(Doubt::Moved), reading == READINGS, "reading {reading}");
        }
    }
}
