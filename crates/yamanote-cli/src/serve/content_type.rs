//! Content types: from a file's name, or from its first bytes if the name does not tell.
//!
//! Text is served as text, so that a browser shows a source file instead of saving it.
#![forbid(unsafe_code)]

use mime_guess::Mime;
use std::path::Path;

/// Bytes of a file that are looked at.
pub const LOOKED_AT: usize = 1024;

const TEXT: &str = "text/plain; charset=utf-8";
const BYTES: &str = "application/octet-stream";

/// Extensions that mean a kind of source text besides the format that is registered for them: `.ts`
/// is TypeScript and a video stream. The registered types of the others make browsers save the
/// file.
const AMBIGUOUS: &[&str] = &[
    "asm", "bat", "cmd", "crt", "csh", "cts", "dart", "java", "mts", "pem", "php", "pl", "pm",
    "sh", "sql", "tcl", "tex", "ts",
];

/// What a name tells.
#[derive(Debug, PartialEq, Eq)]
pub enum ByName {
    Certain(String),
    /// The first bytes decide whether it is text; this type if not.
    Unless(String),
}

pub fn by_name(name: &str) -> ByName {
    let extension = Path::new(name).extension().and_then(|text| text.to_str());
    let is_ambiguous = |extension: &str| {
        let lower = extension.to_ascii_lowercase();
        AMBIGUOUS.contains(&lower.as_str())
    };
    match mime_guess::from_path(name).first() {
        None => ByName::Unless(BYTES.to_owned()),
        Some(mime) if extension.is_some_and(is_ambiguous) => ByName::Unless(mime.to_string()),
        Some(mime) => ByName::Certain(with_charset(&mime)),
    }
}

impl ByName {
    /// The type of a file that begins with `first`; what it has after [`LOOKED_AT`] is not needed.
    pub fn with_content(self, first: &[u8]) -> String {
        match self {
            ByName::Certain(content_type) => content_type,
            ByName::Unless(_) if is_text(first) => TEXT.to_owned(),
            ByName::Unless(content_type) => content_type,
        }
    }
}

fn with_charset(mime: &Mime) -> String {
    match (mime.type_().as_str(), mime.subtype().as_str()) {
        // RFC 9239 retired the other name; browsers run modules under either.
        ("application", "javascript") => "text/javascript; charset=utf-8".to_owned(),
        ("text", _) => format!("{mime}; charset=utf-8"),
        _ => mime.to_string(),
    }
}

/// Whether these may be the first bytes of a UTF-8 text.
fn is_text(first: &[u8]) -> bool {
    let valid = match std::str::from_utf8(first) {
        Ok(text) => text,
        // The last character may be cut off.
        Err(error) if error.error_len().is_none() => {
            std::str::from_utf8(&first[..error.valid_up_to()]).unwrap_or_default()
        }
        Err(_) => return false,
    };
    // Escape: output for a terminal is text too.
    let is_allowed = |c: char| !c.is_control() || matches!(c, '\t' | '\n' | '\r' | '\x0c' | '\x1b');
    valid.chars().all(is_allowed)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_is_text_whatever_its_name() {
        let source = "const größe: number = 1;\n".as_bytes();
        for name in [
            "main.ts",
            "main.TS",
            "a.mts",
            "a.cts",
            "a.tsx",
            "LICENSE",
            "Makefile",
            "README",
            "Dockerfile",
            "Cargo.lock",
            ".gitignore",
            "run.sh",
            "a.go",
            "a.kt",
            "a.java",
            "a.sql",
            "a.unknown",
            "no.",
        ] {
            assert_eq!(by_name(name).with_content(source), TEXT, "{name}");
            assert_eq!(by_name(name).with_content(b""), TEXT, "{name}");
        }
        let binary = b"\x47\x40\x00\x10\x00\xff";
        for (name, expected) in [
            ("film.ts", "video/vnd.dlna.mpeg-tts"),
            ("LICENSE", BYTES),
            ("a.unknown", BYTES),
            ("core", BYTES),
        ] {
            assert_eq!(by_name(name).with_content(binary), expected, "{name}");
        }
    }

    #[test]
    fn known_names_need_no_look() {
        for (name, expected) in [
            ("index.html", "text/html; charset=utf-8"),
            ("a.css", "text/css; charset=utf-8"),
            ("a.js", "text/javascript; charset=utf-8"),
            ("a.mjs", "text/javascript; charset=utf-8"),
            ("a.txt", TEXT),
            ("a.json", "application/json"),
            ("a.wasm", "application/wasm"),
            ("a.png", "image/png"),
            ("a.svg", "image/svg+xml"),
            ("a.pdf", "application/pdf"),
            ("a.mp4", "video/mp4"),
            ("a.tar.gz", "application/gzip"),
            ("a.bin", BYTES),
        ] {
            assert_eq!(by_name(name), ByName::Certain(expected.into()), "{name}");
        }
    }

    #[test]
    fn a_cut_character_is_no_fault_and_a_wrong_one_is() {
        assert!(is_text("größe".as_bytes().split_at(3).0));
        assert!(is_text(b"\x1b[1mbold\x1b[0m\r\n\tx\x0c"));
        assert!(!is_text(b"gr\xf6\xdfe"));
        assert!(!is_text(b"a\0b"));
        assert!(!is_text(b"\x7fELF"));
    }
}
