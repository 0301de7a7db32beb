//! Both vendors on loopback: with state, a door that counts as a vendor would, and faults on demand.
//! For the tests and for `hiersync demo`. Reads the vendors' facts by itself: it must know neither `vendor_api` nor `config`.

pub mod answer;
#[cfg(test)]
mod ask;
pub mod capillary;
pub mod change;
pub mod documented;
pub mod door;
pub mod faults;
pub mod forest;
mod gzip;
mod host;
pub mod leadsquared;
mod lock;
pub mod mishap;
mod names;
pub mod request;
pub mod shape;
pub mod stage;
pub mod truth;
