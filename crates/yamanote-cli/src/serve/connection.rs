//! One connection, from its first request to its last.
#![forbid(unsafe_code)]

use super::body::Body;
use super::connections::{Entry, Member};
use super::service::respond;
use super::shared::Shared;
use hyper::body::Incoming;
use hyper::header::{CONNECTION, HeaderValue};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Request, Response};
use hyper_util::rt::{TokioIo, TokioTimer};
use rustix::net::sockopt::set_tcp_user_timeout;
use std::convert::Infallible;
use std::error::Error;
use std::net::SocketAddr;
use std::pin::pin;
use std::sync::Arc;
use std::time::{Instant, SystemTime};
use yamanote::net::TcpStream;
use yamanote::sync::watch;

/// Serves `stream` until its client has had enough, is too slow or has to make room for another
/// one, or the server `stops`.
pub async fn serve(
    stream: TcpStream,
    peer: SocketAddr,
    entry: Entry,
    shared: Arc<Shared>,
    mut stops: watch::Receiver<bool>,
) {
    // Small responses should not wait for the acknowledgement of the one before.
    let _ = stream.set_nodelay(true);
    // The kernel disconnects a client that takes nothing of an answer for this long. A write that
    // makes no progress would tell less: it can go on only when a third of the socket's buffer, a
    // megabyte and more, was taken, and a slow reader needs that long.
    let limit_ms = i32::try_from(shared.timeout.as_millis()).unwrap_or(i32::MAX);
    let _ = set_tcp_user_timeout(&stream, limit_ms.max(1) as u32);
    let stream = TokioIo::new(stream);
    let member = &entry.member;
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        // This limits the wait for the next request too.
        .header_read_timeout(shared.timeout)
        // A client that has closed its sending half may still wait for the answer.
        .half_close(true)
        .serve_connection(
            stream,
            service_fn(|request| answer(request, peer, member, &shared)),
        );
    let mut connection = pin!(connection);
    let result = yamanote::select! {
        // Requests that have arrived come first.
        biased;
        result = connection.as_mut() => result,
        () = last_call(&mut stops, member) => {
            // Half a request is owed no answer, and might take long to become a whole one.
            if member.is_new() {
                return;
            }
            connection.as_mut().graceful_shutdown();
            connection.await
        }
    };
    // Other errors (reset, time-out, bad request) are the client's affair.
    if let Some(error) = result.err().filter(hyper::Error::is_user) {
        let source = error
            .source()
            .map_or_else(|| error.to_string(), ToString::to_string);
        shared.log.complain(&format!(
            "an answer to {} was broken off: {source}",
            peer.ip()
        ));
    }
}

/// Completes when the answer under way, if there is one, has to be the last.
async fn last_call(stops: &mut watch::Receiver<bool>, member: &Member) {
    yamanote::select! {
        _ = stops.wait_for(|stops| *stops) => {}
        () = member.sent_away() => {}
    }
}

async fn answer(
    request: Request<Incoming>,
    peer: SocketAddr,
    member: &Arc<Member>,
    shared: &Arc<Shared>,
) -> Result<Response<Body>, Infallible> {
    let started = Instant::now();
    member.answers(&request);
    let mut response = respond(shared, &request).await;
    if shared.connections.wants_this_place() {
        let close = HeaderValue::from_static("close");
        response.headers_mut().insert(CONNECTION, close);
    }
    let (member, log) = (Arc::clone(member), shared.log.clone());
    let (head, _) = request.into_parts();
    let status = response.status().as_u16();
    Ok(response.map(|body| {
        body.when_done(Box::new(move |bytes| {
            member.waits();
            log.request(|| {
                format!(
                    "{} [{}] \"{} {} {:?}\" {status} {bytes} {:.3}ms",
                    peer.ip(),
                    httpdate::fmt_http_date(SystemTime::now()),
                    head.method,
                    head.uri,
                    head.version,
                    started.elapsed().as_secs_f64() * 1e3,
                )
            });
        }))
    }))
}
