//! One simulated vendor at work: counts a call at the door, looks for a fault, lets the vendor answer. Knows no vendor.

use std::{
    io,
    net::{Ipv4Addr, SocketAddr},
    sync::{Arc, Mutex, MutexGuard},
};

use axum::{
    Router,
    extract::{ConnectInfo, State},
    response::Response,
};
use tokio_util::sync::CancellationToken;

use super::{
    answer::{Answer, Manner},
    door::{Door, Refusal},
    faults::Faults,
    host::{Host, Line},
    lock::open,
    request::Request,
};
/// How one vendor answers.
pub trait Play: Sized + 'static {
    /// Its data.
    type World: Send + 'static;
    /// Its switches.
    type Settings: Send + 'static;
    /// What it remembers between calls beside its data.
    type Memory: Default + Send + 'static;

    /// Which endpoint is meant, for the door's log.
    fn kind(settings: &Self::Settings, request: &Request) -> &'static str;
    /// Whose list is asked for, by id.
    fn subject(world: &Self::World, settings: &Self::Settings, request: &Request) -> Option<String>;
    /// The refusal of a call beyond a limit.
    fn refuse(settings: &Self::Settings, refusal: Refusal) -> Answer;
    /// The true answer.
    fn answer(world: &mut Self::World, settings: &Self::Settings, memory: &mut Self::Memory, request: &Request) -> Answer;
}

/// A vendor on loopback; it ends when this is dropped. Guards of its world,
/// settings and memory must not be held across an `await`, nor two of one kind in one expression: `let world = …` first.
pub struct Simulation<P: Play> {
    stage: Arc<Stage<P>>,
    host: Host,
}

type Hook<W> = Box<dyn FnMut(&mut W) + Send>;

struct Stage<P: Play> {
    world: Mutex<P::World>,
    settings: Mutex<P::Settings>,
    memory: Mutex<P::Memory>,
    door: Door,
    faults: Faults,
    before_each: Mutex<Option<Hook<P::World>>>,
    closing: CancellationToken,
}

impl<P: Play> Simulation<P> {
    /// Serves this world on a free port.
    pub async fn start(world: P::World, settings: P::Settings) -> io::Result<Self> {
        Self::start_at(SocketAddr::from((Ipv4Addr::LOCALHOST, 0)), world, settings).await
    }

    /// Serves this world at an address, such as that of an earlier simulation.
    pub async fn start_at(address: SocketAddr, world: P::World, settings: P::Settings) -> io::Result<Self> {
        let closing = CancellationToken::new();
        let stage = Arc::new(Stage::<P> {
            world: Mutex::new(world),
            settings: Mutex::new(settings),
            memory: Mutex::default(),
            door: Door::new(),
            faults: Faults::default(),
            before_each: Mutex::new(None),
            closing: closing.clone(),
        });
        let router = Router::new().fallback(serve::<P>).with_state(Arc::clone(&stage));
        let host = Host::start(address, router, closing).await?;
        Ok(Self { stage, host })
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.host.address()
    }

    /// `http://127.0.0.1:port`, without a slash at the end and without any path prefix of the settings.
    pub fn base_url(&self) -> String {
        format!("http://{}", self.address())
    }

    /// Its data, to be read and changed while it serves.
    pub fn world(&self) -> MutexGuard<'_, P::World> {
        open(&self.stage.world)
    }

    /// Its switches, to be turned while it serves.
    pub fn settings(&self) -> MutexGuard<'_, P::Settings> {
        open(&self.stage.settings)
    }

    /// What it remembers between calls.
    pub fn memory(&self) -> MutexGuard<'_, P::Memory> {
        open(&self.stage.memory)
    }

    /// Limits, latency and the log of calls.
    pub fn door(&self) -> &Door {
        &self.stage.door
    }

    /// The faults to come.
    pub fn faults(&self) -> &Faults {
        &self.stage.faults
    }

    /// From now on `change` runs before each true answer, so that the world moves between any two requests.
    pub fn before_each(&self, change: impl FnMut(&mut P::World) + Send + 'static) {
        *open(&self.stage.before_each) = Some(Box::new(change));
    }

    /// The same, once: right before the true answer of this number, counted from 0 at the next one.
    pub fn before_request(&self, request: usize, change: impl FnOnce(&mut P::World) + Send + 'static) {
        let (mut so_far, mut change) = (0, Some(change));
        self.before_each(move |world| {
            if so_far == request
                && let Some(change) = change.take()
            {
                change(world);
            }
            so_far += 1;
        });
    }

    /// The world is at rest again.
    pub fn rest(&self) {
        *open(&self.stage.before_each) = None;
    }

    /// Ends serving; afterwards the port refuses connections.
    pub async fn stop(self) {
        self.host.stop().await;
    }
}

async fn serve<P: Play>(
    State(stage): State<Arc<Stage<P>>>,
    ConnectInfo(line): ConnectInfo<Line>,
    request: axum::extract::Request,
) -> Response {
    let answer = match Request::read(request).await {
        Ok(request) => stage.answer(&request),
        Err(_) => Answer::empty(400),
    };
    let closed = stage.closing.cancelled();
    tokio::select! {
        response = answer.send(&line) => response,
        () = closed => Answer { manner: Manner::HangUp, ..Answer::empty(503) }.send(&line).await,
    }
}

impl<P: Play> Stage<P> {
    fn answer(&self, request: &Request) -> Answer {
        let kind = P::kind(&open(&self.settings), request);
        let entry = self.door.arrive(kind);
        let answer = match entry.admitted {
            Err(refusal) => P::refuse(&open(&self.settings), refusal),
            Ok(()) => self.perform(kind, request),
        };
        if answer.throttles {
            self.door.mark_refused(&entry);
        }
        Answer { pause: answer.pause + entry.delay, ..answer }
    }

    fn perform(&self, kind: &str, request: &Request) -> Answer {
        // Always in this order: a test that holds one lock must not take another.
        let settings = open(&self.settings);
        let mut world = open(&self.world);
        let subject = P::subject(&world, &settings, request);
        let mishap = self.faults.strike(kind, subject.as_deref());
        let mut truly = || {
            if let Some(change) = open(&self.before_each).as_mut() {
                change(&mut world);
            }
            P::answer(&mut world, &settings, &mut open(&self.memory), request)
        };
        match mishap {
            None => truly(),
            Some(mishap) => mishap.spoil(truly),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::simulator::{
        ask::{ask, try_ask, unpacked},
        door::Latency,
        mishap::Mishap,
    };

    /// Answers with how often it was changed.
    struct Echo;

    impl Play for Echo {
        type World = usize;
        type Settings = ();
        type Memory = ();

        fn kind((): &(), _: &Request) -> &'static str {
            "echo"
        }

        fn subject(_: &usize, (): &(), request: &Request) -> Option<String> {
            request.param("parent").map(str::to_owned)
        }

        fn refuse((): &(), _: Refusal) -> Answer {
            Answer::empty(429).throttling()
        }

        fn answer(world: &mut usize, (): &(), (): &mut (), _: &Request) -> Answer {
            Answer::json(200, &format!("changed {world} times"))
        }
    }

    async fn start() -> Simulation<Echo> {
        Simulation::start(0, ()).await.unwrap()
    }

    #[tokio::test]
    async fn the_world_moves_between_any_two_requests() {
        let sim = start().await;
        sim.before_each(|world| *world += 1);
        assert_eq!(ask("GET", &sim.base_url(), &[], "").await.text(), "\"changed 1 times\"");
        sim.rest();
        assert_eq!(ask("GET", &sim.base_url(), &[], "").await.text(), "\"changed 1 times\"");
    }

    #[tokio::test]
    async fn mishaps_reach_the_client_as_they_are_named() {
        let sim = start().await;
        let url = sim.base_url();
        let patience = Duration::from_millis(300);
        for broken in [Mishap::Cut, Mishap::HangUp, Mishap::Hang] {
            sim.faults().next(1, broken.clone());
            assert!(try_ask("GET", &url, &[], "", patience).await.is_err(), "{broken:?}");
        }
        sim.faults().on_parent(7, 1, Answer::html(200));
        assert_eq!(ask("GET", &url, &[], "").await.status, 200);
        assert!(ask("GET", &format!("{url}?parent=7"), &[], "").await.text().starts_with("<!DOCTYPE html>"));
        for whole in
            [Mishap::Trickle { bytes: 5, pause: Duration::from_millis(1) }, Mishap::Gzipped, Mishap::Late(Duration::from_millis(1))]
        {
            sim.faults().next(1, whole);
            assert_eq!(ask("GET", &url, &[], "").await.text(), "\"changed 0 times\"");
        }
        sim.faults().next(1, Answer::empty(429).throttling());
        assert_eq!(ask("GET", &url, &[], "").await.status, 429);
        assert_eq!((sim.door().calls(), sim.door().refused(), sim.faults().struck()), (9, 1, 8));
    }

    #[tokio::test]
    async fn a_cut_answer_has_begun_under_its_full_length() {
        let sim = start().await;
        sim.faults().next(1, Mishap::Cut);
        let mut response = reqwest::get(sim.base_url()).await.unwrap();
        assert_eq!((response.status().as_u16(), response.content_length()), (200, Some(17)));
        assert_eq!(response.chunk().await.unwrap().unwrap().len(), 8);
        assert!(response.chunk().await.is_err());
    }

    #[tokio::test]
    async fn a_bomb_is_small_until_it_is_unpacked() {
        let sim = start().await;
        let bomb = Answer::gzip_bomb(10 << 20);
        assert!(bomb.body.len() < 100_000);
        sim.faults().next(1, bomb);
        let body = reqwest::get(sim.base_url()).await.unwrap().bytes().await.unwrap();
        let bytes = unpacked(&body).len();
        assert!(bytes > 10_000_000, "{bytes}");
    }

    #[tokio::test]
    async fn a_stopped_vendor_refuses_connections_even_with_a_call_under_way() {
        let sim = start().await;
        let (address, url) = (sim.address(), sim.base_url());
        sim.faults().next(1, Mishap::Hang);
        sim.door().set_latency(Latency::Between(Duration::from_millis(1), Duration::from_millis(2)));
        let (hanging, ()) = tokio::join!(try_ask("GET", &url, &[], "", Duration::from_secs(9)), async {
            while sim.door().calls() == 0 {
                tokio::task::yield_now().await;
            }
            sim.stop().await;
        });
        assert!(hanging.is_err() && try_ask("GET", &url, &[], "", Duration::from_secs(9)).await.is_err());
        let again = Simulation::<Echo>::start_at(address, 0, ()).await.unwrap();
        assert_eq!(ask("GET", &again.base_url(), &[], "").await.status, 200);
    }
}
