//! What ends a wait in epoll from another thread: an eventfd in the set.
#![forbid(unsafe_code)]

use std::io;
use std::os::fd::{AsRawFd, OwnedFd};

use mio::unix::SourceFd;

use super::WAKE;
use crate::sys;

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

    /// Makes the present wait return, or the next.
    pub(super) fn ring(&self, registry: &mio::Registry) -> io::Result<()> {
        if sys::eventfd::add_one(&self.eventfd).is_ok() {
            return Ok(());
        }
        // It cannot be written to. But it could be, as far as the set is concerned, and a set that
        // is asked about that anew tells so.
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
    fn it_rings_also_when_it_cannot_be_written_to() {
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
