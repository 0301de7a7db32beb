//! Between the program and the tests' Postgres: a network that loses connections without a word, or is away, or a pooler that keeps account
//! of names.

#![expect(clippy::disallowed_methods, reason = "it ends with its test")]

use std::{
    str::FromStr,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::Duration,
};

use sqlx::postgres::PgConnectOptions;
use tokio::{
    io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt},
    net::{TcpListener, TcpStream, UnixStream},
    sync::watch,
};
use url::Url;

/// A way to the database.
pub struct Gate {
    /// Leads through it.
    pub url: String,
    is_open: watch::Sender<bool>,
    target: watch::Sender<PgConnectOptions>,
    way: Arc<Way>,
}

/// Connections are numbered; those below this number hear nothing more.
#[derive(Default)]
struct Way {
    made: AtomicU64,
    frozen_below: AtomicU64,
    commits: AtomicU64,
    /// Of so many commits one has no answer; 0: all have.
    lost_one_in: AtomicU64,
    renames: AtomicBool,
    /// What the server says is heard later by so many milliseconds.
    late_by: AtomicU64,
}

impl Way {
    fn is_frozen(&self, number: u64) -> bool {
        number < self.frozen_below.load(Ordering::SeqCst)
    }

    /// Gives statements other names than the client does.
    fn rename(&self, sent: &mut [u8]) {
        let (theirs, ours) = (b"sqlx_s_", b"pooled_");
        if self.renames.load(Ordering::SeqCst) {
            let places: Vec<usize> = sent.windows(theirs.len()).enumerate().filter(|(_, word)| word == theirs).map(|(at, _)| at).collect();
            places.into_iter().for_each(|at| sent[at..at + ours.len()].copy_from_slice(ours));
        }
    }

    /// Where what the client sends is a commit that is to have no answer: whether it happens.
    fn loses(&self, sent: &[u8]) -> Option<bool> {
        let one_in = self.lost_one_in.load(Ordering::SeqCst);
        if one_in == 0 || !sent.windows(6).any(|word| word == b"COMMIT") {
            return None;
        }
        let commits = self.commits.fetch_add(1, Ordering::SeqCst) + 1;
        commits.is_multiple_of(one_in).then(|| (commits / one_in).is_multiple_of(2))
    }
}

/// A server has executed a commit within this time.
const EXECUTED_WITHIN: Duration = Duration::from_millis(30);

impl Gate {
    /// Opens one in front of the database at this URL.
    pub async fn before(database: &str) -> Self {
        let options = PgConnectOptions::from_str(database).unwrap();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let mut url: Url = database.parse().unwrap();
        url.set_query(Some("sslmode=disable"));
        url.set_host(Some("127.0.0.1")).unwrap();
        url.set_username(options.get_username()).unwrap();
        url.set_port(Some(listener.local_addr().unwrap().port())).unwrap();
        let (is_open, opened) = watch::channel(true);
        let way = Arc::new(Way::default());
        let (target, led_to) = watch::channel(options);
        tokio::spawn(serve(listener, led_to, opened, Arc::clone(&way)));
        Self { url: url.into(), is_open, target, way }
    }

    /// Leads new connections to this database; those that there are stay where they are.
    pub fn lead_to(&self, database: &str) {
        self.target.send(database.parse().unwrap()).unwrap();
    }

    /// From now on the connections that there are hear nothing more, and nobody tells them. New ones work.
    pub fn freeze(&self) {
        self.way.frozen_below.store(self.way.made.load(Ordering::SeqCst), Ordering::SeqCst);
    }

    /// From now on one in so many commits has no answer, and its connection ends. Every other one of these happens.
    pub fn lose_commits(&self, one_in: u64) {
        self.way.lost_one_in.store(one_in, Ordering::SeqCst);
    }

    /// From now on it gives statements its own names, as a pooler does that keeps account of them.
    pub fn rename_statements(&self) {
        self.way.renames.store(true, Ordering::SeqCst);
    }

    /// From now on what the server says is heard this much later.
    pub fn delay_answers(&self, by: Duration) {
        self.way.late_by.store(u64::try_from(by.as_millis()).unwrap(), Ordering::SeqCst);
    }

    /// Commits so far, since they are lost.
    pub fn commits(&self) -> u64 {
        self.way.commits.load(Ordering::SeqCst)
    }

    /// Ends all connections and lets in no others.
    pub fn close(&self) {
        self.is_open.send(false).unwrap();
    }

    /// Lets connections in again.
    pub fn open(&self) {
        self.is_open.send(true).unwrap();
    }
}

async fn serve(listener: TcpListener, database: watch::Receiver<PgConnectOptions>, opened: watch::Receiver<bool>, way: Arc<Way>) {
    while let Ok((client, _)) = listener.accept().await {
        if *opened.borrow() {
            let number = way.made.fetch_add(1, Ordering::SeqCst);
            let (mut opened, way, database) = (opened.clone(), Arc::clone(&way), database.borrow().clone());
            tokio::spawn(async move {
                tokio::select! {
                    () = join(client, &database, number, &way) => {}
                    _ = opened.wait_for(|is_open| !is_open) => {}
                }
            });
        }
    }
}

async fn join(client: TcpStream, database: &PgConnectOptions, number: u64, way: &Way) {
    match database.get_socket() {
        Some(folder) => {
            if let Ok(server) = UnixStream::connect(folder.join(format!(".s.PGSQL.{}", database.get_port()))).await {
                pumps(client, server, number, way).await;
            }
        }
        None => {
            if let Ok(server) = TcpStream::connect((database.get_host(), database.get_port())).await {
                pumps(client, server, number, way).await;
            }
        }
    }
}

/// When one side ends, so does the other.
async fn pumps(client: TcpStream, server: impl AsyncRead + AsyncWrite, number: u64, way: &Way) {
    let ((from_client, to_client), (from_server, to_server)) = (client.into_split(), tokio::io::split(server));
    let is_lost = AtomicBool::new(false);
    let loses = |sent: &mut [u8]| {
        way.rename(sent);
        let lost = way.loses(sent);
        is_lost.fetch_or(lost.is_some(), Ordering::SeqCst);
        lost
    };
    let late_by = || Duration::from_millis(way.late_by.load(Ordering::SeqCst));
    tokio::select! {
        () = pump(from_client, to_server, || way.is_frozen(number), loses, || Duration::ZERO) => {}
        () = pump(from_server, to_client, || way.is_frozen(number) || is_lost.load(Ordering::SeqCst), |_| None, late_by) => {}
    }
}

async fn pump(
    mut from: impl AsyncRead + Unpin,
    mut to: impl AsyncWrite + Unpin,
    is_deaf: impl Fn() -> bool,
    loses: impl Fn(&mut [u8]) -> Option<bool>,
    late_by: impl Fn() -> Duration,
) {
    let mut bytes = vec![0; 64 * 1024];
    while let Ok(read @ 1..) = from.read(&mut bytes).await {
        if is_deaf() {
            std::future::pending::<()>().await;
        }
        let lost = loses(&mut bytes[..read]);
        tokio::time::sleep(late_by()).await;
        if lost == Some(false) || to.write_all(&bytes[..read]).await.is_err() {
            return;
        }
        if lost.is_some() {
            tokio::time::sleep(EXECUTED_WITHIN).await;
            return;
        }
    }
    if is_deaf() {
        std::future::pending::<()>().await;
    }
}
