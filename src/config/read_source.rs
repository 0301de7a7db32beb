//! One `[[source]]`: the keys of every vendor, their defaults, and what each may hold.

use std::time::Duration;

use chrono_tz::Tz;
use toml::de::DeValue;

use super::{
    Schedule, Source, Vendor,
    address::base_url,
    read_capillary, read_leadsquared,
    table::Table,
    timetable::{cron, zone},
    value::{Wrong, bytes, flag, keep, quote, share, text, timeout, whole, word},
};
use crate::model::limit::Limit;

/// What the vendor's demo clusters allow; its other clusters allow more.
const CAPILLARY_LIMIT: Limit = Limit { calls: 100, window: Duration::from_secs(60) };

/// What LeadSquared allows every account.
const LEADSQUARED_LIMIT: Limit = Limit { calls: 25, window: Duration::from_secs(5) };

/// All of the budget is ours.
const HEADROOM: f64 = 0.0;

/// Enough to use up a budget over slow answers.
const CONCURRENCY: u32 = 4;

/// More is no politeness.
const MOST_CONCURRENCY: u32 = 64;

/// One request's time.
const TIMEOUT: Duration = Duration::from_secs(30);

/// One answer's size.
const MAX_RESPONSE: u64 = 64 << 20;

/// Twice the levels that a vendor allows.
const MAX_DEPTH: u32 = 16;

/// A walk that would retire more than one node in five is more likely wrong than true.
const RETIRE_GUARD: f64 = 0.2;

/// Longest name, so that it fits a Postgres name.
const LONGEST_NAME: usize = 63;

/// Which vendor a source has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Capillary,
    LeadSquared,
}

/// A source, and the lines that checks across sources point at.
pub(super) struct Read {
    /// Its name, if that much is right.
    pub(super) name: Option<String>,
    /// The source; `None`: something was reported.
    pub(super) source: Option<Source>,
    /// Line of its name.
    pub(super) name_line: usize,
    /// Line of its limits; of its budget's name, where they are left out.
    pub(super) limits_line: usize,
}

/// Reads one source. `timezone`: the daemon's.
pub(super) fn read(mut table: Table<'_>, timezone: Tz) -> Read {
    let name = table.require("name", "write such as `name = \"sales\"`", name);
    if let Some(name) = &name {
        table.rename(format!("source.{name}"));
    }
    let kind = table.require(
        "vendor",
        "write `vendor = \"capillary\"` or `vendor = \"leadsquared\"`",
        word(&[("capillary", Kind::Capillary), ("leadsquared", Kind::LeadSquared)]),
    );
    let source = read_common(&mut table, name.clone(), kind, timezone);
    let name_line = table.line_of("name");
    let limits_line = table.line_of(if table.has("limits") { "limits" } else { "budget" });
    table.finish(&secrets(name.as_deref(), kind));
    Read { name, source, name_line, limits_line }
}

fn read_common(table: &mut Table<'_>, name: Option<String>, kind: Option<Kind>, timezone: Tz) -> Option<Source> {
    let base_url = table.require("base_url", "write `https://` and the vendor's host", base_url);
    let enabled = table.get("enabled", flag).unwrap_or(true);
    let schedule = schedule(table, timezone);
    let limits = table.filled("limits", "write at least one, such as `[\"25/5s\"]`", limit);
    let budget = table.get("budget", budget);
    let headroom = table.get("headroom", share(false)).unwrap_or(HEADROOM);
    let concurrency = table.get("concurrency", whole(1..=MOST_CONCURRENCY)).unwrap_or(CONCURRENCY);
    let timeout = table.get("timeout", timeout).unwrap_or(TIMEOUT);
    let max_response = table.get("max_response", bytes).unwrap_or(MAX_RESPONSE);
    let max_depth = table.get("max_depth", whole(1..=i32::MAX as u32)).unwrap_or(MAX_DEPTH);
    let max_nodes = table.get("max_nodes", whole(1..=i32::MAX as u32));
    let retire_guard = table.get("retire_guard", share(true)).unwrap_or(RETIRE_GUARD);
    let forget_retired_after = table.get("forget_retired_after", keep);
    let vendor = read_vendor(table, kind);
    let (name, vendor) = (name?, vendor?);
    Some(Source {
        budget: budget.unwrap_or_else(|| name.clone()),
        name,
        base_url: base_url?,
        enabled,
        schedule,
        limits: limits.unwrap_or_else(|| vec![default_limit(&vendor)]),
        headroom,
        concurrency,
        timeout,
        max_response,
        max_depth,
        max_nodes,
        retire_guard,
        forget_retired_after,
        vendor,
    })
}

fn read_vendor(table: &mut Table<'_>, kind: Option<Kind>) -> Option<Vendor> {
    let only = |vendor: &str| Wrong::new(format!("is for {vendor} sources only"), "remove it, or change `vendor`");
    match kind {
        Some(Kind::Capillary) => {
            table.refuse_all(&read_leadsquared::KEYS, &only("leadsquared"));
            read_capillary::read(table).map(Vendor::Capillary)
        }
        Some(Kind::LeadSquared) => {
            table.refuse_all(&read_capillary::KEYS, &only("capillary"));
            read_leadsquared::read(table).map(Vendor::LeadSquared)
        }
        None => {
            table.pass(&["roots"]);
            table.pass(&read_capillary::KEYS);
            table.pass(&read_leadsquared::KEYS);
            None
        }
    }
}

fn default_limit(vendor: &Vendor) -> Limit {
    match vendor {
        Vendor::Capillary(_) => CAPILLARY_LIMIT,
        Vendor::LeadSquared(_) => LEADSQUARED_LIMIT,
    }
}

fn schedule(table: &mut Table<'_>, timezone: Tz) -> Option<Schedule> {
    let timezone = table.get("timezone", zone).unwrap_or(timezone);
    table.get("schedule", cron).map(|cron| Schedule { cron, timezone })
}

fn name(value: &DeValue<'_>) -> Result<String, Wrong> {
    let name = text(value)?;
    let good = name.len() <= LONGEST_NAME
        && name.starts_with(|c: char| c.is_ascii_lowercase())
        && name.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || matches!(c, '_' | '-'));
    let right = "write a to z first, then a to z, 0 to 9, `_` or `-`, 63 characters at most";
    if good { Ok(name.to_owned()) } else { Err(Wrong::new(format!("{} is not a name", quote(name)), right)) }
}

/// Any short text: people may name a budget as their vendor names the account.
fn budget(value: &DeValue<'_>) -> Result<String, Wrong> {
    let budget = text(value)?;
    let good = budget.chars().count() <= LONGEST_NAME && !budget.contains(char::is_control);
    if good { Ok(budget.to_owned()) } else { Err(Wrong::new("is too long, or not one line", "write 63 characters at most")) }
}

fn limit(value: &DeValue<'_>) -> Result<Limit, Wrong> {
    let right = "write calls/window, such as `25/5s`";
    let text = value.as_str().ok_or_else(|| Wrong::kind(value, right))?;
    text.parse().map_err(|_| Wrong::new(format!("{} is not a limit", quote(text)), right))
}

/// Names of the secrets that somebody may have wanted to give, who wrote a secret into this source.
fn secrets(name: Option<&str>, kind: Option<Kind>) -> Vec<String> {
    let words: &[&str] = match kind {
        Some(Kind::Capillary) => &["password", "key", "secret"],
        Some(Kind::LeadSquared) => &["access_key", "secret_key"],
        None => &["password", "key", "secret", "access_key", "secret_key"],
    };
    words.iter().map(|word| format!("{}.{word}", name.unwrap_or("<source>"))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::testing::{CAPILLARY, LEADSQUARED, assert_refused, assert_spoilt, good, said};

    #[test]
    fn what_is_left_out_has_its_default() {
        let config = good(&format!("{CAPILLARY}{LEADSQUARED}"));
        for (source, name, limit) in [(&config.sources[0], "customers", CAPILLARY_LIMIT), (&config.sources[1], "sales", LEADSQUARED_LIMIT)]
        {
            assert_eq!((source.name.as_str(), source.budget.as_str(), source.limits.as_slice()), (name, name, [limit].as_slice()));
            assert_eq!((source.enabled, source.concurrency, source.max_depth), (true, 4, 16));
            assert_eq!((source.headroom, source.retire_guard), (0.0, 0.2));
            assert_eq!((source.timeout, source.max_response), (Duration::from_secs(30), 64 << 20));
            assert!(source.schedule.is_none());
        }
    }

    #[test]
    fn what_is_written_is_taken() {
        let more = "enabled = false\nschedule = '0 2 * * *'\ntimezone = 'Europe/Berlin'\nlimits = ['5/1s', '10000/1d']\nbudget = 'EU'\n\
                    headroom = 0.25\nconcurrency = 64\ntimeout = '1m'\nmax_response = '1MiB'\nmax_depth = 1\nretire_guard = 1\n";
        let source = good(&format!("{LEADSQUARED}{more}")).sources.remove(0);
        assert_eq!((source.enabled, source.concurrency, source.max_depth), (false, 64, 1));
        assert_eq!((source.headroom, source.retire_guard), (0.25, 1.0));
        assert_eq!((source.timeout, source.max_response), (Duration::from_secs(60), 1 << 20));
        assert_eq!((source.budget.as_str(), source.limits.len()), ("EU", 2));
        let schedule = source.schedule.expect("a schedule");
        assert_eq!((schedule.cron.as_str(), schedule.timezone), ("0 2 * * *", Tz::Europe__Berlin));
    }

    #[test]
    fn a_schedule_without_a_zone_has_the_daemons() {
        let config = good(&format!("daemon.timezone = 'Asia/Kolkata'\n{LEADSQUARED}schedule = '0 2 * * *'\n"));
        assert_eq!(config.sources[0].schedule.as_ref().expect("a schedule").timezone, Tz::Asia__Kolkata);
    }

    #[test]
    fn every_key_is_checked() {
        for (line, fault) in [
            ("enabled = 1", "enabled: is a whole number; write true or false, without quotes"),
            (
                "schedule = \"0 2 * *\"",
                "schedule: `0 2 * *` has 4 fields; write five fields, such as `0 2 * * *` for two o'clock every night, or six with seconds first",
            ),
            ("timezone = \"Berlin\"", "timezone: `Berlin` is not a zone; write an IANA name, such as `Europe/Berlin` or `UTC`"),
            ("limits = []", "limits: is empty; write at least one, such as `[\"25/5s\"]`"),
            ("limits = [\"25\"]", "limits: `25` is not a limit; write calls/window, such as `25/5s`"),
            ("limits = [25]", "limits: is a whole number; write calls/window, such as `25/5s`"),
            ("limits = \"25/5s\"", "limits: is a text; write a list, in brackets"),
            ("budget = \"\"", "budget: is empty; fill it in, or remove the key"),
            ("budget = \"a\\nb\"", "budget: is too long, or not one line; write 63 characters at most"),
            ("headroom = 1.0", "headroom: is out of bounds; write a share from 0.0 to below 1.0"),
            ("concurrency = 0", "concurrency: 0 is out of bounds; write a whole number from 1 to 64"),
            ("concurrency = 65", "concurrency: 65 is out of bounds; write a whole number from 1 to 64"),
            ("timeout = \"0s\"", "timeout: `0s` is out of bounds; write a duration above zero and up to 15m, such as `30s` or `5m`"),
            (
                "max_response = \"64 megs\"",
                "max_response: `64 megs` is not a size; \
                 write a size above zero, such as `64MiB`, `10MB` or `512KiB`, or a number of bytes",
            ),
            ("max_depth = 0", "max_depth: 0 is out of bounds; write a whole number from 1 to 2147483647"),
            ("retire_guard = 1.1", "retire_guard: is out of bounds; write a share from 0.0 to 1.0"),
            ("limit = [\"25/5s\"]", "limit: is not known; did you mean `limits`?"),
        ] {
            assert_refused(LEADSQUARED, line, &format!("source.sales.{fault}"));
        }
    }

    #[test]
    fn what_is_required_is_missed_at_the_sources_head() {
        for (piece, fault) in [
            ("name = \"sales\"", "source[1].name: is missing; write such as `name = \"sales\"`"),
            ("vendor = \"leadsquared\"", "source.sales.vendor: is missing; write `vendor = \"capillary\"` or `vendor = \"leadsquared\"`"),
            ("base_url = \"https://api.leadsquared.com\"", "source.sales.base_url: is missing; write `https://` and the vendor's host"),
        ] {
            assert_spoilt(LEADSQUARED, piece, "", &format!("line 1: {fault}"));
        }
    }

    #[test]
    fn a_name_is_short_and_plain() {
        good(&LEADSQUARED.replace("\"sales\"", &format!("\"a{}\"", "0".repeat(62))));
        for name in ["Sales", "1sales", "sales eu", "sälés", "-s", "../x"] {
            assert_spoilt(
                LEADSQUARED,
                "\"sales\"",
                &format!("\"{name}\""),
                &format!(
                    "line 2: source[1].name: `{name}` is not a name; write a to z first, then a to z, 0 to 9, `_` or `-`, 63 characters at most"
                ),
            );
        }
        assert_eq!(said(&LEADSQUARED.replace("\"sales\"", &format!("\"{}\"", "a".repeat(64)))).len(), 1);
    }

    #[test]
    fn a_base_url_is_checked() {
        assert_spoilt(
            LEADSQUARED,
            "https://",
            "http://",
            "line 4: source.sales.base_url: is http, which shows the secrets on the way; write https: http is for loopback only",
        );
    }

    #[test]
    fn a_key_of_the_other_vendor_says_so() {
        for key in read_capillary::KEYS {
            assert_refused(
                LEADSQUARED,
                &format!("{key} = 1"),
                &format!("source.sales.{key}: is for capillary sources only; remove it, or change `vendor`"),
            );
        }
        for key in read_leadsquared::KEYS {
            assert_refused(
                CAPILLARY,
                &format!("{key} = 1"),
                &format!("source.customers.{key}: is for leadsquared sources only; remove it, or change `vendor`"),
            );
        }
    }

    #[test]
    fn a_source_of_an_unknown_vendor_has_that_fault_alone() {
        for source in [CAPILLARY, LEADSQUARED] {
            let text = source.replace("vendor = \"", "vendor = \"x");
            assert_eq!(said(&text).len(), 1, "{:?}", said(&text));
            assert!(said(&text)[0].ends_with("is not known; write `capillary` or `leadsquared`"));
        }
    }

    #[test]
    fn a_secret_is_refused_with_its_name_outside_the_file_and_never_repeated() {
        let give = |name: &str, variable: &str| {
            format!(
                "looks like a secret, and secrets never stand in this file; \
                 give it as the file `{name}` in $CREDENTIALS_DIRECTORY, or as the variable {variable}"
            )
        };
        for (good, key, name, variable) in [
            (CAPILLARY, "password", "customers.password", "HIERSYNC_CUSTOMERS_PASSWORD"),
            (CAPILLARY, "key", "customers.key", "HIERSYNC_CUSTOMERS_KEY"),
            (CAPILLARY, "secret", "customers.secret", "HIERSYNC_CUSTOMERS_SECRET"),
            (LEADSQUARED, "access_key", "sales.access_key", "HIERSYNC_SALES_ACCESS_KEY"),
            (LEADSQUARED, "secretKey", "sales.secret_key", "HIERSYNC_SALES_SECRET_KEY"),
        ] {
            let source = name.split('.').next().unwrap();
            assert_refused(good, &format!("{key} = \"hunter2\""), &format!("source.{source}.{key}: {}", give(name, variable)));
        }
        assert!(said(&format!("{LEADSQUARED}token = \"hunter2\"\n"))[0].contains("`sales.access_key` and `sales.secret_key`"));
    }
}
