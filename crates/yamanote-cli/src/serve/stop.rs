//! Ctrl-C and SIGTERM as something to wait for.
#![forbid(unsafe_code)]

use std::io;
use yamanote::signal::unix::{Signal, SignalKind, signal};

/// Ends a wait each time the program is asked to stop.
pub struct Stop {
    interrupt: Signal,
    terminate: Signal,
}

impl Stop {
    /// From now on SIGINT and SIGTERM no longer end the process.
    pub fn on_signals() -> io::Result<Stop> {
        Ok(Stop {
            interrupt: signal(SignalKind::interrupt())?,
            terminate: signal(SignalKind::terminate())?,
        })
    }

    /// Waits for the next signal. Cancel safe.
    pub async fn asked(&mut self) {
        yamanote::select! {
            _ = self.interrupt.recv() => {}
            _ = self.terminate.recv() => {}
        }
    }
}
