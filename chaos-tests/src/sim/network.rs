//! A network in memory: delays, losses, cuts in either direction, and nodes that are not there.
//!
//! Invariants
//! - A node that was started again gets nothing that was meant for the one before, and the one before reaches nobody.
//! - `Unreachable` is said only of a request that was not delivered.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use mail_model::NodeId;
use rand::{RngExt, SeedableRng, rngs::StdRng};
use replication::simulation::{self, SimTypes};
use replication::{BoxFuture, Class, Handler, Replicator, Transport, TransportError};
use tokio::sync::oneshot;

struct State {
    rng: StdRng,
    up: BTreeMap<NodeId, (u64, Replicator<SimTypes>)>,
    /// Directed.
    cut: BTreeSet<(NodeId, NodeId)>,
    lost_percent: u32,
    delay_us_max: u64,
}

/// The network. Clones are handles to the same one.
#[derive(Clone)]
pub struct Network {
    state: Arc<Mutex<State>>,
}

/// Delays of a network that is well.
const CALM_DELAY_US: u64 = 2_000;

impl Network {
    /// A network that is well.
    #[must_use]
    pub fn new(seed: u64) -> Self {
        let state = State {
            rng: StdRng::seed_from_u64(seed),
            up: BTreeMap::new(),
            cut: BTreeSet::new(),
            lost_percent: 0,
            delay_us_max: CALM_DELAY_US,
        };
        Self {
            state: Arc::new(Mutex::new(state)),
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A node's `start`-th start answers from now on.
    pub fn plug_in(&self, node: NodeId, start: u64, replicator: Replicator<SimTypes>) {
        let port = Port {
            network: self.clone(),
            from: node,
            start,
        };
        replicator.connect(Arc::new(port));
        self.lock().up.insert(node, (start, replicator));
    }

    /// The node is gone.
    pub fn unplug(&self, node: NodeId) {
        self.lock().up.remove(&node);
    }

    /// Nothing passes from one to the other.
    pub fn cut(&self, from: NodeId, to: NodeId) {
        self.lock().cut.insert((from, to));
    }

    /// Some of what is sent is lost, and the rest takes up to `delay`.
    pub fn disturb(&self, lost_percent: u32, delay: Duration) {
        let mut state = self.lock();
        state.lost_percent = lost_percent;
        state.delay_us_max = u64::try_from(delay.as_micros()).unwrap_or(u64::MAX).max(1);
    }

    /// All is well again.
    pub fn mend(&self) {
        let mut state = self.lock();
        state.cut.clear();
        state.lost_percent = 0;
        state.delay_us_max = CALM_DELAY_US;
    }

    fn delay(&self) -> Duration {
        let mut state = self.lock();
        let max = state.delay_us_max;
        Duration::from_micros(state.rng.random_range(50..=max.max(50)))
    }

    /// Whether what is sent now is lost on its way.
    fn loses(&self, from: NodeId, to: NodeId) -> bool {
        let mut state = self.lock();
        let percent = state.lost_percent;
        state.cut.contains(&(from, to)) || state.rng.random_range(0..100) < percent
    }

    fn receiver(&self, node: NodeId) -> Option<(u64, Replicator<SimTypes>)> {
        self.lock().up.get(&node).cloned()
    }

    fn is_up(&self, node: NodeId, start: u64) -> bool {
        self.lock().up.get(&node).is_some_and(|(now, _)| *now == start)
    }
}

/// One node's way into the network.
struct Port {
    network: Network,
    from: NodeId,
    start: u64,
}

impl Port {
    async fn deliver(&self, to: NodeId, request: Bytes, replied: oneshot::Sender<Bytes>) -> Result<(), TransportError> {
        let network = self.network.clone();
        if !network.is_up(self.from, self.start) {
            return Err(TransportError::Unreachable(to));
        }
        if network.loses(self.from, to) {
            return Ok(());
        }
        simulation::sleep(network.delay()).await;
        let Some((start, receiver)) = network.receiver(to) else {
            return Err(TransportError::Unreachable(to));
        };
        let from = self.from;
        // What arrived is worked on, whether or not the caller still waits.
        simulation::spawn(async move {
            let reply = receiver.handle(from, request).await;
            if network.is_up(to, start) && !network.loses(to, from) {
                simulation::sleep(network.delay()).await;
                // The caller may have given up.
                let _ = replied.send(reply);
            }
        });
        Ok(())
    }
}

impl Transport for Port {
    fn call(
        &self,
        to: NodeId,
        _class: Class,
        request: Bytes,
        within: Duration,
    ) -> BoxFuture<'_, Result<Bytes, TransportError>> {
        Box::pin(async move {
            let (replied, mut reply) = oneshot::channel();
            let late = || TransportError::NoReply(to, "no reply in time".to_owned());
            let start = simulation::elapsed();
            match simulation::timeout(within, self.deliver(to, request, replied)).await {
                None => return Err(late()),
                Some(delivered) => delivered?,
            }
            let left = within.saturating_sub(simulation::elapsed().saturating_sub(start));
            match simulation::timeout(left, &mut reply).await {
                Some(Ok(reply)) if self.network.is_up(self.from, self.start) => Ok(reply),
                // Lost on the way, which the caller learns by waiting.
                Some(Err(_)) => {
                    let left = within.saturating_sub(simulation::elapsed().saturating_sub(start));
                    simulation::sleep(left).await;
                    Err(late())
                }
                Some(Ok(_)) | None => Err(late()),
            }
        })
    }
}
