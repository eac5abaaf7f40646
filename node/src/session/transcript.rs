//! Runs transcripts against sessions of protocols of lines (SMTP, LMTP, POP3).
//!
//! - `C: text` sends a line; `S: text` expects the next line, in which `…` stands for anything.
//! - `C= text` sends octets without an end of line, `\r`, `\n` and `\0` written so.
//! - `S# number` skips so many lines; `S!` expects that the session has ended.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use rustls::pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer, ServerName};
use rustls::{ClientConfig, RootCertStore, ServerConfig};
use tokio::io::{AsyncBufReadExt, AsyncRead, AsyncWrite, AsyncWriteExt, BufReader, DuplexStream};
use tokio::time::timeout;
use tokio_rustls::TlsConnector;

use crate::connection::{Connection, Peer};

/// Bytes that a stream holds between the two ends: less than a message, so that nobody can send ahead of the other.
const STREAM_BYTES: usize = 4 << 10;
/// Time for one line to come.
const PATIENCE: Duration = Duration::from_secs(60);
/// The name in the certificate.
const HOST: &str = "mail.demo.test";

/// The client's end of a stream, in clear or under TLS.
pub(super) trait Stream: AsyncRead + AsyncWrite + Send + Unpin {}

impl<S: AsyncRead + AsyncWrite + Send + Unpin> Stream for S {}

/// One end of a session.
pub(super) struct Client {
    stream: BufReader<Box<dyn Stream>>,
}

/// A certificate, with those who trust it.
pub(super) struct TestTls {
    pub(super) server: Arc<ServerConfig>,
    client: Arc<ClientConfig>,
}

impl TestTls {
    pub(super) fn new() -> Self {
        let made = rcgen::generate_simple_self_signed([HOST.to_owned()]).expect("makes a certificate");
        let certificate: CertificateDer<'static> = made.cert.der().clone();
        let key = PrivateKeyDer::from(PrivatePkcs8KeyDer::from(made.signing_key.serialize_der()));
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let server = ServerConfig::builder_with_provider(provider.clone())
            .with_safe_default_protocol_versions()
            .expect("versions")
            .with_no_client_auth()
            .with_single_cert(vec![certificate.clone()], key)
            .expect("a certificate");
        let mut roots = RootCertStore::empty();
        roots.add(certificate).expect("a root");
        let client = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .expect("versions")
            .with_root_certificates(roots)
            .with_no_client_auth();
        let (server, client) = (Arc::new(server), Arc::new(client));
        Self { server, client }
    }

    /// Takes TLS up at the client's end.
    pub(super) async fn shake(&self, stream: Box<dyn Stream>) -> Box<dyn Stream> {
        let name = ServerName::try_from(HOST).expect("a name");
        let connector = TlsConnector::from(self.client.clone());
        let stream = timeout(PATIENCE, connector.connect(name, stream)).await;
        Box::new(stream.expect("in time").expect("a handshake"))
    }
}

/// A stream in memory: our end, and the session's as a connection in clear.
pub(super) fn pair(peer: Peer, tls: Option<&TestTls>) -> (Client, Connection) {
    let (ours, theirs) = tokio::io::duplex(STREAM_BYTES);
    let connection = Connection::plain(theirs, peer, tls.map(|tls| tls.server.clone()));
    (Client::over(ours), connection)
}

impl Client {
    fn over(stream: DuplexStream) -> Self {
        let stream: Box<dyn Stream> = Box::new(stream);
        let stream = BufReader::new(stream);
        Self { stream }
    }

    /// Takes TLS up, after the session has said that it does.
    pub(super) async fn start_tls(self, tls: &TestTls) -> Self {
        assert!(self.stream.buffer().is_empty(), "nothing is said before TLS");
        let stream = BufReader::new(tls.shake(self.stream.into_inner()).await);
        Self { stream }
    }

    pub(super) async fn try_send(&mut self, octets: &[u8]) -> io::Result<()> {
        let stream = self.stream.get_mut();
        stream.write_all(octets).await?;
        stream.flush().await
    }

    pub(super) async fn send(&mut self, octets: &[u8]) {
        let sent = timeout(PATIENCE, self.try_send(octets)).await;
        sent.expect("the session reads in time").expect("the session reads");
    }

    /// The next line without its end; `None` when the session has ended.
    pub(super) async fn line(&mut self) -> Option<String> {
        let mut line = Vec::new();
        let read = timeout(PATIENCE, self.stream.read_until(b'\n', &mut line)).await;
        read.expect("a line in time").expect("the stream does not fail");
        let line = line.strip_suffix(b"\r\n")?;
        Some(String::from_utf8_lossy(line).into_owned())
    }

    /// The octets of a message up to the dot, dots unstuffed.
    pub(super) async fn message(&mut self) -> Vec<u8> {
        let mut message = Vec::new();
        loop {
            let mut line = Vec::new();
            let read = timeout(PATIENCE, self.stream.read_until(b'\n', &mut line)).await;
            let len = read.expect("a line in time").expect("the stream does not fail");
            assert!(len > 0, "the message breaks off");
            match line.as_slice() {
                b".\r\n" => return message,
                [b'.', rest @ ..] => message.extend_from_slice(rest),
                line => message.extend_from_slice(line),
            }
        }
    }

    /// Sends a line, and returns the line that answers it.
    pub(super) async fn ask(&mut self, line: &str) -> String {
        self.send(format!("{line}\r\n").as_bytes()).await;
        self.line()
            .await
            .unwrap_or_else(|| panic!("the session ended after {line}"))
    }

    /// Runs a transcript; panics where client and session disagree.
    pub(super) async fn run(&mut self, script: &str) {
        for (at, line) in script.lines().enumerate() {
            let line = line.trim_start();
            if line.is_empty() {
                continue;
            }
            let (kind, text) = line.split_at(2);
            let text = text.strip_prefix(' ').unwrap_or(text);
            let place = format!("line {} of the transcript: {line}", at + 1);
            self.step(kind, text, &place).await;
        }
    }

    async fn step(&mut self, kind: &str, text: &str, place: &str) {
        match kind {
            "C:" => self.send(format!("{text}\r\n").as_bytes()).await,
            "C=" => self.send(unescape(text).as_bytes()).await,
            "S:" => {
                let line = self.line().await;
                let line = line.unwrap_or_else(|| panic!("the session ended before {place}"));
                assert!(is_like(&line, text), "got {line:?} at {place}");
            }
            "S!" => assert_eq!(self.line().await, None, "at {place}"),
            "S#" => {
                for _ in 0..text.parse().expect("a number of lines") {
                    let line = self.line().await;
                    line.unwrap_or_else(|| panic!("the session ended before {place}"));
                }
            }
            _ => panic!("what is {place}"),
        }
    }
}

fn unescape(text: &str) -> String {
    text.replace("\\r", "\r").replace("\\n", "\n").replace("\\0", "\0")
}

/// Whether `line` is `pattern`, in which `…` stands for anything.
pub(super) fn is_like(line: &str, pattern: &str) -> bool {
    match pattern.split_once('…') {
        None => line == pattern,
        Some((head, rest)) => line.strip_prefix(head).is_some_and(|line| {
            let starts = (0..=line.len()).filter(|at| line.is_char_boundary(*at));
            starts.into_iter().any(|at| is_like(&line[at..], rest))
        }),
    }
}
