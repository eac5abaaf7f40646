//! Groups on a deterministic runtime: one thread, virtual time, everything random drawn from one seed (DESIGN 8.2).
//!
//! What a simulator needs to run [`crate::Replicator`] on it without naming openraft.

use std::future::Future;
use std::time::Duration;

use mail_model::ReplicaId;
use openraft::async_runtime::AsyncRuntime;
use openraft::type_config::TypeConfigExt;
use openraft_rt_sim::SimRuntime;

use crate::types::{LogCommand, Outcome, ReplicaPlace};

openraft::declare_raft_types!(
    /// openraft on virtual time.
    pub SimTypes:
        D = LogCommand,
        R = Outcome,
        NodeId = ReplicaId,
        Node = ReplicaPlace,
        AsyncRuntime = SimRuntime,
);

/// Runs `future` to its end; the same seed gives the same run.
///
/// # Panics
/// When everything waits for something that nothing will bring about.
pub fn run<T>(seed: u64, future: impl Future<Output = T>) -> T {
    SimRuntime::with_seed(seed).block_on(future)
}

/// Runs `future` beside the others, whether or not anybody waits for it.
pub fn spawn(future: impl Future<Output = ()> + Send + 'static) {
    drop(SimTypes::spawn(future));
}

/// Lets virtual time pass.
pub async fn sleep(duration: Duration) {
    SimTypes::sleep(duration).await;
}

/// Waits for `future` no longer than `within` of virtual time.
pub async fn timeout<T>(within: Duration, future: impl Future<Output = T> + Send) -> Option<T> {
    SimTypes::timeout(within, future).await.ok()
}

/// Virtual time since the run began.
#[must_use]
pub fn elapsed() -> Duration {
    SimTypes::now().elapsed_since_start()
}
