//! Threads that are held up by a call.

use std::sync::mpsc::{Receiver, Sender, channel};
use std::time::Duration;

/// Holds up whoever makes one of its calls, until it is dropped.
#[derive(Debug)]
pub struct Holdup {
    arrived: Receiver<()>,
    releases: Vec<Sender<()>>,
}

impl Holdup {
    /// With so many calls, each for a task of its own.
    pub fn new(calls: usize) -> (Self, Vec<impl FnOnce() + Send + 'static>) {
        let (arrive, arrived) = channel();
        let (releases, calls) = (0..calls)
            .map(|_| {
                let (release, released) = channel::<()>();
                let arrive = arrive.clone();
                let call = move || {
                    arrive.send(()).expect("somebody holds us up");
                    let _ = released.recv();
                };
                (release, call)
            })
            .unzip();
        (Holdup { arrived, releases }, calls)
    }

    /// Waits until all calls have been made.
    pub fn wait(&self) {
        for _ in &self.releases {
            self.arrived
                .recv_timeout(Duration::from_secs(60))
                .expect("it gets stuck");
        }
    }
}
