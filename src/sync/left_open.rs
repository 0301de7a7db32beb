//! A transaction that pages share, between two of them.

use std::{
    sync::{Arc, atomic::AtomicBool},
    time::Instant,
};

use crate::{
    model::run::Counters,
    store::{change::Told, facts::At, frontier::Work, session::Step},
};

/// A transaction that a page has left open for the next one.
pub struct LeftOpen {
    /// The transaction.
    pub step: Step,
    /// Where and when its last page wrote.
    pub at: At,
    /// Of its pages.
    pub counters: Counters,
    /// Lists that were queued in it.
    pub queued: Vec<Work>,
    /// What it has still to tell.
    pub told: Told,
    /// When it began.
    pub begun: Instant,
    /// When it was `at.now`.
    pub timed: Instant,
    /// It was committed. Whoever has a page in it holds this.
    pub is_done: Arc<AtomicBool>,
}
