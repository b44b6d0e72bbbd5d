//! The thread that asks: its world, and whether it is in the kernel of that already.

use crate::abi::tsc;
use crate::baton::Baton;
use crate::kernel::Kernel;
use crate::kernel::host::Life;
use crate::kernel::thread::{Key, State, ThreadId};
use crate::world::World;
use std::cell::Cell;
use std::ffi::c_void;
use std::sync::atomic::{Ordering::SeqCst, compiler_fence};
use std::sync::{Arc, OnceLock};

/// A thread of a world.
pub(crate) struct Me {
    world: Arc<World>,
    id: ThreadId,
    baton: Arc<Baton>,
    /// In the kernel, or without the baton: what this thread calls, in a signal handler maybe, is
    /// answered by the real one.
    is_inside: Cell<bool>,
    /// The end of its thread-locals is not the end of its part in its world.
    stays: Cell<bool>,
}

thread_local! {
    /// Set from a thread's begin in a world to its end there.
    static ME: Cell<*const Me> = const { Cell::new(std::ptr::null()) };
    /// Is dropped after all other thread-locals, because it is there before them.
    static LEAVE: Leave = const { Leave };
}

struct Leave;

impl Drop for Leave {
    fn drop(&mut self) {
        let me = ME.get();
        // SAFETY: as in `current`.
        let Some(me) = (unsafe { me.as_ref() }) else {
            return;
        };
        if me.world.ends_with(me.id) {
            abandon();
        } else if !me.stays.get() {
            leave_at_round(1);
        }
    }
}

/// The key of the C library by which a thread leaves its world: the library's own thread-locals
/// have destructors too, which come after those of `std`, in rounds. What they unlock or tell, the
/// world is to hear.
fn key() -> Option<libc::pthread_key_t> {
    static KEY: OnceLock<Option<libc::pthread_key_t>> = OnceLock::new();
    *KEY.get_or_init(|| {
        let mut key = 0;
        // SAFETY: the place is valid, and the destructor may be called on any thread.
        let number = unsafe { libc::pthread_key_create(&mut key, Some(end_round)) };
        (number == 0).then_some(key)
    })
}

/// Has the calling thread leave its world in the last round, of which this is one.
fn leave_at_round(round: usize) {
    /// `PTHREAD_DESTRUCTOR_ITERATIONS`: a destructor that leaves something is called again.
    const LAST: usize = 4;
    let round = std::ptr::without_provenance(round);
    // SAFETY: the key was made above; its values are numbers.
    let is_asked = |key| unsafe { libc::pthread_setspecific(key, round) == 0 };
    if round.addr() >= LAST || !key().is_some_and(is_asked) {
        leave();
    }
}

extern "C" fn end_round(round: *mut c_void) {
    leave_at_round(round.addr() + 1);
}

/// The thread that calls, if it is one of a world, has the baton and is not inside the kernel.
pub(crate) fn current() -> Option<&'static Me> {
    let me = ME.get();
    // SAFETY: set by `join_world` to a value that `leave` frees after it has taken it from here; so
    // it is there. The reference does not outlive the call that this thread makes.
    let me = unsafe { me.as_ref() }?;
    (!me.is_inside.get()).then_some(me)
}

/// Whether the calling thread is one of a world, also while it is inside.
pub(crate) fn is_of_a_world() -> bool {
    !ME.get().is_null()
}

/// Makes the calling thread the thread `id` of `world`. It has the baton, or has to wait for it by
/// [`wait_for_first_turn`].
pub(crate) fn join_world(world: Arc<World>, id: ThreadId, baton: Arc<Baton>, has_baton: bool) {
    LEAVE.with(|_| {});
    let _ = key();
    let me = Box::new(Me {
        world,
        id,
        baton,
        is_inside: Cell::new(!has_baton),
        stays: Cell::new(false),
    });
    let before = ME.replace(Box::into_raw(me));
    assert!(before.is_null(), "a thread is in one simulation at most");
}

/// Waits until the calling thread, which has joined a world without the baton, may run.
pub(crate) fn wait_for_first_turn() {
    // SAFETY: as in `current`.
    if let Some(me) = unsafe { ME.get().as_ref() } {
        me.baton.arrive();
        drop(Inside(&me.is_inside));
    }
}

/// The calling thread has no part in its world any more.
fn leave() {
    let me = ME.get();
    if me.is_null() {
        return;
    }
    // SAFETY: as in `current`.
    let me = unsafe { &*me };
    // Inside for good: it does not have the baton once the next thread has been chosen.
    std::mem::forget(me.enter());
    let next = me.with_kernel(|kernel| {
        kernel.thread_mut(me.id).state = State::Done;
        kernel.wake(Key::Thread(me.id), usize::MAX);
        kernel.settle();
        kernel.pick().map(|next| kernel.thread(next).baton.clone())
    });
    ME.set(std::ptr::null());
    // SAFETY: made by `join_world`; nobody else has it, and this thread has just forgotten it.
    let me = unsafe { Box::from_raw(std::ptr::from_ref(me).cast_mut()) };
    match next {
        Some(next) => me.baton.leave_for(&next),
        None => me.world.nobody_can_run(),
    }
}

/// The calling thread leaves its world, in which nobody will run any more.
pub(crate) fn abandon() {
    let me = ME.replace(std::ptr::null());
    if !me.is_null() {
        tsc::give_back();
        // SAFETY: as in `leave`.
        drop(unsafe { Box::from_raw(me.cast_mut()) });
    }
}

/// Ends the time for which a thread is inside.
struct Inside<'a>(&'a Cell<bool>);

impl Drop for Inside<'_> {
    fn drop(&mut self) {
        // As in `enter`: nothing of the kernel is touched afterwards.
        compiler_fence(SeqCst);
        self.0.set(false);
    }
}

impl Me {
    pub(crate) fn id(&self) -> ThreadId {
        self.id
    }

    pub(crate) fn world(&self) -> &Arc<World> {
        &self.world
    }

    /// The process is about to end on the calling thread, whose thread-locals go before: it stays
    /// in its world, or others would run beside what is left to be done.
    pub(crate) fn stay(&self) {
        self.stays.set(true);
    }

    /// Calls `f` with the state of the world.
    pub(crate) fn inside<R>(&self, f: impl FnOnce(&mut Kernel) -> R) -> R {
        let _inside = self.enter();
        self.with_kernel(f)
    }

    /// This thread is inside until the answer goes.
    fn enter(&self) -> Inside<'_> {
        assert!(!self.is_inside.replace(true), "the kernel calls itself");
        // For a signal handler on this thread: nothing of the kernel is touched before.
        compiler_fence(SeqCst);
        Inside(&self.is_inside)
    }

    /// As [`Me::inside`], of a thread that is inside.
    fn with_kernel<R>(&self, f: impl FnOnce(&mut Kernel) -> R) -> R {
        self.world.count_progress(self.id);
        // SAFETY: this thread has the baton: it was not inside before it entered, and since then
        // it has not handed the baton on without waiting for it. It is here once, because `f` is
        // not called by what has entered already.
        let kernel = unsafe { self.world.kernel() };
        let answer = f(kernel);
        kernel.settle();
        answer
    }

    /// Lets the thread run whose turn it is, if `f` is true; returns when it is this one's again.
    pub(crate) fn switch_if(&self, f: impl FnOnce(&mut Kernel) -> bool) {
        let _inside = self.enter();
        if self.with_kernel(f) {
            self.switch();
        }
    }

    /// Lets the thread run whose turn it is; returns when it is this one's again, which is inside
    /// all the time.
    fn switch(&self) {
        let next = self.with_kernel(|kernel| {
            let next = kernel.pick()?;
            Some((next != self.id).then(|| kernel.thread(next).baton.clone()))
        });
        match next {
            None => self.world.nobody_can_run(),
            Some(None) => {}
            Some(Some(next)) => self.baton.exchange(&next),
        }
    }

    /// Waits until `attempt` has an answer; `None` if that was not before `deadline`. An attempt
    /// without one has said by [`Kernel::wait_for`] what may change that.
    pub(crate) fn wait<R>(
        &self,
        deadline: Option<u64>,
        mut attempt: impl FnMut(&mut Kernel) -> Option<R>,
    ) -> Option<R> {
        let _inside = self.enter();
        loop {
            let answer = self.with_kernel(|kernel| {
                if let Some(answer) = attempt(kernel) {
                    return Some(Some(answer));
                }
                if deadline.is_some_and(|deadline| deadline <= kernel.now) {
                    kernel.forget_waits(self.id);
                    return Some(None);
                }
                kernel.block(self.id, deadline);
                None
            });
            match answer {
                Some(answer) => return answer,
                None => self.switch(),
            }
        }
    }

    /// Does nothing for a time.
    pub(crate) fn sleep_until(&self, deadline: u64) {
        self.wait(Some(deadline), |kernel| {
            if kernel.now < deadline {
                kernel.wait_for(self.id, Key::Time);
            }
            None::<()>
        });
    }

    /// The life of a host that this thread is part of.
    pub(crate) fn life(&self) -> Life {
        self.inside(|kernel| kernel.life_of(self.id))
    }
}
