//! Writes one page: rows, links, changes, findings, the lists that follow, the place to go on from and the counters,
//! in one transaction.

use std::collections::HashSet;

use super::{Interrupted, caller::millis, context::Context, rows};
use crate::{
    clock,
    model::{
        node::{Node, NodeKey},
        reading::{Reading, Stated},
        run::Counters,
    },
    store::{
        change::{self, Change},
        finding::{self, Finding},
        frontier::{self, State, Work},
        mirror::{At, Edge, Known, Linked, Mirror, Mirrored},
        run,
        session::Step,
    },
    vendor::{
        Page,
        hierarchy::{Descent, Hierarchy},
    },
    walk::{
        list::{Course, Doubt, Progress, Shown},
        reach,
    },
};

/// The tables of a vendor's rows.
type Tables<V> = <<V as crate::vendor::Vendor>::Row as Mirrored>::Tables;

/// Writes a page of `work`'s list, and says whether the list goes on; `work` is brought forward.
///
/// # Errors
/// When the database fails or the lease is lost; nothing is written then.
pub async fn write<V>(context: &Context<V>, work: &mut Work, page: Page<V::Row>) -> Result<bool, Interrupted>
where
    V: Hierarchy,
    V::Row: Mirrored,
{
    let begun = clock::instant();
    let _one = context.writing.lock().await;
    let mut step = context.session.begin().await?;
    let at = context.at(&mut step).await?;
    let mut draft = Draft::new(work, page, context.max_depth);
    draft.known = Tables::<V>::ask(&mut step.conn(), at, &work.parent, &draft.rows).await?;

    let taken = rows::take_in::<Tables<V>>(&mut step.conn(), at, &draft.rows, &draft.known).await?;
    let before = context.reading();
    let reading = before.or_else(|| draft.found_reading(work));
    let reading = if reading == Some(Reading::Subtree) && draft.states_parents() { Some(Reading::Stated) } else { reading };
    let (state, progress) = draft.course(work);
    draft.follow(&context.caller.vendor, work, reading, context.max_depth);

    frontier::save(&mut step.conn(), &context.open, &work.parent, &progress.to_stored(), state, &taken.numbers).await?;
    let queued = frontier::queue(&mut step.conn(), &context.open, &draft.lists).await?;
    let mut linked = draft.link::<Tables<V>, V>(&context.caller.vendor, &mut step, at, work, reading).await?;
    if before != reading
        && let Some(reading) = reading
    {
        settle_reading::<V>(context, &mut step, at, reading, &mut linked).await?;
    }
    write_link_changes::<Tables<V>>(&mut step, at, &linked).await?;
    draft.findings.extend(taken.findings);
    finding::open(&mut step.conn(), at, &draft.findings).await?;
    let counters = Counters { pages: 1, rows_seen: draft.received.into(), write_ms: millis(begun.elapsed()), ..taken.counters };
    context.commit(step, counters).await?;

    context.tell_page(draft.received);
    context.set_reading(reading);
    if before != reading {
        context.queue.forget_ahead().await;
    }
    if queued > 0 {
        context.queue.wake();
    }
    work.progress = progress.to_stored();
    Ok(state == State::Queued)
}

/// Now it is known how the lists are to be read: what was put off until then is done.
async fn settle_reading<V>(context: &Context<V>, step: &mut Step, at: At, reading: Reading, linked: &mut Linked) -> Result<(), Interrupted>
where
    V: Hierarchy,
    V::Row: Mirrored,
{
    run::set_reach(&mut step.conn(), &context.open, reading.word()).await?;
    match reading {
        Reading::Direct => {
            let edges = Tables::<V>::shown_links(&mut step.conn(), at, reading).await?;
            let late = Tables::<V>::link(&mut step.conn(), at, &edges).await?;
            linked.inserted.extend(late.inserted);
            linked.restored.extend(late.restored);
        }
        Reading::Stated => frontier::drop_queued(&mut step.conn(), &context.open).await?,
        Reading::Subtree | Reading::Roster => {}
    }
    Ok(())
}

/// Writes what was done to links into `change`.
///
/// # Errors
/// When the database fails.
pub async fn write_link_changes<M: Mirror>(step: &mut Step, at: At, linked: &Linked) -> sqlx::Result<()> {
    let of = |op: &'static str| move |edge: &Edge| Change::of_link(M::LINK, op, edge);
    let changes: Vec<Change> = linked
        .inserted
        .iter()
        .map(of("insert"))
        .chain(linked.restored.iter().map(of("restore")))
        .chain(linked.retired.iter().map(of("retire")))
        .collect();
    change::write(&mut step.conn(), at, &changes).await
}

/// What a page comes to, before it is written.
struct Draft<R> {
    rows: Vec<R>,
    known: Vec<Known>,
    received: u32,
    readable: Vec<NodeKey>,
    whole: bool,
    stated_count: Option<u64>,
    lists: Vec<Work>,
    findings: Vec<Finding>,
}

impl<R: Node + Clone> Draft<R> {
    fn new(work: &Work, page: Page<R>, max_depth: i32) -> Self {
        let readable: Vec<NodeKey> = page.rows.iter().map(Node::key).collect();
        let mut met = HashSet::new();
        let rows: Vec<R> = page.rows.into_iter().filter(|row| met.insert(row.key())).collect();
        let remark = |remark: crate::vendor::Remark| {
            // A row without an id is told apart by its list and its place there.
            let key = if remark.about.starts_with("row ") { format!("{} {}", work.parent, remark.about) } else { remark.about };
            Finding::new(remark.kind, key, remark.detail)
        };
        let mut draft = Self {
            rows,
            known: Vec::new(),
            received: page.received,
            readable,
            whole: page.whole,
            stated_count: page.stated_count,
            lists: Vec::new(),
            findings: page.remarks.into_iter().map(remark).collect(),
        };
        if work.depth >= max_depth && !draft.rows.is_empty() {
            draft.findings.push(too_deep(&work.parent, max_depth));
            draft.rows.clear();
        }
        draft
    }

    /// How the lists of this walk are read, if this page tells.
    fn found_reading(&self, work: &Work) -> Option<Reading> {
        if work.depth == 0 {
            return reach::from_root_list(&work.parent, &self.rows);
        }
        // A vendor may include the node whose list it is: that row tells nothing.
        let others = self.rows.iter().zip(&self.known).filter(|(row, _)| row.key() != work.parent);
        let (rows, in_roots_list): (Vec<R>, Vec<bool>) = others.map(|(row, known)| (row.clone(), known.in_roots_list)).unzip();
        reach::from_lower_list(&rows, &in_roots_list)
    }

    fn states_parents(&self) -> bool {
        self.rows.iter().any(|row| matches!(row.stated_parent(), Stated::Parent(_)))
    }

    /// Where the list stands after this page.
    fn course(&mut self, work: &Work) -> (State, Progress) {
        let fresh = self.known.iter().filter(|known| !known.shown).count();
        let shown = Shown {
            keys: &self.readable,
            received: self.received,
            fresh: u32::try_from(fresh).unwrap_or(u32::MAX),
            whole: self.whole,
            stated: self.stated_count,
        };
        match Progress::from_stored(&work.progress).take(shown, work.expected) {
            Course::On(progress) => (State::Queued, progress),
            Course::Proven(progress) => (State::Read, progress),
            Course::Unproven(progress, doubt) => {
                self.findings.push(doubtful(&work.parent, doubt));
                (State::Unproven, progress)
            }
        }
    }

    /// The lists that follow from the rows.
    fn follow<V: Hierarchy<Row = R>>(&mut self, vendor: &V, work: &Work, reading: Option<Reading>, max_depth: i32) {
        if matches!(reading, Some(Reading::Stated | Reading::Roster)) {
            return;
        }
        let depth = work.depth + 1;
        for (row, known) in self.rows.iter().zip(&self.known) {
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
            self.lists.push(Work { parent: row.key(), depth, attempts: 0, ask: by, expected, progress: serde_json::Value::Null });
        }
    }

    /// Links the rows: to the parent that they state, else to the one whose list it is.
    async fn link<M, V>(&self, vendor: &V, step: &mut Step, at: At, work: &Work, reading: Option<Reading>) -> sqlx::Result<Linked>
    where
        M: Mirror<Row = R>,
        V: Hierarchy<Row = R>,
    {
        let among: HashSet<NodeKey> = self.readable.iter().cloned().chain([work.parent.clone()]).collect();
        let (mut stated, mut plain) = (Vec::new(), Vec::new());
        for (row, known) in self.rows.iter().zip(&self.known) {
            let child = row.key();
            if child == work.parent && !vendor.own_row_is_a_link() {
                continue;
            }
            match row.stated_parent() {
                Stated::Parent(parent) if among.contains(&parent) => stated.push((Edge { parent, child }, known)),
                _ if reading == Some(Reading::Direct) || reading == Some(Reading::Stated) => {
                    plain.push((Edge { parent: work.parent.clone(), child }, known));
                }
                _ => {}
            }
        }
        let mut linked = link_missing::<M>(step, at, &work.parent, stated.iter().chain(&plain)).await?;
        let stated: Vec<Edge> = stated.into_iter().map(|(edge, _)| edge).collect();
        if !stated.is_empty() {
            linked.retired = M::unlink_others(&mut step.conn(), at, &stated).await?;
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

fn doubtful(key: &NodeKey, doubt: Doubt) -> Finding {
    match doubt {
        Doubt::Moved => {
            Finding::new("list_moved", key.0.clone(), "this node's list moved faster than it could be read; nothing was retired by it")
        }
        Doubt::Unreadable => {
            Finding::new("list_unreadable", key.0.clone(), "rows of this node's list could not be read; nothing was retired by it")
        }
        Doubt::Count { stated, shown } => {
            let say = format!("the vendor says that this node's list has {stated} rows and shows {shown}; nothing was retired by it");
            Finding::new("count_mismatch", key.0.clone(), say)
        }
    }
}
