//! All integration tests, in one binary: real Postgres, simulated vendors over HTTP, the real program.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod harness;
mod mirror;
mod tidy;
