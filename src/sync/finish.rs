//! The walk is at its end: what was put off is linked, what is gone is retired, walk and run are closed, all in one
//! transaction.

use super::{Interrupted, caller::millis, context::Context, page, quota, roster};
use crate::{
    clock,
    model::{
        node::NodeKey,
        reading::Reading,
        run::{Counters, Outcome},
    },
    store::{
        change::{self, Change},
        finding::{self, Finding},
        frontier, ledger,
        mirror::{At, Edge, Linked, Mirror, Mirrored},
        reread, root, run,
        session::Step,
    },
    vendor::hierarchy::Hierarchy,
};

type Tables<V> = <<V as crate::vendor::Vendor>::Row as Mirrored>::Tables;

/// What is gone.
struct Gone {
    links: Vec<Edge>,
    nodes: Vec<NodeKey>,
}

/// Ends the walk and the run, and says how.
///
/// # Errors
/// When the database fails or the lease is lost; nothing is written then, and the next run ends the walk.
pub async fn finish<V>(context: &Context<V>) -> Result<Outcome, Interrupted>
where
    V: Hierarchy,
    V::Row: Mirrored,
{
    match end(context, None).await? {
        Ended::As(outcome) => Ok(outcome),
        // The same again, retiring none.
        Ended::Guarded(guarded) => match end(context, Some(guarded)).await? {
            Ended::As(outcome) => Ok(outcome),
            Ended::Guarded(_) => Ok(Outcome::Partial),
        },
    }
}

/// How an end went.
enum Ended {
    /// Written down.
    As(Outcome),
    /// The guard forbids to retire so many, and nothing was written.
    Guarded(Guarded),
}

/// Too much would be gone.
struct Guarded {
    nodes: usize,
    live: i64,
    example: NodeKey,
}

/// `guarded`: what the guard has forbidden to retire.
async fn end<V>(context: &Context<V>, guarded: Option<Guarded>) -> Result<Ended, Interrupted>
where
    V: Hierarchy,
    V::Row: Mirrored,
{
    let begun = clock::instant();
    let _one = context.writing.lock().await;
    let mut step = context.session.begin().await?;
    let at = context.at(&mut step).await?;
    let reading = context.reading().unwrap_or(Reading::Direct);
    let mut counters = Counters::default();
    let before = Tables::<V>::live(&mut step.conn(), at.source_id).await?;
    let unread = frontier::unproven(&mut step.conn(), &context.open).await?;
    let mut is_complete = unread == 0 && !finding::any_of(&mut step.conn(), &context.open, &finding::OF_LISTS).await?;
    if reading == Reading::Subtree {
        let unsure = reread::unsure(&mut step.conn(), &context.open).await?;
        is_complete &= unsure.is_empty();
        finding::open(&mut step.conn(), at, &unsure.into_iter().map(unsettled).collect::<Vec<_>>()).await?;
    }
    if reading == Reading::Roster {
        // Where single rows cannot be read, the others are taken in all the same.
        if is_complete || (unread == 1 && finding::any_of(&mut step.conn(), &context.open, &["list_unreadable"]).await?) {
            counters += roster::take_in(context, &mut step, at).await?;
        }
        Tables::<V>::release(&mut step.conn(), at.source_id).await?;
    }
    // Nobody gets a new line who must keep the old one.
    is_complete &= guarded.is_none();
    link_late::<V>(&mut step, at, reading, is_complete).await?;
    if let Some(guarded) = guarded {
        finding::open(&mut step.conn(), at, &[guarded.finding(context)]).await?;
    } else {
        let gone = retire::<V>(&mut step, at, reading, is_complete).await?;
        if let Some(example) = gone.nodes.iter().min().filter(|_| is_forbidden(context, gone.nodes.len(), before)) {
            return Ok(Ended::Guarded(Guarded { nodes: gone.nodes.len(), live: before, example: example.clone() }));
        }
        counters.retired = i64::try_from(gone.nodes.len()).unwrap_or(i64::MAX);
        write_gone::<Tables<V>>(&mut step, at, gone).await?;
    }
    tell_oddities::<Tables<V>>(&mut step, at).await?;
    if reading != Reading::Direct {
        // Lists of children are not read below that level; here it shows only now, when all are linked.
        let deep = Tables::<V>::too_deep(&mut step.conn(), at, context.max_depth()).await?;
        is_complete &= deep.is_empty();
        finding::open(&mut step.conn(), at, &deep.iter().map(|key| too_deep(key, context.max_depth())).collect::<Vec<_>>()).await?;
    }
    tell_stated_limits(context, &mut step).await?;
    let outcome = if is_complete { Outcome::Complete } else { Outcome::Partial };
    counters.write_ms = millis(begun.elapsed());
    close(context, step, outcome, counters).await?;
    Ok(Ended::As(outcome))
}

async fn close<V: Hierarchy>(context: &Context<V>, mut step: Step, outcome: Outcome, counters: Counters) -> Result<(), Interrupted> {
    // However many runs it took: the walk is done, and the next one is foreseen anew.
    finding::withdraw(&mut step.conn(), &context.open, quota::KIND).await?;
    if outcome == Outcome::Complete {
        finding::resolve(&mut step.conn(), &context.open).await?;
    } else {
        finding::resolve_seen(&mut step.conn(), &context.open).await?;
    }
    frontier::forget_unmet(&mut step.conn(), &context.open).await?;
    root::forget_unmet(&mut step.conn(), &context.open).await?;
    run::close_walk(&mut step.conn(), &context.open, outcome == Outcome::Complete).await?;
    context.commit_closed(step, counters, outcome).await
}

/// Links that could be told only now: how the lists are to be read was not known, or is known only from all of them.
async fn link_late<V>(step: &mut Step, at: At, reading: Reading, is_complete: bool) -> sqlx::Result<()>
where
    V: Hierarchy,
    V::Row: Mirrored,
{
    let edges = Tables::<V>::shown_links(&mut step.conn(), at, reading, is_complete).await?;
    if edges.is_empty() {
        return Ok(());
    }
    let linked = Tables::<V>::link(&mut step.conn(), at, &edges).await?;
    page::write_link_changes::<Tables<V>>(step, at, &linked).await
}

/// What a person should know of a user whose manager could not be made sure.
fn unsettled(key: NodeKey) -> Finding {
    let say = "the lists around this user moved faster than they could be read, so that it is not sure who the manager is; \
               the last known line is kept, and the next walk reads them again; `columns = [\"ManagerUserId\"]` may tell at once";
    Finding::new("list_moved", key.0, say)
}

fn too_deep(key: &NodeKey, max_depth: i32) -> Finding {
    let say = format!("those below this user are deeper than max_depth = {max_depth}; they are mirrored all the same, but raise max_depth");
    Finding::new("too_deep", key.0.clone(), say)
}

/// Cycles and second parents are mirrored as the vendor shows them; a person should know.
async fn tell_oddities<M: Mirror>(step: &mut Step, at: At) -> sqlx::Result<()> {
    let told = M::oddities(&mut step.conn(), at).await?.into_iter().filter_map(|oddity| {
        let (kind, say) = match oddity.kind.as_str() {
            "self_parent" => (
                "self_parent",
                "the vendor shows this node as its own parent, and it is mirrored so; if that is wrong, correct it at the vendor"
                    .to_owned(),
            ),
            "second_parent" => (
                "second_parent",
                format!(
                    "the vendor shows this node below {} parents; all links are mirrored; if that is wrong, correct it at the vendor",
                    oddity.parents
                ),
            ),
            "cycle" => (
                "cycle",
                "this node is below itself: the links are mirrored as the vendor shows them; if that is wrong, correct it at the vendor"
                    .to_owned(),
            ),
            _ => return None,
        };
        Some(Finding::new(kind, oddity.key.0, say))
    });
    finding::open(&mut step.conn(), at, &told.collect::<Vec<_>>()).await
}

/// What the vendor stated is kept to; a person should write it into the config.
///
/// # Errors
/// When the database fails.
pub async fn tell_stated_limits<V: Hierarchy>(context: &Context<V>, step: &mut Step) -> sqlx::Result<()> {
    let stated = ledger::stated_limits(&mut step.conn(), &context.source.budget).await?;
    if stated.is_empty() {
        return Ok(());
    }
    let stated: Vec<String> = stated.iter().map(ToString::to_string).collect();
    let say = format!(
        "the vendor allows only {}, less than the `limits` of budget {}: hiersync keeps to it; write it into the configuration",
        stated.join(" and "),
        context.source.budget
    );
    let at = context.at(step).await?;
    finding::open(&mut step.conn(), at, &[Finding::new("limit_learned", context.source.name.clone(), say)]).await
}

async fn retire<V>(step: &mut Step, at: At, reading: Reading, is_complete: bool) -> sqlx::Result<Gone>
where
    V: Hierarchy,
    V::Row: Mirrored,
{
    let links = Tables::<V>::retire_links(&mut step.conn(), at, reading, is_complete).await?;
    let nodes = if is_complete { Tables::<V>::retire_nodes(&mut step.conn(), at).await? } else { Vec::new() };
    Ok(Gone { links, nodes })
}

async fn write_gone<M: Mirror>(step: &mut Step, at: At, gone: Gone) -> sqlx::Result<()> {
    let change = |key: &NodeKey| Change { entity: M::NODE, key: key.0.clone(), op: "retire", fields: None, vendor_time: None };
    let changes: Vec<Change> = gone.nodes.iter().map(change).collect();
    change::write(&mut step.conn(), at, &changes).await?;
    page::write_link_changes::<M>(step, at, &Linked { retired: gone.links, ..Linked::default() }).await
}

#[expect(clippy::cast_precision_loss, reason = "a share of node counts far below 2^52")]
fn is_forbidden<V: Hierarchy>(context: &Context<V>, gone: usize, before: i64) -> bool {
    !context.accept_retire && gone as f64 > context.source.retire_guard * before as f64
}

impl Guarded {
    #[expect(clippy::cast_precision_loss, reason = "a share of node counts far below 2^52")]
    fn finding<V: Hierarchy>(&self, context: &Context<V>) -> Finding {
        let Self { nodes, live, example } = self;
        let percent = *nodes as f64 / *live as f64 * 100.0;
        let say = format!(
            "this walk would retire {nodes} of {live} live nodes ({percent:.0} %, more than retire_guard = {}), among them {example}, \
             and retired none; look whether the vendor really shows them no more, and if so, run `hiersync sync {} --accept-retire`",
            context.source.retire_guard, context.source.name
        );
        let mut finding = Finding::new("retire_guard", context.source.name.clone(), say);
        finding.more.insert("nodes".into(), (*nodes).into());
        finding.more.insert("example".into(), example.0.clone().into());
        finding
    }
}
