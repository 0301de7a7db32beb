//! `hiersync check`: config, secrets, database, and one light call per source within its budget.

use std::{io::ErrorKind, sync::Arc};

use futures::{StreamExt, stream};
use tokio_util::sync::CancellationToken;

use super::{
    daemon::guard,
    exit::{Exit, Failure},
    fact::{self, Fact},
    own_program,
    show::next_due,
};
use crate::{
    app::{App, Client, error::SourceError},
    config::{
        Config, Source,
        secrets::{SecretError, Secrets, needed},
    },
    store::{
        report::{self, Health},
        rights,
    },
    sync::{Interrupted, call_error::CallError, caller::Caller, gauges::Gauges, plainly, terms::Terms},
    text::{chain, time},
    vendor_api::{Ask, List, error::VendorError, hierarchy::Hierarchy},
};

/// Vendors that are asked at once.
const VENDORS_AT_ONCE: usize = 8;

/// What people type.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Makes no call to a vendor
    #[arg(long)]
    offline: bool,
}

/// Checks all there is, and says what is wrong.
pub async fn run(args: &Args, config: Config) -> Result<Exit, Failure> {
    Ok(fact::tell(examine(config, Secrets::from_env(), args.offline).await?))
}

/// All there is to say of this config, with these secrets. Vendors are asked unless it is `offline`.
pub async fn examine(config: Config, secrets: Secrets, offline: bool) -> Result<Vec<Fact>, Failure> {
    let mut facts = vec![of_config(&config)];
    facts.extend(of_secrets(&config, &secrets));
    facts.extend(of_page(&config, &secrets));
    let due: Vec<Fact> = config.sources.iter().map(of_schedule).collect();
    match App::open(config, secrets, own_program()?).await.map_err(Failure::from) {
        Ok(app) => {
            facts.extend(of_app(&app, offline).await.unwrap_or_else(|failed| vec![of_database(&failed)]));
            app.close().await;
        }
        Err(failed) => facts.push(of_database(&failed)),
    }
    facts.extend(due);
    Ok(facts)
}

fn of_schedule(source: &Source) -> Fact {
    let by_hand = || "is read by hand only".to_owned();
    Fact::well(&source.name, next_due(source).map_or_else(by_hand, |due| format!("is next due at {}", time(Some(due)))))
}

fn of_config(config: &Config) -> Fact {
    let enabled = config.sources.iter().filter(|source| source.enabled).count();
    let sources = match config.sources.len() {
        1 => "1 source".to_owned(),
        many => format!("{many} sources"),
    };
    Fact::well("config", if enabled == config.sources.len() { sources } else { format!("{sources}, of which {enabled} enabled") })
}

fn of_secrets(config: &Config, secrets: &Secrets) -> Vec<Fact> {
    let lacks = needed(config).into_iter().filter_map(|name| secrets.get(&name).err());
    let lacks: Vec<Fact> = lacks.map(|error| Fact::act(Exit::Config, "secrets", chain(&error), remedy_of(&error))).collect();
    if lacks.is_empty() { vec![Fact::well("secrets", "all there")] } else { lacks }
}

fn remedy_of(error: &SecretError) -> &'static str {
    match error {
        SecretError::Missing { .. } => "write it into that file, or set that variable",
        SecretError::Unreadable { source, .. } if source.kind() == ErrorKind::PermissionDenied => {
            "let the user that hiersync runs as read it"
        }
        SecretError::Unreadable { .. } => "write a file there that holds the secret as UTF-8 text and nothing else",
        SecretError::Empty { .. } | SecretError::Unfit { .. } | SecretError::NotText { .. } => "",
    }
}

/// Whether the page may be where it is to be.
fn of_page(config: &Config, secrets: &Secrets) -> Option<Fact> {
    let listen = config.daemon.listen.as_ref()?;
    let refused = guard(listen, secrets).err();
    Some(refused.map_or_else(
        || Fact::well("page", format!("will be at http://{listen}/ while the daemon runs")),
        |refused| Fact::act(refused.exit, "page", chain(refused.error.as_ref()), ""),
    ))
}

fn of_database(failed: &Failure) -> Fact {
    let remedy = match failed.exit {
        Exit::Credentials => "check the role in [database].url and the secret `database.password`; no vendor was asked",
        Exit::Unavailable => "no vendor was asked: calls are counted in the database",
        _ => "",
    };
    Fact::act(failed.exit, "database", chain(failed.error.as_ref()), remedy)
}

/// What the database says, and each vendor.
async fn of_app(app: &App, offline: bool) -> Result<Vec<Fact>, Failure> {
    let mut step = app.begin_to_read().await?;
    let lack = rights::readers_lack(&mut step.conn()).await?;
    let health = report::health(&mut step.conn()).await?;
    drop(step);
    let mut facts = vec![Fact::well("database", "reached, its schema is up to date"), of_readers(&lack)];
    if !offline {
        let asked = stream::iter(&app.config.sources).map(|source| of_vendor(app, source)).buffered(VENDORS_AT_ONCE);
        facts.extend(asked.collect::<Vec<_>>().await.into_iter().flatten());
    }
    for source in &app.config.sources {
        facts.extend(health.iter().find(|health| health.name == source.name).map_or_else(|| of_new(source), of_health));
    }
    Ok(facts)
}

/// By which roles BI tools read.
fn of_readers(lack: &[String]) -> Fact {
    if lack.is_empty() {
        let grant = "`grant hiersync_reader to NAME` lets a role read schema hiersync_bi, hiersync_pii_reader also what is personal";
        return Fact::well("readers", grant);
    }
    Fact::look("readers", "roles for BI tools are missing", format!("whoever may create roles runs\n  {};", lack.join(";\n  ")))
}

/// A source that has never been synced.
fn of_new(source: &Source) -> Vec<Fact> {
    let by_daemon = if next_due(source).is_some() { " now, the daemon by its schedule" } else { "" };
    vec![Fact::look(&source.name, "was never synced", format!("`hiersync sync {}` does{by_daemon}", source.name))]
}

/// How the source's last runs have left it.
fn of_health(health: &Health) -> Vec<Fact> {
    let name = health.name.as_str();
    let mut facts = Vec::new();
    if let Some(since) = health.paused_at {
        facts.push(Fact::look(name, format!("paused since {}", time(Some(since))), format!("`hiersync resume {name}` goes on")));
    }
    if health.last_outcome.as_deref() == Some("failed") {
        let why = health.last_error.as_deref().unwrap_or("for a reason that is not known");
        facts.push(Fact::look(name, format!("the latest run failed: {why}"), format!("`hiersync runs {name}` shows the last ones")));
    }
    if health.last_complete_at.is_none() {
        facts.push(Fact::look(
            name,
            "no walk was complete yet: nodes may be missing",
            format!("`hiersync runs {name}` says how far it is"),
        ));
    }
    if health.open_findings > 0 {
        let what = format!("open findings on which to act: {}", health.open_findings);
        facts.push(Fact::look(name, what, format!("`hiersync findings {name}` names them")));
    }
    facts
}

async fn of_vendor(app: &App, source: &Source) -> Vec<Fact> {
    let name = source.name.as_str();
    let checked = match app.client(source) {
        Ok(Client::Capillary(vendor)) => light_call(app, source, vendor, 1).await,
        Ok(Client::LeadSquared(vendor)) => light_call(app, source, vendor, 1).await,
        // Told among the secrets.
        Err(SourceError::Secret(_)) => return Vec::new(),
        Err(error) => Err((Exit::of_source(&error), chain(&error))),
    };
    match checked {
        Ok(Light { rows, absent }) => {
            let mut facts = vec![Fact::well(name, format!("the vendor answers; {rows} rows in one light call"))];
            if !absent.is_empty() {
                let what = format!("`columns` asks for {}, and no row of that call has a value in it", absent.join(", "));
                facts.push(Fact::look(name, what, "see whether that is its name"));
            }
            facts
        }
        Err((exit, why)) => vec![Fact::act(exit, name, why, advice(exit))],
    }
}

fn advice(exit: Exit) -> &'static str {
    match exit {
        Exit::Credentials => "check the source's secrets, and that they may read the hierarchy",
        Exit::Unavailable => "check base_url and the network, or try again later",
        Exit::Partial => "check the source's roots and its other settings",
        Exit::Later => "try again later",
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
    let caller = Caller::new(vendor, purse, CancellationToken::new(), Arc::new(Gauges::default()), &Terms::of(source, None, 0));
    let ask = Ask { list, offset: 0, limit, is_plain: false };
    let answer = plainly::page(&caller, &ask).await;
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
