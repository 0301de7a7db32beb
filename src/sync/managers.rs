//! Who reports to whom, where a list holds everybody below and its rows do not say: the search over all users does. Where the key may
//! not search, lists are compared.

use super::{
    Interrupted,
    context::{Context, Synced, Tables},
    directory,
    writing::Writing,
};
use crate::{
    model::{finding::Finding, node::NodeId, reach::Reach, run::Counters},
    store::{
        doubt,
        facts::{Edge, Naming},
        frontier,
        links::Links,
        nodes::Nodes,
        queued, reporting,
    },
    walk::pass::Pass,
};

/// Ids that a finding names at most.
const NAMED: usize = 5;

/// When the lists known so far are read: queues what else must be read to know who reports to whom. `false`: nothing.
pub async fn ask<V: Synced>(context: &Context<V>) -> Result<bool, Interrupted> {
    let mut w = context.write().await?;
    w.step.is_about_all();
    let is_told = match context.walk().reach {
        None | Some(Reach::Subtree) => search(&mut w).await?,
        Some(Reach::Direct) if context.caller.vendor.reach().is_none() => doubt_direct(&mut w).await?,
        Some(Reach::Compared) => compare(&mut w).await?,
        Some(Reach::Direct | Reach::Stated | Reach::Directory) => false,
    };
    w.is_frontier_changed = is_told;
    w.commit(Counters::default()).await?;
    Ok(is_told)
}

/// Asks the search once the roots' lists are read. What it says tells what they hold, where that is not configured.
async fn search<V: Synced>(w: &mut Writing<'_, V>) -> Result<bool, Interrupted> {
    let told = reporting::reach_told(&mut w.step.conn(), w.at).await?;
    if told.shown == 0 {
        return Ok(false);
    }
    let Some(state) = frontier::state_of(&mut w.step.conn(), &w.context.open, frontier::DIRECTORY).await? else {
        directory::queue(w).await?;
        return Ok(true);
    };
    if doubt::is_directory_left(&mut w.step.conn(), &w.context.open).await? {
        // Managers are kept as they are known.
        w.set_reach(Reach::Subtree).await?;
        return Ok(false);
    }
    if state == "given_up" || told.named == 0 {
        // The key may not search, or the search names nobody's manager.
        w.set_reach(Reach::Compared).await?;
        return Ok(reporting::queue_below_roots(&mut w.step.conn(), w.at).await? > 0 || compare(w).await?);
    }
    if w.context.caller.vendor.reach().is_none() {
        // Lists below that were read tell better than the search, which may name few and those who moved meanwhile.
        let (among_roots, read_below) = reporting::overlap(&mut w.step.conn(), w.at).await?;
        let (shown, below) = if read_below > 0 { (among_roots, read_below) } else { (told.below_shown, told.below) };
        if below > 0 && 2 * shown <= below {
            // Whoever came since the roots' lists were read looks like somebody whom they do not reach.
            return Ok((read_below == 0 && read_roots_again(w).await?) || list_by_list(w, read_below).await?);
        }
    }
    w.set_reach(Reach::Subtree).await?;
    // Who has left between the two is missed by the search: the roots' lists are read once more.
    let unnamed = reporting::unnamed(&mut w.step.conn(), w.at, Naming::Search).await?;
    Ok(!unnamed.is_empty() && read_roots_again(w).await?)
}

/// `false`: the roots' lists were read often enough.
async fn read_roots_again<V: Synced>(w: &mut Writing<'_, V>) -> sqlx::Result<bool> {
    Ok(queued::read_roots_again(&mut w.step.conn(), &w.context.open, &Pass::again().to_stored()).await? > 0)
}

/// The lists seem to hold direct reports: those of the roots are linked, and everybody in them has a list. Unless some were read before, the
/// search is forgotten, and asked once more if the lists show that they hold everybody below: [`doubt_direct`].
async fn list_by_list<V: Synced>(w: &mut Writing<'_, V>, read_below: i64) -> Result<bool, Interrupted> {
    w.set_reach(Reach::Direct).await?;
    reporting::unstage(&mut w.step.conn(), w.at.source_id).await?;
    if read_below == 0 {
        queued::drop_directory(&mut w.step.conn(), &w.context.open).await?;
    }
    let shown = reporting::shown_lines(&mut w.step.conn(), w.at).await?;
    link(w, &shown, false).await?;
    Ok(reporting::queue_below_roots(&mut w.step.conn(), w.at).await? > 0)
}

/// Lists hold direct reports, as it seems. If most of those below the roots stand in the roots' lists too, they do no more.
async fn doubt_direct<V: Synced>(w: &mut Writing<'_, V>) -> Result<bool, Interrupted> {
    let (among_roots, all_rows) = reporting::overlap(&mut w.step.conn(), w.at).await?;
    if 2 * among_roots <= all_rows || frontier::state_of(&mut w.step.conn(), &w.context.open, frontier::DIRECTORY).await?.is_some() {
        return Ok(false);
    }
    directory::queue(w).await?;
    w.set_reach(Reach::Subtree).await?;
    Ok(true)
}

/// All lists are read. Those that show somebody under another manager than is known are read once more, as a second witness.
async fn compare<V: Synced>(w: &mut Writing<'_, V>) -> Result<bool, Interrupted> {
    if w.context.caller.vendor.reach().is_none() {
        let (among_roots, all_rows) = reporting::overlap(&mut w.step.conn(), w.at).await?;
        if 2 * among_roots <= all_rows {
            // As in the search.
            return Ok(read_roots_again(w).await? || list_by_list(w, all_rows).await?);
        }
    }
    Ok(reporting::reread_compared(&mut w.step.conn(), w.at, &Pass::again().to_stored()).await? > 0)
}

/// At the walk's end: links whom the walk has named as whose manager. A manager whom the vendor hides is kept, as known or as a
/// placeholder. Gives how many could not be placed, as a finding.
pub async fn place<V: Synced>(w: &mut Writing<'_, V>, is_read: bool) -> sqlx::Result<(Counters, Option<Finding>)> {
    let reach = w.context.walk().reach.unwrap_or(Reach::Direct);
    let mut counters = Counters::default();
    if matches!(reach, Reach::Directory) {
        return Ok((counters, None));
    }
    let mut edges = Vec::new();
    for named in reporting::named(&mut w.step.conn(), w.at).await? {
        if named.is_elsewhere && !named.is_listed {
            continue;
        }
        if !named.is_listed {
            let (ensured, _) = Tables::<V>::ensure(&mut w.step.conn(), w.at, named.edge.parent).await?;
            counters += super::roots::told_of(w, named.edge.parent, ensured).await?;
        }
        edges.push(named.edge);
    }
    if reach == Reach::Compared && is_read {
        edges.extend(reporting::compared_lines(&mut w.step.conn(), w.at).await?);
    }
    link(w, &edges, true).await?;
    let naming = match reach {
        Reach::Subtree => Naming::Search,
        Reach::Compared => Naming::Compared,
        Reach::Stated => Naming::Lines,
        Reach::Direct | Reach::Directory => return Ok((counters, None)),
    };
    let unnamed = reporting::unnamed(&mut w.step.conn(), w.at, naming).await?;
    Ok((counters, (!unnamed.is_empty()).then(|| unknown(w.context, &unnamed))))
}

async fn link<V: Synced>(w: &mut Writing<'_, V>, edges: &[Edge], is_all: bool) -> sqlx::Result<()> {
    if edges.is_empty() {
        return Ok(());
    }
    let mut linked = Tables::<V>::link(&mut w.step.conn(), w.at, edges).await?;
    if is_all {
        linked.retired = Tables::<V>::unlink_others(&mut w.step.conn(), w.at, edges).await?;
    }
    w.tell_links(&linked).await
}

/// Managers whom rows name and nobody shows, as findings.
pub async fn hidden<V: Synced>(w: &mut Writing<'_, V>) -> sqlx::Result<Vec<Finding>> {
    if w.context.walk().reach == Some(Reach::Compared) {
        return Ok(Vec::new());
    }
    let of_directory = w.context.walk().reach == Some(Reach::Directory);
    let hidden = reporting::hidden(&mut w.step.conn(), w.at, of_directory).await?;
    let finding = |manager: crate::store::facts::Hidden| {
        let what = if manager.is_placed {
            "their lines are kept as they name them"
        } else {
            "they could not be placed, for nobody says to whom this user reports"
        };
        let say = format!(
            "{} users name this user as their manager, {} among them, but the vendor does not list this user (deactivated, or hidden from \
             the key); {what}; if that is wrong, correct it at the vendor",
            manager.reports, manager.example
        );
        Finding::new("manager_not_listed", manager.key, say)
    };
    Ok(hidden.into_iter().map(finding).collect())
}

/// About users whose manager nobody names.
fn unknown<V: Synced>(context: &Context<V>, unnamed: &[NodeId]) -> Finding {
    let some: Vec<String> = unnamed.iter().take(NAMED).map(NodeId::to_string).collect();
    let more = if unnamed.len() > NAMED { ", …" } else { "" };
    let say = format!(
        "nobody says who the manager is of {} users whom the vendor shows below a root: {}{more}; their known lines are kept; let the key \
         search all users, or set `columns = [\"ManagerUserId\"]`; if only a few are named, their lists moved, and the next walk reads \
         them again",
        unnamed.len(),
        some.join(", ")
    );
    let mut finding = Finding::new("managers_unknown", context.source.name.clone(), say);
    finding.more.insert("users".into(), unnamed.len().into());
    finding
}
