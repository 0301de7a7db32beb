//! placeholder
use super::exit::{Exit, Failure};
/// x
#[derive(Debug, clap::Args)]
pub struct Args {}
/// x
pub async fn run(_: Args) -> Result<Exit, Failure> {
    Ok(Exit::Complete)
}
