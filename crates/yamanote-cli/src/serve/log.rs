//! The access log: lines leave through a thread, so that a slow pipe does not hold up a worker.
#![forbid(unsafe_code)]

use std::io::Write;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::sync::{Mutex, PoisonError};
use std::thread::JoinHandle;

/// Lines that may wait for standard output; with more, requests wait too, rather than memory grow.
const BACKLOG: usize = 4096;

pub struct AccessLog {
    requests: bool,
    writer: Mutex<Option<(SyncSender<String>, JoinHandle<()>)>>,
}

impl AccessLog {
    /// `requests`: whether [`request`](Self::request) writes anything.
    pub fn new(requests: bool) -> AccessLog {
        let (sender, receiver) = sync_channel(BACKLOG);
        let thread = std::thread::Builder::new()
            .name("access-log".into())
            .spawn(move || write_lines(&receiver))
            .expect("one thread can be started");
        AccessLog {
            requests,
            writer: Mutex::new(Some((sender, thread))),
        }
    }

    /// Writes a line whatever the settings.
    pub fn announce(&self, line: &str) {
        let sender = self.lock().as_ref().map(|(sender, _)| sender.clone());
        if let Some(sender) = sender {
            // The writer ends early only when standard output is gone, and then there is no reader.
            let _ = sender.send(line.to_owned());
        }
    }

    /// Writes a request's line, if asked for.
    pub fn request(&self, line: impl FnOnce() -> String) {
        if self.requests {
            self.announce(&line());
        }
    }

    /// Waits until everything is written; later lines are dropped.
    pub fn flush(&self) {
        let writer = self.lock().take();
        if let Some((sender, thread)) = writer {
            drop(sender);
            let _ = thread.join();
        }
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Option<(SyncSender<String>, JoinHandle<()>)>> {
        self.writer.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn write_lines(lines: &Receiver<String>) {
    let mut out = std::io::stdout().lock();
    for line in lines {
        if writeln!(out, "{line}").and_then(|()| out.flush()).is_err() {
            return;
        }
    }
}
