//! What can happen to one answer. Knows no vendor.

use std::time::Duration;

use serde_json::Value;

use super::answer::{Answer, Manner};

/// What happens to one answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Mishap {
    /// Another answer is given; the vendor does not even look at the request.
    Instead(Answer),
    /// The true answer comes so much later.
    Late(Duration),
    /// The true answer breaks off in the middle.
    Cut,
    /// The true answer drips.
    Trickle {
        /// Bytes in a piece.
        bytes: usize,
        /// Pause after a piece.
        pause: Duration,
    },
    /// No answer ever.
    Hang,
    /// The connection is closed without a byte.
    HangUp,
    /// The true answer under another content type.
    ContentType(String),
    /// The true answer, packed by gzip.
    Gzipped,
    /// The true answer with at most so many rows of its list, as a vendor that caps silently or fails in part.
    FewerRows {
        /// Rows left.
        keep: usize,
        /// Whether the count beside the list is that of the rows left.
        honest_count: bool,
    },
}

impl From<Answer> for Mishap {
    fn from(answer: Answer) -> Self {
        Self::Instead(answer)
    }
}

impl Mishap {
    /// What is sent in place of the true answer, which is only worked out when it is needed.
    pub(super) fn spoil(self, truly: impl FnOnce() -> Answer) -> Answer {
        match self {
            Self::Instead(answer) => answer,
            Self::Late(pause) => Answer { pause, ..truly() },
            Self::Cut => Answer { manner: Manner::Cut, ..truly() },
            Self::Trickle { bytes, pause } => Answer { manner: Manner::Trickle { bytes, pause }, ..truly() },
            Self::Hang => Answer { manner: Manner::Hang, ..Answer::empty(200) },
            Self::HangUp => Answer { manner: Manner::HangUp, ..Answer::empty(200) },
            Self::ContentType(name) => truly().header("content-type", &name),
            Self::Gzipped => truly().gzipped(),
            Self::FewerRows { keep, honest_count } => shorten(truly(), keep, honest_count),
        }
    }
}

fn shorten(answer: Answer, keep: usize, honest_count: bool) -> Answer {
    let Ok(mut body) = serde_json::from_slice::<Value>(&answer.body) else { return answer };
    for (list, count) in [("/entity/customers", "/entity/count"), ("/Users", "/SearchInfo/TotalUsers")] {
        let Some(rows) = body.pointer_mut(list).and_then(Value::as_array_mut) else { continue };
        rows.truncate(keep);
        let left = rows.len();
        if let Some(count) = body.pointer_mut(count).filter(|_| honest_count) {
            *count = left.into();
        }
    }
    Answer { body: body.to_string().into_bytes(), ..answer }
}
