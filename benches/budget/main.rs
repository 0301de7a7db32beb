//! The measured promises of the budget, at a door that counts exact sliding windows. `cargo bench --bench budget`, or with
//! the names of some: `cargo bench --bench budget -- paces kills`.
#![allow(clippy::unwrap_used, missing_docs, reason = "a measurement that cannot go on fails")]

mod calls;
mod cost;
mod home;
mod kills;
mod paces;

#[tokio::main]
async fn main() {
    let names: Vec<String> = std::env::args().skip(1).filter(|name| !name.starts_with('-')).collect();
    let is_wanted = |name: &str| names.is_empty() || names.iter().any(|wanted| wanted == name);
    if is_wanted("paces") {
        paces::measure().await;
    }
    if is_wanted("kills") {
        kills::measure().await;
    }
    if is_wanted("calls") {
        calls::measure().await;
    }
    if is_wanted("cost") {
        cost::measure().await;
    }
}
