//! What is told of a run once it has ended.

use super::{
    context::{Context, Synced},
    wanted::Wanted,
};
use crate::{
    model::run::Outcome,
    store::{
        finding::{self, FindingRow},
        report::{self, ChangeRow, RunRow},
    },
};

/// Changes that a dry run tells of at most.
const MOST: i64 = 1000;

/// What is told of a run beside its outcome: what can be read.
#[derive(Default)]
pub(super) struct Told {
    pub(super) row: Option<RunRow>,
    pub(super) changes: Vec<ChangeRow>,
    pub(super) findings: Vec<FindingRow>,
}

/// Reads it. What fails once, as for want of a right, may be all that cannot be read.
pub(super) async fn told<V: Synced>(context: &Context<V>, outcome: Outcome, wanted: Wanted) -> Told {
    let row = row(context).await.unwrap_or_default();
    let changes = if wanted.dry_run { changes(context).await.unwrap_or_default() } else { Vec::new() };
    let findings = match outcome {
        Outcome::Partial | Outcome::Failed => findings(context).await.unwrap_or_default(),
        _ => Vec::new(),
    };
    Told { row, changes, findings }
}

async fn row<V: Synced>(context: &Context<V>) -> sqlx::Result<Option<RunRow>> {
    let mut step = context.session.begin().await?;
    let row = report::runs(&mut step.conn(), Some(&context.source.name), Some(context.open.run_id), 1).await?.pop();
    step.commit().await.map(|()| row)
}

async fn changes<V: Synced>(context: &Context<V>) -> sqlx::Result<Vec<ChangeRow>> {
    let mut step = context.session.begin().await?;
    let changes = report::changes(&mut step.conn(), None, Some(context.open.run_id), None, MOST).await?;
    step.commit().await.map(|()| changes)
}

async fn findings<V: Synced>(context: &Context<V>) -> sqlx::Result<Vec<FindingRow>> {
    let mut step = context.session.begin().await?;
    let findings = finding::explaining(&mut step.conn(), &context.open, MOST).await?;
    step.commit().await.map(|()| findings)
}
