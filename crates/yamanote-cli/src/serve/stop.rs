//! Ctrl-C and SIGTERM as something to wait for.
#![forbid(unsafe_code)]

use signal_hook::consts::{SIGINT, SIGTERM};
use std::io::{self, Read};
use std::os::unix::net::UnixStream;
use yamanote::io::unix::AsyncFd;

/// Ends a wait each time the program is asked to stop.
pub struct Stop(AsyncFd<UnixStream>);

impl Stop {
    /// From now on SIGINT and SIGTERM no longer end the process.
    pub fn on_signals() -> io::Result<Stop> {
        let (receiver, sender) = UnixStream::pair()?;
        for signal in [SIGINT, SIGTERM] {
            signal_hook::low_level::pipe::register(signal, sender.try_clone()?)?;
        }
        receiver.set_nonblocking(true)?;
        // `new` is deprecated because not every type keeps its descriptor; a UnixStream does.
        #[allow(deprecated)]
        Ok(Stop(AsyncFd::new(receiver)?))
    }

    /// Waits until the next signal. Cancel safe.
    pub async fn asked(&mut self) {
        loop {
            let Ok(mut guard) = self.0.readable().await else {
                // The runtime ends: as good as a signal.
                return;
            };
            let mut bytes = [0; 16];
            match guard.try_io(|fd| fd.get_ref().read(&mut bytes)) {
                Ok(_) => return,
                Err(_would_block) => {}
            }
        }
    }
}
