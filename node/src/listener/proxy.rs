//! The header by which a balancer says for whom it connects: PROXY protocol, version 2.
//!
//! Invariants
//! - Not one byte behind the header is read, so TLS or a protocol starts where it should.
//! - A header is bounded in size and time. What is no header is told apart at its first wrong byte.
//!
//! Must not know: which balancers may send one, and what is spoken behind it.

use std::io;
use std::net::IpAddr;

use proxy_header::{ParseConfig, Protocol, ProxyHeader};
use tokio::io::{AsyncRead, AsyncReadExt};
use tokio::time::timeout;

use crate::limits::{PROXY_HEADER_BYTES_MAX, PROXY_HEADER_WITHIN};

/// By which version 2 is known. No protocol for mail starts like that, nor does TLS.
const SIGNATURE: &[u8; 12] = b"\r\n\r\n\0\r\nQUIT\n";
/// The signature, a byte for version and command, one for family and transport, and two for the length of the rest.
const HEAD_BYTES: usize = SIGNATURE.len() + 4;
/// How version 1 starts.
const TEXT: &[u8] = b"PROXY ";
/// Version 2, for the balancer itself: a look at whether we are well.
const LOCAL: u8 = 0x20;

/// Why a connection of a balancer is of no use.
#[derive(Debug, thiserror::Error)]
pub(super) enum ProxyError {
    /// It was closed before it said a word, as looks at a port without a header are.
    #[error("the connection ended without a header")]
    Nothing,
    #[error("the PROXY header is of version 1; have the balancer send version 2")]
    Version1,
    #[error("there is no PROXY header of version 2; have the balancer send it, or take it out of service.proxy_from")]
    Missing,
    #[error("no PROXY header came within {} s", PROXY_HEADER_WITHIN.as_secs())]
    TooSlow,
    #[error("the PROXY header has {0} bytes, at most {PROXY_HEADER_BYTES_MAX} are taken")]
    TooLong(usize),
    #[error("the PROXY header is malformed")]
    Malformed,
    #[error("the PROXY header is for {0}, which is no address of a client")]
    NoClient(IpAddr),
    #[error(transparent)]
    Io(#[from] io::Error),
}

/// Reads the header that `balancer` starts with: the address of its client, or its own when it speaks for itself or does
/// not say. A client on the balancer's own machine counts as the balancer, too, since its loopback is not ours.
pub(super) async fn client<S>(stream: &mut S, balancer: IpAddr) -> Result<IpAddr, ProxyError>
where
    S: AsyncRead + Unpin,
{
    let header = timeout(PROXY_HEADER_WITHIN, read(stream)).await;
    let client = source(&header.map_err(|_| ProxyError::TooSlow)??)?;
    Ok(client.filter(|client| !client.is_loopback()).unwrap_or(balancer))
}

/// The whole header and nothing else.
async fn read<S: AsyncRead + Unpin>(stream: &mut S) -> Result<Vec<u8>, ProxyError> {
    let mut header = vec![0; HEAD_BYTES];
    let mut len = 0;
    while len < HEAD_BYTES {
        let more = match stream.read(&mut header[len..]).await? {
            0 if len == 0 => return Err(ProxyError::Nothing),
            0 => return Err(io::Error::from(io::ErrorKind::UnexpectedEof).into()),
            more => more,
        };
        len += more;
        let (seen, wanted) = (&header[..len.min(SIGNATURE.len())], &SIGNATURE[..]);
        if !wanted.starts_with(seen) {
            let is_text = TEXT.starts_with(&header[..len.min(TEXT.len())]);
            return Err(if is_text {
                ProxyError::Version1
            } else {
                ProxyError::Missing
            });
        }
    }
    let rest = usize::from(u16::from_be_bytes([header[HEAD_BYTES - 2], header[HEAD_BYTES - 1]]));
    if HEAD_BYTES + rest > PROXY_HEADER_BYTES_MAX {
        return Err(ProxyError::TooLong(HEAD_BYTES + rest));
    }
    header.resize(HEAD_BYTES + rest, 0);
    stream.read_exact(&mut header[HEAD_BYTES..]).await?;
    Ok(header)
}

/// Whom a header names; `None` where the balancer speaks for itself or does not say.
fn source(header: &[u8]) -> Result<Option<IpAddr>, ProxyError> {
    // Of what else it says then nothing counts, not even whether it is well formed.
    if header.get(SIGNATURE.len()) == Some(&LOCAL) {
        return Ok(None);
    }
    let config = ParseConfig {
        include_tlvs: false,
        allow_v1: false,
        allow_v2: true,
    };
    let (header, _) = ProxyHeader::parse(header, config).map_err(|_| ProxyError::Malformed)?;
    let Some(addresses) = header.proxied_address() else {
        return Ok(None);
    };
    if addresses.protocol != Protocol::Stream {
        return Err(ProxyError::Malformed);
    }
    let client = addresses.source.ip().to_canonical();
    if client.is_unspecified() || client.is_multicast() {
        return Err(ProxyError::NoClient(client));
    }
    Ok(Some(client))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use proxy_header::{ProxiedAddress, Tlv};
    use tokio::io::AsyncWriteExt;

    use super::*;

    const BALANCER: &str = "192.0.2.1";

    fn address(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    /// A header as a balancer writes it, with fields behind the addresses.
    fn header_for(client: &str, tlvs: &[Tlv<'_>]) -> Vec<u8> {
        let addresses = ProxiedAddress::stream((address(client), 50_000).into(), {
            let own = if address(client).is_ipv4() {
                "192.0.2.9"
            } else {
                "2001:db8::9"
            };
            (address(own), 993).into()
        });
        let mut bytes = Vec::new();
        let header = ProxyHeader::with_tlvs(Some(addresses), tlvs.iter().cloned());
        header.encode_v2(&mut bytes).unwrap();
        bytes
    }

    /// The signature and what follows it, with the length of `rest` before it.
    fn raw(command: u8, family: u8, rest: &[u8]) -> Vec<u8> {
        let len = u16::try_from(rest.len()).unwrap().to_be_bytes();
        [&SIGNATURE[..], &[command, family], &len, rest].concat()
    }

    /// What is made of `bytes`, and what is left to be read behind the header.
    async fn look(bytes: &[u8]) -> (Result<IpAddr, ProxyError>, Vec<u8>) {
        let (mut here, mut there) = tokio::io::duplex(1 << 20);
        there.write_all(bytes).await.unwrap();
        drop(there);
        let found = client(&mut here, address(BALANCER)).await;
        let mut rest = Vec::new();
        here.read_to_end(&mut rest).await.unwrap();
        (found, rest)
    }

    async fn named(bytes: &[u8]) -> IpAddr {
        look(bytes).await.0.unwrap()
    }

    async fn refusal(bytes: &[u8]) -> String {
        look(bytes).await.0.unwrap_err().to_string()
    }

    #[tokio::test]
    async fn the_header_names_the_client_and_what_follows_is_left_alone() {
        let fields = [
            Tlv::UniqueId(b"a-connection"[..].into()),
            Tlv::Custom(0xe0, vec![7; 300].into()),
        ];
        for client in ["198.51.100.7", "2001:db8:7::1"] {
            for fields in [&fields[..0], &fields] {
                let bytes = [header_for(client, fields), b"EHLO a\r\n".to_vec()].concat();
                let (found, rest) = look(&bytes).await;
                assert_eq!(found.unwrap(), address(client));
                assert_eq!(rest, b"EHLO a\r\n");
            }
        }
        assert_eq!(
            named(&header_for("::ffff:198.51.100.7", &[])).await,
            address("198.51.100.7")
        );
    }

    #[tokio::test]
    async fn a_balancer_that_speaks_for_itself_or_does_not_say_for_whom_is_the_client() {
        for header in [
            raw(LOCAL, 0x00, b""),
            raw(LOCAL, 0x11, &[198, 51, 100, 7, 192, 0, 2, 9, 0, 1, 0, 2]),
            raw(LOCAL, 0xff, b"whatever"),
            raw(0x21, 0x00, b""),
            raw(0x21, 0x00, &[9; 40]),
            // A unix socket of the balancer's machine.
            raw(0x21, 0x31, &[0; 216]),
        ] {
            assert_eq!(named(&header).await, address(BALANCER), "{header:02x?}");
        }
    }

    #[tokio::test]
    async fn a_client_on_the_balancers_loopback_is_not_on_ours() {
        for client in ["127.0.0.1", "::1", "::ffff:127.0.0.1"] {
            assert_eq!(named(&header_for(client, &[])).await, address(BALANCER));
        }
    }

    #[tokio::test]
    async fn version_1_is_refused_by_its_name_and_what_is_no_header_at_its_first_byte() {
        let text = refusal(b"PROXY TCP4 198.51.100.7 192.0.2.9 50000 993\r\n").await;
        assert!(text.contains("version 1"), "{text}");
        assert!(refusal(b"PROXY UNKNOWN\r\n").await.contains("version 1"));
        // Nothing more comes of these, and the other side waits: a wrong byte has to do.
        for start in [&b"\x16\x03\x01"[..], b"E", b"\r\n\r\nEHLO"] {
            let (mut here, mut there) = tokio::io::duplex(64);
            there.write_all(start).await.unwrap();
            let error = client(&mut here, address(BALANCER)).await.unwrap_err();
            assert!(matches!(error, ProxyError::Missing), "{error}");
        }
    }

    #[tokio::test]
    async fn a_header_that_is_wrong_is_refused() {
        for (header, wanted) in [
            (raw(0x11, 0x11, &[0; 12]), "malformed"),
            (raw(0x22, 0x11, &[0; 12]), "malformed"),
            (raw(0x21, 0x41, &[0; 12]), "malformed"),
            (raw(0x21, 0x11, &[0; 11]), "malformed"),
            (raw(0x21, 0x21, &[0; 12]), "malformed"),
            (raw(0x21, 0x31, &[0; 12]), "malformed"),
            // Over UDP, says the balancer, on a port for TCP.
            (raw(0x21, 0x12, &[1; 12]), "malformed"),
            (header_for("0.0.0.0", &[]), "no address of a client"),
            (header_for("224.0.0.1", &[]), "no address of a client"),
            (raw(0x21, 0x11, &vec![0; PROXY_HEADER_BYTES_MAX]), "at most"),
        ] {
            let text = refusal(&header).await;
            assert!(text.contains(wanted), "{text} for {header:02x?}");
        }
        assert!(matches!(look(b"").await.0, Err(ProxyError::Nothing)));
        let cut = &header_for("198.51.100.7", &[])[..20];
        assert!(matches!(look(cut).await.0, Err(ProxyError::Io(_))));
        let most = raw(0x21, 0x00, &vec![0; PROXY_HEADER_BYTES_MAX - HEAD_BYTES]);
        assert_eq!(named(&most).await, address(BALANCER));
    }

    #[tokio::test(start_paused = true)]
    async fn a_header_that_takes_too_long_is_not_waited_for() {
        let (mut here, mut there) = tokio::io::duplex(64);
        there.write_all(&SIGNATURE[..5]).await.unwrap();
        let error = client(&mut here, address(BALANCER)).await.unwrap_err();
        assert!(matches!(error, ProxyError::TooSlow), "{error}");
    }

    proptest! {
        #[test]
        fn no_header_is_taken_wrongly_or_read_beyond(
            command in any::<u8>(),
            family in any::<u8>(),
            rest in proptest::collection::vec(any::<u8>(), 0..300),
        ) {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
            let bytes = [raw(command, family, &rest), b"behind".to_vec()].concat();
            let (found, left) = runtime.block_on(look(&bytes));
            match found {
                Ok(client) => prop_assert!(!client.is_loopback() && !client.is_unspecified()),
                Err(error) => prop_assert!(!matches!(error, ProxyError::Io(_) | ProxyError::TooSlow), "{}", error),
            }
            prop_assert_eq!(&left[..], b"behind");
        }
    }
}
