//! `hiersync forget`: erases a person from all tables, and keeps them erased.

use std::time::Duration;

use super::{
    exit::{Exit, Failure},
    out::say,
    sync::chosen,
};
use crate::{
    app::App,
    clock,
    config::{Source, Vendor},
    model::node::NodeId,
    store::{forget, root, source},
};

/// A transaction under way has not seen that the person is to be forgotten: so long it is waited for.
const PATIENCE: Duration = Duration::from_secs(15 * 60);

/// How often it is looked whether they are over.
const LOOKED_EVERY: Duration = Duration::from_millis(200);

/// `forget`.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// The source
    source: String,
    /// The id of the customer or user
    #[arg(allow_negative_numbers = true)]
    node: String,
}

/// Forgets a person. A sync may be under way: what it reads from now on is taken in without a name.
pub async fn run(args: &Args, app: App) -> Result<Exit, Failure> {
    let forgotten = forget(args, &app).await;
    app.close().await;
    forgotten
}

async fn forget(args: &Args, app: &App) -> Result<Exit, Failure> {
    let Args { source, node } = args;
    let id = NodeId::parse(node);
    let mut step = app.begin().await?;
    let named = root::named(&mut step.conn(), source, id).await?;
    if app.source(source).is_some_and(|source| named.iter().any(|asked_by| names(source, asked_by))) {
        return Err(usage(format!("{node} is a root of {source}, which the config names by an identifier: take it out of `roots` first")));
    }
    let Some(person) = forget::mark(&mut step.conn(), source, id).await? else {
        // A source that the config names no more keeps its tables: only one that is not there is misspelt.
        if !source::is_there(&mut step.conn(), source).await? {
            chosen(std::slice::from_ref(source), app)?;
        }
        return Err(usage(format!("{source} has no node {node}; NODE is the id of a customer or user")));
    };
    step.commit().await?;
    others_have_seen(app).await?;
    if app.source(source).is_none() {
        // No walk of it goes on, and none needs what the person's list was asked for by.
        app.tell_configured().await?;
    }
    let mut step = app.begin().await?;
    step.is_about_all();
    forget::erase(&mut step.conn(), &person).await?;
    let is_asked_by = forget::is_asked_by(&mut step.conn(), &person).await?;
    step.commit().await?;
    say!(
        "{source}: {node} is forgotten: in the tables its node stands without a name, and will; backups and the server's log files hold what \
         they held, and the vendor what it has"
    );
    if is_asked_by {
        say!("{source}: the identifier by which a walk under way asks for its children goes when that walk is closed");
    }
    Ok(Exit::Complete)
}

/// Waits until no transaction is under way that began before the mark.
async fn others_have_seen(app: &App) -> Result<(), Failure> {
    let mut step = app.begin().await?;
    let now = forget::now(&mut step.conn()).await?;
    step.commit().await?;
    let begun = clock::instant();
    while !forget::is_over(&mut app.begin_to_read().await?.conn(), &now).await? {
        if begun.elapsed() > PATIENCE {
            let say = "nothing is taken in of the person any more, but a transaction that began before is still under way; the end of the next walk \
                       erases the person, or this verb when it is run again";
            return Err(Failure::new(Exit::Later, anyhow::anyhow!(say)));
        }
        tokio::time::sleep(LOOKED_EVERY).await;
    }
    Ok(())
}

/// Whether the config names a root so, and not by an id that stays anyhow.
fn names(source: &Source, asked_by: &str) -> bool {
    match &source.vendor {
        Vendor::Capillary(settings) => settings.roots.iter().any(|root| format!("{}:{}", root.kind, root.value) == asked_by),
        Vendor::LeadSquared(_) => false,
    }
}

fn usage(what: String) -> Failure {
    Failure::new(Exit::Usage, anyhow::anyhow!(what))
}
