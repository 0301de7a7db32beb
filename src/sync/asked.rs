//! What is asked of a run while it is under way.

use std::{
    collections::HashSet,
    sync::{
        Mutex,
        atomic::{AtomicBool, Ordering},
    },
};

use tokio::sync::Notify;

/// What is asked of a run under way.
#[derive(Debug, Default)]
pub struct Asked {
    /// Somebody has asked.
    pub(super) news: Notify,
    /// Lists that were asked for are being read.
    pub(super) is_serving: AtomicBool,
    /// These nodes.
    pub(super) nodes: Mutex<HashSet<String>>,
    /// The run is at its end: the next one serves who asks now.
    pub(super) is_ending: AtomicBool,
}

impl Asked {
    /// A list that nobody asked for is to be put down.
    pub fn is_serving(&self) -> bool {
        self.is_serving.load(Ordering::Relaxed)
    }
}
