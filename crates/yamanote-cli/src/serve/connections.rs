//! The open connections: how many there may be, what each is doing, and which has to go when there
//! is no place for one more.
//!
//! A connection is *waiting* for a request or *answering* one. When all places are taken and a
//! client connects, the connection that has waited longest is closed: its client can open another.
//! If none has waited for a while, the next answer says in its head that it is its connection's
//! last, so that the client loses nothing.
#![forbid(unsafe_code)]

use hyper::{Method, Request, Uri};
use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};
use yamanote::sync::{Notify, OwnedSemaphorePermit, Semaphore};
use yamanote::time::sleep;

/// The time between two looks for a connection that may be sent away.
const PAUSE: Duration = Duration::from_millis(20);

/// A connection that has waited for less is probably about to send its next request.
const BETWEEN_REQUESTS: Duration = Duration::from_millis(250);

/// The first request may take longer, by the time of the way there and back.
const BEFORE_THE_FIRST: Duration = Duration::from_secs(3);

pub struct Connections {
    places: Arc<Semaphore>,
    open: Mutex<Members>,
    /// The next answer has to be its connection's last.
    is_place_wanted: AtomicBool,
}

#[derive(Default)]
struct Members {
    next_id: u64,
    members: HashMap<u64, Arc<Member>>,
}

impl Connections {
    pub fn new(places: usize) -> Arc<Connections> {
        Arc::new(Connections {
            places: Arc::new(Semaphore::new(places)),
            open: Mutex::default(),
            is_place_wanted: AtomicBool::new(false),
        })
    }

    /// Waits for a free place, and makes room for it if need be. Cancel safe.
    pub async fn place(&self) -> Place {
        if let Ok(permit) = Arc::clone(&self.places).try_acquire_owned() {
            return Place { _permit: permit };
        }
        let acquire = Arc::clone(&self.places).acquire_owned();
        let mut acquire = std::pin::pin!(acquire);
        loop {
            if !self.send_one_away() {
                self.is_place_wanted.store(true, Relaxed);
            }
            yamanote::select! {
                biased;
                permit = &mut acquire => {
                    self.is_place_wanted.store(false, Relaxed);
                    let _permit = permit.expect("the semaphore is never closed");
                    return Place { _permit };
                }
                () = sleep(PAUSE) => {}
            }
        }
    }

    /// Adds a connection to the list, for as long as the entry lives.
    pub fn enter(self: &Arc<Self>, peer: SocketAddr, place: Place) -> Entry {
        let member = Arc::new(Member {
            peer,
            state: Mutex::new(State::Waiting {
                since: Instant::now(),
                is_first: true,
            }),
            sent_away: Notify::new(),
        });
        let mut open = self.lock();
        let id = open.next_id;
        open.next_id += 1;
        open.members.insert(id, Arc::clone(&member));
        drop(open);
        Entry {
            connections: Arc::clone(self),
            id,
            member,
            _place: place,
        }
    }

    /// Whether the answer being made has to be its connection's last.
    pub fn wants_this_place(&self) -> bool {
        self.is_place_wanted.load(Relaxed) && self.is_place_wanted.swap(false, Relaxed)
    }

    /// The requests being answered, as `GET /path for 127.0.0.1`.
    pub fn requests(&self) -> Vec<String> {
        let open = self.lock();
        let mut requests: Vec<_> = open
            .members
            .values()
            .filter_map(|member| match &*member.lock() {
                State::Answering { method, uri } => {
                    Some(format!("{method} {uri} for {}", member.peer.ip()))
                }
                State::Waiting { .. } | State::SentAway { .. } => None,
            })
            .collect();
        requests.sort();
        requests
    }

    /// Tells the connection that has waited longest to close; false if none has waited for long.
    fn send_one_away(&self) -> bool {
        let open = self.lock();
        let longest = open
            .members
            .values()
            .filter_map(|member| Some((member.overdue()?, member)))
            .max_by_key(|(overdue, _)| *overdue);
        match longest {
            Some((_, member)) => {
                member.send_away();
                true
            }
            None => false,
        }
    }

    fn lock(&self) -> MutexGuard<'_, Members> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The right to have one connection open.
pub struct Place {
    _permit: OwnedSemaphorePermit,
}

/// One open connection.
pub struct Member {
    peer: SocketAddr,
    state: Mutex<State>,
    sent_away: Notify,
}

enum State {
    Waiting {
        since: Instant,
        is_first: bool,
    },
    Answering {
        method: Method,
        uri: Uri,
    },
    /// It was waiting, and has been told to close.
    SentAway {
        is_first: bool,
    },
}

impl Member {
    /// A request's head has arrived.
    pub fn answers<B>(&self, request: &Request<B>) {
        *self.lock() = State::Answering {
            method: request.method().clone(),
            uri: request.uri().clone(),
        };
    }

    /// The answer to it has been handed over.
    pub fn waits(&self) {
        *self.lock() = State::Waiting {
            since: Instant::now(),
            is_first: false,
        };
    }

    /// Completes when the connection has to close for another's sake. Cancel safe.
    pub async fn sent_away(&self) {
        self.sent_away.notified().await;
    }

    /// Whether it has not had a whole request yet.
    pub fn is_new(&self) -> bool {
        matches!(
            *self.lock(),
            State::Waiting { is_first: true, .. } | State::SentAway { is_first: true }
        )
    }

    fn send_away(&self) {
        let mut state = self.lock();
        // If a request came since the look, it stays.
        if let State::Waiting { is_first, .. } = *state {
            *state = State::SentAway { is_first };
            drop(state);
            self.sent_away.notify_one();
        }
    }

    /// How much longer than usual it has waited.
    fn overdue(&self) -> Option<Duration> {
        match *self.lock() {
            State::Waiting { since, is_first } => {
                let usual = match is_first {
                    true => BEFORE_THE_FIRST,
                    false => BETWEEN_REQUESTS,
                };
                since.elapsed().checked_sub(usual)
            }
            State::Answering { .. } | State::SentAway { .. } => None,
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A connection's entry in the list, and its place.
pub struct Entry {
    connections: Arc<Connections>,
    id: u64,
    pub member: Arc<Member>,
    _place: Place,
}

impl Drop for Entry {
    fn drop(&mut self) {
        self.connections.lock().members.remove(&self.id);
    }
}
