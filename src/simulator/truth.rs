//! What a mirror must hold, worked out from the simulator's data alone. Knows no vendor.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Map, Value};

/// Everything reachable from the given roots, by the names of the published columns.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Truth {
    /// The roots' ids. A root is in `nodes` only when some list shows it.
    pub roots: Vec<String>,
    /// Every node that a list shows, by id: column → value. Texts are as Postgres can hold them.
    pub nodes: BTreeMap<String, Map<String, Value>>,
    /// `(parent, child)`.
    pub links: BTreeSet<(String, String)>,
}

/// Postgres text cannot hold U+0000; the contract says what stands in its place.
pub(super) fn storable(value: Value) -> Value {
    match value {
        Value::String(text) => Value::String(text.replace('\0', "\u{fffd}")),
        Value::Array(items) => items.into_iter().map(storable).collect(),
        Value::Object(map) => map.into_iter().map(|(key, value)| (key.replace('\0', "\u{fffd}"), storable(value))).collect(),
        plain => plain,
    }
}
