//! The words for changes that both worlds share.

/// Whether a change shows in the node's stamp. The vendors do not say which changes do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stamp {
    /// The stamp gets the present time.
    Bump,
    /// It stays.
    Keep,
}

/// What a random mutation did.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Mutations {
    /// Nodes made.
    pub inserted: usize,
    /// Nodes gone, those below included.
    pub deleted: usize,
    /// Nodes moved to another parent.
    pub moved: usize,
    /// Nodes edited.
    pub edited: usize,
    /// Lists put in another order.
    pub reordered: usize,
}
