//! Names and what stands between backticks, in prose.
#![forbid(unsafe_code)]

pub fn is_word(c: char) -> bool {
    c.is_alphanumeric() || c == '_'
}

/// What stands between backticks in `text`.
pub fn quoted(text: &str) -> impl Iterator<Item = &str> {
    text.split('`').skip(1).step_by(2)
}
