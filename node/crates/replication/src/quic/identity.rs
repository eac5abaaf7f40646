//! Who a peer is: its certificate carries the node id as DNS name `<id>.node.holdfast`, and nothing else counts.
//!
//! Invariants
//! - Only certificates that rustls has verified against the cluster's CA get here.
//! - A certificate names exactly one member of the cluster, and that a node. Any other is nobody's.

use std::any::Any;

use mail_model::NodeId;
use rustls::pki_types::CertificateDer;
use x509_parser::prelude::{FromDer, GeneralName, X509Certificate};

/// What follows the node id in the DNS name of its certificate.
const DOMAIN: &str = ".node.holdfast";

/// The top-level domain that only members of a cluster have names in: nodes and administrators.
const RESERVED: &str = "holdfast";

/// The name that the certificate of `node` must carry.
#[must_use]
pub fn server_name(node: NodeId) -> String {
    format!("{node}{DOMAIN}")
}

/// The node that a verified connection belongs to, from `quinn::Connection::peer_identity`.
pub(super) fn peer_of(identity: Option<Box<dyn Any>>) -> Option<NodeId> {
    let chain = identity?.downcast::<Vec<CertificateDer<'static>>>().ok()?;
    node_of(chain.first()?)
}

/// The one member of the cluster that a certificate names, if that is a node.
fn node_of(certificate: &CertificateDer<'_>) -> Option<NodeId> {
    let (_, certificate) = X509Certificate::from_der(certificate).ok()?;
    let names = certificate.subject_alternative_name().ok()??;
    let mut members = names.value.general_names.iter().filter_map(|name| match name {
        GeneralName::DNSName(name) if name.rsplit('.').next() == Some(RESERVED) => Some(*name),
        _ => None,
    });
    let only = members.next()?;
    if members.next().is_some() {
        return None;
    }
    only.strip_suffix(DOMAIN)?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    const ONE: &str = "00000000-0000-0000-0000-000000000001.node.holdfast";
    const TWO: &str = "00000000-0000-0000-0000-000000000002.node.holdfast";

    fn named(names: &[&str]) -> Option<NodeId> {
        let names: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
        let made = rcgen::generate_simple_self_signed(names).expect("a certificate");
        node_of(made.cert.der())
    }

    #[test]
    fn the_name_that_is_dialed_is_the_name_that_is_read() {
        let node = NodeId([7; 16]);
        assert_eq!(named(&[&server_name(node)]), Some(node));
    }

    #[test]
    fn other_names_beside_the_node_do_not_matter() {
        assert_eq!(named(&["localhost", ONE]), Some(NodeId(1_u128.to_be_bytes())));
    }

    #[test]
    fn a_certificate_of_no_node_or_of_two_or_of_an_administrator_too_is_nobodys() {
        assert_eq!(named(&["localhost"]), None);
        assert_eq!(named(&["not-an-id.node.holdfast"]), None);
        assert_eq!(named(&[ONE, TWO]), None);
        assert_eq!(named(&["anna.admin.holdfast"]), None);
        assert_eq!(named(&[ONE, "anna.admin.holdfast"]), None);
    }

    #[test]
    fn bytes_that_are_no_certificate_are_nobodys() {
        assert_eq!(node_of(&CertificateDer::from(vec![0x30, 0x82])), None);
        assert_eq!(peer_of(None), None);
        assert_eq!(peer_of(Some(Box::new("text"))), None);
    }
}
