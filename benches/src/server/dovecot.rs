//! Dovecot from the distribution, with a configuration of its own below the run's directory: sdbox, every write synced,
//! ports on loopback, any account, all of one system user. What its packages set up is neither used nor touched.

use std::fs::{self, DirBuilder};
use std::net::{SocketAddr, TcpListener};
use std::os::unix::fs::{DirBuilderExt, chown};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context, ensure};
use nix::unistd::{Group, Uid, User, getgid, getuid};

use super::{Process, Server, loopback, wait_listening};
use crate::limits::CONNECTIONS;

/// The user that the packages make for Dovecot; owns the mail when this program runs as root, which Dovecot does not let
/// own any.
const SYSTEM_USER: &str = "dovecot";

pub(super) fn start(dir: &Path) -> anyhow::Result<Server> {
    let program = program()?;
    let version = Command::new(&program).arg("--version").output();
    let version = String::from_utf8_lossy(&version.context("ask Dovecot for its version")?.stdout).into_owned();
    let owner = Owner::find()?;
    // Its processes run as several users and have to get through.
    DirBuilder::new()
        .mode(0o755)
        .create(dir)
        .with_context(|| format!("make {}", dir.display()))?;
    let mail = dir.join("mail");
    fs::create_dir(&mail).with_context(|| format!("make {}", mail.display()))?;
    chown(&mail, Some(owner.uid), Some(owner.gid)).with_context(|| format!("give away {}", mail.display()))?;
    let (lmtp, imap) = (free_address()?, free_address()?);
    let (file, log) = (dir.join("dovecot.conf"), dir.join("log"));
    let text = configuration(dir, &owner, lmtp, imap);
    fs::write(&file, text).with_context(|| format!("write {}", file.display()))?;
    let mut command = Command::new(program);
    command.arg("-F").arg("-c").arg(&file).stdin(Stdio::null());
    let mut process = Process::start(command)?;
    for address in [lmtp, imap] {
        wait_listening(&mut process, address, &log).context("start Dovecot")?;
    }
    let version = version.split_whitespace().next().unwrap_or_default();
    Ok(Server {
        name: "Dovecot".to_owned(),
        description: format!("Dovecot {version}, sdbox, mail_fsync=always, one copy"),
        lmtp: vec![lmtp],
        imap,
        roots: vec![process.child.id()],
        process,
    })
}

fn program() -> anyhow::Result<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let mut places: Vec<PathBuf> = std::env::split_paths(&path).collect();
    places.extend(["/usr/sbin".into(), "/usr/local/sbin".into()]);
    let found = places
        .iter()
        .map(|place| place.join("dovecot"))
        .find(|file| file.is_file());
    found.context("there is no Dovecot: install dovecot-lmtpd and dovecot-imapd, or leave it out with --alone")
}

/// Whose the mail is, and as whom Dovecot's processes run.
struct Owner {
    uid: u32,
    gid: u32,
    user: String,
    group: String,
}

impl Owner {
    fn find() -> anyhow::Result<Self> {
        let user = if getuid().is_root() {
            User::from_name(SYSTEM_USER)?.with_context(|| format!("there is no user {SYSTEM_USER}"))?
        } else {
            User::from_uid(getuid())?.context("this user has no name")?
        };
        let gid = if getuid().is_root() { user.gid } else { getgid() };
        let group = Group::from_gid(gid)?.context("this group has no name")?;
        ensure!(user.uid != Uid::from_raw(0), "mail may not be root's");
        Ok(Self {
            uid: user.uid.as_raw(),
            gid: gid.as_raw(),
            user: user.name,
            group: group.name,
        })
    }
}

/// A port that nothing uses now.
fn free_address() -> anyhow::Result<SocketAddr> {
    let listener = TcpListener::bind(loopback(0)).context("find a free port")?;
    Ok(listener.local_addr()?)
}

fn configuration(dir: &Path, owner: &Owner, lmtp: SocketAddr, imap: SocketAddr) -> String {
    let Owner { uid, gid, user, group } = owner;
    let dir = dir.display();
    let connections = CONNECTIONS.into_iter().max().unwrap_or(1);
    // Processes that wait beforehand, and are used again, spare each log-in two forks.
    format!(
        "\
protocols = lmtp imap
listen = 127.0.0.1
base_dir = {dir}/run
state_dir = {dir}/state
log_path = {dir}/log
ssl = no
disable_plaintext_auth = no
auth_username_format = %Ln
default_internal_user = {user}
default_internal_group = {group}
default_login_user = {user}
mail_uid = {uid}
mail_gid = {gid}
first_valid_uid = {uid}
mail_location = sdbox:{dir}/mail/%n
mail_fsync = always
lmtp_user_concurrency_limit = 0
passdb {{
  driver = static
  args = password=demo
}}
userdb {{
  driver = static
  args = uid={uid} gid={gid} home={dir}/mail/%n allow_all_users=yes
}}
service anvil {{
  chroot =
  client_limit = 4000
}}
service auth {{
  client_limit = 4000
}}
service lmtp {{
  process_min_avail = {connections}
  inet_listener lmtp {{
    port = {lmtp_port}
  }}
}}
service imap-login {{
  chroot =
  service_count = 0
  process_min_avail = 2
  inet_listener imap {{
    port = {imap_port}
  }}
  inet_listener imaps {{
    port = 0
  }}
}}
service imap {{
  service_count = 0
  process_min_avail = 4
}}
",
        lmtp_port = lmtp.port(),
        imap_port = imap.port(),
    )
}
