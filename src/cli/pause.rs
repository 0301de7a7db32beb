//! `hiersync pause` and `hiersync resume`: the schedule of a source, stopped and gone on with.

use super::{
    exit::{Exit, Failure},
    out::say,
    show::next_due,
    sync::chosen,
};
use crate::{app::App, store::source, text::time};

/// `pause` and `resume`.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// The source
    source: String,
}

/// Stops the schedule. A run that is under way stops at a page's edge.
pub async fn pause(args: &Args, app: App) -> Result<Exit, Failure> {
    let since = turn(args, &app, true).await;
    app.close().await;
    say!(
        "{}: paused since {}; a run that is under way stops at a page's edge; `hiersync resume {0}` goes on, and meanwhile `hiersync sync {0}` \
         runs it by hand",
        args.source,
        time(since?)
    );
    Ok(Exit::Complete)
}

/// Goes on with the schedule.
pub async fn resume(args: &Args, app: App) -> Result<Exit, Failure> {
    let was_paused = turn(args, &app, false).await;
    let due = app.source(&args.source).and_then(next_due);
    app.close().await;
    let next = match due {
        Some(due) => format!("next due at {}; a daemon makes up at once for what was missed", time(Some(due))),
        None => "it is read by hand only".to_owned(),
    };
    let was = if was_paused?.is_some() { "resumed" } else { "was not paused" };
    say!("{}: {was}; {next}", args.source);
    Ok(Exit::Complete)
}

/// Gives since when it is paused, or was.
async fn turn(args: &Args, app: &App, is_paused: bool) -> Result<Option<chrono::DateTime<chrono::Utc>>, Failure> {
    let mut step = app.begin().await?;
    // One that the config names no more may be there all the same; one that was never synced is met now.
    if !source::is_there(&mut step.conn(), &args.source).await? {
        let names = std::slice::from_ref(&args.source);
        let source = chosen(names, app)?.remove(0);
        source::id_of(&mut step.conn(), &source.name, source.vendor.word()).await?;
    }
    let since = if is_paused {
        source::pause(&mut step.conn(), &args.source).await?
    } else {
        source::resume(&mut step.conn(), &args.source).await?
    };
    step.commit().await?;
    Ok(since)
}
