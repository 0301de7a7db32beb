//! The daemon's runs: one at a time per source, a trigger that comes meanwhile is kept once, a walk that the budget
//! interrupted goes on when the budget allows.

mod after;
mod doing;
mod one;
mod past;
mod turns;
mod watch;

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, Instant},
};

use tokio::sync::{Notify, mpsc};
use tokio_util::sync::CancellationToken;
use tracing::info;

use self::{doing::Doing, one::One, turns::Turns};
use crate::{
    app::App,
    clock,
    config::Source,
    lifecycle::Crew,
    model::run::{Live, Trigger},
};

/// Why a run is asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Why {
    /// A firing, that was due so long ago.
    Firing(Duration),
    /// An earlier run was cut short, as the start of this daemon has found at this time.
    CutShort(Instant),
    /// Somebody else's run was orphaned.
    Orphaned,
    /// This daemon's own run goes on.
    Again,
    /// A person wants it now.
    Person,
    /// A person wants nodes to be read that stand in the store.
    Refresh,
}

impl Why {
    /// A person asked, whatever the schedule says.
    fn is_personal(self) -> bool {
        matches!(self, Self::Person | Self::Refresh)
    }
}

/// A run that is asked for.
#[derive(Debug, Clone, Copy)]
struct Asked {
    trigger: Trigger,
    at: Instant,
    why: Why,
}

/// Where runs of one source are asked for. A person's wish and the schedule's do not take each other's place.
#[derive(Clone)]
struct Door {
    schedule: mpsc::Sender<Asked>,
    person: Arc<Notify>,
    refresh: Arc<Notify>,
}

/// The same from inside.
struct Calls {
    triggers: mpsc::Receiver<Asked>,
    person: Arc<Notify>,
    refresh: Arc<Notify>,
}

/// Takes triggers for all sources.
#[derive(Clone)]
pub struct Runner {
    doors: HashMap<String, Door>,
    doing: Arc<Mutex<HashMap<String, Doing>>>,
}

impl Runner {
    /// A runner with a task for each source.
    pub async fn start(app: &Arc<App>, sources: &[Source], stop: &CancellationToken, crew: &mut Crew) -> Self {
        let mut runner = Self { doors: HashMap::new(), doing: Arc::default() };
        let turns = Arc::new(Turns::of(sources.iter().map(|source| source.name.clone()).collect()));
        // Before anything is triggered, so that a daemon that joins others knows of them.
        turns.look(app).await;
        for source in sources {
            // One place: a trigger that comes while another waits says as much.
            let (schedule, triggers) = mpsc::channel(1);
            let door = Door { schedule, person: Arc::default(), refresh: Arc::default() };
            let calls = Calls { triggers, person: Arc::clone(&door.person), refresh: Arc::clone(&door.refresh) };
            runner.doors.insert(source.name.clone(), door);
            let one = One {
                app: Arc::clone(app),
                source: source.clone(),
                stop: stop.clone(),
                doing: Arc::clone(&runner.doing),
                turns: Arc::clone(&turns),
            };
            crew.spawn(one.serve(calls));
        }
        let (app, stop) = (Arc::clone(app), stop.clone());
        crew.spawn(async move { turns.keep(&app, &stop).await });
        runner
    }

    /// Asks for a run; coalesced with one that is asked for already.
    pub fn trigger(&self, source: &str, trigger: Trigger, why: Why) {
        let Some(door) = self.doors.get(source) else { return };
        match why {
            Why::Person => return door.person.notify_one(),
            Why::Refresh => return door.refresh.notify_one(),
            _ => {}
        }
        if door.schedule.try_send(Asked { trigger, at: clock::instant(), why }).is_err() {
            info!(source, "a run is already asked for: coalesced");
        }
    }

    /// One line of what everybody does.
    pub fn status(&self) -> String {
        let doing = self.doing.lock().unwrap_or_else(PoisonError::into_inner);
        let mut lines: Vec<String> = doing.iter().map(|(source, doing)| format!("{source}: {}", doing.told())).collect();
        lines.sort();
        if lines.is_empty() { "idle".into() } else { lines.join("; ") }
    }

    /// What it does for each source at this moment.
    pub fn live(&self) -> Vec<Live> {
        let doing = self.doing.lock().unwrap_or_else(PoisonError::into_inner);
        let mut all: Vec<Live> = doing.iter().map(|(source, doing)| doing.live(source)).collect();
        all.sort_by(|a, b| a.source.cmp(&b.source));
        all
    }
}
