//! Reads the directory: all users of the account with their managers. Rows that are as the mirror has them are only marked;
//! the others wait until all of it is read and it is known who lies below the roots.

use std::collections::HashSet;

use super::{
    Interrupted,
    call_error::CallError,
    context::{Context, Synced, Tables},
    refused, remark, rows,
    writing::Writing,
};
use crate::{
    model::{
        finding::Finding,
        node::{Node, NodeId, ids},
        reach::{Reach, Stated},
        run::Counters,
    },
    store::{
        doubt,
        facts::{DirectoryExisting, Edge},
        finding,
        frontier::{self, Shown, Standing, State, Work},
        links::Links,
        mirror::Mirror,
        nodes::Nodes,
        queued, reporting,
    },
    vendor_api::{Ask, List, Page, error::VendorError},
    walk::{
        decide::{Decision, Version, decide},
        directory::{DirectoryPage, following, next, next_page, take},
        pass::Pass,
        verdict::{Evidence, Next},
    },
};

/// Rows taken into the mirror with one statement each.
const CHUNK: usize = 1000;

/// Queues the directory, once per walk. It stands beside the roots' lists, unless it is all that is read.
pub async fn queue<V: Synced>(w: &mut Writing<'_, V>) -> sqlx::Result<()> {
    let depth = if w.context.walk().reach == Some(Reach::Directory) { 0 } else { -1 };
    let list = Work::new(NodeId::Everybody, None, depth);
    queued::queue(&mut w.step.conn(), &w.context.open, &[&list]).await.map(|_| ())
}

/// Reads the directory to its end.
pub async fn read<V: Synced>(context: &Context<V>, work: &Work) -> Result<(), Interrupted> {
    let mut pass = Pass::from_stored(&work.pass);
    let mut left_out = None;
    loop {
        if context.caller.is_stopped() {
            return Err(Interrupted::Stopped);
        }
        let (offset, limit) = next_page(&pass, pass.limit.unwrap_or_else(|| context.caller.vendor.page_size()));
        let ask = Ask { list: List::Directory, offset, limit, is_plain: false };
        let page = match context.page(&ask).await {
            Ok(sheet) => sheet.all(),
            Err(CallError::Run(interrupted)) => return Err(interrupted),
            Err(CallError::ThisOnly(error)) => {
                if may_be_columns(&error)
                    && let Some(columns) = context.caller.vendor.ask_only_needed()
                {
                    left_out = Some(columns);
                    continue;
                }
                return give_up(context, work, &error).await;
            }
        };
        let told = left_out.take().map(|columns| columns_refused(context, &columns));
        match write(context, work, &mut pass, page, &ask, told).await? {
            Next::ReadOn => {}
            Next::ReadAgain => pass = following(&pass),
            _ => return Ok(()),
        }
    }
}

/// One unknown column fails the whole call (a live account, 2026-08).
fn may_be_columns(error: &VendorError) -> bool {
    matches!(error, VendorError::Rejected(_))
}

fn columns_refused<V: Synced>(context: &Context<V>, left_out: &[String]) -> Finding {
    let say = format!(
        "the vendor refuses the search over all users with these columns, of which one may be unknown to it: {}; they are left out until \
         it takes them; correct `columns`, or ask the vendor",
        left_out.join(", ")
    );
    Finding::new("columns_refused", context.source.name.clone(), say)
}

/// Where lists are read beside it, and the search is of no use, they tell what the directory does not. What may pass is waited for until the
/// next walk: to ask for everybody's list would cost a call for each.
async fn give_up<V: Synced>(context: &Context<V>, work: &Work, error: &VendorError) -> Result<(), Interrupted> {
    if context.walk().reach == Some(Reach::Directory) {
        return refused::give_up(context, work, refused::refusal(work, error)).await;
    }
    let mut w = context.write().await?;
    let refusal = refused::refusal(work, error);
    if matches!(error, VendorError::Transient(_) | VendorError::Unreadable(_)) {
        doubt::leave_directory(&mut w.step.conn(), &context.open, &refusal.say).await?;
    } else {
        frontier::give_up(&mut w.step.conn(), &context.open, work.parent).await?;
    }
    // The key may not search: an answer of its own kind, or that of keys which another call has shown to be good.
    if !matches!(error, VendorError::Rejected(_) | VendorError::Unauthorised(_)) {
        finding::open(&mut w.step.conn(), w.at, &[refusal]).await?;
    }
    w.commit(Counters::default()).await
}

/// Writes a page, and says how the directory goes on.
async fn write<V: Synced>(
    context: &Context<V>,
    work: &Work,
    pass: &mut Pass,
    page: Page<V::Row>,
    ask: &Ask,
    told: Option<Finding>,
) -> Result<Next, Interrupted> {
    let mut w = context.write().await?;
    let received = page.received();
    let is_all = context.walk().reach == Some(Reach::Directory);
    let mut met = HashSet::new();
    let distinct: Vec<V::Row> = page.rows.into_iter().filter(|row| met.insert(row.key())).collect();
    let existing = Tables::<V>::directory_existing(&mut w.step.conn(), w.at, &distinct.iter().collect::<Vec<_>>()).await?;
    let distinct: Vec<V::Row> =
        distinct.into_iter().zip(&existing).map(|(row, known)| if known.forgotten { row.nameless() } else { row }).collect();
    let (same, differing): (Vec<_>, Vec<_>) = distinct.iter().zip(&existing).partition(|(row, known)| stands(*row, known, is_all));
    Tables::<V>::stage(&mut w.step.conn(), w.at, &differing.iter().map(|(row, _)| *row).collect::<Vec<_>>(), is_all).await?;
    let numbers: Vec<i32> = same.iter().filter_map(|(_, known)| known.node_no.filter(|_| known.live).or(outside_no(known))).collect();
    let unchanged = same.iter().filter(|(_, known)| is_all && known.live && !known.shown && !known.is_root).count();
    let fresh = u32::try_from(existing.iter().filter(|known| !known.shown).count()).unwrap_or(u32::MAX);

    let seen = DirectoryPage { offset: ask.offset, limit: ask.limit, keys: &page.keys, fresh };
    take(pass, seen);
    save(&mut w, work, (pass, Next::ReadOn), &numbers).await?;
    let is_short = received < ask.limit;
    let loses = is_short && reporting::directory_loses(&mut w.step.conn(), w.at).await?;
    let lacking = if is_short && is_all { reporting::directory_lacks(&mut w.step.conn(), w.at).await? } else { Vec::new() };
    let next = next(pass, seen, Evidence { loses, lacks: !lacking.is_empty(), knows: context.walk().knows, ..Evidence::default() });
    if next == Next::ReadAgain && !lacking.is_empty() {
        reporting::want_whole(&mut w.step.conn(), w.at.source_id, &lacking).await?;
    }
    save(&mut w, work, (pass, next), &[]).await?;
    let remarks = page.remarks.into_iter().map(|remark| remark::finding(work.parent, remark));
    let findings: Vec<Finding> = remarks.chain(remark::doubt(work.parent, next)).chain(told).collect();
    finding::open(&mut w.step.conn(), w.at, &findings).await?;
    let unchanged = i64::try_from(unchanged).unwrap_or(i64::MAX);
    let counted = Counters { pages: 1, rows_seen: received.into(), unchanged, ..Counters::default() };
    w.commit(counted).await?;
    context.tell_page(received);
    Ok(next)
}

async fn save<V: Synced>(w: &mut Writing<'_, V>, work: &Work, (pass, next): (&Pass, Next), page: &[i32]) -> sqlx::Result<()> {
    let (state, shown, pass) = match next {
        Next::ReadOn => (State::Queued, Shown::ByPass, pass.to_stored()),
        Next::ReadAgain => (State::Queued, Shown::ByNextPass, following(pass).to_stored()),
        Next::Unproven(_) => (State::Unproven, Shown::Together, Pass::default().to_stored()),
        _ => (State::Read, Shown::Together, Pass::default().to_stored()),
    };
    let standing = Standing { pass: &pass, state, page, shown, last_page: None };
    frontier::save(&mut w.step.conn(), &w.context.open, work, standing).await.map(|_| ())
}

fn outside_no(known: &DirectoryExisting) -> Option<i32> {
    known.outside.map(|outside| outside.node_no)
}

/// Whether a row adds nothing. Of a node in the mirror: the one live parent that it states, and, where it `is_all` that is read, content and
/// stamp. Of one that lay outside the roots: what is kept of it. Of two readings the later one counts. Where lists are read beside it, who has
/// no manager by it is nobody's report by a list either.
fn stands<R: Node>(row: &R, known: &DirectoryExisting, is_all: bool) -> bool {
    let incoming = Version { digest: Some(row.digest()), stamp: row.stamp() };
    let is_same = !is_all || decide(incoming, Version { digest: known.digest, stamp: known.stamp }) == Decision::Same;
    let stated = match row.stated_parent() {
        Stated::Parent(parent) => vec![parent],
        Stated::Nobody | Stated::Nothing => Vec::new(),
    };
    if known.is_staged {
        return false;
    }
    if let Some(outside) = known.outside.filter(|_| !known.live) {
        let is_same = !is_all || outside.digest == Some(row.digest());
        return is_same && outside.parent.as_slice() == stated;
    }
    // A root's parent lies outside, unless another root reaches it.
    let hangs = known.parents == stated || (known.is_root && known.parents.is_empty() && !known.is_below_another);
    let says = is_all || known.is_root || !stated.is_empty();
    is_same && says && known.live && hangs
}

/// The whole directory is read: takes in who lies below the roots.
pub async fn take_in<V: Synced>(w: &mut Writing<'_, V>) -> Result<Counters, Interrupted> {
    let mut counters = Counters::default();
    let directory = Work::new(NodeId::Everybody, None, 0);
    let staged = Tables::<V>::staged(&mut w.step.conn(), w.at).await?;
    // Who is whose manager is known of all or of none.
    if overflows(w, &staged).await? {
        let finding = w.context.cap.overflow(&w.context.source.name);
        finding::open(&mut w.step.conn(), w.at, &[finding]).await?;
        return Ok(counters);
    }
    for chunk in staged.chunks(CHUNK) {
        let existing = Tables::<V>::existing(&mut w.step.conn(), w.at, directory.parent, &ids(chunk)).await?;
        let applied = rows::apply(w, chunk, &existing).await?;
        let pass = Pass::default().to_stored();
        let standing = Standing { pass: &pass, state: State::Read, page: &applied.numbers, shown: Shown::ByPass, last_page: None };
        frontier::save(&mut w.step.conn(), &w.context.open, &directory, standing).await?;
        let edges: Vec<Edge> = chunk.iter().filter_map(edge).collect();
        let mut linked = Tables::<V>::link(&mut w.step.conn(), w.at, &edges).await?;
        linked.retired = Tables::<V>::unlink_others(&mut w.step.conn(), w.at, &edges).await?;
        w.tell_links(&linked).await?;
        finding::open(&mut w.step.conn(), w.at, &applied.findings).await?;
        counters += applied.counters;
    }
    Ok(counters)
}

/// More of them would be met for the first time than may be taken.
async fn overflows<V: Synced>(w: &mut Writing<'_, V>, staged: &[V::Row]) -> sqlx::Result<bool> {
    let Some(mut room) = w.context.cap.room() else { return Ok(false) };
    for chunk in staged.chunks(CHUNK) {
        let existing = Tables::<V>::existing(&mut w.step.conn(), w.at, NodeId::Everybody, &ids(chunk)).await?;
        let new = existing.iter().filter(|existing| !existing.counted).count();
        room -= i64::try_from(new).unwrap_or(i64::MAX);
    }
    Ok(room < 0)
}

fn edge<R: Node>(row: &R) -> Option<Edge> {
    match row.stated_parent() {
        Stated::Parent(parent) => Some(Edge { parent, child: row.key() }),
        Stated::Nobody | Stated::Nothing => None,
    }
}
