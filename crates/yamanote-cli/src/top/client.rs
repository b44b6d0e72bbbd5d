//! One exchange with a console.
#![forbid(unsafe_code)]

use super::snapshot::{SCHEMA, Snapshot};
use std::io::{ErrorKind, Read, Write};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::time::Duration;

/// A console answers within milliseconds, also when its program is stuck. It gives each client a
/// second, and somebody may be before us.
const PATIENCE: Duration = Duration::from_secs(5);

pub struct Answer {
    /// As it came, without the end of its line.
    pub text: String,
    pub snapshot: Snapshot,
}

/// # Errors
///
/// What is wrong and what to do about it.
pub fn ask(path: &Path) -> Result<Answer, String> {
    let text = exchange(path).map_err(|error| explain(&error, path))?;
    if text.is_empty() {
        return Err(format!("{}: the program hung up", path.display()));
    }
    read(text.trim_end().to_owned()).map_err(|error| format!("{}: {error}", path.display()))
}

fn exchange(path: &Path) -> std::io::Result<String> {
    let mut stream = UnixStream::connect(path)?;
    stream.set_read_timeout(Some(PATIENCE))?;
    stream.set_write_timeout(Some(PATIENCE))?;
    stream.write_all(b"snapshot\n")?;
    let mut text = String::new();
    stream.read_to_string(&mut text)?;
    Ok(text)
}

fn read(text: String) -> Result<Answer, String> {
    let snapshot: Snapshot = serde_json::from_str(&text)
        .map_err(|error| format!("this is no answer of a console: {error}"))?;
    if let Some(error) = snapshot.error {
        return Err(error);
    }
    match snapshot.schema {
        SCHEMA => Ok(Answer { text, snapshot }),
        other => Err(format!(
            "the program speaks schema {other} and this tool {SCHEMA}: use the tool of the \
             program's version of Yamanote"
        )),
    }
}

fn explain(error: &std::io::Error, path: &Path) -> String {
    let advice = match error.kind() {
        ErrorKind::PermissionDenied => "; run this as the program's user, or as root",
        ErrorKind::NotFound | ErrorKind::ConnectionRefused => "; the program has ended",
        ErrorKind::WouldBlock | ErrorKind::TimedOut => {
            return format!("{}: no answer within {PATIENCE:?}", path.display());
        }
        _ => "",
    };
    format!("{}: {error}{advice}", path.display())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_is_read_or_refused() {
        let error = |text: &str| read(text.to_owned()).err().expect("refused");
        assert!(error("{}x").contains("no answer of a console"));
        assert_eq!(error(r#"{"schema":1,"error":"not to you"}"#), "not to you");
        assert!(error(r#"{"schema":7,"pid":1}"#).contains("schema 7"));
        // What a later version adds is ignored, what an earlier one lacks is unknown.
        let answer = read(r#"{"schema":1,"pid":3,"news":[1]}"#.to_owned());
        assert_eq!(answer.expect("read").snapshot.pid, 3);
    }
}
