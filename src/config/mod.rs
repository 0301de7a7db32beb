//! What a person configures: one TOML file, secrets apart. Knows no other room.

mod address;
mod agree;
pub mod duration;
pub mod fault;
pub mod locate;
pub mod read;
mod read_capillary;
mod read_leadsquared;
mod read_source;
pub mod secrets;
mod table;
#[cfg(test)]
mod testing;
mod timetable;
mod unknown;
mod value;

use std::{path::PathBuf, time::Duration};

use chrono_tz::Tz;
use url::Url;

use crate::model::limit::Limit;

/// The whole file, checked.
#[derive(Debug, Clone)]
pub struct Config {
    /// `[database]`.
    pub database: Database,
    /// `[daemon]`.
    pub daemon: Daemon,
    /// `[[source]]`, in the file's order.
    pub sources: Vec<Source>,
}

/// `[database]`: where the tables live.
#[derive(Debug, Clone)]
pub struct Database {
    /// A server of one's own; `None`: the embedded one.
    pub url: Option<Url>,
    /// Connections held at most.
    pub max_connections: u32,
    /// Whether statements have names.
    pub prepared: Prepared,
    /// Home of the embedded cluster.
    pub dir: PathBuf,
    /// Folder with `initdb` and `postgres` for the embedded cluster; `None`: the newest installed.
    pub pg_bin: Option<PathBuf>,
    /// What is not kept for ever.
    pub keep: Keep,
}

/// Whether statements have names, with which each is parsed once per connection. Poolers may lose them.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Prepared {
    /// Where it is found out that they are safe.
    #[default]
    Auto,
    /// Always, but by who only reads: it asks once, and has nothing from names.
    On,
    /// Never.
    Off,
}

/// How long is kept what no walk needs; `None`: for ever.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Keep {
    /// Closed runs, ended walks and resolved findings.
    pub runs: Option<Duration>,
    /// Replaced versions and changes.
    pub history: Option<Duration>,
}

/// `[daemon]`.
#[derive(Debug, Clone)]
pub struct Daemon {
    /// `host:port` of the status page; `None`: no page.
    pub listen: Option<String>,
    /// Zone of all schedules that name none.
    pub timezone: Tz,
}

/// One `[[source]]`: a vendor account and the roots below which we mirror.
#[derive(Debug, Clone)]
pub struct Source {
    /// Unique, `[a-z][a-z0-9_-]{0,62}`.
    pub name: String,
    /// Root of the vendor's API, without a trailing slash in its path.
    pub base_url: Url,
    /// Whether `sync` without names and the daemon read it.
    pub enabled: bool,
    /// When the daemon reads it; `None`: by hand only.
    pub schedule: Option<Schedule>,
    /// Windows that hold all at once.
    pub limits: Vec<Limit>,
    /// Name of the budget; sources that name the same share its limits.
    pub budget: String,
    /// Share of the limits left to other users of the account, from 0 to below 1.
    pub headroom: f64,
    /// Requests in flight at most.
    pub concurrency: u32,
    /// One request's time.
    pub timeout: Duration,
    /// One answer's size, in bytes, unpacked.
    pub max_response: u64,
    /// Levels below a root.
    pub max_depth: u32,
    /// Nodes that a walk takes at most; `None`: as many as it finds.
    pub max_nodes: Option<u32>,
    /// Share of live nodes that one walk may retire.
    pub retire_guard: f64,
    /// Retired persons are erased so long after they were retired; `None`: never.
    pub forget_retired_after: Option<Duration>,
    /// What only this vendor has.
    pub vendor: Vendor,
}

impl Source {
    /// What the headroom leaves of the limits and of those that the vendor `stated`.
    pub fn allowed(&self, stated: &[Limit]) -> Vec<Limit> {
        self.limits.iter().chain(stated).map(|limit| limit.with_headroom(self.headroom)).collect()
    }
}

/// A cron expression in its zone.
#[derive(Debug, Clone)]
pub struct Schedule {
    /// Five fields, or six with seconds first; checked.
    pub cron: String,
    /// The zone whose wall clock it follows.
    pub timezone: Tz,
}

/// What only one vendor has.
#[derive(Debug, Clone)]
pub enum Vendor {
    /// `vendor = "capillary"`.
    Capillary(Capillary),
    /// `vendor = "leadsquared"`.
    LeadSquared(LeadSquared),
}

impl Vendor {
    /// The word in the config and in `source.vendor`.
    pub fn word(&self) -> &'static str {
        match self {
            Self::Capillary(_) => "capillary",
            Self::LeadSquared(_) => "leadsquared",
        }
    }

    /// How many roots it has.
    pub fn roots(&self) -> usize {
        match self {
            Self::Capillary(settings) => settings.roots.len(),
            Self::LeadSquared(settings) => settings.roots.len(),
        }
    }
}

/// A Capillary source's own settings.
#[derive(Debug, Clone)]
pub struct Capillary {
    /// The customers below whom we mirror.
    pub roots: Vec<Identifier>,
    /// How we say who we are.
    pub auth: CapillaryAuth,
    /// `associationEntityType`.
    pub association: String,
    /// `source`.
    pub profile_source: String,
    /// `accountId`, for sources with several accounts.
    pub account_id: Option<String>,
    /// `limit` of one call, at least 2.
    pub page_size: u32,
    /// `sortBy`; not sent when `None`.
    pub sort_by: Option<String>,
    /// `sortOrder`: `ASC` or `DESC`.
    pub sort_order: String,
    /// Identifier types by which a node's children are asked for, the first that it has.
    pub descend_by: Vec<String>,
}

/// Bytes of an identifier's value at most: servers and the edges before them take URLs of 8 KiB, and each byte may cost three.
pub const LONGEST_IDENTIFIER: usize = 1024;

/// A customer by one of its identifiers.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Identifier {
    /// `mobile`, `externalId`, `email`, `cardnumber`, …
    pub kind: String,
    /// Its value.
    pub value: String,
}

/// How a Capillary source says who it is.
#[derive(Debug, Clone)]
pub enum CapillaryAuth {
    /// Till and password; secret `<source>.password`.
    Basic {
        /// The till's id.
        till: String,
        /// The secret is the password's MD5 already.
        password_is_md5: bool,
    },
    /// API client; secrets `<source>.key` and `<source>.secret`.
    OAuth,
}

/// A LeadSquared source's own settings.
#[derive(Debug, Clone)]
pub struct LeadSquared {
    /// The users below whom we mirror.
    pub roots: Vec<uuid::Uuid>,
    /// Path of Get User Hierarchy Information below `base_url`, with a leading slash.
    pub hierarchy_path: String,
    /// `Include`.
    pub include: String,
    /// `Columns.Include_CSV`; not sent when empty.
    pub columns: Vec<String>,
    /// What one answer reaches.
    pub reach: Reach,
    /// Where the reporting lines come from.
    pub edges: Edges,
    /// Where the keys travel.
    pub keys_in: KeysIn,
}

/// What one answer of the hierarchy call reaches.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reach {
    /// Found out from the answers.
    Auto,
    /// Direct reports.
    Direct,
    /// Everybody below.
    Subtree,
}

/// Where the reporting lines come from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Edges {
    /// The hierarchy call.
    Hierarchy,
    /// User Advanced Search with `ManagerUserId`.
    AdvancedSearch,
}

/// Where LeadSquared's keys travel.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum KeysIn {
    /// `x-LSQ-AccessKey`, `x-LSQ-SecretKey`: recommended by the vendor.
    Header,
    /// `accessKey`, `secretKey`.
    Query,
}
