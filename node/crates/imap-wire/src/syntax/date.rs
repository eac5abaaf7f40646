//! Dates of SEARCH and INTERNALDATE (RFC 3501 `date`, `date-time`), with the arithmetic of the Gregorian calendar.
//!
//! Invariants: a [`CalendarDate`] that exists is a day of that calendar in the years 0 to 9999, which is what four
//! digits can write; an INTERNALDATE outside of them is written as the nearest day within.

use std::fmt;

use bytes::{BufMut as _, BytesMut};
use mail_model::InternalDate;

use super::cursor::Cursor;
use crate::refusal::{Parse, Refusal};

const MONTHS: [&str; 12] = [
    "Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec",
];
const SECONDS_PER_DAY: i64 = 86_400;
/// 1970-01-01, counted from 0000-03-01.
const EPOCH_DAYS: i64 = 719_468;
/// In 400 years.
const DAYS_PER_ERA: i64 = 146_097;

/// A day, as SEARCH compares them: without time and zone. Ordered by time.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct CalendarDate {
    year: u16,
    month: u8,
    day: u8,
}

impl CalendarDate {
    /// `None` unless the calendar has that day; `month` and `day` count from 1.
    #[must_use]
    pub fn new(year: u16, month: u8, day: u8) -> Option<Self> {
        let is_legal = year <= 9999 && (1..=12).contains(&month) && (1..=days_in(year, month)).contains(&day);
        is_legal.then_some(Self { year, month, day })
    }

    /// The day on which a message was received, in the zone of its INTERNALDATE.
    #[must_use]
    pub fn of(date: InternalDate) -> Self {
        split_local(date).0
    }

    /// The year, 0 to 9999.
    #[must_use]
    pub const fn year(self) -> u16 {
        self.year
    }

    /// The month, from 1.
    #[must_use]
    pub const fn month(self) -> u8 {
        self.month
    }

    /// The day of the month, from 1.
    #[must_use]
    pub const fn day(self) -> u8 {
        self.day
    }

    /// Days since 1970-01-01.
    fn epoch_days(self) -> i64 {
        // Years begin in March here, so that the leap day is the last of its year.
        let month = i64::from(self.month);
        let year = i64::from(self.year) - i64::from(month <= 2);
        let era = year.div_euclid(400);
        let year_of_era = year.rem_euclid(400);
        let day_of_year = (153 * ((month + 9) % 12) + 2) / 5 + i64::from(self.day) - 1;
        era * DAYS_PER_ERA + year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year - EPOCH_DAYS
    }

    /// The day that lies `days` after 1970-01-01, or the nearest one that exists here.
    fn from_epoch_days(days: i64) -> Self {
        let days = days.clamp(Self::FIRST.epoch_days(), Self::LAST.epoch_days()) + EPOCH_DAYS;
        let era = days.div_euclid(DAYS_PER_ERA);
        let day_of_era = days.rem_euclid(DAYS_PER_ERA);
        let year_of_era =
            (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / (DAYS_PER_ERA - 1)) / 365;
        let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
        let shifted = (5 * day_of_year + 2) / 153;
        let day = day_of_year - (153 * shifted + 2) / 5 + 1;
        let month = if shifted < 10 { shifted + 3 } else { shifted - 9 };
        let year = era * 400 + year_of_era + i64::from(month <= 2);
        let date = || {
            Self::new(
                u16::try_from(year).ok()?,
                u8::try_from(month).ok()?,
                u8::try_from(day).ok()?,
            )
        };
        date().unwrap_or(Self::LAST)
    }

    const FIRST: Self = Self {
        year: 0,
        month: 1,
        day: 1,
    };
    const LAST: Self = Self {
        year: 9999,
        month: 12,
        day: 31,
    };
}

/// As in `SINCE 1-Feb-1994`.
impl fmt::Display for CalendarDate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let month = MONTHS[usize::from(self.month) - 1];
        write!(f, "{}-{month}-{:04}", self.day, self.year)
    }
}

const fn days_in(year: u16, month: u8) -> u8 {
    match month {
        2 if year.is_multiple_of(4) && (!year.is_multiple_of(100) || year.is_multiple_of(400)) => 29,
        2 => 28,
        4 | 6 | 9 | 11 => 30,
        _ => 31,
    }
}

/// The day and the second of that day, in the zone of `date`.
fn split_local(date: InternalDate) -> (CalendarDate, i64) {
    let local = date.utc_seconds.saturating_add(i64::from(date.offset_minutes) * 60);
    let days = local.div_euclid(SECONDS_PER_DAY);
    (CalendarDate::from_epoch_days(days), local.rem_euclid(SECONDS_PER_DAY))
}

/// `date`, quoted or not.
pub(crate) fn read_date(cursor: &mut Cursor<'_>) -> Parse<CalendarDate> {
    let quoted = cursor.eat(b'"');
    let start = cursor.clone();
    let day = cursor.take_while("a day of the month", |byte| byte.is_ascii_digit())?;
    if day.len() > 2 {
        return Err(start.unexpected("one or two digits"));
    }
    let day = day.iter().fold(0, |day, digit| day * 10 + (digit - b'0'));
    let date = read_month_and_year(cursor, day)?;
    if quoted {
        cursor.expect(b'"')?;
    }
    Ok(date)
}

fn read_month_and_year(cursor: &mut Cursor<'_>, day: u8) -> Parse<CalendarDate> {
    cursor.expect(b'-')?;
    let month = (1..).zip(MONTHS).find(|(_, name)| cursor.eat_word(name));
    let Some((month, _)) = month else {
        return Err(cursor.unexpected("a month such as Jan"));
    };
    cursor.expect(b'-')?;
    let year = cursor.digits(4)?;
    u16::try_from(year)
        .ok()
        .and_then(|year| CalendarDate::new(year, month, day))
        .ok_or_else(|| Refusal::bad("there is no such day"))
}

/// `date-time`
pub(crate) fn read_date_time(cursor: &mut Cursor<'_>) -> Parse<InternalDate> {
    cursor.expect(b'"')?;
    let day = if cursor.eat(b' ') {
        cursor.digits(1)?
    } else {
        cursor.digits(2)?
    };
    let date = read_month_and_year(cursor, u8::try_from(day).unwrap_or_default())?;
    cursor.space()?;
    let hour = cursor.digits(2)?;
    cursor.expect(b':')?;
    let minute = cursor.digits(2)?;
    cursor.expect(b':')?;
    let second = cursor.digits(2)?;
    // 60 is a leap second.
    if hour > 23 || minute > 59 || second > 60 {
        return Err(Refusal::bad("there is no such time of day"));
    }
    cursor.space()?;
    let offset_minutes = read_zone(cursor)?;
    cursor.expect(b'"')?;
    let local = date.epoch_days() * SECONDS_PER_DAY + i64::from(hour * 3_600 + minute * 60 + second);
    Ok(InternalDate {
        utc_seconds: local - i64::from(offset_minutes) * 60,
        offset_minutes,
    })
}

fn read_zone(cursor: &mut Cursor<'_>) -> Parse<i16> {
    let is_west = cursor.eat(b'-');
    if !is_west {
        cursor.expect(b'+')?;
    }
    let (hours, minutes) = (cursor.digits(2)?, cursor.digits(2)?);
    if hours > 23 || minutes > 59 {
        return Err(Refusal::bad("there is no such time zone"));
    }
    let offset = i16::try_from(hours * 60 + minutes).unwrap_or_default();
    Ok(if is_west { -offset } else { offset })
}

/// Writes `date-time`.
pub(crate) fn write_date_time(out: &mut BytesMut, date: InternalDate) {
    // A stored offset beyond a day could not be written with four digits.
    let offset_minutes = date.offset_minutes.clamp(-(23 * 60 + 59), 23 * 60 + 59);
    let (day, second) = split_local(InternalDate { offset_minutes, ..date });
    let sign = if offset_minutes < 0 { '-' } else { '+' };
    let zone = offset_minutes.unsigned_abs();
    let text = format!(
        "\"{:2}-{}-{:04} {:02}:{:02}:{:02} {sign}{:02}{:02}\"",
        day.day,
        MONTHS[usize::from(day.month) - 1],
        day.year,
        second / 3_600,
        second / 60 % 60,
        second % 60,
        zone / 60,
        zone % 60,
    );
    out.put_slice(text.as_bytes());
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn read(text: &str) -> Parse<InternalDate> {
        let mut cursor = Cursor::new(text.as_bytes());
        let date = read_date_time(&mut cursor)?;
        cursor.end()?;
        Ok(date)
    }

    fn write(date: InternalDate) -> String {
        let mut out = BytesMut::new();
        write_date_time(&mut out, date);
        String::from_utf8(out.to_vec()).unwrap()
    }

    #[test]
    fn dates_are_read_and_written_alike() {
        let cases = [
            ("\"17-Jul-1996 02:44:25 -0700\"", 837_596_665, -420),
            ("\" 1-Jan-1970 00:00:00 +0000\"", 0, 0),
            ("\"31-Dec-1969 23:59:59 +0000\"", -1, 0),
            ("\" 1-Jan-1970 05:30:00 +0530\"", 0, 330),
            ("\"29-Feb-2000 12:00:00 +0000\"", 951_825_600, 0),
            ("\" 1-Mar-1900 00:00:00 +0000\"", -2_203_891_200, 0),
        ];
        for (text, utc_seconds, offset_minutes) in cases {
            let date = InternalDate {
                utc_seconds,
                offset_minutes,
            };
            assert_eq!(read(text), Ok(date), "{text}");
            assert_eq!(write(date), text);
        }
    }

    #[test]
    fn days_and_times_that_do_not_exist_are_refused() {
        for text in [
            "\"1-Jul-1996 02:44:25 -0700\"",
            "\"30-Feb-2000 00:00:00 +0000\"",
            "\"29-Feb-1900 00:00:00 +0000\"",
            "\" 0-Jan-2000 00:00:00 +0000\"",
            "\" 1-Foo-2000 00:00:00 +0000\"",
            "\" 1-Jan-2000 24:00:00 +0000\"",
            "\" 1-Jan-2000 00:60:00 +0000\"",
            "\" 1-Jan-2000 00:00:61 +0000\"",
            "\" 1-Jan-2000 00:00:00 +2400\"",
            "\" 1-Jan-2000 00:00:00 GMT\"",
            "\" 1-Jan-200 00:00:00 +0000\"",
            " 1-Jan-2000 00:00:00 +0000",
        ] {
            assert!(read(text).is_err(), "{text}");
        }
    }

    #[test]
    fn a_search_date_may_be_quoted_and_has_one_or_two_digits() {
        for text in ["1-Feb-1994", "\"1-Feb-1994\"", "01-feb-1994"] {
            let date = read_date(&mut Cursor::new(text.as_bytes())).unwrap();
            assert_eq!(date, CalendarDate::new(1994, 2, 1).unwrap(), "{text}");
            assert_eq!(date.to_string(), "1-Feb-1994");
        }
        for text in [
            "001-Feb-1994",
            "1-Feb-94",
            "30-Feb-1994",
            "\"1-Feb-1994",
            "-Feb-1994",
            "1 Feb 1994",
        ] {
            assert!(read_date(&mut Cursor::new(text.as_bytes())).is_err(), "{text}");
        }
    }

    #[test]
    fn the_day_of_a_message_is_that_of_its_own_zone() {
        let day = |offset_minutes| {
            CalendarDate::of(InternalDate {
                utc_seconds: 0,
                offset_minutes,
            })
            .to_string()
        };
        assert_eq!((day(-60).as_str(), day(0).as_str()), ("31-Dec-1969", "1-Jan-1970"));
    }

    #[test]
    fn a_date_that_four_digits_cannot_write_stays_at_the_edge() {
        for (utc_seconds, year) in [(i64::MAX, "9999"), (i64::MIN, "0000")] {
            let text = write(InternalDate {
                utc_seconds,
                offset_minutes: i16::MAX,
            });
            assert!(text.contains(year), "{text}");
            assert!(read(&text).is_ok(), "{text}");
        }
    }

    proptest! {
        #[test]
        fn every_date_of_four_digits_round_trips(utc_seconds in -62_000_000_000..253_000_000_000_i64, offset in -1439..=1439_i16) {
            let date = InternalDate { utc_seconds, offset_minutes: offset };
            prop_assert_eq!(read(&write(date)), Ok(date));
        }

        #[test]
        fn days_follow_each_other(days in -719_528..2_932_895_i64) {
            let (one, next) = (CalendarDate::from_epoch_days(days), CalendarDate::from_epoch_days(days + 1));
            prop_assert!(one < next);
            prop_assert_eq!(one.epoch_days(), days);
        }
    }
}
