//! Lists with the columns that they show by themselves beside those of the config, where the vendor lets them be asked for.

use futures::FutureExt;

use super::{call_error::CallError, caller::Caller};
use crate::vendor_api::{Ask, List, Vendor, error::VendorError, sheet::Sheet};

/// A part of a list. One that is refused with the usual columns, answered without, and refused with them once more is asked for without them
/// from now on: a refusal that passes would blank every name.
pub async fn page<V: Vendor>(caller: &Caller<V>, ask: &Ask) -> Result<Sheet<V::Row>, CallError> {
    let vendor = &caller.vendor;
    let answer = async |ask: &Ask| caller.call(&|within| vendor.page(ask, within).boxed()).await;
    // Before the call: another worker may find it out meanwhile.
    let may_ask_plainly = matches!(ask.list, List::ReportsOf(_)) && vendor.may_ask_plainly();
    let first = answer(ask).await;
    if !may_ask_plainly || !is_refused(&first) {
        return first;
    }
    let plain = match answer(&Ask { is_plain: true, ..ask.clone() }).await {
        Err(CallError::ThisOnly(_)) => return first,
        plain => plain?,
    };
    let again = answer(ask).await;
    if !is_refused(&again) || !vendor.may_ask_plainly() {
        return again;
    }
    vendor.ask_plainly();
    Ok(plain)
}

fn is_refused<T>(answer: &Result<T, CallError>) -> bool {
    matches!(answer, Err(CallError::ThisOnly(VendorError::Rejected(_))))
}
