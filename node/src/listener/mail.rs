//! The ports for mail: admission, whom a balancer connects for, TLS where it comes first, one task per session.
//!
//! Invariants
//! - A session that panics ends by itself; its ticket goes back like any other.
//! - Behind a balancer, whatever counts or judges the client sees the address in the header, and never the balancer's.

use std::sync::Arc;

use tokio::time::timeout;
use tokio_util::task::TaskTracker;

use super::MailTls;
use super::accept::{Acceptor, Stream};
use super::admission::{Admission, Ticket};
use super::proxy::{self, ProxyError};
use super::service::MailService;
use crate::connection::{Connection, Peer};
use crate::limits::HANDSHAKE_WITHIN;
use crate::services::SharedServices;

const NOT_FOR_YOU: &str = "421 4.7.0 this service is not for your network\r\n";

/// What all ports for mail share.
pub(crate) struct MailPorts {
    pub(crate) services: SharedServices,
    pub(crate) tls: MailTls,
    pub(crate) admission: Admission,
    pub(crate) sessions: TaskTracker,
}

/// One of them.
#[derive(Clone, Copy)]
struct Port {
    /// What it is called in traces and metrics.
    name: &'static str,
    service: MailService,
}

impl Port {
    fn refuse_for_want_of_room(self, stream: Stream) {
        metrics::counter!("holdfast_connections_refused_total", "listener" => self.name).increment(1);
        self.turn_away(stream, self.service.busy());
    }

    /// Says why, where the client can read it.
    fn turn_away(self, stream: Stream, line: &str) {
        stream.turn_away(if self.service.is_secure { "" } else { line });
    }
}

impl MailPorts {
    /// Takes connections until the node stops.
    pub(crate) async fn run(self: Arc<Self>, service: MailService, mut acceptor: Acceptor) {
        let name = acceptor.name();
        let port = Port { name, service };
        for refused in [
            "holdfast_connections_refused_total",
            "holdfast_proxy_headers_refused_total",
        ] {
            metrics::counter!(refused, "listener" => name).increment(0);
        }
        while let Some((stream, peer)) = acceptor.next().await {
            if self.is_balancer(peer) {
                match self.admission.admit_unnamed() {
                    Some(ticket) => drop(self.sessions.spawn(self.clone().proxied(port, stream, peer, ticket))),
                    None => port.refuse_for_want_of_room(stream),
                }
            } else if !self.may_come(service, peer) {
                stream.turn_away(NOT_FOR_YOU);
            } else {
                match self.admission.admit(peer) {
                    Some(ticket) => drop(self.sessions.spawn(self.clone().session(port, stream, peer, ticket))),
                    None => port.refuse_for_want_of_room(stream),
                }
            }
        }
    }

    fn is_balancer(&self, peer: Peer) -> bool {
        matches!(peer, Peer::Ip(ip) if self.services.settings.proxy_from.contains(ip))
    }

    fn may_come(&self, service: MailService, peer: Peer) -> bool {
        match peer {
            Peer::Ip(ip) if service.is_for_named_networks() => self.services.settings.lmtp_from.contains(ip),
            Peer::Ip(_) | Peer::Local => true,
        }
    }

    /// A connection that a balancer made: from its header on it is that of the client.
    async fn proxied(self: Arc<Self>, port: Port, mut stream: Stream, balancer: Peer, mut ticket: Ticket) {
        let found = match &mut stream {
            Stream::Tcp(stream) => proxy::client(stream, balancer.ip()).await,
            Stream::Unix(_) => Ok(balancer.ip()),
        };
        let client = match found {
            Ok(client) => Peer::Ip(client),
            Err(ProxyError::Nothing) => return,
            Err(error) => {
                metrics::counter!("holdfast_proxy_headers_refused_total", "listener" => port.name).increment(1);
                tracing::warn!(listener = port.name, balancer = %balancer.ip(), %error, "a balancer is turned away");
                return port.turn_away(stream, port.service.wants_header());
            }
        };
        if !self.may_come(port.service, client) {
            return stream.turn_away(NOT_FOR_YOU);
        }
        if !ticket.name(client) {
            return port.refuse_for_want_of_room(stream);
        }
        Box::pin(self.session(port, stream, client, ticket)).await;
    }

    async fn session(self: Arc<Self>, port: Port, stream: Stream, peer: Peer, _ticket: Ticket) {
        let Port {
            name: listener,
            service,
        } = port;
        metrics::counter!("holdfast_connections_total", "listener" => listener).increment(1);
        let open = metrics::gauge!("holdfast_connections", "listener" => listener);
        open.increment(1.0);
        let _closed = OnDrop(move || open.decrement(1.0));
        let connection = match stream {
            Stream::Unix(stream) => Connection::plain(stream, peer, None),
            Stream::Tcp(stream) if !service.is_secure => Connection::plain(stream, peer, Some(self.tls.0.clone())),
            Stream::Tcp(stream) => {
                // Nobody waits for a turn: what costs is done at one go by the thread that has the client's hello, and the
                // rest is waiting for the client, which must not hold up another one.
                let secured = timeout(HANDSHAKE_WITHIN, Connection::secure(stream, peer, self.tls.0.clone()));
                match secured.await {
                    Ok(Ok(connection)) => connection,
                    Ok(Err(error)) => return tracing::debug!(listener, %error, "TLS handshake failed"),
                    Err(_) => return tracing::debug!(listener, "TLS handshake took too long"),
                }
            }
        };
        let services = self.services.clone();
        drop(self);
        service.serve(connection, services).await;
    }
}

/// Runs a closure at the end, also of a panic.
struct OnDrop<F: FnMut()>(F);

impl<F: FnMut()> Drop for OnDrop<F> {
    fn drop(&mut self) {
        (self.0)();
    }
}

#[cfg(test)]
mod tests {
    use std::net::IpAddr;
    use std::time::Duration;

    use cluster_config::{Listener, LmtpSocket, Networks};
    use mail_model::Secret;
    use mailstore::front::Freshness;
    use rustls::ServerConfig;
    use rustls::pki_types::PrivatePkcs8KeyDer;
    use tokio::io::AsyncWriteExt;
    use tokio::net::{TcpListener, TcpStream};
    use tokio::process::Command;

    use super::super::admission::AdmissionLimits;
    use super::super::unix::BoundUnix;
    use super::*;
    use crate::testing::{PASSWORD, TestNode, node_with_accounts};

    /// Delivers a message to one who is there, and is refused another.
    const DELIVER: &str = r#"
import smtplib, sys
with smtplib.LMTP(sys.argv[1]) as client:
    message = b"Subject: over a socket\r\n\r\nx\r\n"
    refused = client.sendmail("ann@example.org", ["user1@demo.test", "nobody@demo.test"], message)
    assert list(refused) == ["nobody@demo.test"] and refused["nobody@demo.test"][0] == 550, refused
"#;
    /// Is greeted under TLS.
    const BE_GREETED: &str = r#"
import socket, ssl, sys
context = ssl._create_unverified_context()
with context.wrap_socket(socket.create_connection(("127.0.0.1", int(sys.argv[1])))) as client:
    assert client.recv(4) == b"* OK"
"#;
    /// A balancer on 127.0.0.1 in front of the ports for SMTP, LMTP, IMAP and IMAP over TLS.
    const BALANCE: &str = r#"
import imaplib, smtplib, socket, ssl, struct, sys
SMTP_PORT, LMTP_PORT, IMAP_PORT, IMAPS_PORT = map(int, sys.argv[1:])
CLIENT = "198.51.100.7"
START = b"\r\n\r\n\0\r\nQUIT\n"
LOCAL = START + b"\x20\x00\0\0"

def named(client):
    addresses = socket.inet_aton(client) + socket.inet_aton("192.0.2.9") + struct.pack("!HH", 50000, 25)
    return START + b"\x21\x11" + struct.pack("!H", 12) + addresses

def connect(port, header, own="127.0.0.1"):
    connection = socket.create_connection(("127.0.0.1", port), timeout=60, source_address=(own, 0))
    connection.sendall(header)
    return connection

class Smtp(smtplib.SMTP):
    def _get_socket(self, header, port, timeout):
        return connect(port, header)

class Imap(imaplib.IMAP4):
    def _create_socket(self, timeout):
        return connect(self.port, self.host)

class Imaps(imaplib.IMAP4):
    def _create_socket(self, timeout):
        context = ssl.create_default_context()
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
        return context.wrap_socket(connect(self.port, self.host))

def first_line(port, header, own="127.0.0.1"):
    with connect(port, header, own) as connection:
        return connection.makefile("rb").readline()

with Smtp(named(CLIENT), SMTP_PORT) as client:
    client.sendmail("ann@example.org", ["user1@demo.test"], b"Subject: by way of a balancer\r\n\r\nx\r\n")
with Imaps(named(CLIENT), IMAPS_PORT) as client:
    client.login("user1@demo.test", "demo")
    client.select()
    message = client.fetch("1", "(BODY[])")[1][0][1]
    assert b"(unknown [198.51.100.7])" in message, message
with Imap(named(CLIENT), IMAP_PORT) as client:
    assert "LOGINDISABLED" in client.capabilities, client.capabilities
with Imap(LOCAL, IMAP_PORT) as client:
    assert "LOGINDISABLED" not in client.capabilities, client.capabilities
assert first_line(LMTP_PORT, named(CLIENT)).startswith(b"421 4.7.0 "), "it is not among lmtp_from"
assert first_line(LMTP_PORT, LOCAL).startswith(b"220 ")

# Two open ones are what the test lets a client have: of this one, not of the balancer.
here = [connect(SMTP_PORT, named(CLIENT)) for _ in range(2)]
assert all(one.makefile("rb").readline().startswith(b"220 ") for one in here)
assert first_line(SMTP_PORT, named(CLIENT)).startswith(b"421 4.3.2 ")
assert first_line(SMTP_PORT, named("198.51.100.8")).startswith(b"220 ")

for header in [b"PROXY TCP4 198.51.100.7 192.0.2.9 50000 25\r\n", b"EHLO there\r\n"]:
    assert b"PROXY header of version 2" in first_line(SMTP_PORT, header), header
assert first_line(IMAPS_PORT, b"\x16\x03\x01") == b"", "a TLS client is told nothing in clear"
# Who is no balancer is believed nothing, and needs no header.
assert first_line(SMTP_PORT, b"", own="127.0.0.2").startswith(b"220 ")
with connect(SMTP_PORT, named(CLIENT), own="127.0.0.2") as connection:
    lines = connection.makefile("rb")
    assert lines.readline().startswith(b"220 ") and lines.readline().startswith(b"500 ")
"#;
    /// Time for that, and for the socket to go.
    const PATIENCE: Duration = Duration::from_secs(60);

    fn ports(node: &TestNode) -> Arc<MailPorts> {
        ports_for(node, Admission::new(AdmissionLimits::total(200)))
    }

    fn ports_for(node: &TestNode, admission: Admission) -> Arc<MailPorts> {
        let made = rcgen::generate_simple_self_signed(["mail.demo.test".to_owned()]).expect("makes a certificate");
        let key = PrivatePkcs8KeyDer::from(made.signing_key.serialize_der());
        let tls = ServerConfig::builder_with_provider(Arc::new(rustls::crypto::aws_lc_rs::default_provider()))
            .with_safe_default_protocol_versions()
            .expect("versions")
            .with_no_client_auth()
            .with_single_cert(vec![made.cert.der().clone()], key.into())
            .expect("a certificate");
        Arc::new(MailPorts {
            services: node.services.clone(),
            tls: MailTls::new(tls),
            admission,
            sessions: TaskTracker::new(),
        })
    }

    /// Runs a script to its end.
    async fn python(script: &str, arguments: &[String]) {
        let mut python = Command::new("python3");
        python.args(["-c", script]).args(arguments).kill_on_drop(true);
        let output = timeout(PATIENCE, python.output()).await.expect("ends in time");
        let output = output.expect("python3 is there, as .ci/packages wants it");
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    }

    #[tokio::test]
    async fn pythons_smtplib_delivers_over_the_unix_socket_which_goes_with_the_node() {
        let node = node_with_accounts(1).await;
        let dir = tempfile::tempdir().expect("a directory");
        let path = dir.path().join("lmtp");
        let socket = LmtpSocket {
            path: path.clone(),
            group: None,
        };
        let open = BoundUnix::take(&socket).and_then(BoundUnix::listen).expect("opens");
        let acceptor = Acceptor::unix("lmtp", open, node.services.stopping.clone());
        let serving = tokio::spawn(ports(&node).run(MailService::LMTP, acceptor));
        python(DELIVER, &[path.display().to_string()]).await;
        let (password, here) = (Secret::new(PASSWORD.to_owned()), IpAddr::from([127, 0, 0, 1]));
        let user = node
            .services
            .auth
            .log_in("user1", &password, here)
            .await
            .expect("lets in");
        let account = node.services.store.account(user.account, user.group);
        let quota = account.quota(Freshness::Latest).await.expect("reads");
        assert_eq!(quota.messages, 1);
        node.stop.send_replace(true);
        timeout(PATIENCE, serving)
            .await
            .expect("ends in time")
            .expect("does not panic");
        assert!(!path.exists());
    }

    #[tokio::test]
    async fn clients_that_begin_tls_and_say_no_more_hold_up_no_other_one() {
        let node = node_with_accounts(1).await;
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let port = listener.local_addr().expect("it is bound").port();
        let acceptor = Acceptor::tcp("imaps", listener, node.services.stopping.clone());
        let service = MailService::of(Listener::Imaps).expect("it is for mail");
        let serving = tokio::spawn(ports(&node).run(service, acceptor));
        let mut silent = Vec::new();
        for _ in 0..100 {
            let mut client = TcpStream::connect(("127.0.0.1", port)).await.expect("it listens");
            client.write_all(b"\x16\x03\x01").await.expect("it is taken");
            silent.push(client);
        }
        python(BE_GREETED, &[port.to_string()]).await;
        // Not because those were given up before.
        for client in &silent {
            let read = client.try_read(&mut [0]).map_err(|error| error.kind());
            assert_eq!(read, Err(std::io::ErrorKind::WouldBlock));
        }
        node.stop.send_replace(true);
        timeout(PATIENCE, serving)
            .await
            .expect("ends in time")
            .expect("does not panic");
    }

    #[tokio::test]
    async fn behind_a_balancer_the_client_is_who_the_header_says_and_nobody_else_may_say_so() {
        let mut node = node_with_accounts(1).await;
        let balancer = Networks::new(vec!["127.0.0.1".parse().expect("a network")]).expect("leaves others out");
        let services = Arc::get_mut(&mut node.services).expect("nobody else has them yet");
        services.settings.proxy_from = balancer;
        let limits = AdmissionLimits {
            client_max: 2,
            ..AdmissionLimits::total(100)
        };
        let ports = ports_for(&node, Admission::new(limits));
        let mut numbers = Vec::new();
        for listener in [Listener::Smtp, Listener::Lmtp, Listener::Imap, Listener::Imaps] {
            let socket = TcpListener::bind("127.0.0.1:0").await.expect("a port");
            numbers.push(socket.local_addr().expect("an address").port().to_string());
            let acceptor = Acceptor::tcp(listener.name(), socket, node.services.stopping.clone());
            let service = MailService::of(listener).expect("a service");
            tokio::spawn(ports.clone().run(service, acceptor));
        }
        python(BALANCE, &numbers).await;
    }
}
