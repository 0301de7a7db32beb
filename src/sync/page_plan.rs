//! What a page comes to, before it is written: its rows, the lists that follow from them, the links that they show.

use std::collections::HashSet;

use super::remark;
use crate::{
    config::Identifier,
    model::{
        finding::Finding,
        node::{Node, NodeId},
        reach::{Reach, Stated},
    },
    store::{
        facts::{Edge, Existing, Unchanged},
        frontier::Work,
    },
    vendor_api::{
        Page,
        hierarchy::{Descent, Hierarchy},
    },
    walk::page_seen::Kind,
};

/// What a page comes to.
pub(super) struct PagePlan<R> {
    /// The rows that could be read, each node once.
    pub(super) rows: Vec<R>,
    /// What is known of them, in their order.
    pub(super) existing: Vec<Existing>,
    /// Rows that need not be read.
    pub(super) unchanged: Vec<Unchanged>,
    /// The ids of all rows, in the vendor's order.
    pub(super) keys: Vec<NodeId>,
    /// How the vendor sends the list.
    pub(super) kind: Kind,
    /// The vendor's count beside the rows.
    pub(super) stated_count: Option<u64>,
    /// What a person should know.
    pub(super) findings: Vec<Finding>,
}

/// The links that a page shows.
#[derive(Default)]
pub(super) struct PageLinks {
    /// To the parent that the row states.
    pub(super) stated: Vec<Edge>,
    /// Those of them, and those to the one whose list it is, that are not known to live.
    pub(super) missing: Vec<Edge>,
    /// Rows that state a parent whom the list does not show: by their place.
    pub(super) elsewhere: Vec<usize>,
}

impl<R: Node + Clone> PagePlan<R> {
    pub(super) fn new(work: &Work, page: Page<R>, unchanged: Vec<Unchanged>, max_depth: i32) -> Self {
        let mut met = HashSet::new();
        let rows: Vec<R> = page.rows.into_iter().filter(|row| met.insert(row.key())).collect();
        let mut plan = Self {
            rows,
            existing: Vec::new(),
            unchanged,
            keys: page.keys,
            kind: if page.whole { Kind::Whole(page.stated_count) } else { Kind::Paged },
            stated_count: page.stated_count,
            findings: page.remarks.into_iter().map(|told| remark::finding(work.parent, told)).collect(),
        };
        if work.depth >= max_depth && !(plan.rows.is_empty() && plan.unchanged.is_empty()) {
            plan.findings.push(too_deep(work.parent, max_depth));
            plan.rows.clear();
            plan.unchanged.clear();
        }
        plan
    }

    /// Leaves out nodes beyond so many that the walk meets for the first time; of a run that reads only what was asked for, those beyond so many
    /// that the mirror does not have. `true`: there were some.
    pub(super) fn cap(&mut self, room: i64, only_new: bool) -> bool {
        let mut left = room;
        let mut take = |counts: bool| {
            left -= i64::from(counts);
            !counts || left >= 0
        };
        let counts = |existing: &Existing| existing.node_no.is_none() || (!only_new && !existing.counted);
        let taken: Vec<bool> = self.existing.iter().map(|existing| take(counts(existing))).collect();
        let mut kept = taken.iter();
        self.rows.retain(|_| kept.next().copied().unwrap_or(true));
        let mut kept = taken.iter();
        self.existing.retain(|_| kept.next().copied().unwrap_or(true));
        self.unchanged.retain(|row| take(!only_new && !row.shown && !row.shown_earlier));
        left < 0
    }

    /// Which of the rows the pass has shown before.
    pub(super) fn shown(&self) -> HashSet<NodeId> {
        let read = self.rows.iter().zip(&self.existing).filter(|(_, existing)| existing.shown).map(|(row, _)| row.key());
        read.chain(self.unchanged.iter().filter(|row| row.shown).map(|row| row.key)).collect()
    }

    /// The ids of all rows that stand for a node, each once.
    pub(super) fn ids(&self) -> Vec<NodeId> {
        self.rows.iter().map(Node::key).chain(self.unchanged.iter().map(|row| row.key)).collect()
    }

    /// The numbers of all of them, given those of the rows that were read.
    pub(super) fn numbers(&self, read: &[i32]) -> Vec<i32> {
        read.iter().copied().chain(self.unchanged.iter().map(|row| row.node_no)).collect()
    }

    /// How many of the rows that need not be read the walk had not met.
    pub(super) fn new_unchanged(&self) -> i64 {
        let is_new = |row: &&Unchanged| !row.shown && !row.shown_earlier;
        i64::try_from(self.unchanged.iter().filter(is_new).count()).unwrap_or(i64::MAX)
    }

    /// How many of the rows no pass over the list has shown before.
    pub(super) fn new_to_list(&self) -> i64 {
        let is_new = |existing: &&Existing| !existing.shown && !existing.shown_earlier;
        i64::try_from(self.existing.iter().filter(is_new).count()).unwrap_or(i64::MAX) + self.new_unchanged()
    }

    /// How many of the rows that no pass over the list has shown before the mirror knew in it.
    pub(super) fn known_again(&self, holds_all: bool) -> u32 {
        let is_known = |existing: &Existing| if holds_all { existing.node_no.is_some() && !existing.retired } else { existing.linked };
        let read = self.existing.iter().filter(|existing| is_known(existing) && !existing.shown && !existing.shown_earlier).count();
        u32::try_from(read).unwrap_or(u32::MAX).saturating_add(u32::try_from(self.new_unchanged()).unwrap_or(u32::MAX))
    }

    /// Somebody on the page was not in this list before.
    pub(super) fn has_newcomer(&self) -> bool {
        self.existing.iter().any(|existing| !existing.linked)
    }

    /// The nodes that the mirror did not have.
    pub(super) fn new_keys(&self) -> HashSet<NodeId> {
        self.rows.iter().zip(&self.existing).filter(|(_, existing)| existing.node_no.is_none()).map(|(row, _)| row.key()).collect()
    }

    /// Some row says that it hangs on another than the one whose list it is in, and none that it hangs there: who has two parents states one. Whose
    /// text is known hangs on this one alone.
    pub(super) fn states_others(&self, work: &Work) -> bool {
        let others = || self.rows.iter().filter(|row| row.key() != work.parent);
        let states = |row: &&R, wanted: bool| matches!(row.stated_parent(), Stated::Parent(parent) if (parent == work.parent) == wanted);
        self.unchanged.is_empty() && others().any(|row| states(&row, false)) && !others().any(|row| states(&row, true))
    }

    /// What a root's list holds, if the parents that its rows state tell.
    pub(super) fn stated_reach(&self, work: &Work) -> Option<Reach> {
        let shown: HashSet<NodeId> = self.keys.iter().copied().collect();
        let states = |row: &R| matches!(row.stated_parent(), Stated::Parent(_));
        let is_deeper = |row: &R| matches!(row.stated_parent(), Stated::Parent(parent) if parent != work.parent && shown.contains(&parent));
        if self.rows.iter().any(is_deeper) {
            return Some(Reach::Stated);
        }
        self.rows.iter().any(states).then_some(Reach::Direct)
    }

    /// By what the lists of the rows' nodes could be asked for, as far as identifiers are needed.
    pub(super) fn identifiers<V: Hierarchy<Row = R>>(&self, vendor: &V) -> Vec<(NodeId, Identifier)> {
        let of = |row: &R| {
            let key = row.key();
            vendor.identifiers(row).unwrap_or_default().into_iter().map(move |identifier| (key, identifier))
        };
        let has_list = |(row, existing): &(&R, &Existing)| vendor.descend(row) != Descent::Leaf || existing.has_children;
        self.rows.iter().zip(&self.existing).filter(has_list).flat_map(|(row, _)| of(row)).collect()
    }

    /// The lists that follow from the rows, whose nodes have these numbers. Leaves are not asked: but where the vendor says that
    /// nobody is there and we know somebody, it is asked once. `shared`: identifiers that name others, too.
    pub(super) fn follow<V: Hierarchy<Row = R>>(
        &mut self,
        vendor: &V,
        work: &Work,
        numbers: &[i32],
        shared: &HashSet<Identifier>,
        max_depth: i32,
    ) -> Vec<Work> {
        let depth = work.depth + 1;
        let mut lists = Vec::new();
        for ((row, existing), node_no) in self.rows.iter().zip(&self.existing).zip(numbers) {
            let descent = vendor.descend(row);
            let is_leaf = descent == Descent::Leaf && !existing.has_children;
            let mut identifiers = vendor.identifiers(row);
            if let Some(all) = &mut identifiers {
                all.retain(|identifier| !shared.contains(identifier));
                if all.is_empty() && !is_leaf {
                    self.findings.push(cannot_ask(row.key(), &vendor.too_long(row)));
                    continue;
                }
            }
            if depth >= max_depth && descent.expected().is_some() && !is_leaf {
                self.findings.push(too_deep(row.key(), max_depth));
                continue;
            }
            lists.push(Work {
                ask: identifiers.and_then(|all| all.into_iter().next()),
                expected: descent.expected(),
                shown_by: Some(work.parent),
                wanted: work.wanted.filter(|is_below| *is_below),
                ..Work::new(row.key(), Some(*node_no), depth)
            });
        }
        lists
    }

    /// Which of the lists that follow are of leaves: they are not read.
    pub(super) fn leaves<V: Hierarchy<Row = R>>(&self, vendor: &V) -> HashSet<NodeId> {
        let is_leaf = |(row, existing): &(&R, &Existing)| vendor.descend(row) == Descent::Leaf && !existing.has_children;
        self.rows.iter().zip(&self.existing).filter(is_leaf).map(|(row, _)| row.key()).collect()
    }

    /// The links that the rows show: to the parent that they state, else to the one whose list it is.
    pub(super) fn links(&self, work: &Work, reach: Option<Reach>, lists_decide: bool) -> PageLinks {
        if self.rows.is_empty() {
            return PageLinks::default();
        }
        let among: HashSet<NodeId> = self.keys.iter().chain([&work.parent]).copied().collect();
        let mut links = PageLinks::default();
        for (place, (row, existing)) in self.rows.iter().zip(&self.existing).enumerate() {
            let child = row.key();
            match row.stated_parent() {
                Stated::Parent(parent) if parent == work.parent || (!lists_decide && among.contains(&parent)) => {
                    let edge = Edge { parent, child };
                    links.missing.extend((edge.parent != work.parent || !existing.linked).then_some(edge));
                    links.stated.push(edge);
                }
                // Who states another has two parents, or states the root whose id is not known.
                Stated::Parent(_) if lists_decide => {
                    links.missing.extend((!existing.linked).then_some(Edge { parent: work.parent, child }));
                }
                Stated::Parent(_) => links.elsewhere.push(place),
                _ if reach != Some(Reach::Direct) || existing.linked || (child == work.parent && !lists_decide) => {}
                _ => links.missing.push(Edge { parent: work.parent, child }),
            }
        }
        links
    }
}

fn too_deep(key: NodeId, max_depth: i32) -> Finding {
    let say = format!("there is more below this node, deeper than max_depth = {max_depth}; raise max_depth to mirror it");
    Finding::new("too_deep", key, say)
}

/// About a node whose children cannot be asked for.
pub(super) fn cannot_ask(key: NodeId, too_long: &[String]) -> Finding {
    let too_long = if too_long.is_empty() { String::new() } else { format!(" ({} is too long to ask by)", too_long.join(", ")) };
    let say = format!(
        "this node's children cannot be asked for: it has none of the identifiers in `descend_by` that no other live customer has \
         too{too_long}; add a type that it has to itself, or correct it at the vendor"
    );
    Finding::new("cannot_ask", key, say)
}
