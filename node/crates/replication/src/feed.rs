//! Change feeds of one group on this node: events that `apply` emitted, to those who follow their topic.
//!
//! Invariants
//! - Events reach a subscriber in the order of the log. One that does not keep up loses events and is told so.
//! - Delivering never waits.
//! - When the replica stops that the events come from, its subscribers are handed on, and nobody subscribes here any more.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

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

#[derive(Default)]
struct Following {
    topics: BTreeMap<u64, Vec<Subscriber>>,
    is_closed: bool,
}

/// Who follows what in one group.
#[derive(Default)]
pub(crate) struct FeedHub {
    following: Mutex<Following>,
}

impl FeedHub {
    fn lock(&self) -> MutexGuard<'_, Following> {
        self.following.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Follows `topic` from now on, until the feed is dropped; `None` once there will be no events any more.
    pub(crate) fn subscribe(&self, topic: u64) -> Option<Feed> {
        let mut following = self.lock();
        if following.is_closed {
            return None;
        }
        let (sender, receiver) = mpsc::channel(FEED_EVENTS_MAX);
        let subscribers = following.topics.entry(topic).or_default();
        subscribers.push(Subscriber { sender, lagged: false });
        Some(Feed::new(receiver))
    }

    /// There will be no more events. Returns who waits for some, by topic.
    pub(crate) fn close(&self) -> Vec<(u64, Sender<FeedEvent>)> {
        let mut following = self.lock();
        following.is_closed = true;
        let topics = std::mem::take(&mut following.topics);
        let of_topic = |(topic, subscribers): (u64, Vec<Subscriber>)| {
            let senders = subscribers
                .into_iter()
                .map(move |subscriber| (topic, subscriber.sender));
            senders.filter(|(_, sender)| !sender.is_closed())
        };
        topics.into_iter().flat_map(of_topic).collect()
    }

    pub(crate) fn deliver(&self, events: Vec<StateEvent>) {
        if events.is_empty() {
            return;
        }
        let topics = &mut self.lock().topics;
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
        let topics = &mut self.lock().topics;
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
        let [mut one, mut two] = [1, 2].map(|topic| hub.subscribe(topic).expect("it is open"));
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
        let mut slow = hub.subscribe(1).expect("it is open");
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
        assert!(hub.lock().topics.is_empty());
    }

    #[test]
    fn who_still_waits_when_it_closes_is_handed_on_and_nobody_comes_after() {
        let hub = FeedHub::default();
        let mut waits = hub.subscribe(7).expect("it is open");
        drop(hub.subscribe(8));
        let handed_on = hub.close();
        let [(7, sender)] = &handed_on[..] else {
            panic!("{} are handed on", handed_on.len());
        };
        sender.try_send(FeedEvent::Lagged).expect("there is room");
        assert_eq!(waits.try_next(), Some(FeedEvent::Lagged));
        assert!(hub.subscribe(7).is_none());
    }
}
