//! The ports for mail: admission, TLS where it comes first, one task per session.
//!
//! Invariant: a session that panics ends by itself; its ticket goes back like any other.

use std::sync::Arc;

use tokio::time::timeout;
use tokio_util::task::TaskTracker;

use super::MailTls;
use super::accept::{Acceptor, Stream};
use super::admission::{Admission, Ticket};
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

impl MailPorts {
    /// Takes connections until the node stops.
    pub(crate) async fn run(self: Arc<Self>, service: MailService, mut acceptor: Acceptor) {
        let listener = acceptor.name();
        while let Some((stream, peer)) = acceptor.next().await {
            if service.is_for_named_networks() && !self.is_named(peer) {
                stream.turn_away(NOT_FOR_YOU);
                continue;
            }
            let Some(ticket) = self.admission.admit(peer) else {
                metrics::counter!("holdfast_connections_refused_total", "listener" => listener).increment(1);
                stream.turn_away(if service.is_secure { "" } else { service.busy() });
                continue;
            };
            metrics::counter!("holdfast_connections_total", "listener" => listener).increment(1);
            self.sessions
                .spawn(self.clone().session(listener, service, stream, peer, ticket));
        }
    }

    fn is_named(&self, peer: Peer) -> bool {
        match peer {
            Peer::Local => true,
            Peer::Ip(ip) => self.services.settings.lmtp_from.contains(ip),
        }
    }

    async fn session(
        self: Arc<Self>,
        listener: &'static str,
        service: MailService,
        stream: Stream,
        peer: Peer,
        _ticket: Ticket,
    ) {
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
    use std::ffi::OsStr;
    use std::net::IpAddr;
    use std::time::Duration;

    use cluster_config::{Listener, LmtpSocket};
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
    /// Time for that, and for the socket to go.
    const PATIENCE: Duration = Duration::from_secs(60);

    fn ports(node: &TestNode) -> Arc<MailPorts> {
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
            admission: Admission::new(AdmissionLimits::total(200)),
            sessions: TaskTracker::new(),
        })
    }

    async fn python(script: &str, argument: impl AsRef<OsStr>) {
        let mut python = Command::new("python3");
        python.args(["-c", script]).arg(argument).kill_on_drop(true);
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
        python(DELIVER, &path).await;
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
        python(BE_GREETED, port.to_string()).await;
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
}
