//! The process's signals and their listeners.
//!
//! ```text
//!   handler: set the signal's bit, ring the bell         (on any thread, at any moment)
//!        │
//!   a driver's turn: take all bits ── deliver ──► version of each signal + 1, its wakers woken
//!        │
//!   Listener::poll_recv: is the version another than the one I saw?
//! ```
//!
//! Everything about signals belongs to the process, so a listener does not belong to the runtime in
//! which it was made: it hears as long as any runtime with I/O is driven. Signals that come between
//! two polls of a listener count as one, as the kernel's own pending signals do.
//!
//! Bits are set before the bell rings and taken after it was heard, so a bit that is set is always
//! followed by a ring that nobody has answered yet. If two runtimes hear the same ring, one of them
//! finds the bits and the other nothing.
//!
//! A simulated process has listeners and a bell of its own, and no handlers: who sends it a signal
//! asks [`hear`].
//!
//! Handlers stay for ever, as Tokio documents: when nobody listens any more, the signal's default
//! action does not come back.
#![forbid(unsafe_code)]

use std::fmt;
use std::io;
use std::marker::PhantomData;
use std::os::fd::{AsRawFd, OwnedFd};
use std::sync::atomic::{AtomicU64, Ordering::Acquire, Ordering::Release};
use std::sync::{Mutex, MutexGuard, OnceLock};
use std::task::{Context, Poll, Waker, ready};

use super::bells;
use crate::runtime::driver::Driver;
use crate::runtime::driver::readiness::Bell;
use crate::simulation::{self, PerProcess, Process};
use crate::sys;
use crate::util::coop;
use crate::util::poison::unpoisoned;
use crate::util::wake_list::WakeList;

static SIGNALS: PerProcess<Signals> = PerProcess::new(Signals::new(), Signals::new);

/// The signals of a process.
struct Signals {
    /// One bit for each signal that has arrived and is not delivered yet.
    pending: AtomicU64,
    /// What the handlers ring.
    bell: OnceLock<OwnedFd>,
    /// Linux has signals from 1 to 64.
    kinds: [Kind; 64],
}

impl Signals {
    const fn new() -> Signals {
        Signals {
            pending: AtomicU64::new(0),
            bell: OnceLock::new(),
            kinds: [const { Kind::new() }; 64],
        }
    }
}

/// All there is to one signal.
struct Kind {
    /// Whether the handler is in place, or the errno that kept it out.
    handler: OnceLock<Result<(), Option<i32>>>,
    /// What the process itself does at each delivery.
    reaction: OnceLock<fn()>,
    listeners: Mutex<Listeners>,
}

struct Listeners {
    /// Deliveries so far.
    version: u64,
    /// A place for each listener that has ever waited.
    wakers: Vec<Option<Waker>>,
    free: Vec<usize>,
}

impl Kind {
    const fn new() -> Kind {
        Kind {
            handler: OnceLock::new(),
            reaction: OnceLock::new(),
            listeners: Mutex::new(Listeners {
                version: 0,
                wakers: Vec::new(),
                free: Vec::new(),
            }),
        }
    }

    fn lock(&self) -> MutexGuard<'_, Listeners> {
        unpoisoned(self.listeners.lock())
    }

    fn deliver(&self, wakers: &mut WakeList) -> bool {
        let mut listeners = self.lock();
        listeners.version += 1;
        let before = wakers.len();
        for waker in listeners.wakers.iter_mut().filter_map(Option::take) {
            wakers.push(waker);
        }
        wakers.len() > before
    }

    fn listener(&'static self) -> Listener {
        Listener {
            kind: self,
            seen: self.lock().version,
            place: None,
            _not_unwind_safe: PhantomData,
        }
    }
}

/// Tells every listener what arrived. True if somebody was waiting.
fn deliver(wakers: &mut WakeList) -> bool {
    // Pairs with the Release in the handler (`sys/signal.rs`): whoever learns of a signal sees what
    // the thread that raised it did before.
    let signals = SIGNALS.get();
    let mut pending = signals.pending.swap(0, Acquire);
    let mut somebody_waited = false;
    while pending != 0 {
        let index = pending.trailing_zeros() as usize;
        pending &= pending - 1;
        let kind = &signals.kinds[index];
        somebody_waited |= kind.deliver(wakers);
        if let Some(reaction) = kind.reaction.get() {
            reaction();
        }
    }
    somebody_waited
}

/// Makes a listener for `signal`, for the users of `driver`, which has I/O.
///
/// # Errors
///
/// If the signal cannot be listened to, the runtime is shut down, or the kernel refuses. The texts
/// are Tokio's, because programs may show them.
pub(crate) fn listen(signal: i32, driver: &Driver) -> io::Result<Listener> {
    if signal <= 0 || sys::signal::FORBIDDEN.contains(&signal) {
        return Err(io::Error::other(format!(
            "Refusing to register signal {signal}"
        )));
    }
    if driver.is_shutdown() {
        return Err(io::Error::other("signal driver gone"));
    }
    let signals = SIGNALS.get();
    let Some(kind) = signals.kinds.get(signal as usize - 1) else {
        return Err(io::Error::other("signal too large"));
    };
    let bell = heard_bell(driver)?;
    install(signal, signals, bell)?;
    Ok(kind.listener())
}

/// A signal of a simulated process: tells its listeners as the handler would. False if there is no
/// handler.
fn hear(process: Process, signal: i32) -> bool {
    let Some(signals) = SIGNALS.of(process) else {
        return false;
    };
    let is_installed = signals.kinds[signal as usize - 1].handler.get() == Some(&Ok(()));
    if let (true, Some(bell)) = (is_installed, signals.bell.get()) {
        // Pairs with the Acquire of the swap in `deliver`.
        signals.pending.fetch_or(1 << (signal - 1), Release);
        let _ = sys::eventfd::add_one(bell);
        return true;
    }
    false
}

/// Takes from the kernel, for the users of `driver`, what listening to SIGCHLD needs beside the
/// handler: a caller that has made a child and finds no descriptor left for a pidfd then needs none
/// for the signal.
pub(crate) fn prepare_for_children(driver: &Driver) -> io::Result<()> {
    driver.assert_not_forked();
    heard_bell(driver).map(drop)
}

/// Has whatever runtime is driven call `reaction` when a child exits, if the handler can be put in
/// place. Always the same function.
pub(super) fn react_to_child_signal(reaction: fn()) -> io::Result<()> {
    let signals = SIGNALS.get();
    let kind = &signals.kinds[libc::SIGCHLD as usize - 1];
    kind.reaction.get_or_init(|| reaction);
    install(libc::SIGCHLD, signals, bell()?)
}

/// The bell, which the runtime of `driver` hears.
fn heard_bell(driver: &Driver) -> io::Result<&'static OwnedFd> {
    let bell = bell()?;
    driver.hear(Bell::Signals, bell.as_raw_fd(), deliver)?;
    Ok(bell)
}

fn bell() -> io::Result<&'static OwnedFd> {
    let place = &SIGNALS.get().bell;
    if let Some(bell) = place.get() {
        return Ok(bell);
    }
    let fresh = sys::eventfd::new()?;
    let bell = place.get_or_init(|| fresh);
    bells::hang(Bell::Signals, bell.as_raw_fd(), deliver);
    Ok(bell)
}

fn install(signal: i32, signals: &'static Signals, bell: &'static OwnedFd) -> io::Result<()> {
    let kind = &signals.kinds[signal as usize - 1];
    let installed = kind.handler.get_or_init(|| {
        if simulation::is_inside() {
            simulation::hear_signals_by(hear);
            return Ok(());
        }
        sys::signal::note_and_ring(signal, &signals.pending, bell)
            .map_err(|error| error.raw_os_error())
    });
    installed.map_err(|errno| match errno {
        Some(errno) => io::Error::from_raw_os_error(errno),
        None => io::Error::other("registering signal handler failed"),
    })
}

/// Hears one signal, from the moment the listener was made.
pub(crate) struct Listener {
    kind: &'static Kind,
    /// The last delivery that a poll has told of.
    seen: u64,
    /// The place of our waker, from the first poll that finds nothing.
    place: Option<usize>,
    /// As in Tokio, a type that holds a listener is not `UnwindSafe`.
    _not_unwind_safe: PhantomData<dyn Send + Sync + Unpin>,
}

impl Listener {
    /// Ready once for all deliveries since it was last ready. Remembers the task of the last call.
    pub(crate) fn poll_recv(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let unit = ready!(coop::poll_proceed(cx));
        let waker = cx.waker().clone();
        let mut listeners = self.kind.lock();
        if listeners.version != self.seen {
            self.seen = listeners.version;
            drop(listeners);
            unit.made_progress();
            return Poll::Ready(());
        }
        let place = *self.place.get_or_insert_with(|| listeners.new_place());
        let unused = listeners.wakers[place].replace(waker);
        drop(listeners);
        drop(unused);
        Poll::Pending
    }
}

impl Listeners {
    fn new_place(&mut self) -> usize {
        self.free.pop().unwrap_or_else(|| {
            self.wakers.push(None);
            self.wakers.len() - 1
        })
    }
}

impl Drop for Listener {
    fn drop(&mut self) {
        if let Some(place) = self.place {
            let mut listeners = self.kind.lock();
            let unused = listeners.wakers[place].take();
            listeners.free.push(place);
            drop(listeners);
            drop(unused);
        }
    }
}

impl fmt::Debug for Listener {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Listener")
            .field("seen", &self.seen)
            .finish_non_exhaustive()
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;

    fn is_ready(listener: &mut Listener) -> bool {
        listener
            .poll_recv(&mut Context::from_waker(Waker::noop()))
            .is_ready()
    }

    #[test]
    fn deliveries_between_two_polls_are_one_to_each_listener() {
        static KIND: Kind = Kind::new();
        let (mut early, mut idle) = (KIND.listener(), KIND.listener());
        assert!(!is_ready(&mut early));
        let mut wakers = WakeList::new();
        assert!(KIND.deliver(&mut wakers), "one waits");
        assert!(!KIND.deliver(&mut wakers), "and has its waker taken");
        assert_eq!(wakers.len(), 1);
        let mut late = KIND.listener();
        assert!(is_ready(&mut early) && is_ready(&mut idle));
        assert!(!is_ready(&mut early) && !is_ready(&mut idle) && !is_ready(&mut late));
    }

    #[test]
    fn a_place_is_used_again() {
        static KIND: Kind = Kind::new();
        for _ in 0..1000 {
            let (mut one, mut two) = (KIND.listener(), KIND.listener());
            assert!(!is_ready(&mut one) && !is_ready(&mut two));
        }
        assert_eq!(KIND.lock().wakers.len(), 2);
    }
}
