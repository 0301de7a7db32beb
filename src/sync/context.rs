//! What the parts of one run share: its calls, its transactions, its rows.

use std::sync::{Arc, Mutex, PoisonError};

use super::{Interrupted, caller::Caller, progress::Progress, queue::Queue, quota::Quota};
use crate::{
    model::{
        reading::Reading,
        run::{Counters, Outcome},
    },
    store::{
        lease,
        mirror::At,
        run::{self, OpenRun},
        session::{Session, Step},
        source::Paging,
    },
    vendor::hierarchy::Hierarchy,
};

/// Everything that the parts of one run share.
pub struct Context<V> {
    /// Makes its calls.
    pub caller: Caller<V>,
    /// Its transactions.
    pub session: Session,
    /// Its rows.
    pub open: OpenRun,
    /// The lists to be read.
    pub queue: Queue,
    /// What its budget allows.
    pub quota: Quota,
    /// One transaction at a time: the run's row would order them anyhow.
    pub writing: tokio::sync::Mutex<()>,
    /// Levels below a root.
    pub max_depth: i32,
    /// Share of live nodes that the walk may retire.
    pub retire_guard: f64,
    /// Whatever the guard says.
    pub accept_retire: bool,
    /// The source's name.
    pub source_name: String,
    /// For whoever looks.
    pub progress: Arc<Progress>,
    /// How this walk's lists are read, as far as it is known.
    pub reading: Mutex<Option<Reading>>,
    /// What the vendor's pages have taught.
    pub paging: Mutex<Paging>,
}

impl<V: Hierarchy> Context<V> {
    /// How this walk's lists are read, as far as it is known.
    pub fn reading(&self) -> Option<Reading> {
        *self.reading.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Now it is known.
    pub fn set_reading(&self, reading: Option<Reading>) {
        *self.reading.lock().unwrap_or_else(PoisonError::into_inner) = reading;
    }

    /// What the vendor's pages have taught.
    pub fn paging(&self) -> Paging {
        *self.paging.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// They taught more.
    pub fn set_paging(&self, paging: Paging) {
        *self.paging.lock().unwrap_or_else(PoisonError::into_inner) = paging;
    }

    /// Where and when a step writes.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn at(&self, step: &mut Step) -> sqlx::Result<At> {
        let now = run::clock(&mut step.conn()).await?;
        Ok(At { source_id: self.open.lease.source_id, walk_id: self.open.walk_id, run_id: self.open.run_id, now })
    }

    /// Adds the counters and commits; the run's row is the fence.
    ///
    /// # Errors
    /// When the database fails or the lease is lost.
    pub async fn commit(&self, mut step: Step, counters: Counters) -> Result<(), Interrupted> {
        let calls = self.caller.take_counters();
        let mut all = calls;
        all += counters;
        let result = async {
            if !run::count(&mut step.conn(), &self.open, &all).await? {
                return Err(Interrupted::LeaseLost);
            }
            Ok(step.commit().await?)
        }
        .await;
        if result.is_err() {
            self.caller.put_back(calls);
        }
        result
    }

    /// The same, and closes the run.
    ///
    /// # Errors
    /// When the database fails or the lease is lost.
    pub async fn commit_closed(&self, mut step: Step, counters: Counters, outcome: Outcome) -> Result<(), Interrupted> {
        let mut all = self.caller.take_counters();
        all += counters;
        let fenced =
            run::count(&mut step.conn(), &self.open, &all).await? && run::close(&mut step.conn(), &self.open, outcome, None, None).await?;
        if !fenced {
            return Err(Interrupted::LeaseLost);
        }
        lease::release(&mut step.conn(), self.open.lease).await?;
        Ok(step.commit().await?)
    }

    /// For whoever looks.
    pub fn tell_page(&self, rows: u32) {
        Progress::add(&self.progress.pages, 1);
        Progress::add(&self.progress.rows, rows.into());
    }
}
