//! An eventfd in the set, by which another thread ends a wait in epoll.
#![forbid(unsafe_code)]

use std::io;
use std::os::fd::{AsRawFd, OwnedFd};

use mio::unix::SourceFd;

use crate::sys;

/// The event of an [`Alarm`]; no source has this number.
pub(super) const WAKE: mio::Token = mio::Token(usize::MAX);

pub(super) struct Alarm {
    eventfd: OwnedFd,
}

impl Alarm {
    pub(super) fn new(registry: &mio::Registry) -> io::Result<Alarm> {
        let eventfd = sys::eventfd::new()?;
        // Edge-triggered, so nobody needs to read it: each addition is an event.
        registry.register(
            &mut SourceFd(&eventfd.as_raw_fd()),
            WAKE,
            mio::Interest::READABLE,
        )?;
        Ok(Alarm { eventfd })
    }

    /// Ends the present wait, or else the next.
    pub(super) fn ring(&self, registry: &mio::Registry) -> io::Result<()> {
        if sys::eventfd::add_one(&self.eventfd).is_ok() {
            return Ok(());
        }
        // It cannot be written to, but the set still takes it for writable, and says so when it is
        // asked anew.
        registry.reregister(
            &mut SourceFd(&self.eventfd.as_raw_fd()),
            WAKE,
            mio::Interest::READABLE | mio::Interest::WRITABLE,
        )
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;
    use std::time::Duration;

    /// A full counter refuses to be added to.
    #[test]
    fn it_rings_even_if_it_cannot_be_written_to() {
        let mut poll = mio::Poll::new().unwrap();
        let mut events = mio::Events::with_capacity(4);
        let registry = poll.registry().try_clone().unwrap();
        let alarm = Alarm::new(&registry).unwrap();
        let mut rings = |alarm: &Alarm| {
            alarm.ring(&registry).unwrap();
            poll.poll(&mut events, Some(Duration::ZERO)).unwrap();
            let rang = events.iter().any(|event| event.token() == WAKE);
            poll.poll(&mut events, Some(Duration::ZERO)).unwrap();
            assert!(events.is_empty(), "once");
            rang
        };
        assert!(rings(&alarm));
        let mut file = std::fs::File::from(alarm.eventfd.try_clone().unwrap());
        std::io::Write::write_all(&mut file, &(u64::MAX - 3).to_ne_bytes()).unwrap();
        for _ in 0..5 {
            assert!(rings(&alarm));
        }
        assert!(sys::eventfd::add_one(&alarm.eventfd).is_err());
    }
}
