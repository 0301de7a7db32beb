//! What LeadSquared's pages leave open, as switches. The defaults follow the page's example.

use uuid::Uuid;

use crate::model::limit::Limit;

/// The switches of a simulated LeadSquared account.
#[derive(Debug, Clone)]
pub struct LeadSquaredSettings {
    /// Path before everything; empty at first.
    pub prefix: String,
    /// Path of Get User Hierarchy Information. The real one is lost; this one is invented.
    pub hierarchy_path: String,
    /// Path of User Advanced Search.
    pub search_path: String,
    /// `accessKey`.
    pub access_key: String,
    /// `secretKey`.
    pub secret_key: String,
    /// Where the keys must be.
    pub keys_in: KeysIn,
    /// How deep the hierarchy call reaches.
    pub reach: Reach,
    /// Whether the queried user is in its own list.
    pub includes_queried: bool,
    /// What happens to the default keys when `Columns` is sent.
    pub default_keys: DefaultKeys,
    /// What asking the hierarchy call for `ManagerUserId` gives.
    pub manager_column: ManagerColumn,
    /// What asking the hierarchy call for an unknown column gives.
    pub unknown_column: UnknownColumn,
    /// What `TotalUsers` says.
    pub total: Total,
    /// How the hierarchy call writes booleans.
    pub booleans: Booleans,
    /// Whether times end in `.000`.
    pub milliseconds: bool,
    /// What an unknown `UserId` gives.
    pub unknown_user: UnknownUser,
    /// Whether Get User By Id answers; else it knows nobody.
    pub own_row: bool,
    /// Whether the key may search: else User Advanced Search is refused.
    pub may_search: bool,
    /// Columns that the search does not know, beside those that nobody has.
    pub refused_columns: Vec<String>,
    /// Users whom neither call shows, though others name them as their manager.
    pub hidden: Vec<Uuid>,
    /// Users of whom the search does not say who their manager is.
    pub unmanaged: Vec<Uuid>,
    /// The order of users.
    pub order: UserOrder,
    /// Rows of one hierarchy answer at most.
    pub row_cap: usize,
    /// The search gives at most so many rows, though more are asked for; its pages are numbered as asked for.
    pub search_cap: usize,
    /// Whether Advanced Search can filter and sort on `ModifiedOn`.
    pub searches_modified_on: bool,
    /// How calls beyond a limit are refused.
    pub throttle: Throttle,
    /// The limit that a refusal states, when it is not the one that is used up.
    pub stated_limit: Option<Limit>,
    /// This body for every well-formed hierarchy call, as it stands.
    pub fixed_body: Option<String>,
}

/// Where the keys must be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum KeysIn {
    /// Both in headers, or both in the query.
    Either,
    /// In headers.
    Header,
    /// In the query.
    Query,
}

/// How deep the hierarchy call reaches.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reach {
    /// Direct reports.
    Direct,
    /// Everybody below.
    Subtree,
}

/// What happens to the default keys when `Columns` is sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DefaultKeys {
    /// They stay.
    Stay,
    /// Only `UserId` stays.
    OnlyUserId,
    /// All go; what is asked for is all there is.
    Gone,
}

/// What asking for `ManagerUserId` gives.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ManagerColumn {
    /// The manager's id, and `ManagerName`.
    Given,
    /// The key, always null.
    Null,
    /// Nothing.
    Ignored,
    /// 500.
    Fails,
}

/// What asking for an unknown column gives.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum UnknownColumn {
    /// Nothing.
    Ignored,
    /// The key, always null.
    Null,
    /// 500.
    Fails,
}

/// What `TotalUsers` says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Total {
    /// How many rows there are, before any cap.
    Right,
    /// One more than there are.
    Wrong,
    /// Nothing: `SearchInfo` is not there.
    Absent,
}

/// How booleans are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Booleans {
    /// `"true"`.
    Strings,
    /// `true`.
    Plain,
}

/// What an unknown `UserId` gives.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum UnknownUser {
    /// 500 with an `MX` body.
    Error,
    /// No rows.
    EmptyList,
}

/// The order of users.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum UserOrder {
    /// As the world keeps it.
    Stable,
    /// Another one at each call that does not sort.
    Shuffled,
}

/// How calls beyond a limit are refused: three forms have been seen.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Throttle {
    /// 429 with the exception.
    Status429,
    /// 403 with the exception.
    Status403,
    /// 200 with the exception.
    Status200,
    /// 429 with the bare sentence as text.
    Text429,
    /// 429 without a body.
    Empty429,
}

impl Default for LeadSquaredSettings {
    fn default() -> Self {
        Self {
            prefix: String::new(),
            hierarchy_path: "/v2/UserManagement.svc/User/Hierarchy".into(),
            search_path: "/v2/UserManagement.svc/User/AdvancedSearch".into(),
            // Real keys contain `$`, which a query must escape.
            access_key: "u$rdemo0access".into(),
            secret_key: "demo$secret+key/1=".into(),
            keys_in: KeysIn::Either,
            reach: Reach::Direct,
            includes_queried: false,
            default_keys: DefaultKeys::Stay,
            manager_column: ManagerColumn::Given,
            unknown_column: UnknownColumn::Ignored,
            total: Total::Right,
            booleans: Booleans::Strings,
            milliseconds: false,
            unknown_user: UnknownUser::Error,
            own_row: false,
            may_search: true,
            refused_columns: Vec::new(),
            hidden: Vec::new(),
            unmanaged: Vec::new(),
            order: UserOrder::Stable,
            row_cap: usize::MAX,
            search_cap: usize::MAX,
            searches_modified_on: true,
            throttle: Throttle::Status429,
            stated_limit: None,
            fixed_body: None,
        }
    }
}
