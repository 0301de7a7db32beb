//! How the vendor's stamp and the content decide what becomes of a row.

use chrono::{DateTime, Utc};

use crate::model::digest::Digest;

/// Content and stamp of one state of a node.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Version {
    /// Digest of the content; `None`: a placeholder, of which only the id is known.
    pub digest: Option<Digest>,
    /// The vendor's stamp, where there is one.
    pub stamp: Option<DateTime<Utc>>,
}

/// What becomes of a row whose node is known.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Decision {
    /// Nothing is written at all.
    Same,
    /// Only the stamp is written.
    Touch,
    /// The content is written, with a `change` row.
    Update,
    /// The same, and a finding: the vendor changed it without a newer stamp.
    SilentUpdate,
    /// A stale read: other content under an older stamp. Ignored, with a finding.
    Stale,
}

/// Compares what came in with what is stored.
pub fn decide(incoming: Version, stored: Version) -> Decision {
    let same = incoming.digest == stored.digest;
    if stored.digest.is_none() {
        return Decision::Update;
    }
    match (micros(incoming.stamp), micros(stored.stamp)) {
        // A vendor that gives no stamp any more does not unsay the one it gave.
        (None, _) => {
            if same {
                Decision::Same
            } else {
                Decision::Update
            }
        }
        (Some(new), Some(old)) if new < old => {
            if same {
                Decision::Same
            } else {
                Decision::Stale
            }
        }
        (Some(new), Some(old)) if new == old => {
            if same {
                Decision::Same
            } else {
                Decision::SilentUpdate
            }
        }
        _ => {
            if same {
                Decision::Touch
            } else {
                Decision::Update
            }
        }
    }
}

/// Postgres keeps microseconds: finer stamps must not look newer than what was stored of them.
fn micros(stamp: Option<DateTime<Utc>>) -> Option<i64> {
    stamp.map(|stamp| stamp.timestamp_micros())
}

#[cfg(test)]
mod tests {
    use uuid::Uuid;

    use super::*;

    fn version(content: u128, second: Option<i64>) -> Version {
        let stamp = second.map(|second| DateTime::from_timestamp(second, 0).expect("a time"));
        Version { digest: Some(Digest(Uuid::from_u128(content))), stamp }
    }

    #[test]
    fn every_cell_of_the_contract() {
        let cells = [
            (version(1, Some(9)), version(1, Some(5)), Decision::Touch),
            (version(2, Some(9)), version(1, Some(5)), Decision::Update),
            (version(1, Some(5)), version(1, Some(5)), Decision::Same),
            (version(2, Some(5)), version(1, Some(5)), Decision::SilentUpdate),
            (version(1, None), version(1, Some(5)), Decision::Same),
            (version(2, None), version(1, Some(5)), Decision::Update),
            (version(1, None), version(1, None), Decision::Same),
            (version(2, None), version(1, None), Decision::Update),
            (version(1, Some(3)), version(1, Some(5)), Decision::Same),
            (version(2, Some(3)), version(1, Some(5)), Decision::Stale),
            (version(1, Some(3)), version(1, None), Decision::Touch),
            (version(2, Some(3)), version(1, None), Decision::Update),
        ];
        for (incoming, stored, expected) in cells {
            assert_eq!(decide(incoming, stored), expected, "{incoming:?} over {stored:?}");
        }
    }

    #[test]
    fn a_placeholder_takes_whatever_comes() {
        assert_eq!(decide(version(1, None), Version { digest: None, stamp: None }), Decision::Update);
    }

    #[test]
    fn a_stamp_finer_than_the_database_is_no_newer() {
        let fine =
            Version { stamp: version(1, Some(5)).stamp.map(|stamp| stamp + chrono::TimeDelta::nanoseconds(400)), ..version(1, Some(5)) };
        assert_eq!(decide(fine, version(1, Some(5))), Decision::Same);
    }
}
