//! The tree as a walk leaves it: settled for readers, and what is odd about it told.

use super::{
    context::{Synced, Tables},
    managers,
    writing::Writing,
};
use crate::{
    failpoint::{self, Moment},
    model::{finding::Finding, node::NodeId, reach::Reach},
    store::{facts::Oddity, finding, nodes::Nodes, place::Places, reporting, retire::Retire, root},
};

/// Settles the tree, and gives how many live nodes there are. Cycles, second parents and managers whom the vendor hides are mirrored as its rows say; a person
/// should know.
pub async fn settle<V: Synced>(w: &mut Writing<'_, V>, reach: Reach) -> sqlx::Result<i64> {
    let live = Tables::<V>::live(&mut w.step.conn(), w.at.source_id).await?;
    root::forget_unmet(&mut w.step.conn(), &w.context.open).await?;
    let hidden = managers::hidden(w).await?;
    finding::open(&mut w.step.conn(), w.at, &hidden).await?;
    reporting::keep_outside(&mut w.step.conn(), w.at).await?;
    let mut odd = Tables::<V>::oddities(&mut w.step.conn(), w.at, reach == Reach::Direct).await?;
    let several: Vec<NodeId> = odd.iter().filter(|oddity| oddity.kind == SECOND_PARENT).map(|oddity| oddity.key).collect();
    Tables::<V>::settle(&mut w.step.conn(), w.at, &several, live).await?;
    odd.extend(Tables::<V>::cycles(&mut w.step.conn(), w.at, live).await?);
    let told: Vec<Finding> = odd.iter().filter_map(told).collect();
    finding::open(&mut w.step.conn(), w.at, &told).await?;
    failpoint::pass(Moment::Settled);
    w.context.gauges.progress();
    Ok(live)
}

/// Tells who is deeper than the config allows; `true`: nobody. Lists of children are not read below that level. Where one list holds
/// everybody, it shows only when all are linked.
pub async fn tell_too_deep<V: Synced>(w: &mut Writing<'_, V>, reach: Reach) -> sqlx::Result<bool> {
    if reach == Reach::Direct {
        return Ok(true);
    }
    let max_depth = w.context.max_depth();
    let deep = reporting::too_deep(&mut w.step.conn(), w.at, max_depth).await?;
    let told: Vec<Finding> = deep.iter().map(|key| too_deep(*key, max_depth)).collect();
    finding::open(&mut w.step.conn(), w.at, &told).await?;
    Ok(deep.is_empty())
}

fn too_deep(key: NodeId, max_depth: i32) -> Finding {
    let say = format!("those below this user are deeper than max_depth = {max_depth}; they are mirrored all the same, but raise max_depth");
    Finding::new("too_deep", key, say)
}

const SECOND_PARENT: &str = "second_parent";

fn told(oddity: &Oddity) -> Option<Finding> {
    let (kind, say) = match oddity.kind.as_str() {
        "self_parent" => (
            "self_parent",
            "the vendor shows this node as its own parent, and it is mirrored so; if that is wrong, correct it at the vendor".to_owned(),
        ),
        // Where a list was not proven, the node may have left it.
        SECOND_PARENT if oddity.parents > 1 => (
            SECOND_PARENT,
            format!(
                "the vendor shows this node below {} parents; all links are mirrored, and the tree counts it once at most; if that is wrong, \
                 correct it at the vendor",
                oddity.parents
            ),
        ),
        "cycle" => (
            "cycle",
            "this node is below itself: the links are mirrored as the vendor shows them, and a cycle that no root holds is not in the \
             tree; if that is wrong, correct it at the vendor"
                .to_owned(),
        ),
        _ => return None,
    };
    Some(Finding::new(kind, oddity.key, say))
}
