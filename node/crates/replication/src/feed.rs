//! Change feeds of one group on this node: events that `apply` emitted, to those who follow their topic.
//!
//! Invariants
//! - Events reach a subscriber in the order of the log. One that does not keep up loses events and is told so.
//! - Delivering never waits.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};

use bytes::Bytes;
use shelf::StateEvent;
use tokio::sync::mpsc::error::TrySendError;
use tokio::sync::mpsc::{self, Sender};

use crate::api::{Feed, FeedEvent, Token};
use crate::limits::FEED_EVENTS_MAX;

struct Subscriber {
    sender: Sender<FeedEvent>,
    /// Events were lost since the last one that it took.
    lagged: bool,
}

/// Who follows what in one group.
#[derive(Default)]
pub(crate) struct FeedHub {
    topics: Mutex<BTreeMap<u64, Vec<Subscriber>>>,
}

impl FeedHub {
    /// Follows `topic` from now on, until the feed is dropped.
    pub(crate) fn subscribe(&self, topic: u64) -> Feed {
        let (sender, receiver) = mpsc::channel(FEED_EVENTS_MAX);
        let mut topics = self.topics.lock().unwrap_or_else(PoisonError::into_inner);
        topics
            .entry(topic)
            .or_default()
            .push(Subscriber { sender, lagged: false });
        Feed::new(receiver)
    }

    pub(crate) fn deliver(&self, events: Vec<StateEvent>) {
        if events.is_empty() {
            return;
        }
        let mut topics = self.topics.lock().unwrap_or_else(PoisonError::into_inner);
        for event in events {
            let Some(subscribers) = topics.get_mut(&event.topic) else {
                continue;
            };
            let told = FeedEvent::Event {
                token: Token(event.index.0),
                event: Bytes::from(event.event),
            };
            subscribers.retain_mut(|subscriber| subscriber.tell(&told));
            if subscribers.is_empty() {
                topics.remove(&event.topic);
            }
        }
    }

    /// Everybody may have missed something: the state was replaced by a snapshot.
    pub(crate) fn lag(&self) {
        let mut topics = self.topics.lock().unwrap_or_else(PoisonError::into_inner);
        for subscribers in topics.values_mut() {
            subscribers.retain_mut(|subscriber| subscriber.tell(&FeedEvent::Lagged));
        }
        topics.retain(|_, subscribers| !subscribers.is_empty());
    }
}

impl Subscriber {
    /// Returns whether it is still there.
    fn tell(&mut self, event: &FeedEvent) -> bool {
        if self.lagged {
            match self.sender.try_send(FeedEvent::Lagged) {
                Ok(()) => self.lagged = false,
                Err(TrySendError::Full(_)) => return true,
                Err(TrySendError::Closed(_)) => return false,
            }
        }
        match self.sender.try_send(event.clone()) {
            Ok(()) => true,
            Err(TrySendError::Full(_)) => {
                self.lagged = true;
                true
            }
            Err(TrySendError::Closed(_)) => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use mail_model::LogIndex;

    fn event(index: u64, topic: u64) -> StateEvent {
        StateEvent {
            index: LogIndex(index),
            topic,
            event: vec![u8::try_from(index % 256).expect("a byte")],
        }
    }

    #[test]
    fn events_reach_their_topic_in_order() {
        let hub = FeedHub::default();
        let (mut one, mut two) = (hub.subscribe(1), hub.subscribe(2));
        hub.deliver(vec![event(5, 1), event(6, 2), event(7, 1)]);
        let tokens: Vec<_> = std::iter::from_fn(|| one.try_next()).collect();
        assert!(matches!(
            tokens[..],
            [
                FeedEvent::Event { token: Token(5), .. },
                FeedEvent::Event { token: Token(7), .. }
            ]
        ));
        assert!(matches!(two.try_next(), Some(FeedEvent::Event { token: Token(6), .. })));
    }

    #[test]
    fn a_slow_subscriber_is_told_that_it_lost_events() {
        let hub = FeedHub::default();
        let mut slow = hub.subscribe(1);
        let count = u64::try_from(FEED_EVENTS_MAX).expect("fits") + 3;
        (1..=count).for_each(|index| hub.deliver(vec![event(index, 1)]));
        let seen = std::iter::from_fn(|| slow.try_next()).count();
        assert_eq!(seen, FEED_EVENTS_MAX);
        hub.deliver(vec![event(count + 1, 1)]);
        assert_eq!(slow.try_next(), Some(FeedEvent::Lagged));
        assert!(matches!(slow.try_next(), Some(FeedEvent::Event { token, .. }) if token == Token(count + 1)));
    }

    #[test]
    fn nothing_is_kept_of_a_dropped_feed() {
        let hub = FeedHub::default();
        drop(hub.subscribe(1));
        hub.deliver(vec![event(1, 1)]);
        assert!(hub.topics.lock().expect("not poisoned").is_empty());
    }
}
