//! What was used up to now: time of cores by the program and by the server (proc(5)), WAL, and writes of rows.

use std::{
    fs::{self, DirEntry},
    ops::Sub,
    time::Duration,
};

use nix::sys::{
    resource::{UsageWho, getrusage},
    time::TimeValLike,
};

use super::server::Server;

/// Linux counts in these.
const TICKS_PER_SECOND: f64 = 100.0;

/// Seconds, bytes and rows.
#[derive(Clone, Copy)]
pub struct Used {
    pub client: f64,
    pub server: f64,
    pub wal: f64,
    pub writes: f64,
}

impl Sub for Used {
    type Output = Self;

    fn sub(self, before: Self) -> Self {
        Self {
            client: self.client - before.client,
            server: self.server - before.server,
            wal: self.wal - before.wal,
            writes: self.writes - before.writes,
        }
    }
}

/// `who`: the client, this process or its children that have ended.
pub async fn up_to_now(server: &Server, who: UsageWho) -> Used {
    server.until_alone().await;
    let (wal, writes): (f64, f64) = sqlx::query_as(
        "select (pg_current_wal_insert_lsn() - '0/0')::float8, coalesce(sum(n_tup_ins + n_tup_upd + n_tup_del), 0)::float8
         from pg_stat_user_tables",
    )
    .fetch_one(&server.pool)
    .await
    .unwrap();
    let usage = getrusage(who).unwrap();
    let micros = (usage.user_time() + usage.system_time()).num_microseconds();
    let client = Duration::from_micros(micros.try_into().unwrap()).as_secs_f64();
    let postmaster = server.pid().to_string();
    let all = fs::read_dir("/proc").unwrap().flatten();
    Used { client, server: all.filter_map(|process| seconds_of(&process, &postmaster)).sum(), wal, writes }
}

/// User and system time of a process of this server: fields 14 and 15, and for the postmaster 16 and 17, of those that have ended.
fn seconds_of(process: &DirEntry, postmaster: &str) -> Option<f64> {
    let stat = fs::read_to_string(process.path().join("stat")).ok()?;
    // The name of the program stands in brackets and may hold anything; field 3 comes after it, field 4 is the parent.
    let fields: Vec<&str> = stat.rsplit_once(')')?.1.split_whitespace().collect();
    let last = if process.file_name() == postmaster {
        17
    } else if fields[1] == postmaster {
        15
    } else {
        return None;
    };
    Some((14..=last).map(|field| fields[field - 3].parse::<f64>().unwrap()).sum::<f64>() / TICKS_PER_SECOND)
}
