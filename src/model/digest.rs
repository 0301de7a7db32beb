//! A digest over content: two nodes with the same digest are the same to us.

use std::io;

use serde::Serialize;
use uuid::Uuid;
use xxhash_rust::xxh3::{Xxh3, xxh3_128_with_seed};

/// 128 bits over a node's content, kept in Postgres as `uuid` (16 bytes).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Digest(pub Uuid);

impl Digest {
    /// The digest of a text as it was sent, apart by a seed.
    pub fn of_text(text: &str, seed: u64) -> Self {
        Self(Uuid::from_u128(xxh3_128_with_seed(text.as_bytes(), seed)))
    }

    /// The digest of content that is written as a map, by its JSON. Keys are sorted in `serde_json::Map`, so that a vendor's key order does
    /// not matter; fields of ours stand in the same order.
    pub fn of(content: &impl Serialize) -> Self {
        let mut hasher = Hasher(Xxh3::new());
        serde_json::to_writer(&mut hasher, content).expect("writing a map of strings into a hasher cannot fail");
        Self(Uuid::from_u128(hasher.0.digest128()))
    }
}

struct Hasher(Xxh3);

impl io::Write for Hasher {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.update(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn digest(value: Value) -> Digest {
        Digest::of(value.as_object().expect("an object"))
    }

    #[test]
    fn key_order_does_not_matter_and_content_does() {
        let one = digest(json!({"a": 1, "b": [{"x": null, "y": "é"}]}));
        assert_eq!(one, digest(serde_json::from_str(r#"{"b":[{"y":"é","x":null}],"a":1}"#).expect("json")));
        assert_ne!(one, digest(json!({"a": 1, "b": [{"x": null, "y": "e"}]})));
    }
}
