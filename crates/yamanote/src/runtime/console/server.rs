//! The thread that answers at the console, and who may ask.
//!
//! One request, one answer, one connection, one after the other. Whoever asks has a second for the
//! whole exchange, so that nobody keeps others waiting for long.
#![forbid(unsafe_code)]

use super::address::remove_if_dead;
use crate::sys::net::peer_credentials;
use crate::sys::user;
use crate::util::json;
use crate::util::poison::unpoisoned;
use socket2::{Domain, SockAddr, SockRef, Socket, Type};
use std::io::{self, Read, Write};
use std::net::Shutdown;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};
use std::{fs, thread};

/// For one exchange.
const PATIENCE: Duration = Duration::from_secs(1);

/// Until the next attempt when there is no descriptor for a connection.
const REST: Duration = Duration::from_millis(100);

/// How long after a request the next one is expected.
const ATTENTION: Duration = Duration::from_secs(5);

/// From one look to the next while requests are expected.
const LOOK_EVERY: Duration = Duration::from_millis(10);

/// Requests are words.
const LONGEST_REQUEST: usize = 64;

/// Connections that wait.
const BACKLOG: i32 = 16;

pub(super) struct Server {
    listener: UnixListener,
    path: PathBuf,
    /// Device and inode of the socket, which may have been replaced when it is to be removed.
    file: (u64, u64),
    is_closed: AtomicBool,
    /// What the thread reads or writes now, for `close` to end.
    open: Mutex<Option<Arc<UnixStream>>>,
}

impl Server {
    /// Makes the socket. Nobody can connect before it has its mode.
    pub(super) fn listen(path: PathBuf) -> io::Result<Server> {
        remove_if_dead(&path)?;
        let socket = Socket::new(Domain::UNIX, Type::STREAM, None)?;
        socket.bind(&SockAddr::unix(&path)?)?;
        let ready = fs::set_permissions(&path, fs::Permissions::from_mode(0o600))
            .and_then(|()| socket.listen(BACKLOG))
            .and_then(|()| fs::symlink_metadata(&path));
        match ready {
            Ok(file) => Ok(Server {
                listener: OwnedFd::from(socket).into(),
                path,
                file: (file.dev(), file.ino()),
                is_closed: AtomicBool::new(false),
                open: Mutex::new(None),
            }),
            Err(error) => {
                let _ = fs::remove_file(&path);
                Err(error)
            }
        }
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// Answers until [`close`](Self::close). Calls `look` now and then while somebody asks.
    pub(super) fn run(&self, mut snapshot: impl FnMut() -> String, mut look: impl FnMut()) {
        // Until then somebody may ask again.
        let mut attentive: Option<Instant> = None;
        while !self.is_closed() {
            match self.listener.accept() {
                Ok((stream, _)) => {
                    // Whoever asks learns of a failure by the end of its connection.
                    let _ = self.serve(stream, &mut snapshot);
                    attentive = Some(Instant::now() + ATTENTION);
                    self.accept_for(Some(LOOK_EVERY));
                }
                Err(_) if self.is_closed() => return,
                // The time is over in which it waited for a connection.
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    look();
                    if attentive.is_none_or(|until| Instant::now() > until) {
                        self.accept_for(None);
                    }
                }
                Err(_) => thread::sleep(REST),
            }
        }
    }

    /// For how long `accept` waits; `None`: until there is a connection.
    fn accept_for(&self, time: Option<Duration>) {
        // Where it cannot be set, there are fewer looks, or needless ones.
        let _ = SockRef::from(&self.listener).set_read_timeout(time);
    }

    /// Removes the socket and lets the thread end soon.
    pub(super) fn close(&self) {
        // Relaxed: the lock below orders it for whoever has just taken a connection, and the end of
        // `accept` for whoever waits for one.
        self.is_closed.store(true, Relaxed);
        let is_ours = fs::symlink_metadata(&self.path)
            .is_ok_and(|found| (found.dev(), found.ino()) == self.file);
        if is_ours {
            let _ = fs::remove_file(&self.path);
        }
        // Of a listening socket it ends `accept`.
        let _ = SockRef::from(&self.listener).shutdown(Shutdown::Both);
        if let Some(open) = &*unpoisoned(self.open.lock()) {
            let _ = open.shutdown(Shutdown::Both);
        }
    }

    fn is_closed(&self) -> bool {
        self.is_closed.load(Relaxed)
    }

    fn serve(&self, stream: UnixStream, snapshot: impl FnMut() -> String) -> io::Result<()> {
        let stream = Arc::new(stream);
        *unpoisoned(self.open.lock()) = Some(stream.clone());
        // Either this sees that the server is closed, or `close` sees the stream.
        let answered = match self.is_closed() {
            true => Ok(()),
            false => answer(&stream, snapshot),
        };
        *unpoisoned(self.open.lock()) = None;
        answered
    }
}

fn answer(stream: &UnixStream, mut snapshot: impl FnMut() -> String) -> io::Result<()> {
    let deadline = Instant::now() + PATIENCE;
    let request = read_request(stream, deadline)?;
    let text = match (request.as_str(), refusal(stream)?) {
        // It has only looked whether somebody listens.
        ("", _) => return Ok(()),
        (_, Some(why)) => failure(&why),
        ("snapshot", None) => snapshot(),
        (other, None) => failure(&format!("unknown request {other:?}: known is `snapshot`")),
    };
    write_all(stream, text.as_bytes(), deadline)?;
    write_all(stream, b"\n", deadline)
}

/// Why whoever is at the other end gets no answer. The mode of the socket keeps others out already,
/// unless somebody has changed it.
fn refusal(stream: &UnixStream) -> io::Result<Option<String>> {
    let (ours, theirs) = (user::effective_uid(), peer_credentials(stream.as_fd())?.uid);
    let is_allowed = theirs == ours || theirs == 0;
    Ok((!is_allowed).then(|| {
        format!(
            "this program runs as user {ours} and answers to that user and to root, not to user \
             {theirs}"
        )
    }))
}

fn failure(why: &str) -> String {
    json::object(|all| {
        all.number("schema", super::snapshot::SCHEMA);
        all.string("error", why);
    })
}

/// The first line, without its end; what has come if there is no whole line.
fn read_request(mut stream: &UnixStream, deadline: Instant) -> io::Result<String> {
    let mut request = Vec::new();
    let mut buffer = [0; LONGEST_REQUEST];
    while request.len() < LONGEST_REQUEST && !request.contains(&b'\n') {
        stream.set_read_timeout(Some(remaining(deadline)?))?;
        match stream.read(&mut buffer)? {
            0 => break,
            count => request.extend_from_slice(&buffer[..count]),
        }
    }
    let line = request.split(|byte| *byte == b'\n').next();
    let line = String::from_utf8_lossy(line.unwrap_or_default());
    Ok(line.trim().to_owned())
}

fn write_all(mut stream: &UnixStream, mut bytes: &[u8], deadline: Instant) -> io::Result<()> {
    while !bytes.is_empty() {
        stream.set_write_timeout(Some(remaining(deadline)?))?;
        match stream.write(bytes)? {
            0 => return Err(io::ErrorKind::WriteZero.into()),
            count => bytes = &bytes[count..],
        }
    }
    Ok(())
}

/// A time-out of zero would be none.
fn remaining(deadline: Instant) -> io::Result<Duration> {
    deadline
        .checked_duration_since(Instant::now())
        .filter(|left| !left.is_zero())
        .ok_or_else(|| io::ErrorKind::TimedOut.into())
}
