//! Several daemons with one config share its sources evenly: each source is some daemon's to begin with, and the others wait a
//! moment longer. A lease decides all the same; who comes first is only a matter of sharing the work.

use std::{
    collections::{BTreeMap, HashMap, HashSet},
    sync::{Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use chrono::{DateTime, Utc};
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;
use tracing::{info, warn};
use xxhash_rust::xxh3::xxh3_64;

use crate::{
    app::App,
    store::{process, source},
};

/// How often a daemon says that it is there. The others believe it for as long as a lease lasts.
const SAID_EVERY: Duration = Duration::from_secs(3);

/// A daemon that stops has this much time to say so. The others notice by themselves soon after.
const LEAVES_WITHIN: Duration = Duration::from_secs(1);

/// Whoever is first for a source has this much time before the others try.
const HEAD_START: Duration = Duration::from_secs(2);

/// Runs that begin in a second at most, where many sources are due at once.
const STARTS_PER_SECOND: f64 = 100.0;

/// However many sources there are: none waits longer.
const LONGEST_SPREAD: Duration = Duration::from_secs(30);

/// Who takes part, and for which sources this daemon is first.
pub struct Turns {
    sources: Vec<String>,
    state: Mutex<State>,
    paused: watch::Sender<HashMap<String, DateTime<Utc>>>,
}

#[derive(Default)]
struct State {
    daemons: Vec<i64>,
    mine: HashSet<String>,
}

/// When this daemon may begin with a source.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Turn {
    /// After so long.
    pub wait: Duration,
    /// It is the one that begins.
    pub is_first: bool,
    /// There is no other daemon.
    pub is_alone: bool,
}

impl Turns {
    /// Of a daemon that is alone until it sees others.
    pub fn of(sources: Vec<String>) -> Self {
        Self { sources, state: Mutex::default(), paused: watch::Sender::default() }
    }

    /// When this daemon may begin with the source. What is due at once does not begin at once. `jitter` is from 0 to 1.
    pub fn of_source(&self, source: &str, jitter: f64) -> Turn {
        let state = self.state();
        let is_alone = state.daemons.len() < 2;
        let is_first = is_alone || state.mine.contains(source);
        let many = u32::try_from(self.sources.len().saturating_sub(1)).unwrap_or(u32::MAX);
        let spread = Duration::from_secs_f64(f64::from(many) / STARTS_PER_SECOND).min(LONGEST_SPREAD);
        let head_start = if is_first { Duration::ZERO } else { HEAD_START + spread };
        Turn { wait: head_start + spread.mul_f64(jitter), is_first, is_alone }
    }

    /// Sources whose schedules are stopped, and since when; kept up to date.
    pub fn paused(&self) -> watch::Receiver<HashMap<String, DateTime<Utc>>> {
        self.paused.subscribe()
    }

    /// Says that this daemon is there, and looks who else is, until the stop.
    pub async fn keep(&self, app: &App, stop: &CancellationToken) {
        let looks = async {
            loop {
                tokio::time::sleep(SAID_EVERY).await;
                self.look(app).await;
            }
        };
        tokio::select! {
            () = looks => {}
            () = stop.cancelled() => {}
        }
        let left = async {
            let own = app.process_id().await?;
            let mut step = app.begin().await?;
            process::leave(&mut step.conn(), own).await?;
            step.commit().await
        };
        // It is only a courtesy: a stop is not held up by a database that does not answer.
        match tokio::time::timeout(LEAVES_WITHIN, left).await {
            Ok(Ok(())) => {}
            Ok(Err(error)) => warn!(error = %error, "the other daemons could not be told that this one goes"),
            Err(_) => warn!("the other daemons could not be told in time that this one goes"),
        }
    }

    /// Says that this daemon is there, and looks who else is, and what is paused. Without the database all stays as it was.
    pub async fn look(&self, app: &App) {
        let looked = async {
            let own = app.process_id().await?;
            let mut step = app.begin().await?;
            let daemons = process::serve(&mut step.conn(), own).await?;
            let paused = source::paused(&mut step.conn()).await?;
            step.commit().await.map(|()| (own, daemons, paused))
        };
        match looked.await {
            Ok((own, daemons, paused)) => {
                self.share(own, daemons);
                let paused = paused.into_iter().collect();
                self.paused.send_if_modified(|known| std::mem::replace(known, paused) != *known);
            }
            Err(error) => warn!(error = %error, "the other daemons cannot be seen"),
        }
    }

    fn share(&self, own: i64, daemons: Vec<i64>) {
        let mut state = self.state();
        if state.daemons == daemons {
            return;
        }
        let mine = first_of_each(&self.sources, &daemons).into_iter().filter(|(_, first)| *first == own);
        state.mine = mine.map(|(source, _)| source.to_owned()).collect();
        if daemons.len() > 1 || !state.daemons.is_empty() {
            info!(daemons = daemons.len(), sources = state.mine.len(), "daemons share the sources: so many are this one's to begin with");
        }
        state.daemons = daemons;
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The daemon that is first for each source. All that see the same daemons come to the same: each source ranks the daemons in an order of
/// its own, and goes to the first that has room, so that few change hands when a daemon comes or goes.
fn first_of_each<'s>(sources: &'s [String], daemons: &[i64]) -> Vec<(&'s str, i64)> {
    let most = sources.len().div_ceil(daemons.len().max(1));
    let mut held: BTreeMap<i64, usize> = BTreeMap::new();
    let mut ordered: Vec<&String> = sources.iter().collect();
    ordered.sort();
    let mut first = Vec::new();
    for source in ordered {
        let mut ranked = daemons.to_vec();
        ranked.sort_by_key(|daemon| rank(source, *daemon));
        if let Some(daemon) = ranked.into_iter().find(|daemon| held.get(daemon).copied().unwrap_or_default() < most) {
            *held.entry(daemon).or_default() += 1;
            first.push((source.as_str(), daemon));
        }
    }
    first
}

fn rank(source: &str, daemon: i64) -> u64 {
    xxh3_64(format!("{daemon} {source}").as_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sources(many: usize) -> Vec<String> {
        (0..many).map(|number| format!("source-{number}")).collect()
    }

    fn shares(sources: &[String], daemons: &[i64]) -> Vec<usize> {
        let first = first_of_each(sources, daemons);
        assert_eq!(first.len(), sources.len(), "every source has a first");
        daemons.iter().map(|daemon| first.iter().filter(|(_, first)| first == daemon).count()).collect()
    }

    #[test]
    fn ten_daemons_share_two_hundred_sources_evenly_and_stay_even_as_they_come_and_go() {
        let sources = sources(200);
        let mut daemons: Vec<i64> = (100..110).collect();
        assert_eq!(shares(&sources, &daemons), [20; 10]);
        let before: BTreeMap<&str, i64> = first_of_each(&sources, &daemons).into_iter().collect();
        daemons.pop();
        let shared = shares(&sources, &daemons);
        assert!(shared.iter().all(|share| *share <= 23), "{shared:?}");
        let moved = first_of_each(&sources, &daemons).into_iter().filter(|(source, first)| before[source] != *first).count();
        assert!(moved <= 60, "{moved} of 200 have changed hands because one of ten has gone");
        daemons.push(500);
        daemons.push(501);
        assert!(shares(&sources, &daemons).iter().all(|share| *share <= 19));
    }

    #[test]
    fn who_is_alone_begins_at_once_and_with_many_others_not_all_at_once() {
        let few = Turns::of(sources(2));
        assert!(few.of_source("source-0", 1.0).wait <= Duration::from_millis(10));
        let many = Turns::of(sources(1000));
        let waits: Vec<Duration> = (0..1000).map(|number| many.of_source("source-0", f64::from(number) / 1000.0).wait).collect();
        let in_first = waits.iter().filter(|wait| **wait < Duration::from_secs(1)).count();
        assert!((90..=110).contains(&in_first), "{in_first} of 1,000 in the first second");
        assert!(waits.iter().all(|wait| *wait <= LONGEST_SPREAD));
    }

    #[test]
    fn who_is_not_first_waits_until_the_first_had_its_time() {
        let turns = Turns::of(sources(10));
        turns.share(1, vec![1, 2]);
        let (first, others): (Vec<&String>, Vec<&String>) = turns.sources.iter().partition(|source| turns.of_source(source, 0.0).is_first);
        assert_eq!((first.len(), others.len()), (5, 5));
        let latest = first.iter().map(|source| turns.of_source(source, 1.0).wait).max();
        let earliest = others.iter().map(|source| turns.of_source(source, 0.0).wait).min();
        assert!(latest.map(|latest| latest + HEAD_START) <= earliest, "{latest:?}, {earliest:?}");
        assert!(!turns.of_source("source-0", 0.0).is_alone);
        turns.share(1, vec![1]);
        assert!(turns.sources.iter().all(|source| turns.of_source(source, 0.0).is_alone));
    }
}
