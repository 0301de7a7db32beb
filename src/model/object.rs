//! A JSON object of which nothing is read, kept as its text.

use serde::{Deserialize, Deserializer, Serialize, Serializer, ser::SerializeMap};
use serde_json::{Map, Value, value::RawValue};

/// An object by its text, the keys in their order: as a tree of values, an object of two fields takes 700 bytes.
#[derive(Debug, Clone, Default)]
pub struct Object(Option<Box<RawValue>>);

impl Object {
    /// Whether it has no field.
    pub fn is_empty(&self) -> bool {
        self.0.is_none()
    }

    fn text(&self) -> &str {
        self.0.as_ref().map_or("{}", |text| text.get())
    }
}

impl From<Map<String, Value>> for Object {
    fn from(fields: Map<String, Value>) -> Self {
        if fields.is_empty() { Self(None) } else { Self(Some(serde_json::value::to_raw_value(&fields).expect("a map of strings is JSON"))) }
    }
}

impl PartialEq for Object {
    fn eq(&self, other: &Self) -> bool {
        self.text() == other.text()
    }
}

impl Serialize for Object {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match &self.0 {
            Some(text) => text.serialize(serializer),
            None => serializer.serialize_map(Some(0))?.end(),
        }
    }
}

impl<'de> Deserialize<'de> for Object {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Map::deserialize(deserializer).map(Self::from)
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn an_object_is_what_it_was_made_of_whatever_the_order_of_its_keys() {
        for text in ["{}", r#"{"a":1e300,"b":{"c":[null,"é\n"]}}"#, r#"{"b": {"c": [null, "\u00e9\n"]}, "a": 1e300}"#] {
            let object: Object = serde_json::from_str(text).expect("an object");
            let value: Value = serde_json::from_str(text).expect("a value");
            assert_eq!((json!(object), object.is_empty()), (value.clone(), value == json!({})), "{text}");
            assert_eq!(serde_json::to_string(&object).expect("a text"), value.to_string());
        }
        assert_ne!(Object::default(), Object::from(Map::from_iter([("a".to_owned(), Value::Null)])));
    }
}
