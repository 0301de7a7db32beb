//! One answer: what is sent, and in what manner. Knows no vendor.

use std::{convert::Infallible, io, time::Duration};

use axum::{
    body::{Body, Bytes},
    response::Response,
};
use futures::{StreamExt, stream};
use serde::Serialize;

use super::{gzip, host::Line};

/// Time for the part before a cut to leave the machine; without it the client would see no byte at all.
const BEFORE_THE_CUT: Duration = Duration::from_millis(20);

/// What is sent, and how.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answer {
    /// HTTP status.
    pub status: u16,
    /// Headers beside `date` and the length.
    pub headers: Vec<(String, String)>,
    /// The body's bytes.
    pub body: Vec<u8>,
    /// How the body travels.
    pub manner: Manner,
    /// Time that passes before the first byte.
    pub pause: Duration,
    /// Whether this refuses for the budget's sake, for the door's log.
    pub throttles: bool,
}

/// How a body travels.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Manner {
    /// In one piece.
    Whole,
    /// Half of it, under the length of the whole; then the connection is closed.
    Cut,
    /// In pieces of so many bytes, with a pause after each.
    Trickle {
        /// Bytes in a piece.
        bytes: usize,
        /// Pause after a piece.
        pause: Duration,
    },
    /// Never: the connection stays open and silent until the simulator stops.
    Hang,
    /// Not at all: the connection is closed without a byte.
    HangUp,
}

impl Answer {
    /// Any bytes under any content type.
    pub fn raw(status: u16, content_type: &str, body: impl Into<Vec<u8>>) -> Self {
        let headers = vec![("content-type".to_owned(), content_type.to_owned())];
        Self { status, headers, body: body.into(), manner: Manner::Whole, pause: Duration::ZERO, throttles: false }
    }

    /// A JSON body.
    pub fn json(status: u16, body: &impl Serialize) -> Self {
        let body = serde_json::to_vec(body).expect("the simulator's own values are plain JSON");
        Self::raw(status, "application/json;charset=utf-8", body)
    }

    /// A page for people, as an edge in front of the vendor sends it.
    pub fn html(status: u16) -> Self {
        let page = format!("<!DOCTYPE html>\n<html><head><title>{status}</title></head><body><h1>Error {status}</h1></body></html>\n");
        Self::raw(status, "text/html; charset=UTF-8", page)
    }

    /// No body and no content type.
    pub fn empty(status: u16) -> Self {
        Self { headers: Vec::new(), ..Self::raw(status, "", "") }
    }

    /// A redirect to another address.
    pub fn redirect(to: &str) -> Self {
        Self::empty(302).header("location", to)
    }

    /// A small gzip body that unpacks to about so many bytes of white space.
    pub fn gzip_bomb(unpacked: usize) -> Self {
        Self::raw(200, "application/json", gzip::bomb(unpacked)).header("content-encoding", "gzip")
    }

    /// With one more header; an earlier one of that name goes.
    pub fn header(mut self, name: &str, value: &str) -> Self {
        self.headers.retain(|(given, _)| !given.eq_ignore_ascii_case(name));
        self.headers.push((name.to_owned(), value.to_owned()));
        self
    }

    /// Marked as a refusal for the budget's sake.
    pub fn throttling(self) -> Self {
        Self { throttles: true, ..self }
    }

    /// Packed, without getting smaller.
    pub fn gzipped(mut self) -> Self {
        self.body = gzip::stored(&self.body);
        self.header("content-encoding", "gzip")
    }

    pub(super) async fn send(self, line: &Line) -> Response {
        tokio::time::sleep(self.pause).await;
        match self.manner {
            Manner::Hang => std::future::pending::<()>().await,
            Manner::HangUp => line.cut(),
            Manner::Whole | Manner::Cut | Manner::Trickle { .. } => {}
        }
        self.into_response()
    }

    fn into_response(self) -> Response {
        let length = self.body.len();
        let builder = self
            .headers
            .iter()
            .fold(Response::builder().status(self.status), |builder, (name, value)| builder.header(name.as_str(), value.as_str()));
        let builder = if self.manner == Manner::Cut { builder.header("content-length", length) } else { builder };
        builder.body(body(self.body, self.manner)).expect("statuses and headers of the simulator are well formed")
    }
}

fn body(bytes: Vec<u8>, manner: Manner) -> Body {
    match manner {
        Manner::Whole | Manner::Hang | Manner::HangUp => Body::from(bytes),
        Manner::Cut => Body::from_stream(cut(bytes)),
        Manner::Trickle { bytes: piece, pause } => Body::from_stream(trickle(bytes, piece.max(1), pause)),
    }
}

fn cut(mut bytes: Vec<u8>) -> impl futures::Stream<Item = io::Result<Bytes>> {
    bytes.truncate(bytes.len() / 2);
    let fault = stream::once(async {
        tokio::time::sleep(BEFORE_THE_CUT).await;
        Err(io::Error::from(io::ErrorKind::ConnectionAborted))
    });
    stream::iter([Ok(Bytes::from(bytes))]).chain(fault)
}

fn trickle(bytes: Vec<u8>, piece: usize, pause: Duration) -> impl futures::Stream<Item = Result<Bytes, Infallible>> {
    stream::unfold(Bytes::from(bytes), move |mut rest| async move {
        if rest.is_empty() {
            return None;
        }
        let next = rest.split_to(piece.min(rest.len()));
        tokio::time::sleep(pause).await;
        Some((Ok(next), rest))
    })
}
