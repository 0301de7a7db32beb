//! All integration tests, in one binary: real Postgres, simulated vendors over HTTP, the real program.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod budget;
mod changes;
mod cli;
mod comparing;
mod crash;
mod daemon;
mod documented;
mod failover;
mod harness;
mod history;
mod hostile;
mod identifiers;
mod keeping;
mod kills;
mod lies;
mod lists;
mod managers;
mod migrations;
mod mirror;
mod model;
mod moves;
mod outages;
mod own_postgres;
mod plan;
mod pooling;
mod quota;
mod readings;
mod refusals;
mod runs;
mod scripts;
mod sharing;
mod stamps;
mod tidy;
mod tree;
mod year;
