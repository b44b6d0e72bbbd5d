//! What the tool prints. A stream that takes nothing more is an error of the command, not a panic.
#![forbid(unsafe_code)]

use std::io::{self, ErrorKind, Write};
use std::process::ExitCode;

/// Prints to standard output, and gives `status` back if that has worked.
pub fn print(text: &str, status: ExitCode) -> ExitCode {
    let mut out = io::stdout().lock();
    match out.write_all(text.as_bytes()).and_then(|()| out.flush()) {
        Ok(()) => status,
        // A reader that has seen enough closes the pipe; that is no failure.
        Err(error) if error.kind() == ErrorKind::BrokenPipe => status,
        Err(error) => {
            complain(&format!("yamanote: standard output: {error}"));
            ExitCode::FAILURE
        }
    }
}

/// Prints a line to standard error. Where that fails too there is nobody to tell.
pub fn complain(line: &str) {
    let _ = writeln!(io::stderr(), "{line}");
}
