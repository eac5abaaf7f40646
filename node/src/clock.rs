//! The time of day, for traces, dates and logs. What expires goes by log time.

use std::time::{SystemTime, UNIX_EPOCH};

use mail_model::InternalDate;

/// Milliseconds since 1970.
pub(crate) fn now_ms() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
}

/// The time of day, as messages are dated here: in UTC.
pub(crate) fn internal_date_now() -> InternalDate {
    InternalDate {
        utc_seconds: i64::try_from(now_ms() / 1_000).unwrap_or(i64::MAX),
        offset_minutes: 0,
    }
}
