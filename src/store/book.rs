//! The rows of one budget: loads its book, writes down what a trade changed. The caller holds the budget's lock.

use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use tracing::warn;

use super::{
    conn::Conn,
    process::{self, Identity},
};
use crate::{
    budget::{
        book::{Book, Changes, Entry, Moment, Waiter},
        ledger::Bought,
        pace::{self, Pace},
        window::{self, Spent},
    },
    clock,
    model::limit::Limit,
};

/// Permits that are settled together at most.
const BATCH: u32 = 50;

/// Two clocks that were read within this time were read at once.
const SHARP: TimeDelta = TimeDelta::milliseconds(100);

/// A budget as one process knows it.
pub struct Budget {
    /// Names it in the tables.
    pub budget_id: i32,
    /// The process.
    pub process_id: i64,
    /// Its name in the configuration.
    pub name: String,
    /// Its limits in the configuration.
    pub configured: Vec<Limit>,
    /// Share of them to be left alone.
    pub headroom: f64,
    /// The longest that a call can last from its purchase.
    pub longest: TimeDelta,
}

/// A book with what belongs to it in the database.
pub struct Loaded {
    /// The book.
    pub book: Book,
    /// As it was when it last fell.
    pub pace: Pace,
    /// Why the budget is paused.
    pub paused_why: String,
    /// This machine's clock that never jumps, as of the book's time; `None` when it took too long to see that.
    pub uptime: Option<TimeDelta>,
    /// What is to be written down.
    pub changes: Changes,
}

/// Writes a budget and its configured limits down, and gives its number.
pub async fn write_limits(conn: &mut Conn<'_>, name: &str, limits: &[Limit], headroom: f64) -> sqlx::Result<i32> {
    let mut limits = limits.to_vec();
    limits.sort_by_key(|limit| (limit.window, limit.calls));
    limits.dedup_by_key(|limit| limit.window);
    let windows: Vec<i64> = limits.iter().map(|limit| i64::try_from(limit.window.as_millis()).unwrap_or(i64::MAX)).collect();
    let calls: Vec<i32> = limits.iter().map(|limit| whole(limit.calls)).collect();
    let budget_id = sqlx::query_scalar!(
        "insert into hiersync_internal.budget as b (name, headroom) values ($1, $2)
         on conflict (name) do update set headroom = excluded.headroom returning budget_id",
        name,
        headroom
    )
    .fetch_one(&mut *conn)
    .await?;
    sqlx::query_file!("src/store/sql/budget_limits.sql", budget_id, &windows, &calls).execute(conn).await?;
    Ok(budget_id)
}

/// The book as it stands, by a clock that did not jump, without what the dead had under way.
pub async fn load(conn: &mut Conn<'_>, budget: &Budget) -> sqlx::Result<Loaded> {
    let asked = clock::uptime();
    let boot = process::boot();
    let believed = pace::BELIEVED_FOR.as_seconds_f64();
    let row = sqlx::query_file!("src/store/sql/ledger_read.sql", budget.budget_id, budget.process_id, believed, boot)
        .fetch_one(&mut *conn)
        .await?;
    let blur = clock::uptime() - asked;
    let stated = row
        .windows
        .iter()
        .zip(&row.stated_calls)
        .map(|(millis, calls)| Limit { calls: calls.unsigned_abs(), window: Duration::from_millis(millis.unsigned_abs()) });
    let limits: Vec<Limit> = budget.configured.iter().copied().chain(stated).collect();
    let pace = Pace { share: row.pace, at: row.paced_at };
    let spent = row.calls.iter().zip(&row.ends).map(|(calls, end)| Spent { calls: calls.unsigned_abs(), ended_at: *end });
    let waiters =
        row.processes.iter().zip(&row.since).zip(row.wants.iter().zip(&row.ask_by)).map(|((process_id, since), (wants, asks_again_by))| {
            Waiter { process_id: *process_id, since: *since, wants: wants.unsigned_abs(), asks_again_by: *asks_again_by }
        });
    let mut book = Book {
        now: row.now,
        limits: pace::in_force(row.now, &limits, budget.headroom, pace),
        paused_until: row.paused_until,
        entries: row.batches.iter().zip(spent).map(|(batch_id, spent)| Entry { batch_id: *batch_id, spent }).collect(),
        waiters: waiters.collect(),
    };
    if let Some((time, uptime)) = row.seen_at.zip(row.seen_uptime) {
        let before = Moment { time, uptime: seconds(uptime) };
        if let Some(jump) = book.follow_clock(before, Moment { time: row.now, uptime: asked }, blur) {
            follow_clock(conn, budget, jump).await?;
        }
    }
    let dead = dead(&row.batches, &row.machines, &row.pids, &row.ticks);
    let mut changes = Changes::default();
    book.bury(&dead, &mut changes);
    Ok(Loaded { book, pace, paused_why: row.paused_why.unwrap_or_default(), uptime: Some(asked).filter(|_| blur < SHARP), changes })
}

/// The database's clock jumped: the ledger's times jump with it.
async fn follow_clock(conn: &mut Conn<'_>, budget: &Budget, jump: TimeDelta) -> sqlx::Result<()> {
    let seconds = jump.as_seconds_f64();
    warn!(budget = budget.name, seconds, "the database's clock jumped: the ledger follows");
    sqlx::query!(
        "with waiters as (delete from hiersync_internal.budget_waiter where budget_id = $1),
              moved as (
                  update hiersync_internal.budget set paused_until = paused_until + make_interval(secs => $2),
                      paced_at = paced_at + make_interval(secs => $2)
                  where budget_id = $1
              )
         update hiersync_internal.budget_ledger
         set bought_at = bought_at + make_interval(secs => $2), ended_at = ended_at + make_interval(secs => $2)
         where budget_id = $1",
        budget.budget_id,
        seconds
    )
    .execute(conn)
    .await?;
    Ok(())
}

/// Writes a trade down and gives the batches that were bought.
pub async fn write(conn: &mut Conn<'_>, budget: &Budget, loaded: &Loaded, buys: u32) -> sqlx::Result<Vec<Bought>> {
    write_place(conn, budget, &loaded.changes).await?;
    let (book, changes) = (&loaded.book, &loaded.changes);
    if buys == 0 && changes.changed.is_empty() && changes.gone.is_empty() {
        return Ok(Vec::new());
    }
    let batches: Vec<i64> = changes.changed.iter().map(|entry| entry.batch_id).collect();
    let calls: Vec<i32> = changes.changed.iter().map(|entry| whole(entry.spent.calls)).collect();
    let ends: Vec<DateTime<Utc>> = changes.changed.iter().map(|entry| entry.spent.ended_at).collect();
    let rows = sqlx::query_file!(
        "src/store/sql/ledger_write.sql",
        budget.budget_id,
        &batches,
        &calls,
        &ends,
        &changes.gone,
        book.now - window::memory(&book.limits),
        budget.process_id,
        &in_batches(buys),
        book.now,
        book.now + budget.longest,
        process::boot(),
        loaded.uptime.map(|uptime| uptime.as_seconds_f64())
    )
    .fetch_all(conn)
    .await?;
    Ok(rows.into_iter().map(|row| Bought { batch_id: row.batch_id, calls: row.calls.unsigned_abs() }).collect())
}

/// A batch counts until the last of its calls has ended: many permits are several.
fn in_batches(calls: u32) -> Vec<i32> {
    (0..calls).step_by(BATCH as usize).map(|first| whole((calls - first).min(BATCH))).collect()
}

async fn write_place(conn: &mut Conn<'_>, budget: &Budget, changes: &Changes) -> sqlx::Result<()> {
    if let Some(place) = changes.waits {
        sqlx::query!(
            "insert into hiersync_internal.budget_waiter (budget_id, process_id, since, wants, asks_again_by) values ($1, $2, $3, $4, $5)
             on conflict (budget_id, process_id) do update set wants = excluded.wants, asks_again_by = excluded.asks_again_by",
            budget.budget_id,
            place.process_id,
            place.since,
            whole(place.wants),
            place.asks_again_by
        )
        .execute(conn)
        .await?;
    } else if changes.waits_no_more {
        sqlx::query!(
            "delete from hiersync_internal.budget_waiter
             where budget_id = $1 and (process_id = $2 or asks_again_by < clock_timestamp() - interval '1 minute')",
            budget.budget_id,
            budget.process_id
        )
        .execute(conn)
        .await?;
    }
    Ok(())
}

/// Keeps a limit that the vendor stated; one that is not lower than configured takes back an earlier one.
pub async fn learn(conn: &mut Conn<'_>, budget: &Budget, limit: Limit, is_news: bool) -> sqlx::Result<()> {
    let millis = i64::try_from(limit.window.as_millis()).unwrap_or(i64::MAX);
    sqlx::query!(
        "with taken_back as (
             delete from hiersync_internal.budget_limit where budget_id = $1 and window_ms = $2 and origin = 'learned' and not $4
         )
         insert into hiersync_internal.budget_limit (budget_id, origin, window_ms, calls) select $1, 'learned', $2, $3 where $4
         on conflict (budget_id, origin, window_ms) do update set calls = excluded.calls, stated_at = excluded.stated_at",
        budget.budget_id,
        millis,
        whole(limit.calls),
        is_news
    )
    .execute(conn)
    .await?;
    Ok(())
}

/// Batches of processes that are surely dead.
fn dead(batches: &[i64], machines: &[Option<String>], pids: &[Option<i32>], ticks: &[Option<i64>]) -> Vec<i64> {
    let owners = batches.iter().zip(machines).zip(pids.iter().zip(ticks));
    let dead = owners.filter_map(|((batch_id, machine), (pid, start_ticks))| {
        let owner = Identity { machine: machine.clone()?, pid: (*pid)?, start_ticks: (*start_ticks)? };
        owner.is_dead().then_some(*batch_id)
    });
    dead.collect()
}

fn seconds(seconds: f64) -> TimeDelta {
    Duration::try_from_secs_f64(seconds).ok().and_then(|span| TimeDelta::from_std(span).ok()).unwrap_or_default()
}

fn whole(calls: u32) -> i32 {
    i32::try_from(calls).unwrap_or(i32::MAX)
}
