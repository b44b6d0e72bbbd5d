//! The driver: rings for completions, one readiness set, timers, and the places workers sleep in.
//!
//! A [`Driver`] is shared by all workers of a runtime and divided into slots, one per worker. The
//! thread that holds a slot calls [`Driver::turn`] now and then and [`Driver::park`] when it has
//! nothing to run; any thread may [`Driver::unpark`] a slot. `park.rs` holds the event loop.

pub(crate) mod batch;
mod caretaker;
mod counts;
mod kind;
pub(crate) mod op;
pub(crate) mod ops;
mod park;
mod parker;
pub mod probe;
pub(crate) mod process_wide;
pub(crate) mod readiness;
pub(crate) mod ring;
mod setback;
mod shutdown;
mod slot;
pub(crate) mod time;
mod timers;

pub use kind::{DriverChoice, DriverKind};
pub(crate) use park::{PollIo, Role};
pub(crate) use process_wide::registry::DriverId;
pub(crate) use shutdown::LONGEST_SHUTDOWN;
pub(crate) use slot::RingGuard;
pub(crate) use timers::TimerKey;

use crate::simulation;
use crate::sys::fork::Origin;
use readiness::Readiness;
use ring::Ring;
use slot::{Refusal, RingState, Slot};
use std::cell::Cell;
use std::io;
use std::ptr;
use std::sync::atomic::{
    AtomicBool, AtomicUsize,
    Ordering::{Acquire, Relaxed},
};
use std::sync::{Arc, Mutex};
use time::clock::Clock;

#[derive(Debug, Clone)]
pub(crate) struct Config {
    pub(crate) choice: DriverChoice,
    pub(crate) enable_io: bool,
    pub(crate) enable_time: bool,
    pub(crate) start_paused: bool,
    /// Whether timers become ready only at a turn of the driver, never between two turns: so it is
    /// on a current-thread runtime, whose order is Tokio's.
    pub(crate) turn_by_turn: bool,
    /// Whether a timer that was polled before the shutdown is ready after it, instead of panicking.
    pub(crate) timers_end_ready: bool,
    /// Submission queue entries of each ring.
    pub(crate) ring_entries: u32,
    /// Readiness events taken from the kernel at once.
    pub(crate) max_io_events: usize,
    /// Readiness events taken by one look of a worker that has tasks to run; `None`: all of them.
    pub(crate) max_io_events_busy: Option<usize>,
}

pub(crate) struct Driver {
    id: DriverId,
    kind: DriverKind,
    /// Why an `Auto` runtime is not on io_uring.
    fallback_reason: Option<String>,
    config: Config,
    clock: Clock,
    io: Option<Readiness>,
    slots: Box<[Slot]>,
    /// Round robin, for threads without a slot.
    next_foreign_slot: AtomicUsize,
    is_shutdown: AtomicBool,
    /// Totals of rings that are closed.
    closed_rings: Mutex<ring::Counters>,
    leaked_ops: AtomicUsize,
    origin: Origin,
}

thread_local! {
    /// Which slot of which driver this thread holds; null for none.
    static LOCAL: Cell<(*const Driver, usize)> = const { Cell::new((ptr::null(), 0)) };
}

impl Driver {
    /// Makes the readiness set and decides for a driver; rings are made when first needed.
    ///
    /// # Errors
    ///
    /// The kernel's errno if the readiness set cannot be made (EMFILE), or if io_uring is demanded
    /// and either cannot be used here or has no room for a ring for each slot.
    pub(crate) fn new(config: Config, slots: usize) -> io::Result<Arc<Driver>> {
        assert!(slots > 0, "a driver without slots has no owner");
        let (kind, fallback_reason) = match config.choice {
            // A simulated machine has no rings.
            _ if simulation::is_inside() => (DriverKind::Epoll, None),
            DriverChoice::Epoll => (DriverKind::Epoll, None),
            DriverChoice::Uring => {
                uring_usable()?;
                probe::room_for(slots, config.ring_entries)?;
                (DriverKind::Uring, None)
            }
            DriverChoice::Auto => match probe::usable() {
                Ok(()) => (DriverKind::Uring, None),
                Err(refusal) => (DriverKind::Epoll, Some(refusal.to_string())),
            },
        };
        let io = match config.enable_io {
            true => {
                let all = Readiness::new(config.max_io_events)?;
                Some(match config.max_io_events_busy {
                    Some(max) => all.limit_busy(max),
                    None => all,
                })
            }
            false => None,
        };
        let driver = Arc::new(Driver {
            id: DriverId::next(),
            kind,
            fallback_reason,
            clock: Clock::new(config.start_paused),
            io,
            slots: (0..slots).map(|_| Slot::new()).collect(),
            next_foreign_slot: AtomicUsize::new(0),
            is_shutdown: AtomicBool::new(false),
            closed_rings: Mutex::default(),
            leaked_ops: AtomicUsize::new(0),
            origin: Origin::here(),
            config,
        });
        if driver.config.start_paused {
            driver.freeze_wheels();
        }
        driver.register();
        process_wide::bells::hear_all(&driver)?;
        Ok(driver)
    }

    pub(crate) fn id(&self) -> DriverId {
        self.id
    }

    pub(crate) fn kind(&self) -> DriverKind {
        self.kind
    }

    /// Why operations do not go to rings, or not all of them.
    pub(crate) fn fallback_reason(&self) -> Option<String> {
        let from_start = self.fallback_reason.clone();
        from_start.or_else(|| self.slots.iter().find_map(Slot::why_no_ring))
    }

    pub(crate) fn clock(&self) -> &Clock {
        &self.clock
    }

    /// The readiness set; `None` without `enable_io`.
    pub(crate) fn io(&self) -> Option<&Readiness> {
        self.io.as_ref()
    }

    pub(crate) fn time_enabled(&self) -> bool {
        self.config.enable_time
    }

    /// Whether this is a forked child of the process that made the runtime. Rings, readiness set
    /// and threads are the parent's; locks may be held for ever by threads that are not here.
    pub(crate) fn is_forked(&self) -> bool {
        !self.origin.is_here()
    }

    /// Says what is wrong before something hangs or takes the parent's events.
    #[track_caller]
    pub(crate) fn assert_not_forked(&self) {
        self.origin.assert_here();
    }

    pub(crate) fn is_shutdown(&self) -> bool {
        // Pairs with the Release in `shutdown`.
        self.is_shutdown.load(Acquire)
    }

    /// Makes this thread the owner of `slot` until the guard is dropped.
    #[inline]
    pub(crate) fn enter_slot(self: &Arc<Self>, slot: usize) -> SlotGuard {
        self.assert_not_forked();
        self.slots[slot].change_owner();
        SlotGuard {
            before: LOCAL.replace((Arc::as_ptr(self), slot)),
            _not_send: std::marker::PhantomData,
        }
    }

    /// The slot of this driver that this thread holds.
    pub(crate) fn local_slot(&self) -> Option<usize> {
        // Not there only while the thread's locals are destroyed; such a thread holds no slot.
        match LOCAL.try_with(Cell::get).ok()? {
            (driver, slot) if ptr::eq(driver, self) => Some(slot),
            _ => None,
        }
    }

    fn foreign_slot(&self) -> usize {
        // Relaxed: any distribution will do.
        self.next_foreign_slot.fetch_add(1, Relaxed) % self.slots.len()
    }

    /// Whether an operation of this thread can go through a ring, the one of the slot that it
    /// holds. Makes that ring if there is none.
    pub(crate) fn ring_ready(&self) -> bool {
        if self.kind != DriverKind::Uring || self.is_shutdown() {
            return false;
        }
        self.local_slot()
            .is_some_and(|slot| self.has_usable_ring(slot))
    }

    fn has_usable_ring(&self, slot: usize) -> bool {
        self.ring(slot).is_ok_and(|ring| ring.is_usable())
    }

    /// The ring of `slot`, made now if there is none.
    ///
    /// # Errors
    ///
    /// If none can be had; the caller does the work on the blocking pool.
    pub(crate) fn ring(&self, slot: usize) -> io::Result<RingGuard<'_>> {
        if self.kind != DriverKind::Uring {
            return Err(io::ErrorKind::Unsupported.into());
        }
        if self.is_forked() {
            return Err(io::Error::other("a runtime does not survive fork()"));
        }
        let slot = &self.slots[slot];
        let mut state = slot.lock_ring();
        match &*state {
            RingState::Ready(_) => {}
            RingState::Refused(refusal) if !refusal.is_over() => return Err((*refusal).into()),
            RingState::Closed => return Err(io::ErrorKind::NotConnected.into()),
            RingState::Absent | RingState::Refused(_) => {
                match Ring::new(self.config.ring_entries) {
                    Ok(ring) => {
                        let first = slot.ring_waker.set(ring.waker()).is_ok();
                        assert!(first, "a slot makes one ring in its life");
                        *state = RingState::Ready(Box::new(ring));
                    }
                    Err(error) => {
                        *state = RingState::Refused(Refusal::new(&error));
                        return Err(error);
                    }
                }
            }
        }
        Ok(RingGuard::new(state).expect("made or found above"))
    }

    /// Operations that outlived the time given to shutdown; their memory is never freed.
    pub(crate) fn leaked_ops(&self) -> usize {
        self.leaked_ops.load(Relaxed)
    }

    fn existing_rings(&self) -> impl Iterator<Item = RingGuard<'_>> {
        self.slots.iter().filter_map(Slot::existing_ring)
    }
}

/// An operation on a driver's rings.
pub(crate) type Op<T> = op::Op<T, Driver>;

/// The driver is where operations find a ring.
impl op::Rings for Driver {
    type Guard<'a> = RingGuard<'a>;

    fn submit_slot(&self) -> Option<usize> {
        self.local_slot()
    }

    fn ring(&self, slot: usize) -> io::Result<RingGuard<'_>> {
        Driver::ring(self, slot)
    }

    /// The owner submits at its next turn. A thread that is not the owner makes sure that this turn
    /// comes soon.
    fn after_push(&self, slot: usize) {
        if self.local_slot() != Some(slot) {
            self.unpark(slot);
        }
    }

    /// Only owners enter the kernel with operations: what a thread has submitted ends with
    /// ECANCELED when that thread exits, and any other thread may exit.
    fn may_enter(&self, slot: usize) -> bool {
        self.local_slot() == Some(slot)
    }
}

/// Whether rings can be made here.
fn uring_usable() -> io::Result<()> {
    probe::usable().map_err(io::Error::from)
}

/// Ends this thread's ownership of a slot, and restores what it held before.
pub(crate) struct SlotGuard {
    before: (*const Driver, usize),
    _not_send: std::marker::PhantomData<*const ()>,
}

impl Drop for SlotGuard {
    fn drop(&mut self) {
        let _ = LOCAL.try_with(|local| local.set(self.before));
    }
}

#[cfg(all(test, not(loom)))]
mod tests;
