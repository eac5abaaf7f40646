//! The cluster's certificate authority and what it signs, at the founding and later (DESIGN D22). ECDSA P-256 throughout.
//!
//! Invariants
//! - The CA signs end certificates only (path length 0).
//! - A node's certificate serves and connects; an administrator's connects only; the one for mail clients serves only
//!   and has none of the names by which the cluster knows its members.
//!
//! Must not know: files.

use std::net::IpAddr;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use cluster_config::{ClusterConfig, Name, tls};
use mail_model::NodeId;
use rcgen::{
    BasicConstraints, CertificateParams, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair, KeyUsagePurpose,
    PKCS_ECDSA_P256_SHA256, SanType, date_time_ymd,
};

use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;

use super::FoundError;

const DAY: Duration = Duration::from_secs(86_400);
/// Certificates are valid a day before they are made, for machines whose clocks are late.
const BACKDATED: Duration = DAY;
const AUTHORITY_DAYS: u32 = 20 * 365;
const MEMBER_DAYS: u32 = 10 * 365;
/// What mail programs accept at most, also from a CA that was added by hand.
const SERVICE_DAYS: u32 = 825;

const _: () = assert!(SERVICE_DAYS < MEMBER_DAYS && MEMBER_DAYS < AUTHORITY_DAYS);

/// A certificate with its key.
pub struct Issued {
    /// The certificate, PEM.
    pub certificate_pem: String,
    /// Its private key, PEM (PKCS #8).
    pub key_pem: String,
}

/// The cluster's own CA.
pub struct Authority {
    issuer: Issuer<'static, KeyPair>,
    certificate_pem: String,
}

impl Authority {
    /// Makes a new one, with a new key.
    ///
    /// # Errors
    /// When there is no randomness, or the time is out of what X.509 can say.
    pub fn make(cluster: &Name, now: SystemTime) -> Result<Self, FoundError> {
        const WHAT: &str = "the CA";
        let mut params = params(format!("Holdfast cluster {cluster} CA"), AUTHORITY_DAYS, now);
        params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
        let key = key(WHAT)?;
        let certificate = params.self_signed(&key).map_err(|error| failed(WHAT, &error))?;
        Ok(Self {
            issuer: Issuer::new(params, key),
            certificate_pem: certificate.pem(),
        })
    }

    /// That of a cluster that exists, by its certificate (PEM) and its key (PKCS #8).
    ///
    /// # Errors
    /// When they cannot be read, or do not belong together.
    pub fn restore(certificate_pem: &str, key_der: &[u8]) -> Result<Self, FoundError> {
        const WHAT: &str = "certificates";
        let key = KeyPair::try_from(key_der).map_err(|error| failed(WHAT, &error))?;
        let certificate =
            CertificateDer::from_pem_slice(certificate_pem.as_bytes()).map_err(|_| FoundError::OtherAuthority)?;
        let public = key.public_key_raw();
        // Nothing but the certificate of this key has its point in it.
        if !certificate.windows(public.len()).any(|part| part == public) {
            return Err(FoundError::OtherAuthority);
        }
        let issuer = Issuer::from_ca_cert_der(&certificate, key).map_err(|error| failed(WHAT, &error))?;
        Ok(Self {
            issuer,
            certificate_pem: certificate_pem.to_owned(),
        })
    }

    /// Its certificate, PEM.
    #[must_use]
    pub fn certificate_pem(&self) -> &str {
        &self.certificate_pem
    }

    /// Its private key (PKCS #8), which must not be stored as it is.
    #[must_use]
    pub fn key_der(&self) -> &[u8] {
        self.issuer.key().serialized_der()
    }

    /// A certificate for a node, which also covers the host at which it is reached.
    ///
    /// # Errors
    /// When it cannot be signed.
    pub fn node(&self, node: NodeId, host: &str, now: SystemTime) -> Result<Issued, FoundError> {
        use ExtendedKeyUsagePurpose::{ClientAuth, ServerAuth};
        let names = vec![tls::node_name(node), host.to_owned()];
        self.issue(
            "a node's certificate",
            names,
            &[ServerAuth, ClientAuth],
            MEMBER_DAYS,
            now,
        )
    }

    /// A certificate for an administrator.
    ///
    /// # Errors
    /// When it cannot be signed.
    pub fn admin(&self, name: &Name, now: SystemTime) -> Result<Issued, FoundError> {
        let names = vec![tls::admin_name(name)];
        let usage = [ExtendedKeyUsagePurpose::ClientAuth];
        self.issue("the administrator's certificate", names, &usage, MEMBER_DAYS, now)
    }

    /// A certificate for mail clients, for all names of the service and the hosts of its nodes.
    ///
    /// # Errors
    /// When it cannot be signed.
    pub fn service(&self, config: &ClusterConfig, now: SystemTime) -> Result<Issued, FoundError> {
        let mut names: Vec<String> = config.service.names.iter().map(ToString::to_string).collect();
        for node in &config.nodes {
            if !names.contains(&node.host) {
                names.push(node.host.clone());
            }
        }
        let usage = [ExtendedKeyUsagePurpose::ServerAuth];
        self.issue("the certificate for mail clients", names, &usage, SERVICE_DAYS, now)
    }

    fn issue(
        &self,
        what: &'static str,
        names: Vec<String>,
        usage: &[ExtendedKeyUsagePurpose],
        days: u32,
        now: SystemTime,
    ) -> Result<Issued, FoundError> {
        let mut params = params(names.first().cloned().unwrap_or_default(), days, now);
        for name in names {
            params.subject_alt_names.push(match name.parse::<IpAddr>() {
                Ok(address) => SanType::IpAddress(address),
                Err(_) => SanType::DnsName(name.try_into().map_err(|error| failed(what, &error))?),
            });
        }
        params.use_authority_key_identifier_extension = true;
        params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        params.extended_key_usages = usage.to_vec();
        let key = key(what)?;
        let certificate = params
            .signed_by(&key, &self.issuer)
            .map_err(|error| failed(what, &error))?;
        Ok(Issued {
            certificate_pem: certificate.pem(),
            key_pem: key.serialize_pem(),
        })
    }
}

fn key(what: &'static str) -> Result<KeyPair, FoundError> {
    KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256).map_err(|error| failed(what, &error))
}

fn params(common_name: String, days: u32, now: SystemTime) -> CertificateParams {
    // RFC 5280 bounds a common name to 64 characters.
    let common_name: String = common_name.chars().take(64).collect();
    let mut params = CertificateParams::default();
    params.distinguished_name = rcgen::DistinguishedName::new();
    params.distinguished_name.push(DnType::CommonName, common_name);
    let since_1970 = now.duration_since(UNIX_EPOCH).unwrap_or_default();
    params.not_before = date_time_ymd(1970, 1, 1) + since_1970.saturating_sub(BACKDATED);
    params.not_after = date_time_ymd(1970, 1, 1) + since_1970 + DAY * days;
    params
}

fn failed(what: &'static str, error: &rcgen::Error) -> FoundError {
    let detail = error.to_string();
    FoundError::Pki { what, detail }
}
