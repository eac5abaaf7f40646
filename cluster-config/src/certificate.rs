//! Whether the certificate for mail clients will do: the check that spares users a warning (it covers every name that
//! the service is reached by, is valid now, and its key is its key).
//!
//! Must not know: who asks. Reads the two files, nothing else.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use mail_model::Domain;
use rustls::client::verify_server_name;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::server::ParsedCertificate;
use rustls::sign::CertifiedKey;
use x509_parser::prelude::{FromDer, X509Certificate};

use crate::tls::{CertificateFiles, TlsError, provider};

/// What is wrong with a certificate for mail clients.
#[derive(Debug, thiserror::Error)]
pub enum CertificateError {
    /// A file cannot be read.
    #[error(transparent)]
    Read(#[from] TlsError),
    /// It is not an X.509 certificate.
    #[error("{file} is not a certificate that can be used: {detail}")]
    Unusable {
        /// The file.
        file: String,
        /// Why.
        detail: String,
    },
    /// The key is that of another certificate.
    #[error("the key in {key} is not that of the certificate in {chain}")]
    OtherKey {
        /// The key's file.
        key: String,
        /// The certificate's file.
        chain: String,
    },
    /// Clients that connect by this name will warn.
    #[error("the certificate in {file} does not cover {name}")]
    Uncovered {
        /// The file.
        file: String,
        /// The name.
        name: Domain,
    },
    /// Its time is over.
    #[error("the certificate in {file} has expired")]
    Expired {
        /// The file.
        file: String,
    },
    /// Its time has not come.
    #[error("the certificate in {file} is not valid yet")]
    NotYet {
        /// The file.
        file: String,
    },
}

/// Checks a certificate against the names of the service at the time `now`, and returns how long it is still valid.
///
/// # Errors
/// Everything that is wrong with it, at least one thing.
pub fn check_service_certificate(
    files: &CertificateFiles,
    names: &[Domain],
    now: SystemTime,
) -> Result<Duration, Vec<CertificateError>> {
    let (chain, key) = files.read().map_err(|error| vec![error.into()])?;
    let file = files.chain.display().to_string();
    let mut wrong = Vec::new();
    let left = match first(&file, &chain).and_then(|leaf| covers(&file, leaf, names, &mut wrong).map(|()| leaf)) {
        Ok(leaf) => time_left(&file, leaf, now),
        Err(error) => Err(error),
    };
    if let Err(error) = CertifiedKey::from_der(chain.clone(), key, &provider()) {
        wrong.push(match error {
            rustls::Error::InconsistentKeys(_) => CertificateError::OtherKey {
                key: files.key.display().to_string(),
                chain: file.clone(),
            },
            other => CertificateError::Unusable {
                file: files.key.display().to_string(),
                detail: other.to_string(),
            },
        });
    }
    match left {
        Ok(left) if wrong.is_empty() => Ok(left),
        Ok(_) => Err(wrong),
        Err(error) => {
            wrong.push(error);
            Err(wrong)
        }
    }
}

/// When a certificate ends, whomever it is for.
///
/// # Errors
/// When the files cannot be read, or the first section is no certificate.
pub fn certificate_end(files: &CertificateFiles) -> Result<SystemTime, CertificateError> {
    let (chain, _) = files.read()?;
    let file = files.chain.display().to_string();
    let leaf = first(&file, &chain)?;
    let (_, certificate) = X509Certificate::from_der(leaf).map_err(|error| unusable(&file, error))?;
    let end = u64::try_from(certificate.validity().not_after.timestamp()).unwrap_or(0);
    Ok(UNIX_EPOCH + Duration::from_secs(end))
}

fn first<'a>(
    file: &str,
    chain: &'a [CertificateDer<'static>],
) -> Result<&'a CertificateDer<'static>, CertificateError> {
    chain.first().ok_or_else(|| unusable(file, "it is empty"))
}

fn unusable(file: &str, detail: impl ToString) -> CertificateError {
    CertificateError::Unusable {
        file: file.to_owned(),
        detail: detail.to_string(),
    }
}

/// Asks as mail programs do.
fn covers(
    file: &str,
    leaf: &CertificateDer<'_>,
    names: &[Domain],
    wrong: &mut Vec<CertificateError>,
) -> Result<(), CertificateError> {
    let parsed = ParsedCertificate::try_from(leaf).map_err(|error| unusable(file, error))?;
    for name in names {
        let asked = ServerName::try_from(name.as_str());
        if !asked.is_ok_and(|asked| verify_server_name(&parsed, &asked).is_ok()) {
            wrong.push(CertificateError::Uncovered {
                file: file.to_owned(),
                name: name.clone(),
            });
        }
    }
    Ok(())
}

fn time_left(file: &str, leaf: &CertificateDer<'_>, now: SystemTime) -> Result<Duration, CertificateError> {
    let (_, certificate) = X509Certificate::from_der(leaf).map_err(|error| unusable(file, error))?;
    let now = now.duration_since(UNIX_EPOCH).unwrap_or_default().as_secs();
    let second = |time: i64| u64::try_from(time).unwrap_or(0);
    let validity = certificate.validity();
    if now < second(validity.not_before.timestamp()) {
        return Err(CertificateError::NotYet { file: file.to_owned() });
    }
    match second(validity.not_after.timestamp()).checked_sub(now) {
        Some(left) => Ok(Duration::from_secs(left)),
        None => Err(CertificateError::Expired { file: file.to_owned() }),
    }
}
