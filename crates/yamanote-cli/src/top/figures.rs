//! How numbers are written: three or four digits and a unit.
#![forbid(unsafe_code)]

use std::time::Duration;

/// Where nothing is known.
pub const UNKNOWN: &str = "-";

/// With a comma between thousands, up to a million; then in millions.
pub fn count(number: f64) -> String {
    match number {
        n if n >= 1e9 => format!("{:.1}G", n / 1e9),
        n if n >= 1e6 => format!("{:.1}M", n / 1e6),
        n if n >= 1e3 => format!("{},{:03}", n as u64 / 1_000, n as u64 % 1_000),
        n if n >= 10.0 || n.fract() == 0.0 => format!("{n:.0}"),
        n => format!("{n:.1}"),
    }
}

pub fn optional_count(number: Option<f64>) -> String {
    number.map_or_else(|| UNKNOWN.to_owned(), count)
}

/// Of a whole of 1.
pub fn percent(share: Option<f64>) -> String {
    share.map_or_else(
        || UNKNOWN.to_owned(),
        |share| format!("{:.1}", share * 100.0),
    )
}

pub fn duration(duration: Duration) -> String {
    let ns = duration.as_nanos() as f64;
    let (value, unit) = match ns {
        n if n < 1e3 => return format!("{n:.0} ns"),
        n if n < 1e6 => (n / 1e3, "µs"),
        n if n < 1e9 => (n / 1e6, "ms"),
        n if n < 120e9 => (n / 1e9, "s"),
        n if n < 7_200e9 => (n / 60e9, "min"),
        n if n < 48.0 * 3_600e9 => (n / 3_600e9, "h"),
        n => (n / 86_400e9, "d"),
    };
    match value < 10.0 {
        true => format!("{value:.1} {unit}"),
        false => format!("{value:.0} {unit}"),
    }
}

pub fn bytes(number: u64) -> String {
    match number as f64 {
        n if n >= 1024.0 * 1024.0 * 1024.0 => format!("{:.1} GiB", n / (1024.0 * 1024.0 * 1024.0)),
        n if n >= 1024.0 * 1024.0 => format!("{:.1} MiB", n / (1024.0 * 1024.0)),
        n if n >= 1024.0 => format!("{:.1} KiB", n / 1024.0),
        n => format!("{n} B"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_short() {
        let counts = [0.0, 0.25, 7.0, 9.94, 12.6, 1_000.0, 123_456.0, 2_500_000.0];
        let texts = ["0", "0.2", "7", "9.9", "13", "1,000", "123,456", "2.5M"];
        assert_eq!(counts.map(count), texts);
        let nanoseconds = [7, 1_500, 12_345_678, 3_000_000_000, 180_000_000_000];
        let texts = ["7 ns", "1.5 µs", "12 ms", "3.0 s", "3.0 min"];
        assert_eq!(
            nanoseconds.map(|ns| duration(Duration::from_nanos(ns))),
            texts
        );
        assert_eq!(percent(Some(0.5)), "50.0");
        assert_eq!(percent(None), "-");
        assert_eq!(bytes(1_536), "1.5 KiB");
    }
}
