//! A process that nobody has waited for yet: watching for its exit, killing it, letting go of it.
//!
//! ```text
//!   start ──► Pidfd ── readable, and the child is there to be waited for ──► its status
//!     │         │  └── the runtime is shut down ──► start again, in the current one
//!     │         └───── readable, but a tracer has the first word ──┐
//!     └── no pidfd ────────────────────────────────────────► Sigchld ──► its status
//! ```
//!
//! Dropped before its status is known, it becomes a stray of the process
//! (`runtime/driver/process_wide/strays.rs`).
#![forbid(unsafe_code)]

use std::fmt;
use std::io;
use std::os::fd::{AsRawFd, OwnedFd};
use std::process::ExitStatus;
use std::task::{Context, Poll, ready};

use mio::unix::SourceFd;
use mio::{Registry, Token, event::Source};

use crate::io::Interest;
use crate::io::evented::Evented;
use crate::runtime::context;
use crate::runtime::driver::process_wide::signals::{self, Listener};
use crate::runtime::driver::process_wide::strays;
use crate::sys;
use crate::util::coop;

pub(super) struct Running {
    /// Empty only in the drop.
    child: Option<std::process::Child>,
    /// Empty only in the drop.
    watch: Option<Watch>,
    kill_on_drop: bool,
}

/// How the exit will be noticed.
enum Watch {
    Pidfd(Evented<Pidfd>),
    /// SIGCHLD says that some child may have exited; then we ask for ours.
    Sigchld(Listener),
}

impl Watch {
    #[track_caller]
    fn start(child: &std::process::Child) -> io::Result<Watch> {
        let Ok(pidfd) = sys::pidfd::open(child.id()) else {
            return Watch::by_signal();
        };
        match Evented::with_interest(Pidfd(pidfd), Interest::READABLE) {
            // The kernel has no room for it in the set.
            Err(error) if error.raw_os_error().is_some() => Watch::by_signal(),
            watched => watched.map(Watch::Pidfd),
        }
    }

    fn pidfd(&self) -> Option<&OwnedFd> {
        match self {
            Watch::Pidfd(pidfd) => Some(&pidfd.0),
            Watch::Sigchld(_) => None,
        }
    }

    #[track_caller]
    fn by_signal() -> io::Result<Watch> {
        context::with_io(|driver, _| signals::listen(libc::SIGCHLD, driver)).map(Watch::Sigchld)
    }
}

impl Running {
    /// Watches `child` in the current runtime. If that fails the child runs on as a stray, or is
    /// killed if its drop is to do that.
    #[track_caller]
    pub(super) fn new(mut child: std::process::Child, kill_on_drop: bool) -> io::Result<Running> {
        match Watch::start(&child) {
            Ok(watch) => Ok(Running {
                child: Some(child),
                watch: Some(watch),
                kill_on_drop,
            }),
            Err(error) => {
                if kill_on_drop {
                    let _ = child.kill(); // has exited already
                }
                strays::adopt(child, None);
                Err(error)
            }
        }
    }

    fn child(&mut self) -> &mut std::process::Child {
        self.child.as_mut().expect("taken only by the drop")
    }

    pub(super) fn id(&self) -> u32 {
        self.child.as_ref().expect("taken only by the drop").id()
    }

    pub(super) fn kill(&mut self) -> io::Result<()> {
        let pidfd = self.watch.as_ref().and_then(Watch::pidfd);
        match pidfd.map(|pidfd| sys::pidfd::send_signal(pidfd, libc::SIGKILL)) {
            Some(Ok(())) => {}
            Some(Err(error)) if error.raw_os_error() == Some(libc::ESRCH) => return Err(error),
            // By number, because there is no pidfd or a filter denies this use of it.
            _ => self.child().kill()?,
        }
        self.kill_on_drop = false;
        Ok(())
    }

    /// The status, if the process has exited. It is reaped then, and need not be killed any more.
    pub(super) fn try_wait(&mut self) -> io::Result<Option<ExitStatus>> {
        let result = self.child().try_wait();
        let is_gone = match &result {
            Ok(status) => status.is_some(),
            // Somebody else has reaped it; its number may be another process's by now.
            Err(error) => error.raw_os_error() == Some(libc::ECHILD),
        };
        if is_gone {
            self.kill_on_drop = false;
        }
        result
    }

    pub(super) fn poll_wait(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<ExitStatus>> {
        let unit = ready!(coop::poll_proceed(cx));
        let result = ready!(self.poll_exit(cx));
        unit.made_progress();
        Poll::Ready(result)
    }

    fn poll_exit(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<ExitStatus>> {
        loop {
            let news = self
                .watch
                .as_mut()
                .expect("taken only by the drop")
                .poll(cx);
            if news == News::NoneYet {
                return Poll::Pending;
            }
            if let Some(status) = self.try_wait()? {
                return Poll::Ready(Ok(status));
            }
            match news {
                News::NoneYet | News::WillTell => return Poll::Pending,
                News::SomeChild => {}
                News::Exited => self.watch = Some(Watch::by_signal()?),
                News::ShutDown => {
                    let child = self.child.as_ref().expect("taken only by the drop");
                    self.watch = Some(Watch::start(child)?);
                }
            }
        }
    }
}

/// What a watch has to say.
#[derive(Clone, Copy, PartialEq, Eq)]
enum News {
    /// Not exited. The task will be woken.
    NoneYet,
    /// The task will be woken for what comes from now on; what came before is unknown.
    WillTell,
    /// One of the children exited, perhaps ours.
    SomeChild,
    /// It exited, though a tracer may have the first word on it.
    Exited,
    /// It will never say anything again.
    ShutDown,
}

impl Watch {
    fn poll(&mut self, cx: &mut Context<'_>) -> News {
        match self {
            Watch::Pidfd(pidfd) => match pidfd.registration().poll_read_ready(cx) {
                Poll::Pending => News::NoneYet,
                Poll::Ready(Ok(_)) => News::Exited,
                Poll::Ready(Err(_)) => News::ShutDown,
            },
            Watch::Sigchld(listener) => match listener.poll_recv(cx) {
                Poll::Pending => News::WillTell,
                Poll::Ready(()) => News::SomeChild,
            },
        }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        if self.kill_on_drop {
            // It has exited already, or is not ours to kill.
            let _ = self.kill();
        }
        let child = self.child.take().expect("taken only here");
        let pidfd = match self.watch.take() {
            Some(Watch::Pidfd(pidfd)) => pidfd.into_inner().ok(),
            _ => None,
        };
        strays::adopt(child, pidfd.map(|Pidfd(fd)| fd));
    }
}

impl fmt::Debug for Running {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Running")
            .field("pid", &self.id())
            .field("kill_on_drop", &self.kill_on_drop)
            .finish_non_exhaustive()
    }
}

/// A pidfd as a member of a readiness set.
struct Pidfd(OwnedFd);

impl Source for Pidfd {
    fn register(
        &mut self,
        set: &Registry,
        token: Token,
        interest: mio::Interest,
    ) -> io::Result<()> {
        SourceFd(&self.0.as_raw_fd()).register(set, token, interest)
    }

    fn reregister(
        &mut self,
        set: &Registry,
        token: Token,
        interest: mio::Interest,
    ) -> io::Result<()> {
        SourceFd(&self.0.as_raw_fd()).reregister(set, token, interest)
    }

    fn deregister(&mut self, set: &Registry) -> io::Result<()> {
        SourceFd(&self.0.as_raw_fd()).deregister(set)
    }
}
