//! Dates as header fields write them (RFC 5322 3.3).

use jiff::Timestamp;
use jiff::tz::Offset;
use mail_model::InternalDate;

/// A day into the year 0, and a day before the year 10000: what any zone can write with four digits.
const SECONDS_WRITABLE: std::ops::RangeInclusive<i64> = -62_167_132_800..=253_402_207_200;

/// As in `Tue, 24 Nov 2026 21:07:49 +0100`. A time that four digits of a year cannot write becomes the nearest that
/// they can; an offset of more than a day becomes `+0000`.
#[must_use]
pub fn rfc5322_date(date: InternalDate) -> String {
    let offset = Offset::from_seconds(i32::from(date.offset_minutes) * 60).unwrap_or(Offset::UTC);
    let seconds = date
        .utc_seconds
        .clamp(*SECONDS_WRITABLE.start(), *SECONDS_WRITABLE.end());
    let time = Timestamp::from_second(seconds).unwrap_or(Timestamp::UNIX_EPOCH);
    time.to_zoned_datetime(offset.to_time_zone())
        .strftime("%a, %d %b %Y %H:%M:%S %z")
        .to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn date(utc_seconds: i64, offset_minutes: i16) -> String {
        rfc5322_date(InternalDate {
            utc_seconds,
            offset_minutes,
        })
    }

    #[test]
    fn dates_are_written_in_their_zone() {
        assert_eq!(date(0, 0), "Thu, 01 Jan 1970 00:00:00 +0000");
        assert_eq!(date(1_795_550_869, 60), "Tue, 24 Nov 2026 21:07:49 +0100");
        assert_eq!(date(-1, -210), "Wed, 31 Dec 1969 20:29:59 -0330");
        assert_eq!(date(951_782_400, 0), "Tue, 29 Feb 2000 00:00:00 +0000");
    }

    #[test]
    fn no_date_is_too_odd_to_write() {
        for seconds in [i64::MIN, *SECONDS_WRITABLE.start(), *SECONDS_WRITABLE.end(), i64::MAX] {
            for offset in [i16::MIN, -1_439, 0, 1_439, i16::MAX] {
                assert_eq!(date(seconds, offset).len(), 31, "{seconds} {offset}");
            }
        }
    }
}
