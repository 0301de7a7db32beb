//! hiersync: keeps a company's hierarchies from Capillary and LeadSquared in Postgres.
//! ARCHITECTURE.md has the map.

pub mod app;
pub mod budget;
pub mod cli;
pub mod clock;
pub mod config;
pub mod embedded;
pub mod failpoint;
pub mod instants;
pub mod lifecycle;
pub mod model;
pub mod plan;
pub mod runner;
pub mod schedule;
pub mod simulator;
pub mod store;
pub mod sync;
pub mod telemetry;
pub mod text;
pub mod vendor_api;
pub mod walk;
pub mod web;
