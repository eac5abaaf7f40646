//! How a call fails: one place decides what an error below means for the administrator.

use std::fmt;

use axum::Json;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use cluster_config::admin::{Failure, FailureKind};
use mail_model::{Address, Domain};
use mailstore::StoreError;
use mailstore::directory::{ChangeError, Unavailable};
use mailstore::front::ErrorClass;
use replication::ProposeError;
use serde::de::DeserializeOwned;

use crate::accounts::CreateError;
use crate::auth::MakeError;

/// A call that failed.
#[derive(Debug)]
pub(super) struct Fail(Failure);

impl Fail {
    fn new(kind: FailureKind, error: impl fmt::Display) -> Self {
        let error = error.to_string();
        Self(Failure { kind, error })
    }

    /// It cannot be done as asked.
    pub(super) fn refused(error: impl fmt::Display) -> Self {
        Self::new(FailureKind::Refused, error)
    }

    /// It cannot be done now.
    pub(super) fn unavailable(error: impl fmt::Display) -> Self {
        Self::new(FailureKind::Unavailable, error)
    }
}

impl fmt::Display for Fail {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0.error)
    }
}

impl IntoResponse for Fail {
    fn into_response(self) -> Response {
        let status = match self.0.kind {
            FailureKind::Refused => StatusCode::CONFLICT,
            FailureKind::Unavailable => StatusCode::SERVICE_UNAVAILABLE,
            FailureKind::Uncertain => StatusCode::GATEWAY_TIMEOUT,
        };
        (status, Json(self.0)).into_response()
    }
}

impl From<Unavailable> for Fail {
    fn from(error: Unavailable) -> Self {
        Self::unavailable(error)
    }
}

impl From<ChangeError> for Fail {
    fn from(error: ChangeError) -> Self {
        let kind = match &error {
            ChangeError::Rejected(_) | ChangeError::Proposal(ProposeError::TooLarge { .. }) => FailureKind::Refused,
            ChangeError::Proposal(ProposeError::NotDone { .. } | ProposeError::NoSpace { .. }) => {
                FailureKind::Unavailable
            }
            ChangeError::Proposal(ProposeError::Uncertain { .. }) | ChangeError::Unreadable(_) => {
                FailureKind::Uncertain
            }
        };
        Self::new(kind, error)
    }
}

impl From<StoreError> for Fail {
    fn from(error: StoreError) -> Self {
        let kind = match error.class() {
            ErrorClass::User => FailureKind::Refused,
            ErrorClass::Temporary | ErrorClass::Server => FailureKind::Unavailable,
            ErrorClass::Uncertain => FailureKind::Uncertain,
        };
        Self::new(kind, error)
    }
}

impl From<MakeError> for Fail {
    fn from(error: MakeError) -> Self {
        match error {
            MakeError::Unfit(_) => Self::refused(error),
            _ => Self::unavailable(error),
        }
    }
}

impl From<CreateError> for Fail {
    fn from(error: CreateError) -> Self {
        match error {
            CreateError::Password(error) => error.into(),
            CreateError::Directory(error) => error.into(),
            // The call is made to be repeated, so nothing about it is uncertain.
            CreateError::Mailboxes { .. } => Self::unavailable(error),
        }
    }
}

/// Reads a call.
pub(super) fn from_json<C: DeserializeOwned>(body: &[u8]) -> Result<C, Fail> {
    serde_json::from_slice(body).map_err(|error| Fail::refused(format_args!("the call cannot be read: {error}")))
}

/// Reads an address as an administrator writes it.
pub(super) fn address(text: &str) -> Result<Address, Fail> {
    Address::new(text).map_err(|error| Fail::refused(format_args!("{text}: {error}")))
}

/// Reads a domain as an administrator writes it.
pub(super) fn domain(text: &str) -> Result<Domain, Fail> {
    Domain::new(text).map_err(|error| Fail::refused(format_args!("{text}: {error}")))
}
