//! How a call ends without an answer.

use super::Interrupted;
use crate::vendor_api::error::VendorError;

/// How a call ended without an answer.
#[derive(Debug)]
pub enum CallError {
    /// The run must end.
    Run(Interrupted),
    /// Only this call: the vendor works, but not for this request.
    ThisOnly(VendorError),
}

impl CallError {
    /// No other call would fare better.
    pub(super) fn for_all(self) -> Self {
        match self {
            Self::ThisOnly(error) => Self::Run(Interrupted::Vendor(error)),
            run => run,
        }
    }
}
