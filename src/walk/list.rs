//! Reading one paged list that may move while it is read. Consecutive pages share a row: where it is found again, nothing
//! slipped between them. What was read without a gap from the list's beginning on is its prefix; pages ahead of it join it
//! when their seam holds. Where a seam breaks, the reader steps back until it finds a row that it knows.
//!
//! A list is at its end only when that is certain: the vendor said how many there are and so many were seen, or nothing
//! follows the last row. A short page alone may be a silent cap.

use super::{
    progress::{Follows, Piece, Progress},
    verdict::Course,
};
use crate::model::node::NodeKey;

/// One page, as far as the list's course is concerned.
#[derive(Debug, Clone, Copy)]
pub struct Shown<'a> {
    /// The place it was asked for.
    pub offset: u32,
    /// Rows that were asked for.
    pub limit: u32,
    /// The rows' ids in the vendor's order, stand-ins for those that could not be read.
    pub keys: &'a [NodeKey],
    /// How many of the ids this pass had not shown before.
    pub fresh: u32,
    /// The vendor sends this list in one piece.
    pub whole: bool,
    /// The vendor's own count beside the rows: of a list in one piece, of the page, or of the whole list.
    pub stated: Option<u64>,
}

impl Shown<'_> {
    /// Rows as received, unreadable ones too.
    pub fn received(&self) -> u32 {
        count(self.keys)
    }
}

fn count(keys: &[NodeKey]) -> u32 {
    u32::try_from(keys.len()).unwrap_or(u32::MAX)
}

/// How many rows could not be read.
pub(super) fn unreadable(keys: &[NodeKey]) -> u32 {
    u32::try_from(keys.iter().filter(|key| key.is_unreadable()).count()).unwrap_or(u32::MAX)
}

/// What is known of a list beside its pages.
#[derive(Debug, Clone, Copy, Default)]
pub struct Terms {
    /// How many rows the vendor has said there are.
    pub expected: Option<i64>,
    /// Whether its parent's row can be read again for another count; a root's cannot.
    pub can_check: bool,
    /// The mirror has rows in it that this pass has not shown; asked for only where it matters.
    pub would_lose: bool,
    /// The page shows somebody who has come since the last complete walk.
    pub has_come: bool,
    /// Pages of it that were asked for and are still to come.
    pub under_way: usize,
    /// The vendor's count beside a page is known to be of the whole list.
    pub count_is_total: bool,
}

impl Progress {
    /// The place to read next, by pages of so many rows. `asked`: the places whose pages are still to come. `None`: wait for those.
    pub fn next(&self, limit: u32, expected: Option<i64>, asked: &[u32]) -> Option<u32> {
        let due = self.due();
        if !asked.contains(&due) {
            return Some(due);
        }
        // Ahead of what has not moved, once its size is known and its first page was not cut short.
        let is_calm = self.edge.is_some() && !self.sure && self.follows == Follows::More;
        let rows = expected.or(self.total).and_then(|count| u32::try_from(count).ok()).filter(|_| is_calm && limit > 1)?;
        let is_known = |offset: &u32| asked.contains(offset) || self.ahead.iter().any(|piece| piece.offset == *offset);
        // A page is worth its call when it has a row beyond the one that it shares.
        std::iter::successors(Some(self.offset), |offset| Some(offset + (limit - 1)))
            .take_while(|offset| offset + 1 < rows)
            .take(2 * asked.len() + self.ahead.len() + 2)
            .find(|offset| !is_known(offset))
    }

    /// The place of the page that the prefix waits for.
    fn due(&self) -> u32 {
        self.sweep.unwrap_or(self.offset.saturating_sub(self.back))
    }

    /// Takes a page.
    #[must_use]
    pub fn take(mut self, page: Shown<'_>, terms: Terms) -> (Self, Course) {
        self.distinct += page.fresh;
        if page.whole {
            self.unreadable += unreadable(page.keys);
            return self.take_whole(page, terms);
        }
        self.newer |= terms.has_come;
        self.total = page.stated.filter(|_| terms.count_is_total).and_then(|count| i64::try_from(count).ok());
        // The parent's row is of another moment.
        self.sure |= self.total.is_some() && terms.expected.is_some() && self.total != terms.expected;
        if page.offset != self.due() {
            self.keep_ahead(page);
        } else if self.sweep.is_some() {
            self.take_beginning(page);
        } else if let Some(known) = self.known_rows(page) {
            self.attach(page, known);
        } else {
            self.step_back(page.received());
        }
        self.conclude(page.limit, terms)
    }

    /// Whether the count beside the last page of a list, now proven, is of the whole list; `None`: a list of one page tells nothing.
    #[must_use]
    pub fn count_is_total(&self, page: Shown<'_>, course: Course) -> Option<bool> {
        let stated = page.stated.filter(|_| course == Course::Proven && !page.whole && page.received() < self.length())?;
        Some(stated == u64::from(self.length()))
    }

    /// How many of the page's first rows belong to the prefix, its last known row included; `None`: no seam is to be found.
    fn known_rows(&self, page: Shown<'_>) -> Option<usize> {
        let Some(edge) = &self.edge else { return Some(0) };
        // The edge itself, else the one before it that still is there.
        let mut anchors = std::iter::once(edge).chain(self.tail.iter().rev());
        let known = anchors.find_map(|anchor| page.keys.iter().position(|key| key == anchor)).map(|place| place + 1);
        // Nothing can have slipped away before the first row.
        known.or((page.offset == 0).then_some(0))
    }

    fn attach(&mut self, page: Shown<'_>, known: usize) {
        let moved = self.back == 0 && self.edge.is_some() && page.keys.first() != self.edge.as_ref();
        self.repairs += u32::from(moved);
        self.sure |= moved;
        let edge_at = self.edge.as_ref().and_then(|edge| page.keys.iter().position(|key| key == edge));
        let stands = |at: usize| page.offset.saturating_add(u32::try_from(at).unwrap_or(u32::MAX)) <= self.offset;
        self.overtaken |= self.edge.is_some() && !edge_at.is_some_and(stands);
        // A page ahead has shown the row that it shares.
        let (beyond, bad) = (count(&page.keys[known..]), unreadable(&page.keys[known..]));
        self.unreadable += bad;
        if self.ahead.is_empty() && page.offset >= self.known_to {
            self.note_again(beyond.saturating_sub(page.fresh + bad), self.back == 0);
        }
        if page.keys.first() != self.edge.as_ref() {
            self.note_again(self.out_of_order(page.keys), true);
        }
        self.back = 0;
        let is_full = page.received() >= page.limit;
        // Nothing follows the edge alone; a page of several rows may end with it because the vendor gives no more at once. One that
        // ignores the offset shows the same rows wherever it is asked, and those are all.
        let is_known = known >= page.keys.len();
        let is_ignored = is_known && !is_full && page.offset >= 2 * self.shown();
        let is_last = is_known && (page.received() <= 1 || is_ignored);
        self.follows = match (is_last, is_full) {
            (_, true) => Follows::More,
            (true, false) => Follows::Nothing,
            (false, false) => Follows::Short,
        };
        self.offset = if is_ignored { self.shown() } else { page.offset + page.received() }.saturating_sub(1);
        self.edge = page.keys.last().cloned().or_else(|| self.edge.take());
        self.tail = page.keys.to_vec();
        self.join();
    }

    /// So many rows have come again.
    fn note_again(&mut self, rows: u32, is_disorder: bool) {
        self.repeated += rows;
        self.disorder += if is_disorder { rows } else { 0 };
        self.sure |= rows > 0;
    }

    /// How many rows of the prefix's last page stand on this one, but before one that they stood behind.
    fn out_of_order(&self, keys: &[NodeKey]) -> u32 {
        let places: Vec<usize> = keys.iter().filter_map(|key| self.tail.iter().position(|row| row == key)).collect();
        u32::try_from(places.windows(2).filter(|two| two[1] < two[0]).count()).unwrap_or(u32::MAX)
    }

    /// Takes the pages ahead whose seam holds; one that was overtaken is read again.
    fn join(&mut self) {
        while let Some(place) = self.ahead.iter().position(|piece| Some(&piece.first) == self.edge.as_ref() && piece.offset == self.offset)
        {
            let piece = self.ahead.swap_remove(place);
            self.offset = piece.offset + piece.rows - 1;
            self.follows = piece.follows;
            self.tail = vec![piece.last.clone()];
            self.edge = Some(piece.last);
        }
        let (ahead, overtaken): (Vec<_>, Vec<_>) =
            std::mem::take(&mut self.ahead).into_iter().partition(|piece| piece.offset > self.offset);
        self.ahead = ahead;
        if let Some(known_to) = overtaken.iter().map(|piece| piece.offset + piece.rows).max() {
            self.known_to = self.known_to.max(known_to);
            self.repairs += 1;
            self.sure = true;
        }
    }

    fn keep_ahead(&mut self, page: Shown<'_>) {
        let (Some(first), Some(last)) = (page.keys.first(), page.keys.last()) else {
            // Nobody where the count says that somebody is: the list has moved.
            self.sure = true;
            return;
        };
        if page.offset > self.offset && page.received() > 1 {
            let follows = if page.received() < page.limit { Follows::Short } else { Follows::More };
            self.unreadable += unreadable(&page.keys[1..]);
            self.ahead.push(Piece { offset: page.offset, rows: page.received(), first: first.clone(), last: last.clone(), follows });
        }
    }

    /// The rows at the seam are others: what was read before has shifted. Further back at each call, until a row is known.
    fn step_back(&mut self, received: u32) {
        let size = received.max(count(&self.tail)).max(1);
        self.repairs += 1;
        self.sure = true;
        self.back = if self.back == 0 { size.div_ceil(8) } else { self.back.saturating_mul(2).max(size / 2) }.min(self.offset);
    }

    /// What has come in behind the reader stands at the beginning, as far as it is not new there.
    fn take_beginning(&mut self, page: Shown<'_>) {
        let goes_on = page.fresh > 0 && page.received() >= page.limit && page.received() > 1;
        self.overtaken = goes_on;
        self.sweep = goes_on.then(|| page.offset + page.received() - 1);
    }
}

#[cfg(test)]
mod tests {
    use serde_json::Value;

    use super::*;

    fn keys(names: &[&str]) -> Vec<NodeKey> {
        names.iter().map(|name| NodeKey((*name).into())).collect()
    }

    fn page(offset: u32, limit: u32, keys: &[NodeKey]) -> Shown<'_> {
        Shown { offset, limit, keys, fresh: count(keys), whole: false, stated: None }
    }

    fn at(offset: u32, edge: &str) -> Progress {
        Progress { offset, edge: Some(NodeKey(edge.into())), distinct: offset + 1, ..Progress::default() }
    }

    #[test]
    fn progress_is_small_and_survives_the_store() {
        let progress = at(99, "7");
        assert_eq!(Progress::from_stored(&progress.to_stored()), progress);
        assert_eq!(progress.to_stored().to_string(), r#"{"e":"7","n":100,"o":99}"#);
        assert_eq!(Progress::from_stored(&Value::Null), Progress::default());
    }

    #[test]
    fn a_row_that_came_in_before_the_seam_is_seen_on_the_page_itself() {
        let rows = keys(&["new", "a", "b", "c"]);
        let (next, course) = at(9, "a").take(page(9, 4, &rows), Terms::default());
        assert_eq!((course, next.offset, next.back, next.repairs), (Course::On, 12, 0, 1));
        assert!(next.overtaken, "what has come in is looked for at the end");
    }

    #[test]
    fn a_page_that_ends_with_the_seam_may_have_been_cut_there() {
        // A silent cap of two rows, and a row came in before the seam.
        let (next, course) = at(9, "a").take(page(9, 5, &keys(&["new", "a"])), Terms::default());
        assert_eq!((course, next.follows, next.next(5, None, &[])), (Course::On, Follows::Short, Some(10)));
        let (next, _) = next.take(Shown { fresh: 0, ..page(10, 5, &keys(&["a"])) }, Terms::default());
        assert_eq!(next.follows, Follows::Nothing);
    }

    #[test]
    fn a_row_that_left_before_the_seam_is_stepped_back_over() {
        let rows = keys(&["b", "c", "d", "e"]);
        let (next, _) = at(9, "a").take(page(9, 4, &rows), Terms::default());
        assert_eq!((next.offset, next.next(4, None, &[]), next.repairs), (9, Some(8), 1));
        let rows = keys(&["a", "b", "c", "d"]);
        let (next, _) = next.take(page(8, 4, &rows), Terms::default());
        assert_eq!((next.offset, next.edge, next.back), (11, Some(NodeKey("d".into())), 0));
    }

    #[test]
    fn where_the_edge_is_gone_the_row_before_it_is_the_seam() {
        let before = Progress { tail: keys(&["x", "y", "a"]), ..at(9, "a") };
        let (next, _) = before.take(page(9, 4, &keys(&["b", "c", "d", "e"])), Terms::default());
        let (next, _) = next.take(page(8, 4, &keys(&["y", "b", "c", "d"])), Terms::default());
        assert_eq!((next.offset, next.back), (11, 0));
    }

    #[test]
    fn a_long_calm_list_of_known_length_is_read_ahead_and_no_further_than_its_end() {
        let progress = at(99, "a");
        let ahead = |asked: &[u32]| progress.next(100, Some(400), asked);
        assert_eq!((ahead(&[]), ahead(&[99]), ahead(&[99, 198]), ahead(&[99, 198, 297])), (Some(99), Some(198), Some(297), Some(396)));
        assert_eq!(ahead(&[99, 198, 297, 396]), None);
        assert_eq!(progress.next(100, Some(397), &[99, 198, 297]), None);
        assert_eq!(progress.next(100, None, &[99]), None, "its length is not known");
        assert_eq!(Progress { sure: true, ..progress }.next(100, Some(400), &[99]), None, "it has moved");
        assert_eq!(Progress::default().next(100, Some(400), &[0]), None, "its first page may be cut short");
    }

    #[test]
    fn a_count_beside_a_page_is_used_once_it_has_shown_what_it_means() {
        let rows = keys(&["c", "d"]);
        let last = |stated| Shown { stated, ..page(2, 3, &rows) };
        let terms = Terms { expected: Some(4), ..Terms::default() };
        let tells = |stated| {
            let (next, course) = at(2, "c").take(Shown { fresh: 1, ..last(stated) }, terms);
            (course, next.count_is_total(last(stated), course))
        };
        assert_eq!(tells(Some(4)), (Course::Proven, Some(true)));
        assert_eq!(tells(Some(2)), (Course::Proven, Some(false)));
        assert_eq!(tells(None), (Course::Proven, None));
        let only = Shown { stated: Some(2), ..page(0, 3, &rows) };
        let (next, course) = Progress::default().take(only, Terms { expected: Some(2), ..terms });
        assert_eq!((course, next.count_is_total(only, course)), (Course::Proven, None), "page and list are the same");
        // Nothing else is known of the list's size.
        let full = keys(&["a", "b", "c"]);
        let first = Shown { stated: Some(9), ..page(0, 3, &full) };
        let ahead = |count_is_total| {
            let (next, course) = Progress::default().take(first, Terms { count_is_total, ..Terms::default() });
            (course, next.next(3, None, &[2]))
        };
        assert_eq!(ahead(true), (Course::On, Some(4)));
        assert_eq!(ahead(false), (Course::On, None));
    }

    #[test]
    fn a_full_page_is_asked_for_what_follows_where_somebody_has_come_or_another_count_stands_beside_it() {
        let rows = keys(&["a", "b", "c"]);
        let goes_on = |stated, terms| {
            let (next, course) = Progress::default().take(Shown { stated, ..page(0, 3, &rows) }, Terms { expected: Some(3), ..terms });
            (course, next.next(3, Some(3), &[]))
        };
        let is_total = Terms { count_is_total: true, ..Terms::default() };
        assert_eq!(goes_on(Some(3), is_total).0, Course::Proven);
        assert_eq!(goes_on(Some(4), is_total), (Course::On, Some(2)));
        assert_eq!(goes_on(Some(4), Terms::default()).0, Course::Proven, "what the count means is not known");
        assert_eq!(goes_on(None, Terms { has_come: true, ..Terms::default() }), (Course::On, Some(2)));
    }

    #[test]
    fn pages_ahead_join_when_their_seams_hold() {
        let terms = |under_way| Terms { expected: Some(7), under_way, ..Terms::default() };
        let (progress, course) = at(2, "c").take(page(4, 3, &keys(&["e", "f", "g"])), terms(1));
        assert_eq!((course, progress.ahead.len()), (Course::On, 1));
        let stored = Progress::from_stored(&progress.to_stored());
        let page_between = Shown { fresh: 1, ..page(2, 3, &[]) };
        let rows = keys(&["c", "d", "e"]);
        let (progress, course) = stored.take(Shown { keys: &rows, ..page_between }, terms(0));
        assert_eq!((course, progress.offset, progress.ahead.len()), (Course::Proven, 6, 0));
    }

    #[test]
    fn a_page_ahead_whose_seam_broke_is_read_again() {
        let terms = Terms { expected: Some(9), ..Terms::default() };
        let (progress, _) = at(2, "c").take(page(4, 3, &keys(&["f", "g", "h"])), Terms { under_way: 1, ..terms });
        let (progress, course) = progress.take(page(2, 3, &keys(&["c", "d", "e"])), terms);
        assert_eq!((course, progress.ahead.len(), progress.next(3, Some(9), &[])), (Course::On, 0, Some(4)));
        assert!(progress.sure && progress.repairs == 1);
    }
}
