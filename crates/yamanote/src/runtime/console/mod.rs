//! The console: a Unix socket at which a program tells what its runtimes do.
//!
//! A process has at most one, for all of its runtimes that were asked to take part: the first
//! opens it, the last closes it. It is served by a thread of its own and by no task, so that it
//! answers also when every worker is stuck. Without it there is neither thread nor socket.
//!
//! `address` is where the socket is, `server` who may ask and how, `snapshot` what is answered,
//! `observer` what the console finds out by itself while somebody asks. The format is documented in
//! `docs/console.md`.
#![forbid(unsafe_code)]

mod address;

mod observer;

mod server;

mod snapshot;

pub(super) use address::Address;

use super::parts::Parts;
use crate::sys::fork::Origin;
use crate::util::poison::unpoisoned;
use observer::Observer;
use server::Server;
use std::cell::RefCell;
use std::io;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, Weak};
use std::thread::{self, JoinHandle};

/// What is wanted of a console.
pub(super) struct Choice {
    /// `None`: no console.
    pub(super) address: Option<Address>,
    /// The program cannot do without.
    pub(super) is_demanded: bool,
}

/// A runtime's part in the console; ended by [`leave`](Self::leave).
#[derive(Debug)]
pub(super) struct Member {
    parts: Weak<Parts>,
}

/// The console of this process.
struct Console {
    server: Arc<Server>,
    thread: JoinHandle<()>,
    runtimes: Vec<Weak<Parts>>,
    /// A forked child inherits this value, but neither the thread nor a right to the socket.
    origin: Origin,
}

static CONSOLE: Mutex<Option<Console>> = Mutex::new(None);

fn lock() -> MutexGuard<'static, Option<Console>> {
    let mut console = unpoisoned(CONSOLE.lock());
    if console.as_ref().is_some_and(|held| !held.origin.is_here()) {
        // The parent's, whose thread must not be detached here and whose socket stays as it is.
        std::mem::forget(console.take());
    }
    console
}

/// Makes a runtime visible at the console, and opens that if it is the first.
///
/// # Errors
///
/// If the program demands it and the socket or the thread cannot be had, or if the console of this
/// process is elsewhere.
pub(super) fn join(parts: &Arc<Parts>, choice: &Choice) -> io::Result<Option<Member>> {
    let Some(address) = &choice.address else {
        return Ok(None);
    };
    match become_member(parts, address) {
        Err(error) if !choice.is_demanded => {
            complain(&error);
            Ok(None)
        }
        member => member.map(Some),
    }
}

fn become_member(parts: &Arc<Parts>, address: &Address) -> io::Result<Member> {
    let mut console = lock();
    match &mut *console {
        Some(open) => {
            address.check_is(open.server.path())?;
            open.runtimes.push(Arc::downgrade(parts));
        }
        None => *console = Some(Console::open(parts, address)?),
    }
    Ok(Member {
        parts: Arc::downgrade(parts),
    })
}

/// Where the console is at which this runtime can be seen, if there is one.
pub(super) fn path_of(parts: &Arc<Parts>) -> Option<PathBuf> {
    let console = lock();
    let open = console.as_ref()?;
    let mut runtimes = open.runtimes.iter();
    let is_member = runtimes.any(|member| std::ptr::eq(member.as_ptr(), Arc::as_ptr(parts)));
    is_member.then(|| open.server.path().to_owned())
}

impl Console {
    fn open(parts: &Arc<Parts>, address: &Address) -> io::Result<Console> {
        let server = address.find().and_then(|path| {
            address::remove_stale_beside(&path);
            Server::listen(path)
        });
        let server = Arc::new(server.map_err(|error| explain(&error, address))?);
        let serving = server.clone();
        let thread = thread::Builder::new()
            .name("yamanote-console".to_owned())
            .spawn(move || {
                let observer = RefCell::new(Observer::default());
                serving.run(
                    || snapshot::of_process(&members(), &mut observer.borrow_mut()),
                    || observer.borrow_mut().look(&members()),
                );
            });
        match thread {
            Ok(thread) => Ok(Console {
                server,
                thread,
                runtimes: vec![Arc::downgrade(parts)],
                origin: Origin::here(),
            }),
            Err(error) => {
                server.close();
                Err(explain(&error, address))
            }
        }
    }
}

impl Member {
    /// The runtime has ended. If it was the last to be seen, the socket is gone on return, and with
    /// `may_wait` the thread too.
    pub(super) fn leave(self, may_wait: bool) {
        let thread = {
            let mut console = lock();
            let Some(open) = &mut *console else {
                return;
            };
            open.runtimes.retain(|member| !member.ptr_eq(&self.parts));
            if !open.runtimes.is_empty() {
                return;
            }
            // Under the lock, because the next console may have the same path.
            open.server.close();
            console.take().map(|closed| closed.thread)
        };
        if let Some(thread) = thread.filter(|_| may_wait) {
            // A panic of it has been reported.
            let _ = thread.join();
        }
    }
}

/// The runtimes that can be seen.
fn members() -> Vec<Arc<Parts>> {
    let members = lock().as_ref().map(|open| open.runtimes.clone());
    members.iter().flatten().filter_map(Weak::upgrade).collect()
}

fn explain(error: &io::Error, address: &Address) -> io::Error {
    io::Error::new(error.kind(), format!("console {address}: {error}"))
}

/// Says that there is no console although the operator wants one, and only then.
fn complain(error: &io::Error) {
    // A program without a standard error does not hear it.
    let _ = io::Write::write_fmt(
        &mut io::stderr(),
        format_args!("yamanote: {error}; the program goes on without a console\n"),
    );
}
