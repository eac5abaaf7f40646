//! Dovecot from the distribution, with a configuration of its own below the run's directory: sdbox, every write synced,
//! ports on loopback, any account, all of one system user. What its packages set up is neither used nor touched.

use std::fs::{self, DirBuilder};
use std::net::{SocketAddr, TcpListener};
use std::os::unix::fs::{DirBuilderExt, MetadataExt, chown};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context, ensure};
use nix::unistd::{Group, Uid, User, getgid, getuid};

use super::process::{Process, wait_listening};
use super::{Again, Server, loopback};
use crate::limits::{CONNECTIONS, IDLE_SESSIONS, MIXED_CLIENTS};

/// The user that the packages make for Dovecot; owns the mail when this program runs as root, which Dovecot does not let
/// own any.
const SYSTEM_USER: &str = "dovecot";

pub(super) fn start(dir: &Path) -> anyhow::Result<Server> {
    let program = program()?;
    let version = Command::new(&program).arg("--version").output();
    let version = String::from_utf8_lossy(&version.context("ask Dovecot for its version")?.stdout).into_owned();
    let owner = Owner::find()?;
    ensure_passable(dir)?;
    // Its processes run as several users and have to get through.
    DirBuilder::new()
        .mode(0o755)
        .create(dir)
        .with_context(|| format!("make {}", dir.display()))?;
    let mail = dir.join("mail");
    fs::create_dir(&mail).with_context(|| format!("make {}", mail.display()))?;
    chown(&mail, Some(owner.uid), Some(owner.gid)).with_context(|| format!("give away {}", mail.display()))?;
    let certificate = rcgen::generate_simple_self_signed(["localhost".to_owned()]).context("make a certificate")?;
    let trusted = dir.join("certificate.pem");
    let ports = Ports {
        lmtp: free_address()?,
        imap: free_address()?,
        imaps: free_address()?,
    };
    let texts = [
        (trusted.clone(), certificate.cert.pem()),
        (dir.join("key.pem"), certificate.signing_key.serialize_pem()),
        (dir.join("dovecot.conf"), configuration(dir, &owner, &ports)),
    ];
    for (file, text) in texts {
        fs::write(&file, text).with_context(|| format!("write {}", file.display()))?;
    }
    let again = Master {
        program,
        dir: dir.to_owned(),
        ports,
    };
    let mut processes = again.launch().context("start Dovecot")?;
    again.wait_ready(&mut processes).context("start Dovecot")?;
    let version = version.split_whitespace().next().unwrap_or_default();
    Ok(Server {
        name: "Dovecot".to_owned(),
        description: format!("Dovecot {version}, sdbox, mail_fsync=always, one copy"),
        lmtp: vec![ports.lmtp],
        imap: vec![ports.imap],
        imaps: vec![ports.imaps],
        trusted,
        dir: dir.to_owned(),
        roots: processes.iter().map(|process| process.child.id()).collect(),
        processes,
        again: Box::new(again),
    })
}

/// Its processes may be of another user than this one.
fn ensure_passable(dir: &Path) -> anyhow::Result<()> {
    for above in dir.ancestors().skip(1) {
        let mode = fs::metadata(above)
            .with_context(|| format!("look at {}", above.display()))?
            .mode();
        ensure!(
            mode & 0o001 != 0,
            "Dovecot's users cannot pass {}: name a directory below others with --dir DIR",
            above.display()
        );
    }
    Ok(())
}

/// Where it listens.
#[derive(Clone, Copy)]
struct Ports {
    lmtp: SocketAddr,
    imap: SocketAddr,
    imaps: SocketAddr,
}

/// The process that starts all others.
struct Master {
    program: PathBuf,
    dir: PathBuf,
    ports: Ports,
}

impl Again for Master {
    fn launch(&self) -> anyhow::Result<Vec<Process>> {
        let mut command = Command::new(&self.program);
        let file = self.dir.join("dovecot.conf");
        command.arg("-F").arg("-c").arg(file).stdin(Stdio::null());
        Ok(vec![Process::start(command)?])
    }

    fn wait_ready(&self, processes: &mut [Process]) -> anyhow::Result<()> {
        let master = processes.first_mut().context("it was not started")?;
        for address in [self.ports.lmtp, self.ports.imap, self.ports.imaps] {
            wait_listening(master, address, &self.dir.join("log"))?;
        }
        Ok(())
    }
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

fn configuration(dir: &Path, owner: &Owner, ports: &Ports) -> String {
    let Owner { uid, gid, user, group } = owner;
    let dir = dir.display();
    let connections = CONNECTIONS.into_iter().max().unwrap_or(1);
    let sessions = IDLE_SESSIONS[0] + 100;
    // Log-in processes that take many connections each, and others that wait beforehand and are used again, spare each
    // log-in two forks: what its manual calls the high-performance mode. Passwords are in clear text here, so that
    // nobody hashes.
    format!(
        "\
protocols = lmtp imap
listen = 127.0.0.1
base_dir = {dir}/run
state_dir = {dir}/state
log_path = {dir}/log
ssl = yes
ssl_cert = <{dir}/certificate.pem
ssl_key = <{dir}/key.pem
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
mail_max_userip_connections = 0
auth_cache_size = 10M
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
  client_limit = 2000
  process_min_avail = 2
  inet_listener imap {{
    port = {imap_port}
  }}
  inet_listener imaps {{
    port = {imaps_port}
  }}
}}
service imap {{
  service_count = 0
  process_limit = {sessions}
  process_min_avail = {clients}
}}
",
        clients = MIXED_CLIENTS,
        lmtp_port = ports.lmtp.port(),
        imap_port = ports.imap.port(),
        imaps_port = ports.imaps.port(),
    )
}
