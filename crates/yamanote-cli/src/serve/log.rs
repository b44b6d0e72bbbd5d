//! What the server writes. A thread writes the lines, so that a slow pipe does not hold up a
//! worker.
#![forbid(unsafe_code)]

use std::io::{self, Write};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;

/// How many lines may wait to be written; beyond that requests wait, so that memory does not grow.
const BACKLOG: usize = 4096;

/// A handle; clones write to the same place.
#[derive(Clone)]
pub struct Log(Arc<Shared>);

struct Shared {
    requests: bool,
    writer: Mutex<Option<Writer>>,
}

struct Writer {
    lines: SyncSender<Line>,
    thread: JoinHandle<()>,
}

enum Line {
    Out(String),
    Error(String),
}

impl Log {
    /// `requests`: whether [`request`](Self::request) writes anything.
    pub fn new(requests: bool) -> Log {
        let (lines, receiver) = sync_channel(BACKLOG);
        let thread = std::thread::Builder::new()
            .name("log".into())
            .spawn(move || write_lines(&receiver))
            .expect("one thread can be started");
        Log(Arc::new(Shared {
            requests,
            writer: Mutex::new(Some(Writer { lines, thread })),
        }))
    }

    /// Writes a line to standard output.
    pub fn announce(&self, line: String) {
        self.send(Line::Out(line));
    }

    /// Writes a request's line, if asked for.
    pub fn request(&self, line: impl FnOnce() -> String) {
        if self.0.requests {
            self.announce(line());
        }
    }

    /// Writes a message to standard error, under the program's name.
    pub fn complain(&self, message: &str) {
        self.send(Line::Error(format!("yamanote serve: {message}")));
    }

    /// Waits until everything is written; later lines are dropped.
    pub fn flush(&self) {
        let writer = self.writer().take();
        if let Some(Writer { lines, thread }) = writer {
            drop(lines);
            let _ = thread.join();
        }
    }

    fn send(&self, line: Line) {
        let lines = self.writer().as_ref().map(|writer| writer.lines.clone());
        if let Some(lines) = lines {
            // Never fails: the thread takes lines as long as there is a sender.
            let _ = lines.send(line);
        }
    }

    fn writer(&self) -> std::sync::MutexGuard<'_, Option<Writer>> {
        self.0.writer.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Goes on when nobody reads any more: a server need not end because its log does.
fn write_lines(lines: &Receiver<Line>) {
    let mut has_output = true;
    for line in lines {
        match line {
            Line::Out(line) if has_output => {
                if let Err(error) = write_line(&mut io::stdout().lock(), &line) {
                    has_output = false;
                    let message = format!(
                        "yamanote serve: standard output: {error}; nothing more is written to it"
                    );
                    let _ = write_line(&mut io::stderr().lock(), &message);
                }
            }
            Line::Out(_) => {}
            // If this fails there is nobody left to tell.
            Line::Error(line) => drop(write_line(&mut io::stderr().lock(), &line)),
        }
    }
}

fn write_line(to: &mut impl Write, line: &str) -> io::Result<()> {
    to.write_all(format!("{line}\n").as_bytes())?;
    to.flush()
}
