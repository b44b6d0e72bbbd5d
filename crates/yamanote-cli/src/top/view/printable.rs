//! What a program calls itself and its parts, fit for a terminal.
#![forbid(unsafe_code)]

/// Nothing in it moves the cursor.
pub fn printable(text: &str) -> String {
    let visible = |c: char| if c.is_control() { '\u{fffd}' } else { c };
    text.chars().map(visible).collect()
}
