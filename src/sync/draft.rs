//! What a page comes to, before it is written: its rows, the lists that follow from them, the links that they show.

use std::collections::HashSet;

use super::{page::Place, remark};
use crate::{
    model::{
        node::{Node, NodeKey},
        reading::{Reading, Stated},
    },
    store::{
        finding::Finding,
        frontier::{Found, Work},
        mirror::{At, Edge, Known, Linked, Mirror},
        session::Step,
    },
    vendor::{
        Page,
        hierarchy::{Descent, Hierarchy},
    },
    walk::{list::Shown, progress::Progress, reach},
};

/// What a page comes to, before it is written.
pub(super) struct Draft<R> {
    pub(super) rows: Vec<R>,
    pub(super) known: Vec<Known>,
    keys: Vec<NodeKey>,
    whole: bool,
    stated_count: Option<u64>,
    pub(super) lists: Vec<Work>,
    pub(super) findings: Vec<Finding>,
}

impl<R: Node + Clone> Draft<R> {
    pub(super) fn new(work: &Work, page: Page<R>, max_depth: i32) -> Self {
        let mut met = HashSet::new();
        let rows: Vec<R> = page.rows.into_iter().filter(|row| met.insert(row.key())).collect();
        let mut draft = Self {
            rows,
            known: Vec::new(),
            keys: page.keys,
            whole: page.whole,
            stated_count: page.stated_count,
            lists: Vec::new(),
            findings: page.remarks.into_iter().map(|told| remark::finding(&work.parent, told)).collect(),
        };
        if work.depth >= max_depth && !draft.rows.is_empty() {
            draft.findings.push(too_deep(&work.parent, max_depth));
            draft.rows.clear();
        }
        draft
    }

    /// How the lists of this walk are read, if the parents that this page's rows state tell.
    pub(super) fn stated_reading(&self, work: &Work) -> Option<Reading> {
        if work.depth == 0 {
            return reach::from_root_list(&work.parent, &self.rows);
        }
        // Had the root's list reached deeper, its rows would have said so; unless somebody has come below since.
        (self.states_parents() && !self.states_others(work)).then_some(Reading::Direct)
    }

    /// Rows of a list below the roots that tell how far lists reach, and how many of them the roots' lists have too.
    pub(super) fn telling_rows(&self, work: &Work) -> (i64, i64) {
        if work.depth == 0 {
            return (0, 0);
        }
        // A vendor may include the node whose list it is: that row tells nothing.
        let others = || self.rows.iter().zip(&self.known).filter(|(row, known)| row.key() != work.parent && !known.shown);
        let count = |many: usize| i64::try_from(many).unwrap_or(i64::MAX);
        (count(others().filter(|(_, known)| known.in_roots_list).count()), count(others().count()))
    }

    /// Whether some row says that it hangs on another than the one whose list it is in.
    pub(super) fn states_others(&self, work: &Work) -> bool {
        let is_other = |row: &R| matches!(row.stated_parent(), Stated::Parent(parent) if parent != work.parent);
        self.rows.iter().any(|row| row.key() != work.parent && is_other(row))
    }

    pub(super) fn states_parents(&self) -> bool {
        self.rows.iter().any(|row| matches!(row.stated_parent(), Stated::Parent(_)))
    }

    /// The nodes that the mirror had before.
    pub(super) fn known_keys(&self) -> HashSet<NodeKey> {
        self.rows.iter().zip(&self.known).filter(|(_, known)| known.node_no.is_some()).map(|(row, _)| row.key()).collect()
    }

    /// The page, as far as its list's course is concerned.
    pub(super) fn shown(&self, place: Place) -> Shown<'_> {
        let fresh = self.known.iter().filter(|known| !known.shown).count();
        Shown {
            offset: place.offset,
            limit: place.limit,
            keys: &self.keys,
            fresh: u32::try_from(fresh).unwrap_or(u32::MAX),
            whole: self.whole,
            stated: self.stated_count,
        }
    }

    /// Whether the list may end with this page in a way that is believed only if nobody would be lost by it: it is empty, no
    /// count but its own bears its end out, its last page is full, or somebody has come: the count may be of before that.
    pub(super) fn may_lose(&self, progress: &Progress, work: &Work, place: Place) -> bool {
        let is_empty = self.keys.is_empty() && (place.offset == 0 || self.whole);
        let page = self.shown(place);
        let is_counted = work.expected == Some(i64::from(progress.shown() + page.fresh));
        let has_ended = work.expected.is_none() && (self.whole || page.received() <= 1);
        let has_moved = progress.sure || self.known.iter().any(|known| !known.linked);
        // The beginning that is read once more is the last page.
        is_empty || has_ended || progress.sweep.is_some() || if page.received() < place.limit { has_moved } else { is_counted }
    }

    /// The lists that follow from the rows.
    pub(super) fn follow<V: Hierarchy<Row = R>>(&mut self, vendor: &V, work: &Work, reading: Option<Reading>, offset: u32, max_depth: i32) {
        if matches!(reading, Some(Reading::Stated | Reading::Roster)) {
            return;
        }
        let depth = work.depth + 1;
        for (place, (row, known)) in self.rows.iter().zip(&self.known).enumerate() {
            let (by, expected) = match vendor.descend(row) {
                // The vendor says that nobody is there, and we know somebody: it is asked once.
                Descent::Leaf(by) if known.has_children => (by, Some(0)),
                Descent::Leaf(_) => continue,
                Descent::List { by, expected } => (by, expected),
                Descent::Unaskable => {
                    self.findings.push(unaskable(&row.key()));
                    continue;
                }
            };
            if depth >= max_depth && expected.is_some() {
                self.findings.push(too_deep(&row.key(), max_depth));
                continue;
            }
            let place = offset.saturating_add(u32::try_from(place).unwrap_or(u32::MAX));
            let found = Some(Found { list_of: work.parent.clone(), place });
            self.lists.push(Work { ask: by, expected, found, ..Work::new(row.key(), depth) });
        }
    }

    /// Links the rows: to the parent that they state, else to the one whose list it is.
    pub(super) async fn link<M, V>(
        &self,
        vendor: &V,
        step: &mut Step,
        at: At,
        work: &Work,
        reading: Option<Reading>,
    ) -> sqlx::Result<Linked>
    where
        M: Mirror<Row = R>,
        V: Hierarchy<Row = R>,
    {
        let among: HashSet<NodeKey> = self.keys.iter().cloned().chain([work.parent.clone()]).collect();
        let is_legible = !self.keys.iter().any(NodeKey::is_unreadable);
        let (mut stated, mut only, mut plain) = (Vec::new(), Vec::new(), Vec::new());
        for (row, known) in self.rows.iter().zip(&self.known) {
            let child = row.key();
            if child == work.parent && !vendor.own_row_is_a_link() {
                continue;
            }
            match row.stated_parent() {
                Stated::Parent(parent) if among.contains(&parent) => stated.push((Edge { parent, child }, known)),
                _ if reading == Some(Reading::Direct) => plain.push((Edge { parent: work.parent.clone(), child }, known)),
                // Nobody else in the root's list is the parent; unless that row cannot be read.
                _ if reading == Some(Reading::Stated) && (is_legible || known.node_no.is_none() || known.retired) => {
                    only.push((Edge { parent: work.parent.clone(), child }, known));
                }
                _ => {}
            }
        }
        let mut linked = link_missing::<M>(step, at, &work.parent, stated.iter().chain(&only).chain(&plain)).await?;
        for (edges, spare_roots) in [(stated, false), (only, true)] {
            let edges: Vec<Edge> = edges.into_iter().map(|(edge, _)| edge).collect();
            if !edges.is_empty() {
                linked.retired.extend(M::unlink_others(&mut step.conn(), at, &edges, spare_roots).await?);
            }
        }
        Ok(linked)
    }
}

/// Writes those links that are not known to be live.
async fn link_missing<'a, M: Mirror>(
    step: &mut Step,
    at: At,
    list_of: &NodeKey,
    edges: impl Iterator<Item = &'a (Edge, &'a Known)>,
) -> sqlx::Result<Linked> {
    // What is known of a row is whether the list's own parent holds it.
    let missing: Vec<Edge> = edges.filter(|(edge, known)| edge.parent != *list_of || !known.linked).map(|(edge, _)| edge.clone()).collect();
    if missing.is_empty() { Ok(Linked::default()) } else { M::link(&mut step.conn(), at, &missing).await }
}

fn too_deep(key: &NodeKey, max_depth: i32) -> Finding {
    let say = format!("there is more below this node, deeper than max_depth = {max_depth}; raise max_depth to mirror it");
    Finding::new("too_deep", key.0.clone(), say)
}

fn unaskable(key: &NodeKey) -> Finding {
    let say = "this node has children, but none of the identifiers in descend_by, so that they cannot be asked for; add a type that it has";
    Finding::new("cannot_ask", key.0.clone(), say)
}
