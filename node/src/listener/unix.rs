//! The unix socket for LMTP: a file that other programs of the machine connect to.
//!
//! Invariants
//! - Nobody can connect before mode and group of the file are right: it is bound first, and listened on later.
//! - What is not a socket is never removed, and no socket that somebody listens on.
//! - The file goes when the node stops, unless it is another's by then.

use std::fs::{self, Metadata, Permissions};
use std::io;
use std::os::unix::fs::{FileTypeExt, MetadataExt, PermissionsExt, chown};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};

use cluster_config::LmtpSocket;
use nix::unistd::Group;
use tokio::net::{UnixListener, UnixSocket};

use crate::limits::BACKLOG;

/// Who may deliver: the socket's user and group.
const SOCKET_MODE: u32 = 0o660;

/// A socket that is taken and not open yet.
pub(crate) struct BoundUnix {
    socket: UnixSocket,
    file: SocketFile,
}

/// The file of a socket, removed when this is dropped.
pub(crate) struct SocketFile {
    path: PathBuf,
    /// Device and inode: a file of the same name may be another.
    identity: (u64, u64),
}

/// Why a socket cannot be had.
#[derive(Debug, thiserror::Error)]
#[error("take the lmtp socket {}: {error}{}", path.display(), advice(error))]
pub(crate) struct SocketError {
    path: PathBuf,
    error: io::Error,
}

fn advice(error: &io::Error) -> &'static str {
    match error.kind() {
        io::ErrorKind::AddrInUse => "; another program listens on it",
        io::ErrorKind::AlreadyExists => "; move it away, or name another path",
        io::ErrorKind::NotFound => "; make its directory first",
        io::ErrorKind::PermissionDenied => {
            "; the node must be able to write in its directory, and be a member of lmtp_socket_group"
        }
        _ => "",
    }
}

impl BoundUnix {
    /// Takes a socket, in the place of one that nobody listens on any more.
    pub(crate) fn take(socket: &LmtpSocket) -> Result<Self, SocketError> {
        let LmtpSocket { path, group } = socket;
        bind(path, group.as_deref()).map_err(|error| SocketError {
            path: path.clone(),
            error,
        })
    }

    /// Opens it.
    pub(crate) fn listen(self) -> Result<(UnixListener, SocketFile), SocketError> {
        let Self { socket, file } = self;
        match socket.listen(BACKLOG) {
            Ok(listener) => Ok((listener, file)),
            Err(error) => Err(SocketError {
                path: file.path.clone(),
                error,
            }),
        }
    }
}

fn bind(path: &Path, group: Option<&str>) -> io::Result<BoundUnix> {
    let gid = group.map(group_id).transpose()?;
    clear(path)?;
    let socket = UnixSocket::new_stream()?;
    socket.bind(path)?;
    let file = SocketFile {
        path: path.to_owned(),
        identity: identity(&fs::symlink_metadata(path)?),
    };
    if gid.is_some() {
        chown(path, None, gid)?;
    }
    fs::set_permissions(path, Permissions::from_mode(SOCKET_MODE))?;
    Ok(BoundUnix { socket, file })
}

fn group_id(name: &str) -> io::Result<u32> {
    let group = Group::from_name(name)?;
    let none = || io::Error::other(format!("the system has no group {name}"));
    Ok(group.ok_or_else(none)?.gid.as_raw())
}

/// Removes what a killed node left.
fn clear(path: &Path) -> io::Result<()> {
    let there = match fs::symlink_metadata(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        there => there?,
    };
    if !there.file_type().is_socket() {
        return Err(io::Error::new(
            io::ErrorKind::AlreadyExists,
            "something else is there, which is no socket",
        ));
    }
    match UnixStream::connect(path) {
        Err(error) if error.kind() == io::ErrorKind::ConnectionRefused => fs::remove_file(path),
        Ok(_) => Err(io::ErrorKind::AddrInUse.into()),
        Err(error) => Err(error),
    }
}

fn identity(metadata: &Metadata) -> (u64, u64) {
    (metadata.dev(), metadata.ino())
}

impl Drop for SocketFile {
    fn drop(&mut self) {
        let is_ours = fs::symlink_metadata(&self.path).is_ok_and(|there| identity(&there) == self.identity);
        if is_ours && let Err(error) = fs::remove_file(&self.path) {
            tracing::warn!(path = %self.path.display(), %error, "the lmtp socket is left behind");
        }
    }
}

#[cfg(test)]
mod tests {
    use nix::unistd::getegid;

    use super::*;

    fn socket(path: &Path) -> LmtpSocket {
        LmtpSocket {
            path: path.to_owned(),
            group: None,
        }
    }

    fn refusal(socket: &LmtpSocket) -> String {
        BoundUnix::take(socket).err().expect("refused").to_string()
    }

    #[tokio::test]
    async fn it_is_for_user_and_group_alone_and_open_only_once_that_is_so() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("lmtp");
        let group = Group::from_gid(getegid()).unwrap().expect("our group has a name").name;
        let socket = LmtpSocket {
            path: path.clone(),
            group: Some(group),
        };
        let bound = BoundUnix::take(&socket).unwrap();
        let metadata = fs::metadata(&path).unwrap();
        assert_eq!(metadata.permissions().mode() & 0o777, 0o660);
        assert_eq!(metadata.gid(), getegid().as_raw());
        assert!(UnixStream::connect(&path).is_err());
        let _open = bound.listen().unwrap();
        UnixStream::connect(&path).unwrap();
    }

    #[tokio::test]
    async fn the_socket_of_a_killed_node_is_replaced_and_one_in_use_is_not() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("lmtp");
        drop(std::os::unix::net::UnixListener::bind(&path).unwrap());
        assert!(path.exists(), "a killed node leaves it");
        let _in_use = BoundUnix::take(&socket(&path)).unwrap().listen().unwrap();
        let text = refusal(&socket(&path));
        assert!(text.ends_with("another program listens on it"), "{text}");
        UnixStream::connect(&path).unwrap();
    }

    #[tokio::test]
    async fn what_is_not_a_socket_stays_as_it_is() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("lmtp");
        fs::write(&path, "a letter").unwrap();
        let text = refusal(&socket(&path));
        assert!(text.contains("is no socket"), "{text}");
        assert_eq!(fs::read_to_string(&path).unwrap(), "a letter");
    }

    #[tokio::test]
    async fn it_goes_with_the_node_unless_it_is_another_by_then() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("lmtp");
        drop(BoundUnix::take(&socket(&path)).unwrap());
        assert!(!path.exists());
        let open = BoundUnix::take(&socket(&path)).unwrap().listen().unwrap();
        fs::rename(&path, dir.path().join("old")).unwrap();
        fs::write(&path, "another").unwrap();
        drop(open);
        assert!(path.exists());
    }

    #[tokio::test]
    async fn a_group_that_is_not_there_and_a_missing_directory_are_told() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("lmtp");
        let group = Some("no-such-group".to_owned());
        let text = refusal(&LmtpSocket { path, group });
        assert!(text.contains("the system has no group no-such-group"), "{text}");
        let text = refusal(&socket(&dir.path().join("none/lmtp")));
        assert!(text.ends_with("make its directory first"), "{text}");
    }
}
