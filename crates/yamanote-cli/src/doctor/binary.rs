//! `yamanote doctor --binary`: which runtime a program was built with.
//!
//! Yamanote leaves a mark in programs that build a runtime. Tokio leaves none; its panics name
//! their files, and these paths survive `strip` and LTO.
#![forbid(unsafe_code)]

use crate::output;
use memchr::memmem;
use serde_json::{Value, json};
use std::collections::BTreeSet;
use std::path::Path;
use std::process::ExitCode;
use yamanote::runtime::MARK;

/// What was found in a program.
#[derive(Debug, Default, PartialEq)]
pub struct Found {
    /// Versions of Yamanote.
    yamanote: BTreeSet<String>,
    /// Versions of Tokio whose runtime is in it; a version that cannot be seen is `?`.
    tokio: BTreeSet<String>,
}

/// What to print, and the exit status: 0 if the program has Yamanote and no other Tokio.
pub fn examine(file: &Path, json: bool) -> (String, ExitCode) {
    let found = match of(file) {
        Ok(found) => found,
        Err(why) => {
            output::complain(&format!("yamanote doctor: {}: {why}", file.display()));
            return (String::new(), ExitCode::FAILURE);
        }
    };
    let text = match json {
        true => {
            let mut json = found.as_json();
            json["file"] = file.to_string_lossy().into();
            format!("{json:#}\n")
        }
        false => format!("{}: {}\n", file.display(), found.sentence()),
    };
    match found.tokio.is_empty() && !found.yamanote.is_empty() {
        true => (text, ExitCode::SUCCESS),
        false => (text, ExitCode::FAILURE),
    }
}

/// What is found in this program.
pub fn of(file: &Path) -> Result<Found, String> {
    read(file).map(|bytes| look(&bytes))
}

fn read(file: &Path) -> Result<Vec<u8>, String> {
    let bytes = std::fs::read(file).map_err(|error| error.to_string())?;
    match bytes.starts_with(b"\x7fELF") {
        true => Ok(bytes),
        false => Err("this is no program of Linux (ELF); name the executable itself".to_owned()),
    }
}

fn look(bytes: &[u8]) -> Found {
    let mut found = Found::default();
    // The mark ends with the version.
    let (name, _) = MARK.rsplit_once(' ').expect("it has words");
    let name = format!("{name} ");
    for at in memmem::find_iter(bytes, &name) {
        found
            .yamanote
            .extend(version(&bytes[at + name.len()..], b';'));
    }
    for at in memmem::find_iter(bytes, b"tokio-1.") {
        let rest = &bytes[at + "tokio-".len()..];
        let Some(version) = version(rest, b'/') else {
            continue;
        };
        if rest[version.len()..].starts_with(b"/src/runtime/") {
            found.tokio.insert(version);
        }
    }
    // A copy of its repository, or of its package under another name, says no version.
    let directory = b"/tokio/src/runtime/";
    let mut files = memmem::find_iter(bytes, directory);
    if files.any(|at| is_file(&bytes[at + directory.len()..])) {
        found.tokio.insert("?".to_owned());
    }
    found
}

/// Whether the name of a source file stands at the beginning.
fn is_file(bytes: &[u8]) -> bool {
    let is_of_name = |byte: &u8| byte.is_ascii_lowercase() || b"_/".contains(byte);
    let length = bytes.iter().take_while(|it| is_of_name(it)).count();
    length > 0 && bytes[length..].starts_with(b".rs")
}

/// The version at the beginning, if `end` follows on it.
fn version(bytes: &[u8], end: u8) -> Option<String> {
    const LONGEST: usize = 40;
    let bytes = &bytes[..bytes.len().min(LONGEST)];
    let text = std::str::from_utf8(&bytes[..memchr::memchr(end, bytes)?]).ok()?;
    semver::Version::parse(text).ok().map(|it| it.to_string())
}

impl Found {
    /// Adds what was found in another program.
    pub fn extend(&mut self, other: Found) {
        self.yamanote.extend(other.yamanote);
        self.tokio.extend(other.tokio);
    }

    pub fn as_json(&self) -> Value {
        json!({ "yamanote": self.yamanote, "tokio": self.tokio })
    }

    pub fn sentence(&self) -> String {
        let list = |it: &BTreeSet<String>| it.iter().cloned().collect::<Vec<_>>().join(", ");
        let (yamanote, tokio) = (list(&self.yamanote), list(&self.tokio));
        match (yamanote.is_empty(), tokio.is_empty()) {
            (false, true) => format!("runs on Yamanote {yamanote}"),
            (true, false) => format!("runs on Tokio {tokio}"),
            (false, false) => format!("has both: Yamanote {yamanote} and Tokio {tokio}"),
            (true, true) => "no runtime of either is in it, or what tells them apart was removed \
                             (a compressed program, panics without their places)"
                .to_owned(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn signs(text: &str) -> (Vec<String>, Vec<String>) {
        let found = look(text.as_bytes());
        (
            found.yamanote.into_iter().collect(),
            found.tokio.into_iter().collect(),
        )
    }

    #[test]
    fn signs_are_whole() {
        let ours = env!("CARGO_PKG_VERSION").to_owned();
        assert_eq!(signs(&format!("..{MARK}..{MARK}")), (vec![ours], vec![]));
        assert_eq!(
            signs(&format!("..{}", &MARK[..MARK.len() - 1])),
            (vec![], vec![])
        );
        let tokio = "/cargo/registry/src/b/tokio-1.54.1/src/runtime/park.rs";
        assert_eq!(signs(tokio), (vec![], vec!["1.54.1".to_owned()]));
        // Of its locks and channels alone, or of a crate beside it.
        for text in [
            "/tokio-1.54.1/src/sync/mpsc.rs",
            "/tokio-util-0.7.1/src/runtime/a.rs",
            "tokio-1.",
            "/tokio/src/runtime/ of this tool",
        ] {
            assert_eq!(signs(text), (vec![], vec![]), "{text}");
        }
        let copy = "/git/checkouts/tokio-0123/4567/tokio/src/runtime/builder.rs";
        assert_eq!(signs(copy), (vec![], vec!["?".to_owned()]));
    }
}
