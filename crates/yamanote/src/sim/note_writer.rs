//! Text that goes into the trace.
#![forbid(unsafe_code)]

use std::io;

use super::note;

/// Writes into the run's trace: see [`note_writer`].
#[derive(Debug, Default)]
pub struct NoteWriter {
    /// What has been written of a line.
    line: Vec<u8>,
}

/// A writer whose lines are [notes](note), each of the host whose thread writes it. For the output
/// of a logger: what a program says then stands in the trace of a failing seed, between the packets
/// and faults that it is about.
///
/// Outside of a simulation what is written is lost.
///
/// # Examples
///
/// Virtual time is in the trace already, and so is the host:
///
/// ```no_run
/// use yamanote::sim::{self, Sim};
///
/// #[yamanote::sim::test]
/// async fn with_a_log(sim: Sim) {
///     tracing_subscriber::fmt()
///         .with_writer(sim::note_writer)
///         .with_ansi(false)
///         .without_time()
///         .init();
///     // ...
/// }
/// ```
pub fn note_writer() -> NoteWriter {
    NoteWriter::default()
}

impl NoteWriter {
    fn end_line(&mut self) {
        note(&String::from_utf8_lossy(&self.line));
        self.line.clear();
    }
}

impl io::Write for NoteWriter {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        for part in bytes.split_inclusive(|byte| *byte == b'\n') {
            let text = part.strip_suffix(b"\n");
            self.line.extend_from_slice(text.unwrap_or(part));
            if text.is_some() {
                self.end_line();
            }
        }
        Ok(bytes.len())
    }

    /// Notes are whole lines: what has been written of one waits for the rest.
    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Drop for NoteWriter {
    fn drop(&mut self) {
        if !self.line.is_empty() {
            self.end_line();
        }
    }
}
