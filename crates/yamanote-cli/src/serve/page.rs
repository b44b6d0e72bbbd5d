//! The pages the server makes itself: directory listings and errors.
#![forbid(unsafe_code)]

use percent_encoding::{AsciiSet, CONTROLS, percent_encode};
use std::ffi::OsString;
use std::os::unix::ffi::OsStrExt;

/// What may not stand for itself in one segment of a URL.
const SEGMENT: &AsciiSet = &CONTROLS
    .add(b' ')
    .add(b'"')
    .add(b'#')
    .add(b'%')
    .add(b'&')
    .add(b'\'')
    .add(b'/')
    .add(b':')
    .add(b'<')
    .add(b'>')
    .add(b'?')
    .add(b'[')
    .add(b'\\')
    .add(b']')
    .add(b'`')
    .add(b'{')
    .add(b'|')
    .add(b'}');

/// One line of a listing.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Entry {
    /// Directories come first.
    pub is_file: bool,
    pub name: OsString,
}

/// The listing of the directory shown under `url_path`.
pub fn listing(url_path: &str, mut entries: Vec<Entry>) -> String {
    entries.sort();
    let title = escape(&percent_encoding::percent_decode_str(url_path).decode_utf8_lossy());
    let mut page = head(&format!("Index of {title}"));
    page.push_str("<ul>\n");
    if !url_path.trim_matches('/').is_empty() {
        page.push_str("<li><a href=\"../\">../</a></li>\n");
    }
    for entry in entries {
        let slash = if entry.is_file { "" } else { "/" };
        let link = percent_encode(entry.name.as_bytes(), SEGMENT);
        let text = escape(&entry.name.to_string_lossy());
        // `./` keeps a name with a colon from being taken for a scheme.
        page.push_str(&format!(
            "<li><a href=\"./{link}{slash}\">{text}{slash}</a></li>\n"
        ));
    }
    page.push_str("</ul>\n");
    page
}

/// A page that says what went wrong.
pub fn error(status: hyper::StatusCode) -> String {
    head(&status.to_string())
}

fn head(title: &str) -> String {
    format!(
        "<!DOCTYPE html>\n<html lang=\"en\">\n<meta charset=\"utf-8\">\n\
         <title>{title}</title>\n<h1>{title}</h1>\n"
    )
}

fn escape(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '"' => escaped.push_str("&quot;"),
            '\'' => escaped.push_str("&#39;"),
            c => escaped.push(c),
        }
    }
    escaped
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_cannot_break_out_of_the_page() {
        let entry = |name: &str, is_file| Entry {
            is_file,
            name: name.into(),
        };
        let page = listing(
            "/a%3Cb/",
            vec![
                entry("<script>\"&.txt", true),
                entry("javascript:x", true),
                entry("sub dir", false),
            ],
        );
        assert!(page.contains("<title>Index of /a&lt;b/</title>"));
        assert!(
            page.contains("<a href=\"./%3Cscript%3E%22%26.txt\">&lt;script&gt;&quot;&amp;.txt</a>")
        );
        assert!(page.contains("<a href=\"./javascript%3Ax\">"));
        // Directories first.
        assert!(page.find("sub%20dir/").unwrap() < page.find("javascript").unwrap());
        assert!(page.contains("<a href=\"../\">"));
        assert!(!listing("/", Vec::new()).contains("../"));
    }
}
