//! What a cluster is made of, as the operator writes it: the cluster file, its limits and checks, where replicas go
//! at the founding, the certificates by which nodes know each other, and what administrators' tools say to nodes.
//!
//! Invariants
//! - A [`ClusterConfig`] that exists is legal: whatever can be told from the file alone has been checked.
//! - Placement is a pure function: the same topology gives the same replicas.
//!
//! Must not know: sockets, tasks, shelves' contents, Raft. Reads files, writes none.

pub mod admin;
mod certificate;
mod config;
pub mod demo;
mod error;
mod file;
mod founding;
mod id_text;
pub mod limits;
mod listener;
mod name;
mod network;
mod placement;
mod settings;
pub mod tls;
mod validate;

pub use certificate::{CertificateError, certificate_end, check_service_certificate};
pub use config::{
    ClusterConfig, LOCK_FILE, Labels, Limits, LmtpSocket, NodeConfig, PID_FILE, Peer, SHELVES_MADE_FILE, ServiceConfig,
    ShelfDir,
};
pub use error::{ConfigError, Problem};
pub use founding::{FoundingPlan, GroupPlan, NodePlan, PLAN_FILE, PlanError, ReplicaPlan, Role, ShelfPlan};
pub use listener::{ListenAt, Listener, Transport};
pub use name::{InvalidName, Name};
pub use network::{InvalidNetwork, Network, Networks};
pub use placement::{Spot, place, replication_default, system_voters};
pub use settings::Setting;
