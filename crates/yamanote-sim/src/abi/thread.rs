//! Threads: those that a thread of a world makes are of the world, and of its host.

use super::next::{Next, next};
use crate::baton::Baton;
use crate::kernel::thread::{Key, State, ThreadId};
use crate::me;
use crate::world::World;
use std::ffi::{c_int, c_void};
use std::hint::black_box;
use std::sync::Arc;

/// `pthread_exit` goes through it as an unwinding does.
type Body = extern "C-unwind" fn(*mut c_void) -> *mut c_void;
type Create = unsafe extern "C" fn(
    *mut libc::pthread_t,
    *const libc::pthread_attr_t,
    Body,
    *mut c_void,
) -> c_int;
type Join = unsafe extern "C" fn(libc::pthread_t, *mut *mut c_void) -> c_int;
type Detach = unsafe extern "C" fn(libc::pthread_t) -> c_int;
type Name = unsafe extern "C" fn(libc::pthread_t, *const libc::c_char) -> c_int;

static CREATE: Next = Next::new(c"pthread_create");
static JOIN: Next = Next::new(c"pthread_join");
static DETACH: Next = Next::new(c"pthread_detach");
static NAME: Next = Next::new(c"pthread_setname_np");

pub(super) fn keep() {
    black_box((
        pthread_create as *const (),
        pthread_join as *const (),
        pthread_detach as *const (),
        pthread_setname_np as *const (),
    ));
}

/// What a new thread begins with.
struct Begin {
    body: Body,
    argument: *mut c_void,
    world: Arc<World>,
    id: ThreadId,
    baton: Arc<Baton>,
}

extern "C-unwind" fn begin(begin: *mut c_void) -> *mut c_void {
    // SAFETY: made by `pthread_create` below, for this one call.
    let Begin {
        body,
        argument,
        world,
        id,
        baton,
    } = *unsafe { Box::from_raw(begin.cast::<Begin>()) };
    me::join_world(world, id, baton, false);
    me::wait_for_first_turn();
    // The world is left when the last of the thread's locals has been destroyed. Nothing is left to
    // be dropped here, which `pthread_exit` would not do.
    body(argument)
}

/// # Safety
///
/// As of the C function.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn pthread_create(
    thread: *mut libc::pthread_t,
    attributes: *const libc::pthread_attr_t,
    body: Body,
    argument: *mut c_void,
) -> c_int {
    let Some(me) = me::current() else {
        return next!(CREATE, Create, thread, attributes, body, argument);
    };
    let (id, baton) = me.inside(|kernel| {
        let life = kernel.next_life.take();
        let life = life.unwrap_or_else(|| kernel.life_of(me.id()));
        let id = kernel.add_thread(life, String::new());
        (id, kernel.thread(id).baton.clone())
    });
    let passed = Box::into_raw(Box::new(Begin {
        body,
        argument,
        world: me.world().clone(),
        id,
        baton: baton.clone(),
    }));
    let answer = next!(
        CREATE,
        Create,
        thread,
        attributes,
        begin,
        passed.cast::<c_void>()
    );
    me.inside(|kernel| {
        if answer != 0 {
            kernel.thread_mut(id).state = State::Done;
            return;
        }
        // SAFETY: the C function has written the handle.
        kernel.thread_mut(id).handle = unsafe { *thread } as usize;
        kernel.make_ready(id);
    });
    if answer == 0 {
        baton.await_arrival();
    }
    if answer != 0 {
        // SAFETY: no thread has been made that would take it.
        drop(unsafe { Box::from_raw(passed) });
    }
    answer
}

/// # Safety
///
/// As of the C function.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn pthread_join(thread: libc::pthread_t, result: *mut *mut c_void) -> c_int {
    if let Some(me) = me::current() {
        me.wait(None, |kernel| {
            // The last one of this handle: it may have been used before.
            let found = kernel
                .threads
                .iter()
                .rposition(|other| other.handle == thread as usize);
            let Some(index) = found else { return Some(()) };
            if kernel.threads[index].state == State::Done {
                return Some(());
            }
            kernel.wait_for(me.id(), Key::Thread(ThreadId(index as u32)));
            None
        });
    }
    // It has left the world and is about to end.
    next!(JOIN, Join, thread, result)
}

/// As the C library's, in a world too. A sanitizer has functions of all three names, which keep a
/// list of threads; it is to see all of them or none.
///
/// # Safety
///
/// As of the C function.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn pthread_detach(thread: libc::pthread_t) -> c_int {
    next!(DETACH, Detach, thread)
}

/// # Safety
///
/// As of the C function.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn pthread_setname_np(
    thread: libc::pthread_t,
    name: *const libc::c_char,
) -> c_int {
    if let Some(me) = me::current() {
        // SAFETY: the caller passes a C string.
        let text = unsafe { std::ffi::CStr::from_ptr(name) }.to_string_lossy();
        // SAFETY: no pointers.
        if thread == unsafe { libc::pthread_self() } {
            me.inside(|kernel| kernel.name_thread(me.id(), text.into_owned()));
        }
    }
    next!(NAME, Name, thread, name)
}
