//! What a shelf reports when it cannot do its work, and how errors of the operating system and of RocksDB are classed.
//!
//! Invariants
//! - A class is the first reading of one error, not the verdict over a disk: that takes probes (DESIGN D9).
//! - An error is cheap to clone, since the failure of one sync is told to every caller that waits for it.

use std::io;
use std::sync::Arc;

use nix::errno::Errno;

/// Which shelf an error comes from, and which opening of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ShelfLabel {
    /// The name that the operator gave it.
    pub name: Arc<str>,
    /// Counts the openings within this process, so that what a given-up opening still says can be told apart.
    pub epoch: u64,
}

impl ShelfLabel {
    /// A label for one opening of the shelf `name`.
    #[must_use]
    pub fn new(name: &str, epoch: u64) -> Self {
        Self {
            name: name.into(),
            epoch,
        }
    }
}

/// What kind of trouble an error points at.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ErrorClass {
    /// The way to the disk is broken: not connected, no such device, timed out.
    Link,
    /// Bytes cannot be read, or are not what was written. Whether the disk or its link is at fault is not known yet.
    Medium,
    /// No space or quota is left.
    Full,
    /// The operating system does not let us: permissions, a read-only file system.
    Permission,
    /// The shelf took too long, or too much waits for it.
    Stalled,
    /// This is not the shelf that was asked for, or it is in use, or of a newer format.
    Refused,
    /// The shelf was closed, or has failed before; the detail says why.
    Closed,
    /// It was asked for what is in memory, and this is not: ask the disk.
    NotInMemory,
    /// None of the above: a mistake of ours.
    Bug,
}

impl ErrorClass {
    /// A short name for metrics and traces.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Link => "link",
            Self::Medium => "medium",
            Self::Full => "full",
            Self::Permission => "permission",
            Self::Stalled => "stalled",
            Self::Refused => "refused",
            Self::Closed => "closed",
            Self::NotInMemory => "not in memory",
            Self::Bug => "bug",
        }
    }

    /// The class of an error of the operating system.
    #[must_use]
    pub fn of_io(error: &io::Error) -> Self {
        if let Some(code) = error.raw_os_error() {
            return Self::of_errno(Errno::from_raw(code));
        }
        match error.kind() {
            io::ErrorKind::PermissionDenied | io::ErrorKind::ReadOnlyFilesystem => Self::Permission,
            io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => Self::Full,
            io::ErrorKind::NotConnected | io::ErrorKind::TimedOut | io::ErrorKind::StaleNetworkFileHandle => Self::Link,
            io::ErrorKind::UnexpectedEof | io::ErrorKind::InvalidData => Self::Medium,
            _ => Self::Bug,
        }
    }

    /// The class of an error number. EIO counts as medium: buffered I/O flattens most causes to it.
    fn of_errno(errno: Errno) -> Self {
        use Errno as E;
        match errno {
            E::ENOSPC | E::EDQUOT => Self::Full,
            E::EACCES | E::EPERM | E::EROFS => Self::Permission,
            E::ENOTCONN | E::ENODEV | E::ENXIO | E::ETIMEDOUT | E::ENOLINK | E::ESTALE | E::ESHUTDOWN => Self::Link,
            E::EHOSTDOWN | E::EHOSTUNREACH | E::ENETUNREACH | E::ECONNRESET | E::ECONNABORTED => Self::Link,
            E::EIO | E::ENODATA | E::EILSEQ | E::EREMOTEIO | E::EBADMSG | E::EUCLEAN => Self::Medium,
            E::EAGAIN | E::EBUSY => Self::Refused,
            _ => Self::Bug,
        }
    }

    /// The class of a RocksDB error, from its kind and from the text that the operating system put into its message.
    #[cfg(feature = "rocksdb")]
    pub(crate) fn of_rocks(error: &rocksdb::Error) -> Self {
        use rocksdb::ErrorKind as K;
        match error.kind() {
            K::Corruption | K::Incomplete => Self::Medium,
            K::TimedOut | K::Busy => Self::Stalled,
            K::ShutdownInProgress => Self::Closed,
            K::IOError | K::NotFound | K::Aborted | K::Unknown => Self::of_message(error.as_ref()),
            _ => Self::Bug,
        }
    }

    /// RocksDB hands on `strerror` texts only; the numbers are looked up by those.
    fn of_message(message: &str) -> Self {
        const KNOWN: [Errno; 21] = [
            Errno::ENOSPC,
            Errno::EDQUOT,
            Errno::EACCES,
            Errno::EPERM,
            Errno::EROFS,
            Errno::ENOTCONN,
            Errno::ENODEV,
            Errno::ENXIO,
            Errno::ETIMEDOUT,
            Errno::ENOLINK,
            Errno::ESTALE,
            Errno::ESHUTDOWN,
            Errno::EHOSTDOWN,
            Errno::EHOSTUNREACH,
            Errno::ECONNABORTED,
            Errno::EIO,
            Errno::ENODATA,
            Errno::EREMOTEIO,
            Errno::EBADMSG,
            Errno::EUCLEAN,
            Errno::EAGAIN,
        ];
        if message.contains("LOCK") && message.contains("lock ") {
            return Self::Refused;
        }
        KNOWN
            .into_iter()
            .find(|errno| message.contains(errno.desc()))
            .map_or(Self::Medium, Self::of_errno)
    }
}

/// A shelf could not do what it was asked.
#[derive(Clone, Debug, thiserror::Error)]
#[error("{operation} on shelf {}: {detail}", label.name)]
pub struct ShelfError {
    class: ErrorClass,
    operation: &'static str,
    label: ShelfLabel,
    detail: Arc<str>,
}

impl ShelfError {
    /// An error of `class` met in `operation` ("write batch", "read log").
    #[must_use]
    pub fn new(label: &ShelfLabel, class: ErrorClass, operation: &'static str, detail: impl std::fmt::Display) -> Self {
        Self {
            class,
            operation,
            label: label.clone(),
            detail: detail.to_string().into(),
        }
    }

    /// An error of the operating system on `path` or another subject.
    #[must_use]
    pub fn io(label: &ShelfLabel, operation: &'static str, subject: impl std::fmt::Display, error: &io::Error) -> Self {
        Self::new(
            label,
            ErrorClass::of_io(error),
            operation,
            format_args!("{subject}: {error}"),
        )
    }

    /// An error of RocksDB.
    #[cfg(feature = "rocksdb")]
    pub(crate) fn rocks(label: &ShelfLabel, operation: &'static str, error: &rocksdb::Error) -> Self {
        Self::new(label, ErrorClass::of_rocks(error), operation, error)
    }

    /// Stored bytes that are not what was written, or are not there.
    #[must_use]
    pub fn damage(label: &ShelfLabel, operation: &'static str, detail: impl std::fmt::Display) -> Self {
        Self::new(label, ErrorClass::Medium, operation, detail)
    }

    /// What kind of trouble this points at.
    #[must_use]
    pub fn class(&self) -> ErrorClass {
        self.class
    }

    /// What was being done.
    #[must_use]
    pub fn operation(&self) -> &'static str {
        self.operation
    }

    /// The name of the shelf.
    #[must_use]
    pub fn shelf(&self) -> &str {
        &self.label.name
    }

    /// Which opening of the shelf reported this.
    #[must_use]
    pub fn epoch(&self) -> u64 {
        self.label.epoch
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn error_numbers_tell_link_from_medium_from_full() {
        let class = |errno: Errno| ErrorClass::of_io(&io::Error::from_raw_os_error(errno as i32));
        assert_eq!(class(Errno::ENOSPC), ErrorClass::Full);
        assert_eq!(class(Errno::ENOTCONN), ErrorClass::Link);
        assert_eq!(class(Errno::EIO), ErrorClass::Medium);
        assert_eq!(class(Errno::EROFS), ErrorClass::Permission);
        assert_eq!(class(Errno::EINVAL), ErrorClass::Bug);
    }

    #[test]
    fn messages_of_the_database_are_classed_by_the_error_text_in_them() {
        let class = ErrorClass::of_message;
        assert_eq!(
            class("IO error: No space left on device: While appending to file: a.log"),
            ErrorClass::Full
        );
        assert_eq!(
            class("IO error: While fsync: a.log: Transport endpoint is not connected"),
            ErrorClass::Link
        );
        assert_eq!(
            class("IO error: While pread: a.sst: Input/output error"),
            ErrorClass::Medium
        );
        assert_eq!(
            class("IO error: While lock file: /s/LOCK: Resource temporarily unavailable"),
            ErrorClass::Refused
        );
        assert_eq!(
            class("IO error: lock hold by current process: /s/LOCK"),
            ErrorClass::Refused
        );
    }

    #[test]
    fn text_says_what_failed_and_where() {
        let label = ShelfLabel::new("sun0", 3);
        let error = ShelfError::io(
            &label,
            "write identity",
            "holdfast-shelf",
            &io::Error::from_raw_os_error(28),
        );
        assert_eq!(error.class(), ErrorClass::Full);
        assert_eq!(error.epoch(), 3);
        assert!(
            error
                .to_string()
                .starts_with("write identity on shelf sun0: holdfast-shelf: No space left"),
            "{error}"
        );
    }
}
