//! Takes rows into the mirror: decides by what is known of them, and writes only what differs.

use std::collections::{HashMap, HashSet};

use super::{
    context::{Synced, Tables},
    writing::Writing,
};
use crate::{
    model::{
        digest::Digest,
        finding::Finding,
        node::{Node, NodeId},
        run::Counters,
    },
    store::{
        change::Change,
        conn::Conn,
        facts::{At, Existing},
        finding,
        mirror::Mirror,
        source,
    },
    walk::decide::{Decision, Version, decide},
};

/// What became of some rows.
#[derive(Debug, Default)]
pub struct Applied {
    /// Nodes, once each per walk.
    pub counters: Counters,
    /// Numbers of the rows' nodes, in the rows' order.
    pub numbers: Vec<i32>,
    /// Nodes that are new, changed or back.
    pub changed: HashSet<NodeId>,
    /// What a person should know.
    pub findings: Vec<Finding>,
}

/// What is to be done with some rows.
struct Plan<'a, R> {
    new: Vec<&'a R>,
    changed: Vec<(&'a R, &'a Existing)>,
    touched: Vec<&'a R>,
    back: Vec<&'a R>,
    recounted: Vec<&'a R>,
    stale: Vec<(&'a R, &'a Existing)>,
    counters: Counters,
    findings: Vec<Finding>,
}

/// Writes rows of which this is known, in the same order, and tells what has changed.
pub async fn apply<V: Synced>(w: &mut Writing<'_, V>, rows: &[V::Row], existing: &[Existing]) -> sqlx::Result<Applied> {
    let (applied, changes, touched) = write::<Tables<V>>(&mut w.step.conn(), w.at, rows, existing).await?;
    w.tell(changes, &touched).await?;
    Ok(applied)
}

/// Gives what is to be told, too, and the nodes that were known, and of which something was written.
async fn write<M: Mirror>(
    conn: &mut Conn<'_>,
    at: At,
    rows: &[M::Row],
    existing: &[Existing],
) -> sqlx::Result<(Applied, Vec<Change>, Vec<NodeId>)> {
    // Whoever was forgotten stays so.
    let nameless: Vec<M::Row>;
    let rows = if existing.iter().any(|existing| existing.forgotten) {
        nameless = rows.iter().zip(existing).map(|(row, existing)| if existing.forgotten { row.nameless() } else { row.clone() }).collect();
        &nameless
    } else {
        rows
    };
    let mut plan = plan(rows, existing);
    plan.take_confirmed(conn, at).await?;
    let mut changes = Vec::new();
    let first_no = insert::<M>(conn, at, &plan.new, &mut changes).await?;
    update::<M>(conn, at, &plan.changed, &mut changes).await?;
    if !plan.touched.is_empty() {
        M::touch(conn, at, &plan.touched).await?;
    }
    if !plan.back.is_empty() {
        let keys: Vec<NodeId> = plan.back.iter().map(|row| row.key()).collect();
        M::restore(conn, at, &keys).await?;
        changes.extend(plan.back.iter().map(|row| change_of::<M>(*row, "restore")));
    }
    if !plan.recounted.is_empty() {
        M::recount(conn, at, &plan.recounted).await?;
    }
    let touched = plan.changed.iter().map(|(row, _)| *row).chain(plan.touched).chain(plan.back).chain(plan.recounted);
    let touched = touched.map(Node::key).collect();
    let changed = changes.iter().map(|change| NodeId::parse(&change.key)).collect();
    let applied = Applied { counters: plan.counters, numbers: numbers(existing, first_no), changed, findings: plan.findings };
    Ok((applied, changes, touched))
}

fn plan<'a, R: Node>(rows: &'a [R], existing: &'a [Existing]) -> Plan<'a, R> {
    let mut plan = Plan {
        new: Vec::new(),
        changed: Vec::new(),
        touched: Vec::new(),
        back: Vec::new(),
        recounted: Vec::new(),
        stale: Vec::new(),
        counters: Counters::default(),
        findings: Vec::new(),
    };
    for (row, existing) in rows.iter().zip(existing) {
        plan.add(row, existing);
    }
    plan
}

impl<'a, R: Node> Plan<'a, R> {
    fn add(&mut self, row: &'a R, existing: &'a Existing) {
        if existing.node_no.is_none() {
            self.counters.inserted += 1;
            return self.new.push(row);
        }
        let incoming = Version { digest: Some(row.digest()), stamp: row.stamp() };
        let decision = decide(incoming, Version { digest: existing.digest.map(Digest), stamp: existing.stamp });
        let counter = match decision {
            _ if existing.retired => &mut self.counters.restored,
            Decision::Update | Decision::SilentUpdate => &mut self.counters.updated,
            Decision::Same | Decision::Touch | Decision::Stale => &mut self.counters.unchanged,
        };
        *counter += i64::from(!existing.counted);
        let is_as_known = matches!(decision, Decision::Same) || (decision == Decision::Touch && !existing.retired);
        if is_as_known && row.children().is_some_and(|said| existing.children != Some(said)) {
            self.recounted.push(row);
        }
        match decision {
            Decision::Update => self.changed.push((row, existing)),
            Decision::SilentUpdate => {
                self.findings.push(silent_change(row.key()));
                self.changed.push((row, existing));
            }
            Decision::Stale => self.stale.push((row, existing)),
            // One version, not two: its content is written anew with its stamp.
            Decision::Touch if existing.retired => self.changed.push((row, existing)),
            Decision::Touch => self.touched.push(row),
            Decision::Same => self.back_if_retired(row, existing),
        }
    }

    /// A stale read is taken when an earlier complete walk said the same; else it is ignored, with a finding.
    /// A stored stamp that is still to come is the vendor's mistake: then it is enough that the stamp was older before,
    /// since what changes from walk to walk would never be said twice.
    async fn take_confirmed(&mut self, conn: &mut Conn<'_>, at: At) -> sqlx::Result<()> {
        if self.stale.is_empty() {
            return Ok(());
        }
        let digest = |row: &R, existing: &Existing| (existing.stamp <= Some(at.now)).then(|| row.digest().0.to_string());
        let digests: Vec<Option<String>> = self.stale.iter().map(|(row, existing)| digest(row, existing)).collect();
        let texts: Vec<String> = self.stale.iter().map(|(row, _)| row.key().to_string()).collect();
        let confirmed = finding::stale_before(conn, at, &texts, &digests).await?;
        for (row, existing) in std::mem::take(&mut self.stale) {
            let key = row.key();
            if confirmed.contains(&key.to_string()) {
                if !existing.counted && !existing.retired {
                    self.counters.unchanged -= 1;
                    self.counters.updated += 1;
                }
                self.changed.push((row, existing));
            } else {
                self.findings.push(stale_read(key, &row.digest()));
                self.back_if_retired(row, existing);
            }
        }
        Ok(())
    }

    fn back_if_retired(&mut self, row: &'a R, existing: &Existing) {
        if existing.retired {
            self.back.push(row);
        }
    }
}

fn silent_change(key: NodeId) -> Finding {
    Finding::new(
        "silent_change",
        key,
        "the vendor changed this node without a newer autoUpdateTime; the change was taken; nothing is to be done, unless it goes on: then ask the vendor",
    )
}

fn stale_read(key: NodeId, digest: &Digest) -> Finding {
    let say = "the vendor showed other content under an older autoUpdateTime; ignored as a stale read, taken if the next complete walk says the same; nothing is to be done";
    let more = serde_json::Map::from_iter([("digest".to_owned(), serde_json::json!(digest.0))]);
    Finding { more, ..Finding::new("stale_read", key, say) }
}

fn change_of<M: Mirror>(row: &M::Row, op: &'static str) -> Change {
    Change { entity: M::NODE, key: row.key().to_string(), op, fields: None, vendor_time: row.stamp() }
}

/// Inserts new nodes and gives the first one's number.
async fn insert<M: Mirror>(conn: &mut Conn<'_>, at: At, rows: &[&M::Row], changes: &mut Vec<Change>) -> sqlx::Result<i32> {
    if rows.is_empty() {
        return Ok(0);
    }
    let first_no = source::take_numbers(conn, at.source_id, i32::try_from(rows.len()).unwrap_or(i32::MAX)).await?;
    let numbers: Vec<i32> = (first_no..).take(rows.len()).collect();
    M::write(conn, at, rows, &numbers, true).await?;
    changes.extend(rows.iter().map(|row| change_of::<M>(row, "insert")));
    Ok(first_no)
}

/// Writes changed nodes, and what differs of each.
async fn update<M: Mirror>(conn: &mut Conn<'_>, at: At, changed: &[(&M::Row, &Existing)], changes: &mut Vec<Change>) -> sqlx::Result<()> {
    if changed.is_empty() {
        return Ok(());
    }
    let rows: Vec<&M::Row> = changed.iter().map(|(row, _)| *row).collect();
    let keys: Vec<NodeId> = rows.iter().map(|row| row.key()).collect();
    let old = M::load(conn, at.source_id, &keys).await?;
    let old: HashMap<NodeId, M::Row> = old.into_iter().map(|row| (row.key(), row)).collect();
    let numbers: Vec<i32> = changed.iter().filter_map(|(_, existing)| existing.node_no).collect();
    M::write(conn, at, &rows, &numbers, false).await?;
    for (row, existing) in changed {
        let op = if existing.retired { "restore" } else { "update" };
        let fields = old.get(&row.key()).map(|before| row.differences(before)).filter(|fields| !fields.is_empty());
        changes.push(Change { fields, ..change_of::<M>(row, op) });
    }
    Ok(())
}

/// New nodes were numbered in their order, from the first.
fn numbers(existing: &[Existing], first_no: i32) -> Vec<i32> {
    let mut next = first_no;
    let mut number = |existing: &Existing| {
        existing.node_no.unwrap_or_else(|| {
            next += 1;
            next - 1
        })
    };
    existing.iter().map(&mut number).collect()
}
