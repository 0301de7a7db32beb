//! `hiersync url`: where BI tools should look.

use super::{
    exit::{Exit, Failure},
    out::{note, say},
};
use crate::{config::Config, embedded};

/// libpq's variables that would lead psql elsewhere than to the private server, and the keys that keep them out. Not every driver knows
/// the keys: they stand where they are needed only.
const AGAINST: [(&str, &str); 11] = [
    ("PGHOSTADDR", "&hostaddr="),
    ("PGOPTIONS", "&options="),
    ("PGTARGETSESSIONATTRS", "&target_session_attrs=any"),
    ("PGCHANNELBINDING", "&channel_binding=disable"),
    ("PGGSSENCMODE", "&gssencmode=disable"),
    ("PGREQUIREPEER", "&requirepeer="),
    ("PGREQUIREAUTH", "&require_auth="),
    ("PGLOADBALANCEHOSTS", "&load_balance_hosts=disable"),
    ("PGSSLROOTCERT", "&sslrootcert="),
    ("PGSSLCERTMODE", "&sslcertmode=disable"),
    ("PGSSLNEGOTIATION", "&sslnegotiation=postgres"),
];

/// Prints the database URL that BI tools should use. `libpq`: its variables that are set.
pub fn run(config: &Config, libpq: &[String]) -> Result<Exit, Failure> {
    match &config.database.url {
        Some(url) => say!("{url}"),
        None => {
            let kept_out = AGAINST.iter().filter(|(variable, _)| libpq.iter().any(|set| set == variable)).map(|(_, key)| *key);
            say!("{}{}", as_all_know_it(&embedded::url(&config.database.dir)), kept_out.collect::<String>());
            if libpq.iter().any(|set| set == "PGSERVICE") {
                note!("PGSERVICE is set, and no URL keeps it out: psql needs it unset for this one");
            }
            note!("the embedded Postgres runs while a hiersync process uses it, such as `hiersync daemon`");
        }
    }
    Ok(Exit::Complete)
}

/// Of the scheme's two names the one that every client takes: SQLAlchemy knows no `postgres`.
fn as_all_know_it(url: &str) -> String {
    url.strip_prefix("postgres://").map_or_else(|| url.to_owned(), |rest| format!("postgresql://{rest}"))
}
