//! The vendors, as the sync sees them: calls out, plain rows back. Never sees the database.

pub mod answer;
#[cfg(test)]
mod arbitrary;
pub mod aside;
pub mod capillary;
pub mod error;
mod gunzip;
pub mod hierarchy;
mod http;
mod json;
pub mod leadsquared;
mod mend;
pub mod request;
mod rows;
pub mod sheet;
mod tame;
#[cfg(test)]
mod test_door;
pub mod times;

use std::time::Duration;

use self::{error::VendorError, sheet::Sheet};
use crate::{
    config::Identifier,
    model::node::{Node, NodeId},
};

/// One vendor account. Every method but the plain questions is exactly one HTTP call, so that its caller can pay for it.
pub trait Vendor: Send + Sync {
    /// What its lists hold.
    type Row: Node + Send + Sync + Clone + 'static;

    /// Whether a call needs [`Vendor::sign_in`] first: there is no token, or it ends soon.
    fn must_sign_in(&self) -> bool;

    /// One call for a token. For vendors without tokens it does nothing and must not be called.
    fn sign_in(&self, within: Duration) -> impl Future<Output = Result<(), VendorError>> + Send;

    /// After a refused token: forgets it, and says whether a new one can be had.
    fn forget_token(&self) -> bool;

    /// One call: the id of a root that is known by an identifier. `None`: the vendor does not know the identifier.
    fn lookup(&self, root: &Identifier, within: Duration) -> impl Future<Output = Result<Option<NodeId>, VendorError>> + Send;

    /// One call: a node's own row, which no list needs to show. `None`: the vendor gives none.
    fn own_row(&self, node: NodeId, within: Duration) -> impl Future<Output = Result<Option<Self::Row>, VendorError>> + Send;

    /// After the directory was refused: asks for no optional columns from now on. The columns that are left out; `None`: it is too late.
    fn ask_only_needed(&self) -> Option<Vec<String>> {
        None
    }

    /// Whether a list that was refused may have been refused for the usual columns, which are asked for beside the config's.
    fn may_ask_plainly(&self) -> bool {
        false
    }

    /// A list was answered when only the config's columns were asked for, and was refused before: so lists are asked for from now on.
    fn ask_plainly(&self) {}

    /// The usual columns, if they are left out and nobody has been told yet.
    fn untold_columns(&self) -> Option<&'static str> {
        None
    }

    /// One call: a part of one list.
    fn page(&self, ask: &Ask, within: Duration) -> impl Future<Output = Result<Sheet<Self::Row>, VendorError>> + Send;
}

/// Which part of which list to read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ask {
    /// Whose list.
    pub list: List,
    /// Rows to skip. For the directory, whose pages are numbered: the first page that begins at or after it.
    pub offset: u32,
    /// Rows wanted at most; ignored by vendors that do not page this list.
    pub limit: u32,
    /// Only for the columns that the config names: it is found out whether the vendor refuses the usual ones beside them.
    pub is_plain: bool,
}

/// A list that a vendor can be asked for.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum List {
    /// The children of the customer with this identifier.
    ChildrenOf(Identifier),
    /// The users reporting to this user.
    ReportsOf(uuid::Uuid),
    /// All users of the account, with their managers (User Advanced Search).
    Directory,
}

impl List {
    /// Whether so many of its rows can be asked for as are wanted, wherever they stand: others are sent in one piece, or by numbered
    /// pages of one size.
    #[must_use]
    pub fn is_paged(&self) -> bool {
        matches!(self, Self::ChildrenOf(_))
    }
}

/// One answer, row by row: what could be read, and what could not.
#[derive(Debug, Clone)]
pub struct Page<R> {
    /// The rows that could be read, in the vendor's order.
    pub rows: Vec<R>,
    /// The ids of all rows as received: one that could not be read has a stand-in, and keeps its place.
    pub keys: Vec<NodeId>,
    /// The vendor's own count (`entity.count`, `SearchInfo.TotalUsers`), whatever it means.
    pub stated_count: Option<u64>,
    /// Rows that could not be read, and texts that had to be changed.
    pub remarks: Vec<Remark>,
    /// The vendor sends such lists in one piece: there is no next page.
    pub whole: bool,
}

impl<R> Page<R> {
    /// One without rows, of which nothing is said.
    pub fn empty(whole: bool) -> Self {
        Self { rows: Vec::new(), keys: Vec::new(), stated_count: None, remarks: Vec::new(), whole }
    }

    /// How many rows were received, the unreadable ones too.
    pub fn received(&self) -> u32 {
        u32::try_from(self.keys.len()).unwrap_or(u32::MAX)
    }
}

/// Something odd in an answer that did not stop it from being taken.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Remark {
    /// What, as `finding.kind`: `bad_row`, `text_replaced`, `bad_time`, …
    pub kind: &'static str,
    /// The node or the field it is about, where known; else what tells the row apart from others of its list, such as `row ?1f0c…`.
    pub about: String,
    /// In plain words, without the vendor's text: fields and positions only.
    pub detail: String,
}
