//! What differs between two states of a node, for `change.fields`.

use serde_json::{Map, Value};

/// The fields that differ, each with its old and its new value.
pub fn between(old: &Map<String, Value>, new: &Map<String, Value>) -> Map<String, Value> {
    let mut told = Map::new();
    for field in old.keys().chain(new.keys()) {
        let (before, after) = (old.get(field), new.get(field));
        if before != after {
            let value = |side: Option<&Value>| side.cloned().unwrap_or(Value::Null);
            told.insert(field.clone(), Value::Array(vec![value(before), value(after)]));
        }
    }
    told
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn only_what_differs_is_told_with_both_values() {
        let map = |value: Value| value.as_object().cloned().expect("an object");
        let told = between(&map(json!({"a": 1, "b": null, "d": 4})), &map(json!({"a": 1, "b": "x", "c": 2})));
        assert_eq!(Value::Object(told), json!({"b": [null, "x"], "c": [null, 2], "d": [4, null]}));
    }
}
