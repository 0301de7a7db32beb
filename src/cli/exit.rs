//! Exit codes, and errors as people read them.

use std::process::ExitCode;

use super::out::fail;
use crate::{
    app::error::{OpenError, SourceError},
    embedded::error::EmbeddedError,
    model::run::Outcome,
    store::connect_error::ConnectError,
    sync::report::{Cause, NoRun, Report},
    text::chain,
};

/// How the program ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Exit {
    /// 0: complete.
    Complete,
    /// 3: partial.
    Partial,
    /// 64: the command line is wrong.
    Usage,
    /// 69: vendor or database unavailable.
    Unavailable,
    /// 70: a fault of ours.
    Fault,
    /// 75: throttled, stopped, or being synced by someone else.
    Later,
    /// 77: the vendor or the database refused the credentials.
    Credentials,
    /// 78: the config is wrong.
    Config,
}

impl Exit {
    fn code(self) -> u8 {
        match self {
            Self::Complete => 0,
            Self::Partial => 3,
            Self::Usage => 64,
            Self::Unavailable => 69,
            Self::Fault => 70,
            Self::Later => 75,
            Self::Credentials => 77,
            Self::Config => 78,
        }
    }

    /// Of several sources the worst counts.
    pub fn worst(ends: impl IntoIterator<Item = Self>) -> Self {
        ends.into_iter().min_by_key(|exit| exit.badness()).unwrap_or(Self::Complete)
    }

    /// Its place among all, 0 for the worst.
    pub fn badness(self) -> usize {
        let order = [Self::Fault, Self::Config, Self::Credentials, Self::Unavailable, Self::Later, Self::Partial, Self::Complete];
        order.into_iter().position(|other| other == self).unwrap_or(0)
    }

    /// How a run's report ends the program.
    pub fn of_report(report: &Report) -> Self {
        match (report.outcome, report.cause) {
            (Outcome::Complete, _) => Self::Complete,
            (Outcome::Partial, _) => Self::Partial,
            (Outcome::Throttled | Outcome::Stopped | Outcome::Abandoned, _) => Self::Later,
            (Outcome::Failed, Some(Cause::Unavailable | Cause::Database | Cause::Refused)) => Self::Unavailable,
            (Outcome::Failed, Some(Cause::Credentials)) => Self::Credentials,
            (Outcome::Failed, None) => Self::Fault,
        }
    }

    /// How a source that was not run ends the program.
    pub fn of_source(error: &SourceError) -> Self {
        match error {
            SourceError::Secret(_) | SourceError::NoRun(NoRun::OtherVendor { .. }) => Self::Config,
            SourceError::Client(_) => Self::Config,
            SourceError::NoRun(NoRun::Busy { .. } | NoRun::Begun { .. } | NoRun::Paused { .. }) => Self::Later,
            SourceError::Embedded(_) | SourceError::Database(_) | SourceError::NoRun(NoRun::Database(_)) => Self::Unavailable,
        }
    }
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(exit.code())
    }
}

/// An error that ends the program.
#[derive(Debug)]
pub struct Failure {
    /// With this code.
    pub exit: Exit,
    /// Told like this.
    pub error: anyhow::Error,
}

impl Failure {
    /// An error and its code.
    pub fn new(exit: Exit, error: impl Into<anyhow::Error>) -> Self {
        Self { exit, error: error.into() }
    }
}

impl From<OpenError> for Failure {
    fn from(error: OpenError) -> Self {
        let exit = match &error {
            OpenError::Secret(_)
            | OpenError::Connect(
                ConnectError::Url(_)
                | ConnectError::Encoding { .. }
                | ConnectError::Rights { .. }
                | ConnectError::ForeignSchema { .. }
                | ConnectError::TooOld { .. }
                | ConnectError::OtherVersion { .. },
            )
            | OpenError::Embedded(EmbeddedError::NotBinaries { .. } | EmbeddedError::ForeignHome(_)) => Exit::Config,
            OpenError::Connect(refused) if refused.is_refused() => Exit::Credentials,
            OpenError::Embedded(_) | OpenError::Connect(_) | OpenError::Database(_) => Exit::Unavailable,
        };
        Self::new(exit, error)
    }
}

impl From<sqlx::Error> for Failure {
    fn from(error: sqlx::Error) -> Self {
        Self::new(Exit::Unavailable, anyhow::Error::new(error).context("the database failed"))
    }
}

/// Tells an error, with what lies below it, and gives its code.
pub fn tell(failure: &Failure) -> ExitCode {
    fail!("hiersync: {}", chain(failure.error.as_ref()));
    failure.exit.into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_several_the_worst_counts() {
        use Exit::*;
        assert_eq!(Exit::worst([Complete, Partial, Later]), Later);
        assert_eq!(Exit::worst([Unavailable, Later, Credentials]), Credentials);
        assert_eq!(Exit::worst([Credentials, Config, Fault]), Fault);
        assert_eq!(Exit::worst([]), Complete);
    }
}
