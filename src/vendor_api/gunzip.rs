//! Unpacks bodies, within bounds. Knows no HTTP.

use std::io::Read;

use flate2::bufread::MultiGzDecoder;

use super::error::VendorError;

/// All members of a gzip body, one after the other, as RFC 1952 has it: a server that ends one at each flush sends several, the first of which
/// may be empty. Nothing is nothing, packed or not.
///
/// # Errors
/// [`VendorError::TooLarge`] beyond `most` bytes, [`VendorError::Unreadable`] for what is no gzip, or only a part of it.
pub(super) fn gunzip(endpoint: &str, packed: &[u8], most: u64) -> Result<Vec<u8>, VendorError> {
    let mut body = Vec::new();
    if packed.is_empty() {
        return Ok(body);
    }
    let read = MultiGzDecoder::new(packed).take(most.saturating_add(1)).read_to_end(&mut body);
    if u64::try_from(body.len()).is_ok_and(|bytes| bytes > most) {
        return Err(VendorError::TooLarge(most));
    }
    let broken = |why| VendorError::Unreadable(format!("{endpoint}: the answer was cut off or wrongly packed: {why}"));
    read.map(|_| body).map_err(broken)
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use flate2::{Compression, write::GzEncoder};

    use super::*;

    fn packed(text: &str) -> Vec<u8> {
        let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
        encoder.write_all(text.as_bytes()).expect("memory");
        encoder.finish().expect("memory")
    }

    #[test]
    fn all_members_are_one_body() {
        let body = [packed(""), packed("{\"a\": "), packed(""), packed("1}")].concat();
        assert_eq!(gunzip("things", &body, 8).expect("a body"), b"{\"a\": 1}");
        assert!(matches!(gunzip("things", &body, 7), Err(VendorError::TooLarge(7))));
        assert_eq!(gunzip("things", b"", 8).expect("a body"), b"");
    }

    #[test]
    fn a_part_is_told() {
        let body = [packed("{}"), packed("{}")].concat();
        for bytes in (1..body.len()).filter(|bytes| *bytes != packed("{}").len()) {
            assert!(matches!(gunzip("things", &body[..bytes], 100), Err(VendorError::Unreadable(_))), "{bytes} bytes");
        }
        assert!(matches!(gunzip("things", b"{}", 100), Err(VendorError::Unreadable(_))));
    }
}
