//! Writes what is shown to a file.
#![forbid(unsafe_code)]

use super::super::client::Answer;
use std::fs::OpenOptions;
use std::io::Write;
use std::path::PathBuf;

/// The snapshot, as the program gave it, into the working directory. Returns what to tell the user.
pub fn write(answer: &Answer) -> String {
    let pid = answer.snapshot.pid;
    for number in 1.. {
        let path = PathBuf::from(format!("yamanote-{pid}-{number}.json"));
        // Not over another file, nor through a link.
        match OpenOptions::new().write(true).create_new(true).open(&path) {
            Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => {}
            Err(error) => return format!("{}: {error}", path.display()),
            Ok(mut file) => {
                return match file.write_all(format!("{}\n", answer.text).as_bytes()) {
                    Ok(()) => format!("written to {}", path.display()),
                    Err(error) => format!("{}: {error}", path.display()),
                };
            }
        }
    }
    unreachable!("there are more numbers than files")
}
