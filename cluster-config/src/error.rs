//! What is wrong with a cluster file: every problem at once, each with its place and the way out.

use std::fmt;
use std::path::PathBuf;

use crate::certificate::CertificateError;

/// One thing that is wrong.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// Line of the file, from 1; none for what is missing as a whole.
    pub line: Option<usize>,
    /// The key, as `node n1: shelf sun0: path`.
    pub key: String,
    /// What is wrong.
    pub what: String,
    /// What to do about it.
    pub advice: String,
}

/// A cluster file that cannot be used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ConfigError {
    /// It could not be read.
    #[error("read {}: {detail}", file.display())]
    Read {
        /// The file.
        file: PathBuf,
        /// What the system said.
        detail: String,
    },
    /// It is not a cluster file, or not a legal one. Never empty, in the order of the file.
    #[error("{}", listed(file, problems))]
    Problems {
        /// The file.
        file: PathBuf,
        /// All of them.
        problems: Vec<Problem>,
    },
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { key, what, advice, .. } = self;
        if !key.is_empty() {
            write!(f, "{key}: ")?;
        }
        write!(f, "{what}")?;
        if !advice.is_empty() {
            write!(f, "; {advice}")?;
        }
        Ok(())
    }
}

impl Problem {
    pub(crate) fn of_certificate(error: &CertificateError) -> Self {
        let advice = match error {
            CertificateError::Read(_) | CertificateError::Unusable { .. } => "name readable PEM files",
            CertificateError::OtherKey { .. } => "name the key that the certificate was made for",
            CertificateError::Uncovered { .. } => {
                "get a certificate for all of service.names, or remove the name there"
            }
            CertificateError::Expired { .. } => "renew it",
            CertificateError::NotYet { .. } => "look at the clock of this machine, or use the certificate later",
        };
        Self {
            line: None,
            key: "service: certificate".to_owned(),
            what: error.to_string(),
            advice: advice.to_owned(),
        }
    }
}

fn listed(file: &std::path::Path, problems: &[Problem]) -> String {
    let lines = problems.iter().map(|problem| match problem.line {
        Some(line) => format!("{}:{line}: {problem}", file.display()),
        None => format!("{}: {problem}", file.display()),
    });
    let lines = lines.collect::<Vec<_>>().join("\n");
    match problems.len() {
        0 | 1 => lines,
        many => format!("{many} things are wrong in the cluster file:\n{lines}"),
    }
}
