//! Why the application does not open, and why a source was not run.

use crate::{
    config::secrets::SecretError, embedded::error::EmbeddedError, store::connect_error::ConnectError, sync::report::NoRun,
    vendor_api::error::VendorError,
};

/// Why the application cannot open.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// A secret is missing or unreadable.
    #[error(transparent)]
    Secret(#[from] SecretError),
    /// The embedded Postgres does not run.
    #[error(transparent)]
    Embedded(#[from] EmbeddedError),
    /// The database cannot be reached.
    #[error(transparent)]
    Connect(#[from] ConnectError),
    /// The database fails.
    #[error("the database failed")]
    Database(#[from] sqlx::Error),
}

/// Why a source was not run.
#[derive(Debug, thiserror::Error)]
pub enum SourceError {
    /// A secret is missing or unreadable.
    #[error(transparent)]
    Secret(#[from] SecretError),
    /// The embedded Postgres does not run any more.
    #[error(transparent)]
    Embedded(#[from] EmbeddedError),
    /// The vendor's client cannot be built.
    #[error(transparent)]
    Client(VendorError),
    /// There was no run.
    #[error(transparent)]
    NoRun(#[from] NoRun),
    /// The budget's ledger cannot be opened.
    #[error("the database failed")]
    Database(#[from] sqlx::Error),
}

impl SourceError {
    /// Waiting may help.
    pub fn may_pass(&self) -> bool {
        matches!(self, Self::NoRun(NoRun::Database(_)) | Self::Database(_) | Self::Embedded(_))
    }

    /// Something must be changed before there can be a run.
    pub(super) fn is_lasting(&self) -> bool {
        matches!(self, Self::Secret(_) | Self::Client(_) | Self::NoRun(NoRun::OtherVendor { .. }))
    }
}
