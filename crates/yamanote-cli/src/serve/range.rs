//! The `Range` header (RFC 9110, section 14).
#![forbid(unsafe_code)]

/// Which part of a file is asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Selection {
    /// All of it: there is no range, or one that need not be honoured (several ranges, another
    /// unit), or something that is not a range at all.
    Whole,
    /// These bytes; not empty.
    Part {
        start: u64,
        /// Exclusive.
        end: u64,
    },
    /// Bytes that it does not have.
    Unsatisfiable,
}

/// Reads a `Range` header for a file of `length` bytes.
pub fn select(header: Option<&str>, length: u64) -> Selection {
    let Some(ranges) = header.and_then(|header| header.trim().strip_prefix("bytes=")) else {
        return Selection::Whole;
    };
    let Some((first, last)) = ranges.split_once('-') else {
        return Selection::Whole;
    };
    // In `1-2,5-6` the comma comes to stand in `last`, which then is not a number.
    match (number(first), number(last)) {
        (Some(Number::Is(start)), Some(Number::Absent)) => part(start, u64::MAX, length),
        (Some(Number::Is(start)), Some(Number::Is(last))) if start <= last => {
            part(start, last.saturating_add(1), length)
        }
        (Some(Number::Absent), Some(Number::Is(suffix))) => part(
            length.saturating_sub(suffix),
            if suffix == 0 { 0 } else { length },
            length,
        ),
        _ => Selection::Whole,
    }
}

enum Number {
    Absent,
    Is(u64),
}

fn number(text: &str) -> Option<Number> {
    let text = text.trim();
    if text.is_empty() {
        return Some(Number::Absent);
    }
    if !text.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    // More digits than fit mean "to the end" or "beyond it", as the largest number does.
    Some(Number::Is(text.parse().unwrap_or(u64::MAX)))
}

fn part(start: u64, end: u64, length: u64) -> Selection {
    let end = end.min(length);
    match start < end {
        true => Selection::Part { start, end },
        false => Selection::Unsatisfiable,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_are_read_as_the_rfc_says() {
        let part = |start, end| Selection::Part { start, end };
        for (header, expected) in [
            ("bytes=0-0", part(0, 1)),
            ("bytes=2-5", part(2, 6)),
            ("bytes=2-", part(2, 10)),
            ("bytes=-3", part(7, 10)),
            ("bytes=-30", part(0, 10)),
            ("bytes=9-99999999999999999999999", part(9, 10)),
            ("bytes=10-", Selection::Unsatisfiable),
            ("bytes=-0", Selection::Unsatisfiable),
            ("bytes=99999999999999999999999-", Selection::Unsatisfiable),
            ("bytes=5-2", Selection::Whole),
            ("bytes=0-1,4-5", Selection::Whole),
            ("bytes=-", Selection::Whole),
            ("bytes=a-b", Selection::Whole),
            ("bytes=+1-2", Selection::Whole),
            ("lines=1-2", Selection::Whole),
        ] {
            assert_eq!(select(Some(header), 10), expected, "{header}");
        }
        assert_eq!(select(None, 10), Selection::Whole);
        assert_eq!(select(Some("bytes=0-"), 0), Selection::Unsatisfiable);
    }
}
