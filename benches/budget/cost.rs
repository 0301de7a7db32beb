//! What the ledger costs: a thousand permits a second, bought in bulk, as CPU time of this process and of its Postgres.

use std::{
    fs,
    path::Path,
    time::{Duration, Instant},
};

use futures::future::join_all;
use hiersync::{
    budget::{
        ledger::{Bought, Ledger, LedgerError, Pause, Settlement, Trade, Wants},
        purse::Purse,
    },
    clock,
    store::{
        ledger::PgLedger,
        process::{self, Identity},
        session,
    },
};
use tokio_util::sync::CancellationToken;

use super::home::Home;

const CALLERS: usize = 64;
const SPAN: Duration = Duration::from_secs(10);

pub async fn measure() {
    println!("\nA thousand permits a second, {CALLERS} callers at once, for {} s each", SPAN.as_secs());
    println!("{:>28} {:>10} {:>12} {:>10} {:>10} {:>10}", "limits", "permits/s", "purchases/s", "here", "Postgres", "of a core");
    // What the callers cost without a ledger is not the ledger's.
    let (begun, here) = (clock::instant(), cpu_here());
    let permits = spend(&Purse::new(Free), begun).await;
    let span = begun.elapsed().as_secs_f64();
    let callers = (cpu_here() - here) / span;
    println!("{:>28} {:>10.0} {:>12} {:>10}", "(no ledger)", f64::from(permits) / span, "", format!("{:.2} %", callers * 100.0));
    for limits in [&["10000/5s"][..], &["10000/5s", "50000000/1d"], &["5000/5s"]] {
        cost(limits, callers).await;
    }
}

async fn cost(texts: &[&str], callers: f64) {
    let home = Home::new().source(
        "sales",
        "vendor = \"leadsquared\"\nbase_url = \"http://127.0.0.1:9\"\nhierarchy_path = \"/x\"\nroots = [\"00000000-0000-0000-0000-000000000001\"]",
        &[],
    );
    let app = home.app().await;
    let limits: Vec<_> = texts.iter().map(|text| text.parse().unwrap()).collect();
    let mut step = session::begin(&app.pool).await.unwrap();
    let process_id = process::register(&mut step.conn(), &Identity::own()).await.unwrap();
    step.commit().await.unwrap();
    let ledger = PgLedger::open(&app.pool, process_id, "cost", &limits, 0.0, Duration::from_secs(30)).await.unwrap();
    if texts.len() > 1 {
        // A day of it went before.
        sqlx::query(
            "insert into hiersync_internal.budget_ledger (budget_id, process_id, calls, bought_at, ended_at)
             select budget_id, 0, 1000, t, t from hiersync_internal.budget,
                 generate_series(clock_timestamp() - interval '12 hours', clock_timestamp() - interval '6 s', interval '1 s') t",
        )
        .execute(&app.pool)
        .await
        .unwrap();
    }
    let purse = Purse::new(ledger);
    // The first trade merges the whole day; those after it find it merged, without the rows that went.
    drop(purse.permit(Duration::from_secs(60), &CancellationToken::new()).await.unwrap_or_else(|why| panic!("{why}")));
    sqlx::raw_sql("vacuum hiersync_internal.budget_ledger").execute(&app.pool).await.unwrap();
    let (begun, here, there) = (clock::instant(), cpu_here(), cpu_of_postgres(home.path()));
    let permits = spend(&purse, begun).await;
    let span = begun.elapsed().as_secs_f64();
    let (here, there) = (cpu_here() - here - callers * span, cpu_of_postgres(home.path()) - there);
    let purchases: f64 =
        sqlx::query_scalar("select count(distinct bought_at)::float8 from hiersync_internal.budget_ledger where process_id <> 0")
            .fetch_one(&app.pool)
            .await
            .unwrap();
    let share = |cpu: f64| format!("{:.2} %", cpu / span * 100.0);
    println!(
        "{:>28} {:>10.0} {:>12.0} {:>10} {:>10} {:>10}",
        texts.join(" + "),
        f64::from(permits) / span,
        purchases / f64::min(span, 5.0),
        share(here),
        share(there),
        share(here + there)
    );
    drop(purse);
    app.close().await;
}

/// Costs nothing and always sells.
struct Free;

impl Ledger for Free {
    async fn trade(&self, _: &[Settlement], wants: Wants) -> Result<Trade, LedgerError> {
        Ok(Trade::Bought(vec![Bought { batch_id: 1, calls: wants.soon }]))
    }

    async fn pause(&self, _: &Pause) -> Result<(), LedgerError> {
        Ok(())
    }
}

async fn spend<L: Ledger>(purse: &Purse<L>, begun: Instant) -> u32 {
    join_all((0..CALLERS).map(|_| caller(purse, begun))).await.into_iter().sum()
}

/// Each permit is for a call of 20 ms; a caller makes a sixty-fourth of a thousand a second.
async fn caller<L: Ledger>(purse: &Purse<L>, begun: Instant) -> u32 {
    let stop = CancellationToken::new();
    let mut permits = 0;
    let mut next = begun;
    while begun.elapsed() < SPAN {
        let mut permit = purse.permit(Duration::from_secs(60), &stop).await.unwrap_or_else(|why| panic!("{why}"));
        permit.used();
        permits += 1;
        tokio::time::sleep(Duration::from_millis(20)).await;
        drop(permit);
        next += Duration::from_millis(64);
        tokio::time::sleep(next.saturating_duration_since(clock::instant())).await;
    }
    permits
}

/// User and system seconds of the processes that satisfy a condition (proc(5), fields 14 and 15, and of waited-for children).
fn cpu(is_wanted: impl Fn(&Path) -> bool, fields: &[usize]) -> f64 {
    let ticks: u64 = fs::read_dir("/proc")
        .unwrap()
        .filter_map(Result::ok)
        .filter(|entry| is_wanted(&entry.path()))
        .filter_map(|entry| fs::read_to_string(entry.path().join("stat")).ok())
        .map(|stat| {
            let rest = stat.rsplit_once(')').unwrap().1;
            let all: Vec<&str> = rest.split_whitespace().collect();
            fields.iter().map(|field| all[field - 3].parse::<u64>().unwrap_or(0)).sum::<u64>()
        })
        .sum();
    #[expect(clippy::cast_precision_loss, reason = "seconds of CPU")]
    let seconds = ticks as f64 / 100.0;
    seconds
}

fn cpu_here() -> f64 {
    let own = std::process::id().to_string();
    cpu(|process| process.file_name().is_some_and(|name| name == own.as_str()), &[14, 15])
}

fn cpu_of_postgres(home: &Path) -> f64 {
    cpu(|process| fs::read_link(process.join("cwd")).is_ok_and(|cwd| cwd.starts_with(home)), &[14, 15, 16, 17])
}
