//! The walk is at its end: what was put off is linked, what is gone is retired, walk and run are closed, all in one
//! transaction.

use tracing::warn;

use super::{
    Interrupted, columns,
    context::{Context, Synced, Tables},
    directory, managers, quota, refresh, trees,
    writing::Writing,
};
use crate::{
    failpoint::{self, Moment},
    model::{
        finding::{About, Finding, words},
        node::NodeId,
        reach::Reach,
        run::{Counters, Outcome},
    },
    store::{
        change::Change,
        facts::{Edge, Linked},
        finding,
        forget::Forget,
        frontier, ledger,
        mirror::Mirror,
        nodes::Nodes,
        queued,
        retire::Retire,
        root,
        session::Session,
        walk::{self, Left},
    },
    text::chain,
};

/// What is gone.
struct Gone {
    links: Vec<Edge>,
    nodes: Vec<NodeId>,
}

/// Ends the walk and the run, and says how.
///
/// # Errors
/// When the database fails or the lease is lost; nothing is written then, and the next run ends the walk.
pub async fn finish<V: Synced>(context: &Context<V>) -> Result<Outcome, Interrupted> {
    let outcome = match end(context, None).await? {
        Ended::As(outcome) => outcome,
        // The same again, retiring none.
        Ended::Guarded(guarded) => match end(context, Some(guarded)).await? {
            Ended::As(outcome) => outcome,
            Ended::Guarded(_) => Outcome::Partial,
        },
    };
    // The walk is closed, whatever becomes of this. What is undone in the end must not be known.
    if matches!(context.session, Session::Lasting(_))
        && let Err(error) = tell_planner(context).await
    {
        warn!(error = chain(&error), "the planner could not be told of what was taken in: autovacuum will tell it");
    }
    Ok(outcome)
}

async fn tell_planner<V: Synced>(context: &Context<V>) -> sqlx::Result<()> {
    let mut step = context.session.begin().await?;
    step.is_about_all();
    walk::analyze_loaded(&mut step.conn(), &context.open).await?;
    step.commit().await
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
    guard: Guard,
    nodes: usize,
    example: NodeId,
}

/// What may be retired.
#[derive(Clone, Copy)]
struct Guard {
    /// Live nodes that the last complete walk left: newcomers since then do not count.
    live: i64,
    /// A root has another id than before, and nobody has said yet that it is right.
    is_root_changed: bool,
}

impl Guard {
    async fn of<V: Synced>(w: &mut Writing<'_, V>) -> sqlx::Result<Self> {
        if w.context.accept_retire {
            finding::withdraw(&mut w.step.conn(), &w.context.open, "root_changed", None).await?;
        }
        let is_root_changed = finding::is_open(&mut w.step.conn(), w.at.source_id, "root_changed").await?;
        // Where no walk was complete yet: all that there are.
        let live = match walk::last_live(&mut w.step.conn(), w.at.source_id).await? {
            Some(live) => live,
            None => Tables::<V>::live(&mut w.step.conn(), w.at.source_id).await?,
        };
        Ok(Self { live, is_root_changed })
    }

    #[expect(clippy::cast_precision_loss, reason = "a share of node counts far below 2^52")]
    fn forbids<V: Synced>(self, context: &Context<V>, gone: usize) -> bool {
        !context.accept_retire && (self.is_root_changed || gone as f64 > context.source.retire_guard * self.live as f64)
    }
}

/// `guarded`: what the guard has forbidden to retire.
async fn end<V: Synced>(context: &Context<V>, guarded: Option<Guarded>) -> Result<Ended, Interrupted> {
    let mut w = context.write().await?;
    w.step.is_about_all();
    let reach = context.walk().reach.unwrap_or(Reach::Direct);
    let guard = Guard::of(&mut w).await?;
    let unread = frontier::unproven(&mut w.step.conn(), &context.open).await?;
    let mut is_complete = unread == 0 && !finding::any_of(&mut w.step.conn(), &context.open, &words(About::List)).await?;
    is_complete &= !context.cap.is_full();
    let (mut counters, unknown) = managers::place(&mut w, unread == 0).await?;
    is_complete &= unknown.is_none();
    context.gauges.progress();
    finding::open(&mut w.step.conn(), w.at, unknown.as_slice()).await?;
    // Where single rows cannot be read, the others are taken in all the same.
    let is_readable = unread == 1 && finding::any_of(&mut w.step.conn(), &context.open, &["list_unreadable"]).await?;
    if reach == Reach::Directory && (is_complete || is_readable) {
        counters += directory::take_in(&mut w).await?;
        is_complete &= !context.cap.is_full();
    }
    // Where nothing is to be retired and nobody stands elsewhere, nobody is looked at one by one.
    let as_settled = if is_complete { Tables::<V>::as_settled(&mut w.step.conn(), w.at).await? } else { None };
    if let Some(guarded) = guarded {
        is_complete = false;
        finding::open(&mut w.step.conn(), w.at, &[guarded.finding(context)]).await?;
    } else if as_settled.is_none() {
        let gone = retire(&mut w, reach, is_complete).await?;
        if let Some(example) = gone.nodes.iter().min().filter(|_| guard.forbids(context, gone.nodes.len())) {
            return Ok(Ended::Guarded(Guarded { guard, nodes: gone.nodes.len(), example: *example }));
        }
        counters.retired = i64::try_from(gone.nodes.len()).unwrap_or(i64::MAX);
        write_gone(&mut w, gone).await?;
        failpoint::pass(Moment::Retired);
        context.gauges.progress();
    }
    let live = settle(&mut w, reach, as_settled).await?;
    is_complete &= trees::tell_too_deep(&mut w, reach).await?;
    tell_stated_limits(&mut w).await?;
    if is_complete {
        columns::tell_absent(&mut w).await?;
    }
    let outcome = if is_complete { Outcome::Complete } else { Outcome::Partial };
    close(w, outcome, counters, Left { live, unproven: unread }).await?;
    Ok(Ended::As(outcome))
}

/// Settles the tree, unless it stands as it stood with so many live nodes. Gives how many there are.
async fn settle<V: Synced>(w: &mut Writing<'_, V>, reach: Reach, as_settled: Option<i64>) -> sqlx::Result<i64> {
    let Some(live) = as_settled else { return trees::settle(w, reach).await };
    root::forget_unmet(&mut w.step.conn(), &w.context.open).await?;
    Ok(live)
}

async fn close<V: Synced>(mut w: Writing<'_, V>, outcome: Outcome, counters: Counters, left: Left) -> Result<(), Interrupted> {
    let open = &w.context.open;
    // However many runs it took: the walk is done, and the next one is foreseen anew.
    finding::withdraw(&mut w.step.conn(), open, quota::KIND, None).await?;
    if outcome == Outcome::Complete {
        finding::resolve(&mut w.step.conn(), open).await?;
    } else {
        finding::resolve_seen(&mut w.step.conn(), open).await?;
    }
    queued::forget_unmet(&mut w.step.conn(), open).await?;
    refresh::end(&mut w, outcome == Outcome::Complete).await?;
    walk::close(&mut w.step.conn(), open, outcome == Outcome::Complete, left).await?;
    Tables::<V>::keep_forgotten(&mut w.step.conn(), w.at).await?;
    w.close(counters, outcome, (None, None)).await
}

/// What the vendor stated is kept to; a person should write it into the config.
pub async fn tell_stated_limits<V: Synced>(w: &mut Writing<'_, V>) -> sqlx::Result<()> {
    let stated = ledger::stated_limits(&mut w.step.conn(), &w.context.source.budget).await?;
    if stated.is_empty() {
        return Ok(());
    }
    let stated: Vec<String> = stated.iter().map(ToString::to_string).collect();
    let say = format!(
        "the vendor allows only {}, less than the `limits` of budget {}: hiersync keeps to it; write it into the configuration",
        stated.join(" and "),
        w.context.source.budget
    );
    finding::open(&mut w.step.conn(), w.at, &[Finding::new("limit_learned", w.context.source.name.clone(), say)]).await
}

/// Retires links, then nodes, then what hung below those.
async fn retire<V: Synced>(w: &mut Writing<'_, V>, reach: Reach, is_complete: bool) -> sqlx::Result<Gone> {
    let links = match reach {
        Reach::Direct => Tables::<V>::retire_unlisted(&mut w.step.conn(), w.at, is_complete).await?,
        // Who is missing from one list may still stand in another: only the whole tells.
        _ if !is_complete => Vec::new(),
        _ => Tables::<V>::retire_unshown(&mut w.step.conn(), w.at, reach == Reach::Directory).await?,
    };
    let mut gone = Gone { links, nodes: Vec::new() };
    if !is_complete {
        return Ok(gone);
    }
    loop {
        let nodes = Tables::<V>::retire_nodes(&mut w.step.conn(), w.at, reach).await?;
        if nodes.is_empty() {
            return Ok(gone);
        }
        gone.links.extend(Tables::<V>::retire_below(&mut w.step.conn(), w.at, &nodes).await?);
        gone.nodes.extend(nodes);
    }
}

async fn write_gone<V: Synced>(w: &mut Writing<'_, V>, gone: Gone) -> sqlx::Result<()> {
    let change = |key: &NodeId| Change { entity: Tables::<V>::NODE, key: key.to_string(), op: "retire", fields: None, vendor_time: None };
    w.tell(gone.nodes.iter().map(change), &gone.nodes).await?;
    w.tell_links(&Linked { retired: gone.links, ..Linked::default() }).await
}

impl Guarded {
    #[expect(clippy::cast_precision_loss, reason = "a share of node counts far below 2^52")]
    fn finding<V: Synced>(&self, context: &Context<V>) -> Finding {
        let Self { guard: Guard { live, is_root_changed }, nodes, example } = self;
        let percent = *nodes as f64 / *live as f64 * 100.0;
        let why = if *is_root_changed {
            "while a root has changed its id, see the finding `root_changed`".to_owned()
        } else {
            format!("more than retire_guard = {}", context.source.retire_guard)
        };
        let say = format!(
            "this walk would retire {nodes} of {live} live nodes ({percent:.0} %, {why}; newcomers since the last complete walk do not \
             count), among them {example}, and retired none; look whether the vendor really shows them no more, and if so, run \
             `hiersync sync {} --accept-retire`",
            context.source.name
        );
        let mut finding = Finding::new("retire_guard", context.source.name.clone(), say);
        finding.more.insert("nodes".into(), (*nodes).into());
        finding.more.insert("example".into(), example.to_string().into());
        finding
    }
}
