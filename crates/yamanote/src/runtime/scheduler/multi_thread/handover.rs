//! Where cores without a thread and threads without a core meet.
//!
//! A worker whose task is about to block offers its core here. A waiting thread takes it, or a
//! fresh one is launched. When the blocking is over and the core is still here, its thread takes it
//! back; otherwise that thread finishes its task without a core and then waits here for another
//! one.
//!
//! Threads that have been workers are kept, because the kernel ties what they submitted to them:
//! when such a thread exits, its operations end in ECANCELED. So it leaves only after [`KEPT_IDLE`]
//! without work, and only when no operation lives.
#![forbid(unsafe_code)]

use std::collections::VecDeque;
use std::io;
use std::sync::{Condvar, Mutex, MutexGuard, OnceLock};
use std::time::Duration;

use crate::runtime::driver::Driver;
use crate::runtime::scheduler::Launch;
use crate::util::poison::unpoisoned;

/// How long a thread waits for a core before it asks whether it may leave.
const KEPT_IDLE: Duration = Duration::from_secs(10);

/// `C` is a core.
pub(super) struct Handover<C> {
    launch: OnceLock<Launch>,
    state: Mutex<State<C>>,
    /// A core has come, or [`close`](Handover::close) was called.
    changed: Condvar,
}

struct State<C> {
    cores: VecDeque<C>,
    /// Threads in `take` that sleep, or were notified and have yet to look.
    waiting: usize,
    /// Threads that were launched and have yet to come.
    coming: usize,
    closed: bool,
}

impl<C> Handover<C> {
    pub(super) fn new() -> Self {
        Handover {
            launch: OnceLock::new(),
            state: Mutex::new(State {
                cores: VecDeque::new(),
                waiting: 0,
                coming: 0,
                closed: false,
            }),
            changed: Condvar::new(),
        }
    }

    pub(super) fn set_launch(&self, launch: Launch) {
        assert!(self.launch.set(launch).is_ok(), "workers started twice");
    }

    /// Finds a thread for `core`. Where one must be launched for it, it lives the life that `life`
    /// makes: it [arrives](Self::arrive) and [takes](Self::take) a core.
    ///
    /// # Errors
    ///
    /// No thread could be had; a core comes back.
    pub(super) fn offer<F: FnOnce() + Send + 'static>(
        &self,
        core: C,
        life: impl FnOnce() -> F,
    ) -> Result<(), (io::Error, C)> {
        let mut state = self.lock();
        state.cores.push_back(core);
        if state.waiting + state.coming >= state.cores.len() {
            drop(state);
            self.changed.notify_one();
            return Ok(());
        }
        state.coming += 1;
        drop(state);
        let launch = self.launch.get().expect("workers have been started");
        let Err(error) = launch(Box::new(life())) else {
            return Ok(());
        };
        let mut state = self.lock();
        state.coming -= 1;
        // If other threads have taken all cores meanwhile, or will, all is well.
        if state.waiting + state.coming >= state.cores.len() {
            self.changed.notify_one();
            return Ok(());
        }
        match state.cores.pop_front() {
            Some(core) => Err((error, core)),
            None => Ok(()),
        }
    }

    /// A launched thread has come, and is going to `take`.
    pub(super) fn arrive(&self) {
        self.lock().coming -= 1;
    }

    /// A core that no thread has taken yet.
    pub(super) fn try_take(&self) -> Option<C> {
        self.lock().cores.pop_front()
    }

    /// Waits for a core. `None`: this thread may end.
    pub(super) fn take(&self, driver: &Driver) -> Option<C> {
        let mut state = self.lock();
        let mut may_leave = false;
        loop {
            if let Some(core) = state.cores.pop_front() {
                return Some(core);
            }
            if state.closed || may_leave {
                return None;
            }
            state.waiting += 1;
            let (woken, timeout) = unpoisoned(self.changed.wait_timeout(state, KEPT_IDLE));
            state = woken;
            state.waiting -= 1;
            if timeout.timed_out() {
                drop(state);
                may_leave = driver.live_ops() == 0;
                state = self.lock();
            }
        }
    }

    /// Threads no longer wait; cores that are or will be here are still served.
    pub(super) fn close(&self) {
        let has_waiting = {
            let mut state = self.lock();
            state.closed = true;
            state.waiting > 0
        };
        if has_waiting {
            self.changed.notify_all();
        }
    }

    fn lock(&self) -> MutexGuard<'_, State<C>> {
        unpoisoned(self.state.lock())
    }
}
