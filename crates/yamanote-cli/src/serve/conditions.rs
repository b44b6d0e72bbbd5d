//! The validators of a file, and requests that depend on them (RFC 9110, 8.8 and 13).
#![forbid(unsafe_code)]

use super::date;
use hyper::header::{
    HeaderMap, HeaderName, IF_MATCH, IF_MODIFIED_SINCE, IF_NONE_MATCH, IF_RANGE,
    IF_UNMODIFIED_SINCE,
};
use std::fs::Metadata;
use std::os::unix::fs::MetadataExt;

/// What tells one state of a file from the next.
pub struct Validators {
    /// A strong tag: inode, size and modification time to the nanosecond.
    pub etag: String,
    /// Seconds since 1970.
    modified: i64,
    /// When this answer is made.
    now: i64,
}

/// What follows from a request's conditions.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// The answer as if there were none.
    Answer,
    /// 304: the client has it.
    NotModified,
    /// 412: the file is not what the client thinks.
    Failed,
}

impl Validators {
    pub fn of(metadata: &Metadata) -> Validators {
        Validators {
            etag: format!(
                "\"{:x}-{:x}-{:x}.{:x}\"",
                metadata.ino(),
                metadata.len(),
                metadata.mtime(),
                metadata.mtime_nsec()
            ),
            modified: metadata.mtime(),
            now: date::now(),
        }
    }

    /// The header, if HTTP can express the date.
    pub fn last_modified(&self) -> Option<String> {
        date::last_modified(self.modified, self.now)
    }

    /// Judges the conditions in the order of RFC 9110, 13.2.2, except If-Range: see
    /// [`range_holds`](Self::range_holds).
    pub fn judge(&self, headers: &HeaderMap) -> Verdict {
        let holds = match headers.contains_key(IF_MATCH) {
            true => self.is_among(headers, IF_MATCH, Comparison::Strong),
            false => single_date(headers, IF_UNMODIFIED_SINCE).is_none_or(|d| self.modified <= d),
        };
        if !holds {
            return Verdict::Failed;
        }
        let is_known = match headers.contains_key(IF_NONE_MATCH) {
            true => self.is_among(headers, IF_NONE_MATCH, Comparison::Weak),
            false => single_date(headers, IF_MODIFIED_SINCE).is_some_and(|d| self.modified <= d),
        };
        match is_known {
            true => Verdict::NotModified,
            false => Verdict::Answer,
        }
    }

    /// Whether a range may be sent: the client would join one of another version to its old part.
    pub fn range_holds(&self, headers: &HeaderMap) -> bool {
        let Some(condition) = headers.get(IF_RANGE) else {
            return true;
        };
        let condition = condition.to_str().unwrap_or_default();
        // A file may change twice within a second, so only an older date is sure.
        let is_dated = || date::parse_http(condition) == Some(self.modified);
        condition == self.etag || (is_dated() && self.modified < self.now)
    }

    /// Whether the header's list of tags has ours, or is `*`.
    fn is_among(&self, headers: &HeaderMap, name: HeaderName, comparison: Comparison) -> bool {
        headers
            .get_all(name)
            .iter()
            .filter_map(|value| value.to_str().ok())
            // Our tag has no comma, so no piece of a tag that was cut at one equals it.
            .flat_map(|tags| tags.split(','))
            .map(str::trim)
            .any(|tag| {
                let tag = match comparison {
                    Comparison::Weak => tag.strip_prefix("W/").unwrap_or(tag),
                    Comparison::Strong => tag,
                };
                tag == "*" || tag == self.etag
            })
    }
}

/// How tags are compared: a weak tag equals none strongly.
#[derive(Clone, Copy)]
enum Comparison {
    Weak,
    Strong,
}

/// The date of a header that occurs once and is a date; anything else is to be ignored.
fn single_date(headers: &HeaderMap, name: HeaderName) -> Option<i64> {
    let mut values = headers.get_all(name).iter();
    match (values.next(), values.next()) {
        (Some(value), None) => date::parse_http(value.to_str().ok()?),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const AT: &str = "Sun, 06 Nov 1994 08:49:37 GMT";
    const BEFORE: &str = "Sun, 06 Nov 1994 08:49:36 GMT";
    const AFTER: &str = "Sun, 06 Nov 1994 08:49:38 GMT";

    fn headers(lines: &[(HeaderName, &'static str)]) -> HeaderMap {
        let mut headers = HeaderMap::new();
        for (name, value) in lines {
            headers.append(name, value.parse().unwrap());
        }
        headers
    }

    fn validators() -> Validators {
        Validators {
            etag: "\"a\"".into(),
            modified: 784_111_777,
            now: 1_796_000_000,
        }
    }

    #[test]
    fn conditions_are_judged_in_the_rfcs_order() {
        use Verdict::{Answer, Failed, NotModified};
        const MATCH: HeaderName = IF_MATCH;
        const UNMODIFIED: HeaderName = IF_UNMODIFIED_SINCE;
        const NONE: HeaderName = IF_NONE_MATCH;
        const MODIFIED: HeaderName = IF_MODIFIED_SINCE;
        let table: &[(&[(HeaderName, &'static str)], Verdict)] = &[
            (&[], Answer),
            (&[(MATCH, "\"a\"")], Answer),
            (&[(MATCH, "*")], Answer),
            (&[(MATCH, "\"b\", \"a\"")], Answer),
            (&[(MATCH, "\"b\""), (MATCH, "\"a\"")], Answer),
            (&[(MATCH, "\"b\"")], Failed),
            // Weak tags match no file.
            (&[(MATCH, "W/\"a\"")], Failed),
            (&[(MATCH, "")], Failed),
            (&[(UNMODIFIED, AT)], Answer),
            (&[(UNMODIFIED, AFTER)], Answer),
            (&[(UNMODIFIED, BEFORE)], Failed),
            (&[(UNMODIFIED, "yesterday")], Answer),
            // The first header makes the second void, whatever its result.
            (&[(MATCH, "\"a\""), (UNMODIFIED, BEFORE)], Answer),
            (&[(MATCH, "\"b\""), (UNMODIFIED, AFTER)], Failed),
            (&[(NONE, "\"a\"")], NotModified),
            (&[(NONE, "W/\"a\"")], NotModified),
            (&[(NONE, "*")], NotModified),
            (&[(NONE, "\"b\", W/\"a\"")], NotModified),
            (&[(NONE, "\"b\"")], Answer),
            (&[(MODIFIED, AT)], NotModified),
            (&[(MODIFIED, AFTER)], NotModified),
            (&[(MODIFIED, BEFORE)], Answer),
            (&[(MODIFIED, "yesterday")], Answer),
            (&[(NONE, "\"b\""), (MODIFIED, AFTER)], Answer),
            (&[(NONE, "\"a\""), (MODIFIED, BEFORE)], NotModified),
            (&[(MATCH, "\"b\""), (NONE, "\"a\"")], Failed),
            (&[(MATCH, "\"a\""), (NONE, "\"a\"")], NotModified),
            (&[(UNMODIFIED, BEFORE), (MODIFIED, AFTER)], Failed),
        ];
        for (lines, verdict) in table {
            assert_eq!(validators().judge(&headers(lines)), *verdict, "{lines:?}");
        }
    }

    #[test]
    fn a_range_depends_on_strong_validators() {
        for (condition, holds) in [
            ("\"a\"", true),
            ("W/\"a\"", false),
            ("\"b\"", false),
            (AT, true),
            (BEFORE, false),
            (AFTER, false),
            ("nonsense", false),
        ] {
            let headers = headers(&[(IF_RANGE, condition)]);
            assert_eq!(validators().range_holds(&headers), holds, "{condition}");
        }
        let just_now = Validators {
            now: 784_111_777,
            ..validators()
        };
        assert!(!just_now.range_holds(&headers(&[(IF_RANGE, AT)])));
        assert!(just_now.range_holds(&HeaderMap::new()));
    }
}
