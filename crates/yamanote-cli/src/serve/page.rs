//! The pages the server makes itself: directory listings and errors.
#![forbid(unsafe_code)]

use super::date;
use super::listing::Entry;
use hyper::StatusCode;
use percent_encoding::{AsciiSet, CONTROLS, percent_encode};
use std::os::unix::ffi::OsStrExt;

/// The characters that have to be encoded in a segment of a URL.
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

/// For narrow screens too: below a certain width a line's size and date stand below its name.
const STYLE: &str = "\
:root{color-scheme:light dark}\
body{font:1rem/1.5 system-ui,sans-serif;margin:0 auto;max-width:60rem;padding:1rem}\
h1{font-size:1.4rem;overflow-wrap:anywhere}\
table{border-collapse:collapse;width:100%}\
th,td{border-bottom:1px solid #8883;padding:.4rem .5rem;text-align:left}\
th{font-weight:600}\
.name{overflow-wrap:anywhere;width:100%}\
td.size,td.date{font-variant-numeric:tabular-nums;opacity:.75}\
.size,.date{white-space:nowrap}\
.size{text-align:right}\
a{text-decoration:none}a:hover{text-decoration:underline}\
@media(max-width:40rem){\
thead{display:none}\
tr{border-bottom:1px solid #8883;display:flex;flex-wrap:wrap;padding:.4rem 0}\
td{border:0;padding:0 .5rem 0 0}\
.name{flex:1 0 100%;font-size:1.1rem}\
.name a{display:block;padding:.2rem 0}\
.size,.date{font-size:.85rem}\
.size:empty{display:none}}";

/// The listing of the directory shown under `url_path`.
pub fn listing(url_path: &str, entries: &[Entry]) -> String {
    let title = escape(&percent_encoding::percent_decode_str(url_path).decode_utf8_lossy());
    let mut page = head(&format!("Index of {title}"));
    page.push_str(
        "<table>\n<thead><tr><th>Name<th class=\"size\">Size<th class=\"date\">Modified (UTC)</thead>\n<tbody>\n",
    );
    if !url_path.trim_matches('/').is_empty() {
        page.push_str("<tr><td class=\"name\"><a href=\"../\">../</a><td class=\"size\"><td>\n");
    }
    for entry in entries {
        let slash = if entry.is_file { "" } else { "/" };
        let link = percent_encode(entry.name.as_bytes(), SEGMENT);
        let text = escape(&entry.name.to_string_lossy());
        // `./` keeps a name with a colon from being taken for a scheme.
        page.push_str(&format!(
            "<tr><td class=\"name\"><a href=\"./{link}{slash}\">{text}{slash}</a>\
             <td class=\"size\">{}<td class=\"date\">{}\n",
            entry.size.map(size).unwrap_or_default(),
            entry.modified.map(date::listed).unwrap_or_default(),
        ));
    }
    page.push_str("</tbody>\n</table>\n");
    if entries.is_empty() {
        page.push_str("<p>This directory is empty.</p>\n");
    }
    page
}

/// A page that says what went wrong.
pub fn error(status: StatusCode) -> String {
    let explanation = match status {
        StatusCode::NOT_FOUND => "There is nothing of this name here.",
        StatusCode::FORBIDDEN => "This may not be read, or lies outside what is served.",
        StatusCode::BAD_REQUEST => "This path cannot name a file.",
        StatusCode::METHOD_NOT_ALLOWED => "Files can be fetched with GET and HEAD only.",
        StatusCode::PRECONDITION_FAILED => "The file is not the one that was asked for.",
        StatusCode::RANGE_NOT_SATISFIABLE => "The file has no such bytes.",
        StatusCode::SERVICE_UNAVAILABLE => "Too much is asked for at once. Please try again.",
        _ => "",
    };
    let mut page = head(&status.to_string());
    page.push_str(&format!("<p>{explanation}</p>\n"));
    page
}

fn head(title: &str) -> String {
    format!(
        "<!DOCTYPE html>\n<html lang=\"en\">\n<meta charset=\"utf-8\">\n\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n\
         <link rel=\"icon\" href=\"data:,\">\n\
         <title>{title}</title>\n<style>{STYLE}</style>\n<h1>{title}</h1>\n"
    )
}

/// A number of bytes as people read it: `512 B`, `1.5 KiB`, `12 MiB`.
fn size(bytes: u64) -> String {
    const UNITS: [&str; 6] = ["KiB", "MiB", "GiB", "TiB", "PiB", "EiB"];
    if bytes < 1024 {
        return format!("{bytes} B");
    }
    let mut amount = bytes as f64 / 1024.0;
    let mut unit = 0;
    // A number that would be rounded up to 1024 is one of the next unit.
    while amount >= 1023.5 {
        amount /= 1024.0;
        unit += 1;
    }
    let decimals = usize::from(amount < 9.95);
    format!("{amount:.decimals$} {}", UNITS[unit])
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
            size: is_file.then_some(1536),
            modified: Some(0),
        };
        let page = listing(
            "/a%3Cb/",
            &[
                entry("sub dir", false),
                entry("<script>\"&.txt", true),
                entry("javascript:x", true),
            ],
        );
        assert!(page.contains("<title>Index of /a&lt;b/</title>"));
        assert!(
            page.contains("<a href=\"./%3Cscript%3E%22%26.txt\">&lt;script&gt;&quot;&amp;.txt</a>")
        );
        assert!(page.contains("<a href=\"./javascript%3Ax\">"));
        assert!(page.contains("<a href=\"./sub%20dir/\">sub dir/</a>"));
        assert!(page.contains("1.5 KiB<td class=\"date\">1970-01-01 00:00\n"));
        assert!(page.contains("<a href=\"../\">"));
        assert!(!listing("/", &[]).contains("../"));
    }

    #[test]
    fn sizes_are_short_at_every_magnitude() {
        for (bytes, expected) in [
            (0, "0 B"),
            (1023, "1023 B"),
            (1024, "1.0 KiB"),
            (10 * 1024 - 1, "10 KiB"),
            (1024 * 1024 - 1, "1.0 MiB"),
            (12 << 20, "12 MiB"),
            (5 << 40, "5.0 TiB"),
            (u64::MAX, "16 EiB"),
        ] {
            assert_eq!(size(bytes), expected);
        }
    }
}
