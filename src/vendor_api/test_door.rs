//! A vendor of one answer, for the tests of this room: takes one connection on loopback and keeps what it was asked.

use std::{
    io::{Read, Write},
    net::{TcpListener, TcpStream},
    sync::mpsc::{Receiver, channel},
    thread,
    time::Duration,
};

use base64::prelude::{BASE64_STANDARD, Engine};
use url::Url;

use crate::config;

/// The open door.
pub(super) struct Door {
    /// Where to call.
    pub(super) base: Url,
    requests: Receiver<Seen>,
}

/// One request as it came.
pub(super) struct Seen {
    /// Method, path with query, version.
    pub(super) line: String,
    headers: Vec<String>,
    /// The body as text.
    pub(super) body: String,
}

impl Seen {
    pub(super) fn header(&self, name: &str) -> Option<&str> {
        let named = |line: &'_ &String| line.split_once(':').is_some_and(|(key, _)| key.eq_ignore_ascii_case(name));
        self.headers.iter().find(named).and_then(|line| line.split_once(':')).map(|(_, value)| value.trim())
    }
}

impl Door {
    pub(super) fn open(answer: Vec<u8>) -> Self {
        Self::answering(vec![(Vec::new(), Duration::ZERO, answer)])
    }

    /// Several answers, one connection each.
    pub(super) fn open_for(answers: Vec<Vec<u8>>) -> Self {
        Self::answering(answers.into_iter().map(|answer| (Vec::new(), Duration::ZERO, answer)).collect())
    }

    pub(super) fn open_slow(answer: Vec<u8>, pause: Duration) -> Self {
        Self::answering(vec![(Vec::new(), pause, answer)])
    }

    pub(super) fn open_slow_after(first: Vec<u8>, rest: Vec<u8>, pause: Duration) -> Self {
        Self::answering(vec![(first, pause, rest)])
    }

    /// A port that nobody listens on.
    pub(super) fn closed() -> Self {
        Self::answering(Vec::new())
    }

    fn answering(answers: Vec<(Vec<u8>, Duration, Vec<u8>)>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let base = format!("http://{}", listener.local_addr().expect("an address")).parse().expect("a URL");
        let (sender, requests) = channel();
        if !answers.is_empty() {
            thread::spawn(move || {
                for (first, pause, rest) in answers {
                    let (mut stream, _) = listener.accept().expect("a caller");
                    let seen = read_request(&mut stream);
                    // A caller that gave up is no fault of the door's.
                    let _ = stream.write_all(&first).and_then(|()| stream.flush());
                    thread::sleep(pause);
                    let _ = stream.write_all(&rest);
                    let _ = sender.send(seen);
                }
            });
        }
        Self { base, requests }
    }

    pub(super) fn request(&self) -> Seen {
        self.requests.recv_timeout(Duration::from_secs(5)).expect("a request")
    }
}

fn read_request(stream: &mut TcpStream) -> Seen {
    let mut bytes = Vec::new();
    let mut buffer = [0; 4096];
    loop {
        let text = String::from_utf8_lossy(&bytes).into_owned();
        if let Some((head, body)) = text.split_once("\r\n\r\n") {
            let mut headers: Vec<String> = head.lines().map(str::to_owned).collect();
            let seen = Seen { line: headers.remove(0), headers, body: body.to_owned() };
            let length = seen.header("content-length").map_or(0, |length| length.parse().expect("a length"));
            if seen.body.len() >= length {
                return seen;
            }
        }
        let read = stream.read(&mut buffer).expect("a request");
        assert!(read > 0, "the request ended early");
        bytes.extend_from_slice(&buffer[..read]);
    }
}

/// 200 with a JSON body.
pub(super) fn ok(body: &str) -> Vec<u8> {
    answer(200, "application/json", body)
}

/// Any answer.
pub(super) fn answer(status: u16, kind: &str, body: &str) -> Vec<u8> {
    format!("HTTP/1.1 {status} X\r\nContent-Type: {kind}\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{body}", body.len()).into_bytes()
}

/// A source that lives behind the door.
pub(super) fn source(base: &Url, vendor: config::Vendor) -> config::Source {
    config::Source {
        name: "sales".into(),
        base_url: base.clone(),
        enabled: true,
        schedule: None,
        limits: Vec::new(),
        budget: "sales".into(),
        headroom: 0.0,
        concurrency: 1,
        timeout: Duration::from_secs(1),
        max_response: 1 << 20,
        max_depth: 16,
        max_nodes: None,
        forget_retired_after: None,
        retire_guard: 0.2,
        vendor,
    }
}

/// 100,000 spaces, packed.
pub(super) fn gzip_bomb() -> Vec<u8> {
    let packed = BASE64_STANDARD.decode("H4sIAAAAAAACA+3BMQEAAADCoCrrn9IaHkABAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAArwYt8HnKoIYBAA==").expect("base64");
    let mut answer =
        format!("HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: {}\r\nConnection: close\r\n\r\n", packed.len()).into_bytes();
    answer.extend(packed);
    answer
}
