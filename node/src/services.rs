//! What every session uses: the mail store, the directory, log-in, and how this node presents itself.

use std::sync::Arc;

use cluster_config::Networks;
use mail_model::Domain;
use mailstore::Mailstore;
use mailstore::directory::Directory;
use tokio::sync::watch;

use crate::auth::{Access, Authenticator};
use crate::delivery_log::DeliveryLog;

/// Shared by all sessions of a node.
pub struct Services {
    /// Mailboxes and messages.
    pub store: Mailstore,
    /// Domains, addresses and accounts.
    pub directory: Directory,
    /// Checks passwords.
    pub auth: Authenticator,
    /// Ends sessions of who is locked out.
    pub access: Access,
    /// One line per accepted or refused recipient.
    pub delivery_log: DeliveryLog,
    /// What the operator set.
    pub settings: Settings,
    /// Turns true when the node stops: sessions say good-bye then.
    pub stopping: watch::Receiver<bool>,
}

/// What the operator set, as far as sessions care.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Name of this node, for traces and Received fields.
    pub node: String,
    /// The name in greetings.
    pub host: Domain,
    /// Largest message taken, in bytes, without the headers that the delivery adds.
    pub message_bytes_max: u64,
    /// Clients that may send a password in clear.
    pub plaintext_passwords_from: Networks,
    /// Clients that may speak LMTP over TCP.
    pub lmtp_from: Networks,
    /// Balancers: their connections start with a PROXY header that says for whom they are.
    pub proxy_from: Networks,
}

/// How sessions hold it.
pub type SharedServices = Arc<Services>;
