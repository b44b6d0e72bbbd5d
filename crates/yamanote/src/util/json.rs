//! Writes JSON. Objects and arrays are closures, so whatever is opened is closed.
#![forbid(unsafe_code)]

use std::fmt::{self, Write};

/// The text of one object, on one line.
pub(crate) fn object(members: impl FnOnce(&mut Object<'_>)) -> String {
    let mut text = String::new();
    write_object(&mut text, members);
    text
}

/// An object that is being written. Names are written as they are given: each once, by the caller.
pub(crate) struct Object<'a> {
    text: &'a mut String,
    is_empty: bool,
}

impl Object<'_> {
    pub(crate) fn string(&mut self, name: &str, value: &str) {
        self.name(name);
        write_string(self.text, value);
    }

    /// `null` if there is none.
    pub(crate) fn optional_string(&mut self, name: &str, value: Option<&str>) {
        match value {
            Some(value) => self.string(name, value),
            None => self.plain(name, format_args!("null")),
        }
    }

    pub(crate) fn number(&mut self, name: &str, value: u64) {
        self.plain(name, format_args!("{value}"));
    }

    pub(crate) fn boolean(&mut self, name: &str, value: bool) {
        self.plain(name, format_args!("{value}"));
    }

    pub(crate) fn object(&mut self, name: &str, members: impl FnOnce(&mut Object<'_>)) {
        self.name(name);
        write_object(self.text, members);
    }

    /// An array with one object for each of `items`.
    pub(crate) fn objects<T>(
        &mut self,
        name: &str,
        items: impl IntoIterator<Item = T>,
        mut members: impl FnMut(&mut Object<'_>, T),
    ) {
        self.name(name);
        self.text.push('[');
        for (index, item) in items.into_iter().enumerate() {
            if index > 0 {
                self.text.push(',');
            }
            write_object(self.text, |object| members(object, item));
        }
        self.text.push(']');
    }

    fn plain(&mut self, name: &str, value: fmt::Arguments<'_>) {
        self.name(name);
        // A `String` takes everything.
        let _ = self.text.write_fmt(value);
    }

    fn name(&mut self, name: &str) {
        if !self.is_empty {
            self.text.push(',');
        }
        self.is_empty = false;
        write_string(self.text, name);
        self.text.push(':');
    }
}

fn write_object(text: &mut String, members: impl FnOnce(&mut Object<'_>)) {
    text.push('{');
    members(&mut Object {
        text,
        is_empty: true,
    });
    text.push('}');
}

/// RFC 8259 wants quotes, backslashes and what is below a space to be escaped.
fn write_string(text: &mut String, value: &str) {
    text.push('"');
    for c in value.chars() {
        match c {
            '"' => text.push_str("\\\""),
            '\\' => text.push_str("\\\\"),
            '\n' => text.push_str("\\n"),
            '\t' => text.push_str("\\t"),
            '\0'..' ' | '\x7f' => {
                let _ = write!(text, "\\u{:04x}", u32::from(c));
            }
            _ => text.push(c),
        }
    }
    text.push('"');
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;

    #[test]
    fn what_is_nested_is_closed_and_separated() {
        let text = object(|all| {
            all.number("n", u64::MAX);
            all.boolean("yes", true);
            all.optional_string("none", None);
            all.object("empty", |_| ());
            all.objects("list", [1, 2], |object, n| object.number("n", n));
            all.objects("nothing", [], |_, (): ()| ());
            all.string("last", "x");
        });
        let expected = r#"{"n":18446744073709551615,"yes":true,"none":null,"empty":{},"#.to_owned()
            + r#""list":[{"n":1},{"n":2}],"nothing":[],"last":"x"}"#;
        assert_eq!(text, expected);
    }

    #[test]
    fn what_may_not_stand_in_a_string_is_escaped() {
        let every: String = ('\0'..='\x7f').chain(['ä', '駅', '\u{2028}']).collect();
        let text = object(|all| all.string("s", &every));
        assert!(text.chars().all(|c| !c.is_control()), "{text}");
        assert!(text.starts_with(r#"{"s":"\u0000\u0001"#), "{text}");
        for escaped in [r"\t\n\u000b", r##" !\"#"##, r"[\\]", r"~\u007fä駅"] {
            assert!(text.contains(escaped), "{escaped} in {text}");
        }
    }
}
