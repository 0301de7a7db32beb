//! Serves one router on a free port of loopback until dropped. Knows no vendor.

use std::{
    io,
    net::SocketAddr,
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    task::{Context, Poll},
    time::Duration,
};

use axum::{
    Router,
    extract::connect_info::Connected,
    serve::{IncomingStream, Listener},
};
use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    net::{TcpListener, TcpStream},
    task::JoinHandle,
};
use tokio_util::sync::{CancellationToken, DropGuard};

/// How long a stop waits for answers under way.
const PATIENCE: Duration = Duration::from_secs(1);

/// A running server; dropping it ends it.
pub(super) struct Host {
    address: SocketAddr,
    task: JoinHandle<io::Result<()>>,
    closing: DropGuard,
}

impl Host {
    /// Binds and serves. Handlers must give up when `closing` is cancelled.
    pub(super) async fn start(address: SocketAddr, router: Router, closing: CancellationToken) -> io::Result<Self> {
        let listener = TcpListener::bind(address).await?;
        let address = listener.local_addr()?;
        let service = router.into_make_service_with_connect_info::<Line>();
        let serving = axum::serve(Port(listener), service).with_graceful_shutdown(closing.clone().cancelled_owned());
        #[expect(clippy::disallowed_methods, reason = "the simulated vendor is no part of the daemon's life: it ends with its handle")]
        let task = tokio::spawn(serving.into_future());
        Ok(Self { address, task, closing: closing.drop_guard() })
    }

    pub(super) fn address(&self) -> SocketAddr {
        self.address
    }

    /// Ends serving and waits until the port is free and the connections are closed, but not for one that drips.
    pub(super) async fn stop(self) {
        drop(self.closing);
        drop(tokio::time::timeout(PATIENCE, self.task).await);
    }
}

struct Port(TcpListener);

impl Listener for Port {
    type Io = Wire;
    type Addr = SocketAddr;

    async fn accept(&mut self) -> (Wire, SocketAddr) {
        let (stream, address) = Listener::accept(&mut self.0).await;
        // Else the kernel holds small answers back for 40 ms.
        stream.set_nodelay(true).unwrap_or_default();
        (Wire { stream, line: Line::default() }, address)
    }

    fn local_addr(&self) -> io::Result<SocketAddr> {
        self.0.local_addr()
    }
}

/// One connection, as its handlers see it: they may cut it.
#[derive(Debug, Clone, Default)]
pub(super) struct Line(Arc<AtomicBool>);

impl Line {
    /// Nothing more is sent on this connection.
    pub(super) fn cut(&self) {
        self.0.store(true, Ordering::Release);
    }

    fn check(&self) -> io::Result<()> {
        if self.0.load(Ordering::Acquire) { Err(io::ErrorKind::ConnectionReset.into()) } else { Ok(()) }
    }
}

impl Connected<IncomingStream<'_, Port>> for Line {
    fn connect_info(stream: IncomingStream<'_, Port>) -> Self {
        stream.io().line.clone()
    }
}

struct Wire {
    stream: TcpStream,
    line: Line,
}

impl AsyncRead for Wire {
    fn poll_read(mut self: Pin<&mut Self>, context: &mut Context<'_>, into: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(context, into)
    }
}

impl AsyncWrite for Wire {
    fn poll_write(mut self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        self.line.check()?;
        Pin::new(&mut self.stream).poll_write(context, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(context)
    }
}
