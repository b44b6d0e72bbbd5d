//! What the tool prints. If a stream takes no more, the command fails but does not panic.
#![forbid(unsafe_code)]

use std::io::{self, ErrorKind, Write};
use std::process::ExitCode;

/// Prints to standard output, and returns `status` if that worked.
pub fn print(text: &str, status: ExitCode) -> ExitCode {
    let mut out = io::stdout().lock();
    match out.write_all(text.as_bytes()).and_then(|()| out.flush()) {
        Ok(()) => status,
        // A reader that has seen enough closes the pipe; that is not a failure.
        Err(error) if error.kind() == ErrorKind::BrokenPipe => status,
        Err(error) => {
            complain(&format!("yamanote: standard output: {error}"));
            ExitCode::FAILURE
        }
    }
}

/// Prints a line to standard error. If that fails too, there is nobody to tell.
pub fn complain(line: &str) {
    let _ = writeln!(io::stderr(), "{line}");
}
