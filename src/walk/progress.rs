//! How far a list has been read: plain data, as the frontier keeps it between pages, under names of one letter.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::model::node::NodeKey;

/// How far a list has been read; what the frontier keeps between pages.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Progress {
    /// Place of the prefix's last row, from 0, as it was read.
    #[serde(rename = "o")]
    pub offset: u32,
    /// The prefix's last row: the seam.
    #[serde(rename = "e", skip_serializing_if = "Option::is_none")]
    pub edge: Option<NodeKey>,
    /// Rows seen in this pass, each node once.
    #[serde(rename = "n")]
    pub distinct: u32,
    /// Seams that did not hold in this pass.
    #[serde(rename = "r", skip_serializing_if = "is_zero")]
    pub repairs: u32,
    /// Rows shown a second time in this pass, beyond the seam: they have moved, or the reader has stepped back.
    #[serde(rename = "d", skip_serializing_if = "is_zero")]
    pub repeated: u32,
    /// Those of them for which there is no other reason than another order: any row may have gone behind the reader.
    #[serde(rename = "v", skip_serializing_if = "is_zero")]
    pub disorder: u32,
    /// Place behind the last page that was read ahead and dropped: up to there rows are shown a second time.
    #[serde(rename = "m", skip_serializing_if = "is_zero")]
    pub known_to: u32,
    /// Rows that could not be read.
    #[serde(rename = "b", skip_serializing_if = "is_zero")]
    pub unreadable: u32,
    /// Rows to ask for, where that is not what is configured.
    #[serde(rename = "l", skip_serializing_if = "Option::is_none")]
    pub limit: Option<u32>,
    /// Digest of the ids of a page after which it is asked whether anything follows.
    #[serde(rename = "w", skip_serializing_if = "Option::is_none")]
    pub whole: Option<i64>,
    /// Pages read ahead of the prefix, in no order.
    #[serde(rename = "a", skip_serializing_if = "Vec::is_empty")]
    pub ahead: Vec<Piece>,
    /// Rows to step back from the seam at the next call: it broke.
    #[serde(rename = "k", skip_serializing_if = "is_zero")]
    pub back: u32,
    /// What follows the prefix, as far as its last page told.
    #[serde(rename = "x", skip_serializing_if = "is_more")]
    pub follows: Follows,
    /// The count alone says that the list has ended: its last page was full.
    #[serde(rename = "t", skip_serializing_if = "is_false")]
    pub tight: bool,
    /// The list has moved or is doubted: the count alone no longer ends it.
    #[serde(rename = "s", skip_serializing_if = "is_false")]
    pub sure: bool,
    /// Passes before this one.
    #[serde(rename = "p", skip_serializing_if = "is_zero")]
    pub passes: u32,
    /// It shows somebody who has come since the last complete walk: its count may be of before that.
    #[serde(rename = "u", skip_serializing_if = "is_false")]
    pub newer: bool,
    /// The list's length as the last pass found it.
    #[serde(rename = "z", skip_serializing_if = "Option::is_none")]
    pub length_before: Option<u32>,
    /// The least and the most that the vendor has said the list's length is, when it said more than one number.
    #[serde(rename = "c", skip_serializing_if = "Option::is_none")]
    pub counts: Option<(i64, i64)>,
    /// Times that the parent's row was read again for its count, in this pass.
    #[serde(rename = "q", skip_serializing_if = "is_zero")]
    pub checks: u32,
    /// The parent's row is to be read again before the list goes on.
    #[serde(rename = "h", skip_serializing_if = "is_false")]
    pub doubted: bool,
    /// Nothing follows, though rows of the mirror were not shown: said once, and asked for a second time.
    #[serde(rename = "y", skip_serializing_if = "is_false")]
    pub ended: bool,
    /// Rows have come in behind the reader: when the end is reached, the beginning is read once more.
    #[serde(rename = "g", skip_serializing_if = "is_false")]
    pub overtaken: bool,
    /// Where the beginning is read once more.
    #[serde(rename = "f", skip_serializing_if = "Option::is_none")]
    pub sweep: Option<u32>,
    /// The list has moved in each of its passes, and that was enough: who was shown by any of them is in it.
    #[serde(skip)]
    pub united: bool,
    /// The list's length by the count beside its last page, while it is in memory and known to mean that. It tells where to read
    /// ahead and ends nothing: an answer that is cut short is cut short with it.
    #[serde(skip)]
    pub total: Option<i64>,
    /// The rows of the prefix's last page, while they are in memory: where the edge is gone, another of them is a seam.
    #[serde(skip)]
    pub tail: Vec<NodeKey>,
}

/// A page ahead of the prefix.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Piece {
    /// Place of its first row.
    #[serde(rename = "o")]
    pub offset: u32,
    /// How many rows it has.
    #[serde(rename = "n")]
    pub rows: u32,
    /// Its first row.
    #[serde(rename = "i")]
    pub first: NodeKey,
    /// Its last row.
    #[serde(rename = "j")]
    pub last: NodeKey,
    /// What follows it.
    #[serde(rename = "x")]
    pub follows: Follows,
}

/// What follows after some rows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub enum Follows {
    /// Perhaps more: their page was full.
    #[default]
    #[serde(rename = "m")]
    More,
    /// Nothing, unless the vendor has cut the page short.
    #[serde(rename = "s")]
    Short,
    /// Nothing.
    #[serde(rename = "n")]
    Nothing,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde's signature")]
fn is_zero(number: &u32) -> bool {
    *number == 0
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde's signature")]
fn is_false(flag: &bool) -> bool {
    !*flag
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde's signature")]
fn is_more(follows: &Follows) -> bool {
    *follows == Follows::More
}

impl Progress {
    /// From what the frontier kept; nothing or nonsense is the beginning.
    pub fn from_stored(stored: &Value) -> Self {
        serde_json::from_value(stored.clone()).unwrap_or_default()
    }

    /// For the frontier to keep.
    pub fn to_stored(&self) -> Value {
        serde_json::to_value(self).unwrap_or_default()
    }

    /// The list's length, from the place of its last row.
    pub fn length(&self) -> u32 {
        if self.edge.is_none() && self.offset == 0 { 0 } else { self.offset + 1 }
    }

    /// Rows shown, the unreadable ones too.
    pub fn shown(&self) -> u32 {
        self.distinct + self.unreadable
    }
}
