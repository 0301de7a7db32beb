//! `hiersync check`: config, secrets, database, and one light call per source within its budget.

use std::sync::Arc;

use futures::FutureExt;
use tokio_util::sync::CancellationToken;

use super::{
    daemon::guard,
    exit::{Exit, Failure},
    out::{note, say},
    own_program,
    show::next_due,
};
use crate::{
    app::{App, Client, error::SourceError},
    config::{Config, Source, secrets::Secrets},
    store::rights,
    sync::{Interrupted, call_error::CallError, caller::Caller, gauges::Gauges, terms::Terms},
    text::{chain, time},
    vendor_api::{Ask, List, error::VendorError, hierarchy::Hierarchy},
};

/// What people type.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Makes no call to a vendor
    #[arg(long)]
    offline: bool,
}

/// Checks all there is, and says what is wrong.
pub async fn run(args: &Args, config: Config) -> Result<Exit, Failure> {
    say!("config: {} sources", config.sources.len());
    let secrets = Secrets::from_env();
    let mut ends = vec![check_secrets(&config, &secrets), check_page(&config, &secrets)];
    let app = App::open(config, secrets, own_program()?).await?;
    say!("database: reached, its schema is up to date");
    tell_readers(&app).await?;
    if !args.offline {
        for source in &app.config.sources {
            ends.push(check_source(&app, source).await);
        }
    }
    for source in &app.config.sources {
        let due = next_due(source).map_or_else(|| "is read by hand only".to_owned(), |due| format!("is next due at {}", time(Some(due))));
        say!("{}: {due}", source.name);
    }
    app.close().await;
    Ok(Exit::worst(ends))
}

/// By which roles BI tools read.
async fn tell_readers(app: &App) -> Result<(), Failure> {
    let lack = rights::readers_lack(&mut app.begin_to_read().await?.conn()).await?;
    if lack.is_empty() {
        say!("readers: `grant hiersync_reader to NAME` lets a role read schema hiersync_bi, hiersync_pii_reader also what is personal");
    } else {
        say!("readers: roles for BI tools are missing; whoever may create roles runs\n  {};", lack.join(";\n  "));
    }
    Ok(())
}

fn check_secrets(config: &Config, secrets: &Secrets) -> Exit {
    let mut exit = Exit::Complete;
    for name in crate::config::secrets::needed(config) {
        if let Err(error) = secrets.get(&name) {
            note!("secrets: {error}");
            exit = Exit::Config;
        }
    }
    if exit == Exit::Complete {
        say!("secrets: all there");
    }
    exit
}

/// Whether the page may be where it is to be.
fn check_page(config: &Config, secrets: &Secrets) -> Exit {
    let Some(listen) = &config.daemon.listen else { return Exit::Complete };
    match guard(listen, secrets) {
        Ok(_) => Exit::Complete,
        Err(failure) => {
            note!("page: {}", failure.error);
            failure.exit
        }
    }
}

async fn check_source(app: &App, source: &Source) -> Exit {
    let checked = match app.client(source) {
        Ok(Client::Capillary(vendor)) => light_call(app, source, vendor, 1).await,
        Ok(Client::LeadSquared(vendor)) => light_call(app, source, vendor, 1).await,
        Err(error) => Err((Exit::of_source(&error), chain(&error))),
    };
    match checked {
        Ok(Light { rows, absent }) => {
            say!("{}: the vendor answers; {rows} rows in one light call", source.name);
            if !absent.is_empty() {
                let absent = absent.join(", ");
                note!(
                    "{}: `columns` asks for {absent}, and no row of that call has a value in it: see whether that is its name",
                    source.name
                );
            }
            Exit::Complete
        }
        Err((exit, why)) => {
            note!("{}: {why}{}", source.name, advice(exit));
            exit
        }
    }
}

fn advice(exit: Exit) -> &'static str {
    match exit {
        Exit::Credentials => "; check the source's secrets, and that they may read the hierarchy",
        Exit::Unavailable => "; check base_url and the network, or try again later",
        Exit::Partial => "; check the source's roots and its other settings",
        Exit::Later => "; try again later",
        _ => "",
    }
}

/// What a light call has brought.
struct Light {
    rows: u32,
    /// Columns that are asked for and in which no row has a value.
    absent: Vec<String>,
}

/// Asks for the first root's list, as little of it as possible.
async fn light_call<V: Hierarchy>(app: &App, source: &Source, vendor: V, limit: u32) -> Result<Light, (Exit, String)> {
    let list = first_list(&vendor).map_err(|why| (Exit::Config, why))?;
    let purse = app.purse(source).await.map_err(|error| (Exit::Unavailable, chain(&SourceError::Database(error))))?;
    let caller = Caller::new(vendor, purse, CancellationToken::new(), Arc::new(Gauges::default()), &Terms::of(source, None));
    let ask = Ask { list, offset: 0, limit };
    let answer = caller.call(&|within| caller.vendor.page(&ask, within).boxed()).await;
    if let Err(error) = caller.settle().await {
        tracing::warn!(error = %error, "the budget's ledger could not be told that the call has ended");
    }
    match answer {
        Ok(sheet) => {
            let page = sheet.all();
            Ok(Light { rows: page.received(), absent: caller.vendor.absent_columns(&page.rows) })
        }
        Err(CallError::ThisOnly(error)) => Err((Exit::Partial, error.to_string())),
        Err(CallError::Run(interrupted)) => Err((exit_of(&interrupted), interrupted.to_string())),
    }
}

fn first_list<V: Hierarchy>(vendor: &V) -> Result<List, String> {
    let root = vendor.roots().into_iter().next().ok_or("the source has no roots")?;
    vendor.list(root.key, root.identifier.as_ref())
}

fn exit_of(interrupted: &Interrupted) -> Exit {
    match interrupted {
        Interrupted::Stopped | Interrupted::Throttled { .. } | Interrupted::LeaseLost => Exit::Later,
        Interrupted::Vendor(VendorError::Unauthorised(_)) => Exit::Credentials,
        Interrupted::Vendor(_) | Interrupted::Database(_) | Interrupted::Ledger(_) => Exit::Unavailable,
    }
}
