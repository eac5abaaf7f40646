//! The Date field (RFC 5322 3.3, 4.3), read leniently: order and separators as RFC 5322 has them, or as asctime and
//! old programs do; day names, comments and commas are passed by; years of two digits, zones by name.

use minicbor::{Decode, Encode};

use crate::params::comment_len;

const MONTHS: [&[u8]; 12] = [
    b"jan", b"feb", b"mar", b"apr", b"may", b"jun", b"jul", b"aug", b"sep", b"oct", b"nov", b"dec",
];
const DAY_SECONDS: i64 = 86_400;

/// When a message says that it was sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode, Decode)]
pub struct SentDate {
    /// Seconds since 1970, UTC.
    #[n(0)]
    pub utc_seconds: i64,
    /// Minutes east of Greenwich, as written.
    #[n(1)]
    pub offset_minutes: i16,
}

impl SentDate {
    /// Reads the value of a Date field; `None` where it names no day that exists.
    #[must_use]
    pub fn parse(value: &[u8]) -> Option<Self> {
        let mut draft = Draft::default();
        let plain = without_comments(value);
        let mut rest = plain.as_slice();
        while let Some((byte, after)) = rest.split_first() {
            rest = match byte {
                b'+' | b'-' if draft.time.is_some() => draft.numeric_zone(*byte == b'-', after),
                b'0'..=b'9' => draft.number(rest)?,
                b'a'..=b'z' | b'A'..=b'Z' => draft.word(rest),
                _ => after,
            };
        }
        draft.date()
    }

    /// Days from 1970-01-01 to the date as written, zone and time disregarded: what SENTBEFORE, SENTON and SENTSINCE
    /// compare (RFC 3501 6.4.4).
    #[must_use]
    pub fn day(&self) -> i64 {
        self.utc_seconds
            .saturating_add(i64::from(self.offset_minutes) * 60)
            .div_euclid(DAY_SECONDS)
    }
}

/// `value` with a blank for each comment, and without blanks around colons (RFC 5322 4.3 allows both within a time).
fn without_comments(value: &[u8]) -> Vec<u8> {
    let mut plain: Vec<u8> = Vec::with_capacity(value.len());
    let mut rest = value;
    while let Some((byte, after)) = rest.split_first() {
        let whole = rest;
        rest = after;
        match byte {
            b'(' | b' ' | b'\t' | b'\r' | b'\n' => {
                if *byte == b'(' {
                    rest = skip_comment(whole);
                }
                if !matches!(plain.last(), Some(b' ' | b':')) {
                    plain.push(b' ');
                }
            }
            b':' => {
                plain.truncate(plain.trim_ascii_end().len());
                plain.push(b':');
            }
            _ => plain.push(*byte),
        }
    }
    plain
}

fn skip_comment(bytes: &[u8]) -> &[u8] {
    bytes.get(comment_len(bytes)..).unwrap_or_default()
}

/// Days from 1970-01-01 to a date of the Gregorian calendar; `None` where there is no such day.
#[must_use]
pub fn day_number(year: u16, month: u8, day: u8) -> Option<i64> {
    let leap = year.is_multiple_of(4) && (!year.is_multiple_of(100) || year.is_multiple_of(400));
    let days = match month {
        2 if leap => 29,
        2 => 28,
        4 | 6 | 9 | 11 => 30,
        1..=12 => 31,
        _ => return None,
    };
    if day == 0 || day > days {
        return None;
    }
    // Years begin in March here, so that the odd day stands at their end.
    let (year, month, day) = (i64::from(year), i64::from(month), i64::from(day));
    let shifted_year = if month <= 2 { year - 1 } else { year };
    let era = shifted_year.div_euclid(400);
    let year_of_era = shifted_year.rem_euclid(400);
    let day_of_year = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
    let day_of_era = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year;
    Some(era * 146_097 + day_of_era - 719_468)
}

#[derive(Default)]
struct Draft {
    day: Option<u8>,
    month: Option<u8>,
    year: Option<u16>,
    /// Seconds since midnight.
    time: Option<i64>,
    zone_minutes: Option<i16>,
}

impl Draft {
    fn number<'a>(&mut self, bytes: &'a [u8]) -> Option<&'a [u8]> {
        let (number, digits, rest) = take_number(bytes)?;
        if self.time.is_none() && rest.first().is_some_and(|byte| matches!(byte, b':' | b'.')) && digits <= 2 {
            return self.time(number, rest);
        }
        if self.day.is_none() && digits <= 2 {
            self.day = Some(u8::try_from(number).ok()?);
        } else if self.month.is_none() && digits <= 2 && self.day.is_some() {
            self.month = Some(u8::try_from(number).ok()?);
        } else if self.year.is_none() {
            // RFC 5322 4.3: two digits below 50 are after 2000, others after 1900, as are three digits.
            let year = match (digits, number) {
                (..=2, ..=49) => number + 2000,
                (..=3, _) => number + 1900,
                _ => number,
            };
            self.year = Some(u16::try_from(year).ok().filter(|year| *year <= 9999)?);
        }
        Some(rest)
    }

    fn time<'a>(&mut self, hour: u32, rest: &'a [u8]) -> Option<&'a [u8]> {
        let separator = *rest.first()?;
        let (minute, _, mut rest) = take_number(rest.get(1..)?)?;
        let mut second = 0;
        if rest.first() == Some(&separator)
            && let Some((found, _, after)) = take_number(rest.get(1..)?)
        {
            second = found;
            rest = after;
        }
        if hour > 24 || minute > 59 || second > 60 {
            return None;
        }
        self.time = Some(i64::from(hour * 3600 + minute * 60 + second));
        Some(rest)
    }

    fn numeric_zone<'a>(&mut self, west: bool, bytes: &'a [u8]) -> &'a [u8] {
        let Some((number, digits, mut rest)) = take_number(bytes) else {
            return bytes;
        };
        let (mut hours, mut minutes) = if digits <= 2 {
            (number, 0)
        } else {
            (number / 100, number % 100)
        };
        if digits <= 2
            && let Some((found, _, after)) = rest.strip_prefix(b":").and_then(take_number)
        {
            minutes = found;
            rest = after;
        }
        // A zone that cannot be is no reason to know nothing of the date.
        if hours > 23 || minutes > 59 {
            (hours, minutes) = (0, 0);
        }
        let total = i16::try_from(hours * 60 + minutes).unwrap_or(0);
        // The first one counts, but a number says more than the name before it, as in `GMT+0100`.
        if self.zone_minutes.is_none_or(|zone| zone == 0) {
            self.zone_minutes = Some(if west { -total } else { total });
        }
        rest
    }

    fn word<'a>(&mut self, bytes: &'a [u8]) -> &'a [u8] {
        let len = bytes
            .iter()
            .position(|byte| !byte.is_ascii_alphabetic())
            .unwrap_or(bytes.len());
        let (word, rest) = bytes.split_at(len);
        let starts = |month: &&[u8]| word.get(..3).is_some_and(|head| head.eq_ignore_ascii_case(month));
        if let Some(nth) = MONTHS.iter().position(starts)
            && self.time.is_none_or(|_| self.month.is_none())
        {
            self.month = u8::try_from(nth + 1).ok();
        } else if self.time.is_some() {
            self.named_zone(word);
        }
        rest
    }

    fn named_zone(&mut self, word: &[u8]) {
        let upper = word.to_ascii_uppercase();
        let hours = match upper.as_slice() {
            b"EDT" => -4,
            b"EST" | b"CDT" => -5,
            b"CST" | b"MDT" => -6,
            b"MST" | b"PDT" => -7,
            b"PST" => -8,
            b"PM" => return self.afternoon(),
            b"AM" => return,
            // Military letters were used with either sign, so they say no more than UTC (RFC 5322 4.3).
            _ => 0,
        };
        self.zone_minutes.get_or_insert(hours * 60);
    }

    fn afternoon(&mut self) {
        self.time = self
            .time
            .map(|time| if time < 12 * 3600 { time + 12 * 3600 } else { time });
    }

    fn date(self) -> Option<SentDate> {
        let day = day_number(self.year?, self.month?, self.day?)?;
        let offset_minutes = self.zone_minutes.unwrap_or(0);
        let local = day * DAY_SECONDS + self.time.unwrap_or(0);
        Some(SentDate {
            utc_seconds: local - i64::from(offset_minutes) * 60,
            offset_minutes,
        })
    }
}

/// The number that `bytes` begin with, how many digits it has, and what stands behind it.
fn take_number(bytes: &[u8]) -> Option<(u32, usize, &[u8])> {
    let len = bytes
        .iter()
        .position(|byte| !byte.is_ascii_digit())
        .unwrap_or(bytes.len());
    let (digits, rest) = bytes.split_at(len);
    let number = std::str::from_utf8(digits).ok()?.parse().ok()?;
    Some((number, len, rest))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates_are_read_as_mail_has_them() {
        let cases = [
            ("Wed, 17 Jul 1996 02:23:25 -0700 (PDT)", 837_595_405, -420),
            ("21 Nov 97 09:55:06 GMT", 880_106_106, 0),
            (
                "Fri, 21 Nov 1997 09(comment):   55  :  06 (x) -0600",
                880_106_106 + 6 * 3600,
                -360,
            ),
            ("Thu, 1 Jan 1970 00:00 +0000", 0, 0),
            ("1 Jan 1970 01:00:00 +01:00", 0, 60),
            ("Thu Jan  1 00:00:00 1970", 0, 0),
            ("Thu Jan  1 00:00:00 EST 1970", 5 * 3600, -300),
            ("Wed, 31 Dec 1969 23:59:59 Z", -1, 0),
            ("1-Jan-1970 00:00:00 +0000", 0, 0),
            ("Thu, 1 January 1970 00:00:00 GMT+0100", -3600, 60),
            ("Mon, 29 Feb 2016 12:00:00 +0530", 1_456_727_400, 330),
            ("01 Jan 100 00:00:00 +0000", 946_684_800, 0),
            ("1 Jan 1970 00:00:00 +9999", 0, 0),
            ("1 Jan 1970", 0, 0),
            ("Thu, 1 Jan 1970 01:00:00 PM", 13 * 3600, 0),
        ];
        for (value, utc_seconds, offset_minutes) in cases {
            let read = SentDate::parse(value.as_bytes());
            assert_eq!(
                read,
                Some(SentDate {
                    utc_seconds,
                    offset_minutes
                }),
                "{value}"
            );
        }
        for value in [
            "",
            "tomorrow",
            "30 Feb 2020 00:00:00 +0000",
            "1 Jan",
            "99999999999999999999",
            "0 Jan 2000",
        ] {
            assert_eq!(SentDate::parse(value.as_bytes()), None, "{value}");
        }
    }

    #[test]
    fn the_day_is_the_written_one_in_every_zone() {
        let late = SentDate::parse(b"17 Jul 1996 23:30:00 -0700").expect("date");
        let early = SentDate::parse(b"17 Jul 1996 00:30:00 +1400").expect("date");
        assert_eq!(Some(late.day()), day_number(1996, 7, 17));
        assert_eq!(late.day(), early.day());
    }

    #[test]
    fn days_count_one_by_one_over_four_centuries() {
        let mut expected = day_number(1799, 12, 31).expect("day");
        for year in 1800..2201 {
            for month in 1..=12 {
                for day in 1..=31 {
                    if let Some(number) = day_number(year, month, day) {
                        expected += 1;
                        assert_eq!(number, expected, "{year}-{month}-{day}");
                    }
                }
            }
        }
        assert_eq!(day_number(1970, 1, 1), Some(0));
        assert_eq!(day_number(2024, 13, 1), None);
    }
}
