//! What is known when a list may have ended, and how it goes on.

/// What is known beside the pages when a list may have ended.
#[derive(Debug, Clone, Copy, Default)]
pub struct Evidence {
    /// How many rows the vendor has said there are.
    pub expected: Option<i64>,
    /// It is a root's list.
    pub is_root: bool,
    /// The mirror has somebody in this list whom no pass of this walk has shown.
    pub loses: bool,
    /// Rows were passed over as known that are needed whole.
    pub lacks: bool,
    /// Different rows that all passes of this walk have shown.
    pub together: u32,
    /// An earlier walk has ended, so that the mirror knows who was there.
    pub knows: bool,
    /// Something has moved in this walk.
    pub walk_moved: bool,
    /// Rows of the longest page of this walk: a shorter one was not cut off by a silent cap.
    pub longest_page: u32,
}

/// How a list goes on after a page.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Next {
    /// Read the next page.
    ReadOn,
    /// Read the whole list again. What was shown so far is kept.
    ReadAgain,
    /// The pass is proven but for bad news: read the list once more as a second witness. Only what this pass has shown is kept.
    Confirm,
    /// Proven: in it is who the last pass has shown. Nothing was asked after its end, if `by_count`.
    Proven {
        /// The vendor's count alone said that it has ended.
        by_count: bool,
    },
    /// Proven: in it is whom any pass has shown.
    ProvenTogether,
    /// Its end is certain, and the vendor's count is another: ask for a fresh count.
    Doubtful,
    /// It proves nothing.
    Unproven(Reason),
}

/// Why a list proves nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reason {
    /// It moved in every pass.
    Moved,
    /// The vendor shows the same rows, whichever page is asked for.
    Repeats,
    /// Some of its rows could not be read.
    Unreadable,
    /// The vendor's count is another.
    Count {
        /// What the vendor said.
        stated: u64,
        /// What it showed.
        shown: u64,
    },
}
