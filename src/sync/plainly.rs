//! Lists with the columns that they show by themselves beside those of the config, where the vendor lets them be asked for.

use futures::FutureExt;

use super::{call_error::CallError, caller::Caller};
use crate::vendor_api::{Ask, List, Vendor, error::VendorError, sheet::Sheet};

/// A part of a list. One that is refused with the usual columns, and answered without, is asked for without them from now on.
pub async fn page<V: Vendor>(caller: &Caller<V>, ask: &Ask) -> Result<Sheet<V::Row>, CallError> {
    let vendor = &caller.vendor;
    let first = caller.call(&|within| vendor.page(ask, within).boxed()).await;
    let is_refused = matches!(first, Err(CallError::ThisOnly(VendorError::Rejected(_))));
    if !is_refused || !matches!(ask.list, List::ReportsOf(_)) || !vendor.may_ask_plainly() {
        return first;
    }
    let plain = Ask { is_plain: true, ..ask.clone() };
    match caller.call(&|within| vendor.page(&plain, within).boxed()).await {
        Err(CallError::ThisOnly(_)) => first,
        Err(interrupted) => Err(interrupted),
        Ok(sheet) => {
            vendor.ask_plainly();
            Ok(sheet)
        }
    }
}
