//! Connections: one task each, all told when the server stops.
#![forbid(unsafe_code)]

use super::log::AccessLog;
use super::root::Root;
use super::rt::{HyperIo, HyperTimer};
use super::service::respond;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Request, Response};
use std::collections::HashMap;
use std::convert::Infallible;
use std::future::poll_fn;
use std::net::SocketAddr;
use std::pin::pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};
use std::time::{Instant, SystemTime};
use yamanote::net::TcpStream;

/// The running connections.
#[derive(Clone, Default)]
pub struct Connections(Arc<Mutex<State>>);

#[derive(Default)]
struct State {
    is_closing: bool,
    next_id: u64,
    /// The task of each connection, to tell it of the end.
    running: HashMap<u64, Option<Waker>>,
    /// Who waits for the last of them.
    closer: Option<Waker>,
}

impl Connections {
    /// Serves one connection in a task of its own.
    pub fn spawn(&self, stream: TcpStream, peer: SocketAddr, root: Arc<Root>, log: Arc<AccessLog>) {
        let member = self.join();
        yamanote::spawn(async move {
            // Small responses should not wait for the acknowledgement of the one before.
            let _ = stream.set_nodelay(true);
            let service = service_fn(move |request: Request<Incoming>| {
                let (root, log) = (Arc::clone(&root), Arc::clone(&log));
                async move {
                    let started = Instant::now();
                    let response = respond(&root, &request).await;
                    Ok::<_, Infallible>(logged(response, &request, peer, started, log))
                }
            });
            // The default limit on reading a request's head is 30 s; it needs the timer.
            let connection = http1::Builder::new()
                .timer(HyperTimer)
                .serve_connection(HyperIo::new(stream), service);
            let mut connection = pin!(connection);
            let mut told = false;
            poll_fn(|cx| {
                if !told && member.is_closing(cx) {
                    told = true;
                    connection.as_mut().graceful_shutdown();
                }
                // A connection's errors (reset, time-out, bad request) are the client's affair.
                connection.as_mut().poll(cx).map(drop)
            })
            .await;
        });
    }

    /// Tells every connection to end after its present request, and waits until they have.
    pub async fn close(&self) {
        let wakers: Vec<Waker> = {
            let mut state = self.lock();
            state.is_closing = true;
            state
                .running
                .values_mut()
                .filter_map(Option::take)
                .collect()
        };
        for waker in wakers {
            waker.wake();
        }
        poll_fn(|cx| {
            let mut state = self.lock();
            if state.running.is_empty() {
                return Poll::Ready(());
            }
            state.closer = Some(cx.waker().clone());
            Poll::Pending
        })
        .await;
    }

    fn join(&self) -> Member {
        let mut state = self.lock();
        let id = state.next_id;
        state.next_id += 1;
        state.running.insert(id, None);
        Member {
            connections: self.clone(),
            id,
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// One connection's place in the list; it leaves when dropped.
struct Member {
    connections: Connections,
    id: u64,
}

impl Member {
    /// Whether the server stops; if not, the task is woken when it does.
    fn is_closing(&self, cx: &mut Context<'_>) -> bool {
        let mut state = self.connections.lock();
        if state.is_closing {
            return true;
        }
        state.running.insert(self.id, Some(cx.waker().clone()));
        false
    }
}

impl Drop for Member {
    fn drop(&mut self) {
        let mut state = self.connections.lock();
        state.running.remove(&self.id);
        let closer = match state.running.is_empty() {
            true => state.closer.take(),
            false => None,
        };
        drop(state);
        if let Some(closer) = closer {
            closer.wake();
        }
    }
}

/// Adds to `response` that its end is logged.
fn logged(
    response: Response<super::body::Body>,
    request: &Request<Incoming>,
    peer: SocketAddr,
    started: Instant,
    log: Arc<AccessLog>,
) -> Response<super::body::Body> {
    let line = format!(
        "\"{} {} {:?}\"",
        request.method(),
        request.uri(),
        request.version()
    );
    let status = response.status().as_u16();
    response.map(|body| {
        body.when_done(Box::new(move |bytes| {
            log.request(|| {
                format!(
                    "{} [{}] {line} {status} {bytes} {:.3}ms",
                    peer.ip(),
                    httpdate::fmt_http_date(SystemTime::now()),
                    started.elapsed().as_secs_f64() * 1e3,
                )
            });
        }))
    })
}
