//! What Capillary's pages leave open, as switches. The defaults follow the current page and its example.

use super::access::{Basic, OAuth};

/// The switches of a simulated Capillary cluster.
#[derive(Debug, Clone)]
pub struct CapillarySettings {
    /// Path before `/v2` and `/v3`, such as `/eu`; empty at first.
    pub prefix: String,
    /// `Basic` credentials that are let in.
    pub basic: Option<Basic>,
    /// An API client that may have tokens.
    pub oauth: Option<OAuth>,
    /// Whether `Accept` and `Content-Type` must name JSON (415 otherwise).
    pub strict_headers: bool,
    /// Whether `source` must be sent; the 2022 page says so.
    pub source_required: bool,
    /// Whether `source` must be in capitals; the current example sends `instore`.
    pub source_in_capitals: bool,
    /// Whether WeChat and Facebook need an `accountId`, as the 2022 page says.
    pub account_required: bool,
    /// What `customers/lookup` does.
    pub lookup: Lookup,
    /// Rows of a page when `limit` is not sent.
    pub default_limit: usize,
    /// Rows of a page at most.
    pub max_limit: usize,
    /// What happens to a `limit` above that.
    pub over_limit: OverLimit,
    /// Whether `GET customers/{id}` answers: no page shows it.
    pub own_row: bool,
    /// What `entity.count` means.
    pub count: CountMeans,
    /// Whether `noOfChildren` comes with `includeNoOfChildren=true`.
    pub gives_no_of_children: bool,
    /// Whether `roleCode`, `createdDate` and `defaultChild` need `includeCustomerAssociateDetail=true`.
    pub details_need_flag: bool,
    /// Where `parentCustomer` is.
    pub parent_customer: ParentCustomer,
    /// Order when `sortOrder` is not sent.
    pub default_order: Order,
    /// What `sortBy` does.
    pub sort_by: SortBy,
    /// What an identifier that nobody has gives.
    pub unknown_parent: UnknownParent,
    /// Where errors of the request stand in a body.
    pub errors_in: ErrorsIn,
    /// Identifier types that parents may be named by.
    pub identifier_types: Vec<String>,
    /// The value that means everybody, for `associationEntityType=company`.
    pub company: String,
    /// Offset of all times.
    pub offset: Offset,
    /// How `userId` is written.
    pub ids: Ids,
    /// How calls beyond a limit are refused.
    pub throttle: Throttle,
    /// Whether bodies are packed for clients that can unpack them.
    pub gzip: bool,
    /// This body for every well-formed `customers/bulk`, as it stands.
    pub fixed_body: Option<String>,
}

/// What `customers/lookup` does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Lookup {
    /// Answers.
    On,
    /// Is not there: 404.
    Missing,
    /// Knows nobody: error 8015.
    KnowsNobody,
}

/// What happens to a `limit` above the largest.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OverLimit {
    /// The page is shorter, silently.
    Clamp,
    /// 400.
    Refuse,
}

/// What `entity.count` means.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CountMeans {
    /// Rows of this page.
    Page,
    /// Rows of the whole list.
    Total,
    /// It is not given.
    Absent,
}

/// Where `parentCustomer` is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ParentCustomer {
    /// Nowhere, as in all examples.
    Absent,
    /// Beside `profiles`.
    Beside,
}

/// A list's order.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Order {
    /// As the world keeps it.
    Asc,
    /// The other way round.
    Desc,
}

/// What `sortBy` does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SortBy {
    /// `createdon` and `lastUpdatedOn` sort, anything else is 400.
    Accepted,
    /// Nothing.
    Ignored,
    /// 400.
    Refused,
}

/// What an identifier that nobody has gives.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum UnknownParent {
    /// Error 8015 under this status: 200, 400 and 404 are all likely.
    Error(u16),
    /// A list without rows.
    EmptyList,
}

/// Where errors of the request stand in a body.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ErrorsIn {
    /// `errors`.
    Top,
    /// `entity.errors`.
    Entity,
}

/// Offset of all times.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Offset {
    /// `Z`, as the cluster in Europe.
    Zulu,
    /// `+05:30`, as those in India and Singapore.
    India,
}

/// How `userId` is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ids {
    /// As a number.
    Number,
    /// As a string.
    Text,
}

/// How calls beyond a limit are refused: always 429, for want of any documented form.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Throttle {
    /// The body.
    pub body: ThrottleBody,
    /// `Retry-After`.
    pub retry_after: RetryAfter,
}

/// The body of a 429.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ThrottleBody {
    /// An item in `errors`.
    Json,
    /// The edge's page.
    Html,
    /// None.
    Empty,
}

/// `Retry-After` of a 429.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RetryAfter {
    /// Not sent.
    Absent,
    /// Whole seconds, rounded up.
    Seconds,
    /// An HTTP date, rounded up.
    Date,
}

impl Default for CapillarySettings {
    fn default() -> Self {
        let identifier_types = ["mobile", "email", "externalId", "cardnumber", "wechat", "martjackId", "fbId"];
        Self {
            prefix: String::new(),
            basic: Some(Basic { till: "demo.till".into(), password: "till-pass".into() }),
            oauth: Some(OAuth::default()),
            strict_headers: true,
            source_required: false,
            source_in_capitals: false,
            account_required: true,
            lookup: Lookup::On,
            default_limit: 10,
            max_limit: 100,
            over_limit: OverLimit::Clamp,
            own_row: false,
            count: CountMeans::Page,
            gives_no_of_children: true,
            details_need_flag: true,
            parent_customer: ParentCustomer::Absent,
            default_order: Order::Desc,
            sort_by: SortBy::Accepted,
            unknown_parent: UnknownParent::Error(200),
            errors_in: ErrorsIn::Top,
            identifier_types: identifier_types.map(str::to_owned).to_vec(),
            company: "COMPANY-1".into(),
            offset: Offset::Zulu,
            ids: Ids::Number,
            throttle: Throttle { body: ThrottleBody::Json, retry_after: RetryAfter::Absent },
            gzip: false,
            fixed_body: None,
        }
    }
}
