//! Connections: accepted within a bound, served, and ended in order at shutdown.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::server::conn::auto;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio_rustls::TlsAcceptor;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::http::edge::{DataPlane, Edge};
use crate::http::patience::Patient;

/// After a failed `accept` (no file descriptor left), before the next.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// An HTTP/2 peer that is gone without a word is noticed by these.
const PING_INTERVAL: Duration = Duration::from_secs(30);
const PING_TIMEOUT: Duration = Duration::from_secs(20);

/// Bounds on connections.
#[derive(Debug, Clone, Copy)]
pub struct ConnectionLimits {
    /// At a time.
    pub max_connections: usize,
    /// Of the head of a request.
    pub max_header_bytes: usize,
    /// For a TLS handshake, and for the head of each request.
    pub header_read_timeout: Duration,
    /// For a client that takes nothing of its answer.
    pub write_timeout: Duration,
    /// For what is in flight when told to stop.
    pub shutdown_grace: Duration,
}

/// Runs what hyper spawns (the streams of HTTP/2) beside the connections, so that shutdown waits for it too.
#[derive(Clone)]
struct Tasks(TaskTracker);

impl<F> hyper::rt::Executor<F> for Tasks
where
    F: Future<Output: Send + 'static> + Send + 'static,
{
    fn execute(&self, task: F) {
        self.0.spawn(task);
    }
}

/// What every connection shares.
struct Connections<D> {
    edge: Arc<Edge<D>>,
    limits: ConnectionLimits,
    tls: Option<TlsAcceptor>,
    tracker: TaskTracker,
    /// End when the request in flight has its answer.
    stop: CancellationToken,
    /// End now.
    cut: CancellationToken,
}

/// Serves connections until `stop`, then ends them: idle ones at once, busy ones when their answers are out, all when
/// the grace is over.
pub async fn serve<D: DataPlane>(
    listener: TcpListener,
    edge: Arc<Edge<D>>,
    limits: ConnectionLimits,
    tls: Option<TlsAcceptor>,
    stop: CancellationToken,
) {
    let slots = Arc::new(Semaphore::new(limits.max_connections));
    let tracker = TaskTracker::new();
    let cut = CancellationToken::new();
    let connections = Arc::new(Connections {
        edge: Arc::clone(&edge),
        limits,
        tls,
        tracker: tracker.clone(),
        stop: stop.clone(),
        cut: cut.clone(),
    });
    loop {
        tokio::select! {
            biased;
            () = stop.cancelled() => break,
            (stream, peer, slot) = accept(&listener, &slots) => {
                let connections = Arc::clone(&connections);
                tracker.spawn(async move {
                    connections.serve(stream, peer).await;
                    drop(slot);
                });
            }
        }
    }
    drop(listener);
    tracker.close();
    if tokio::time::timeout(limits.shutdown_grace, tracker.wait()).await.is_err() {
        tracing::warn!(connections = tracker.len(), "the grace is over: connections are cut");
        edge.data_plane.cut();
        cut.cancel();
        tracker.wait().await;
    }
}

/// The next connection, once there is room for one.
async fn accept(
    listener: &TcpListener,
    slots: &Arc<Semaphore>,
) -> (TcpStream, SocketAddr, Option<OwnedSemaphorePermit>) {
    // The semaphore is never closed.
    let slot = Arc::clone(slots).acquire_owned().await.ok();
    loop {
        match listener.accept().await {
            Ok((stream, peer)) => return (stream, peer, slot),
            Err(error) => {
                tracing::warn!(%error, "a connection was not accepted");
                tokio::time::sleep(ACCEPT_PAUSE).await;
            }
        }
    }
}

impl<D: DataPlane> Connections<D> {
    async fn serve(&self, stream: TcpStream, peer: SocketAddr) {
        if let Err(error) = stream.set_nodelay(true) {
            tracing::debug!(%error, %peer, "TCP_NODELAY was not set");
        }
        let Some(tls) = &self.tls else { return self.speak(stream, peer).await };
        let handshake = tokio::time::timeout(self.limits.header_read_timeout, tls.accept(stream));
        tokio::select! {
            () = self.stop.cancelled() => {}
            shaken = handshake => match shaken {
                Ok(Ok(stream)) => Box::pin(self.speak(stream, peer)).await,
                Ok(Err(error)) => tracing::debug!(%error, %peer, "TLS handshake failed"),
                Err(_) => tracing::debug!(%peer, "TLS handshake took too long"),
            },
        }
    }

    async fn speak<S: AsyncRead + AsyncWrite + Unpin + Send + 'static>(&self, stream: S, peer: SocketAddr) {
        let spoken = Arc::new(AtomicBool::new(false));
        let service = service_fn(|request| {
            spoken.store(true, Ordering::Relaxed);
            let edge = Arc::clone(&self.edge);
            async move { Ok::<_, Infallible>(edge.serve(peer.ip(), request).await) }
        });
        let builder = self.builder();
        let stream = Patient::new(stream, self.limits.write_timeout);
        let mut connection = pin!(builder.serve_connection(TokioIo::new(stream), service));
        // Until the protocol is known, hyper's own timeout for heads does not run.
        let mut silence = pin!(tokio::time::sleep(self.limits.header_read_timeout));
        let (mut stopping, mut silent) = (false, true);
        loop {
            tokio::select! {
                served = connection.as_mut() => {
                    if let Err(error) = served {
                        tracing::debug!(%error, %peer, "connection ended");
                    }
                    return;
                }
                () = self.stop.cancelled(), if !stopping => {
                    stopping = true;
                    connection.as_mut().graceful_shutdown();
                }
                () = self.cut.cancelled() => return,
                () = silence.as_mut(), if silent => {
                    silent = false;
                    if !spoken.load(Ordering::Relaxed) {
                        return;
                    }
                }
            }
        }
    }

    fn builder(&self) -> auto::Builder<Tasks> {
        let mut builder = auto::Builder::new(Tasks(self.tracker.clone()));
        builder
            .http1()
            .timer(TokioTimer::new())
            .header_read_timeout(self.limits.header_read_timeout)
            .max_buf_size(self.limits.max_header_bytes);
        builder
            .http2()
            .timer(TokioTimer::new())
            .max_header_list_size(u32::try_from(self.limits.max_header_bytes).unwrap_or(u32::MAX))
            .keep_alive_interval(PING_INTERVAL)
            .keep_alive_timeout(PING_TIMEOUT);
        builder
    }
}
