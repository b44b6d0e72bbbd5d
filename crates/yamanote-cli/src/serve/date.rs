//! Dates as HTTP and as a listing write them, from any number of seconds since 1970: a file may be
//! dated long before that, or after the year 9999.
#![forbid(unsafe_code)]

use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// The last second that HTTP can express.
const LAST: i64 = 253_402_300_799;

/// Seconds since 1970.
pub fn now() -> i64 {
    from_system(SystemTime::now())
}

/// Reads the date in a header.
pub fn parse_http(text: &str) -> Option<i64> {
    httpdate::parse_http_date(text).ok().map(from_system)
}

/// The `Last-Modified` of a file modified at `seconds`. A date in the future becomes the present
/// (RFC 9110, 8.8.2.1); one before 1970 is left out.
pub fn last_modified(seconds: i64, now: i64) -> Option<String> {
    let seconds = u64::try_from(seconds.min(now).min(LAST)).ok()?;
    let time = UNIX_EPOCH + Duration::from_secs(seconds);
    Some(httpdate::fmt_http_date(time))
}

/// As `2026-11-29 01:25`, in UTC.
pub fn listed(seconds: i64) -> String {
    const DAY: i64 = 24 * 60 * 60;
    let (year, month, day) = civil(seconds.div_euclid(DAY));
    let minutes = seconds.rem_euclid(DAY) / 60;
    format!(
        "{year:04}-{month:02}-{day:02} {:02}:{:02}",
        minutes / 60,
        minutes % 60
    )
}

fn from_system(time: SystemTime) -> i64 {
    match time.duration_since(UNIX_EPOCH) {
        Ok(after) => i64::try_from(after.as_secs()).unwrap_or(i64::MAX),
        Err(_) => -1,
    }
}

/// Year, month and day of a day counted from 1970-01-01, in the Gregorian calendar: the algorithm
/// `civil_from_days` of Howard Hinnant, "chrono-Compatible Low-Level Date Algorithms". Years begin
/// in March there, so that the leap day comes last; an era has 400 of them.
fn civil(days: i64) -> (i64, i64, i64) {
    let days = days + 719_468;
    let era = days.div_euclid(146_097);
    let day_of_era = days.rem_euclid(146_097);
    let year_of_era =
        (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let march_based = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * march_based + 2) / 5 + 1;
    let month = if march_based < 10 {
        march_based + 3
    } else {
        march_based - 9
    };
    let year = year_of_era + era * 400 + i64::from(month <= 2);
    (year, month, day)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn any_second_has_a_date() {
        for (seconds, expected) in [
            (0, "1970-01-01 00:00"),
            (-1, "1969-12-31 23:59"),
            (951_826_553, "2000-02-29 12:15"),
            (1_796_000_000, "2026-11-30 00:53"),
            (253_402_300_800, "10000-01-01 00:00"),
            (-62_167_219_200, "0000-01-01 00:00"),
        ] {
            assert_eq!(listed(seconds), expected);
        }
        for extreme in [i64::MIN, i64::MAX] {
            assert!(!listed(extreme).is_empty());
            last_modified(extreme, 0);
            last_modified(extreme, extreme);
        }
    }

    #[test]
    fn the_days_of_four_centuries_follow_each_other() {
        let mut before = civil(-1);
        for day in 0..146_097 {
            let (year, month, of_month) = civil(day);
            let follows = match before {
                (y, 12, 31) => (year, month, of_month) == (y + 1, 1, 1),
                (y, m, d) if of_month == 1 => (year, month) == (y, m + 1) && d >= 28,
                (y, m, d) => (year, month, of_month) == (y, m, d + 1),
            };
            assert!(follows, "{before:?} {:?}", (year, month, of_month));
            before = (year, month, of_month);
        }
        assert_eq!(before, (2369, 12, 31));
    }

    #[test]
    fn headers_tell_no_date_they_cannot() {
        let text = "Sun, 06 Nov 1994 08:49:37 GMT";
        assert_eq!(parse_http(text), Some(784_111_777));
        assert_eq!(last_modified(784_111_777, 1_000_000_000).unwrap(), text);
        assert_eq!(last_modified(300_000_000_000, 784_111_777).unwrap(), text);
        assert_eq!(last_modified(-1, 784_111_777), None);
    }
}
