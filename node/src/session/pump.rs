//! What lies between a session and its client where the wire machine asks questions (SMTP, POP3): reads, writes, the
//! limits of time, and the good-bye of a node that stops.
//!
//! Invariants
//! - Nothing is read while a reply waits to be sent, so what arrives after a reply was written after it could be seen.
//! - At most [`OUTPUT_BYTES`] of replies and one piece of a message wait here; a client that does not take them in time
//!   is gone.
//! - What was read in clear and not understood yet is dropped before TLS.
//!
//! Must not know: what is said.

use std::future::pending;
use std::time::{Duration, Instant};

use bytes::{Bytes, BytesMut};
use tokio::sync::watch;
use tokio::time::{sleep_until, timeout};

use crate::auth::Pass;
use crate::connection::Connection;

/// Replies that wait for more to go with them.
const OUTPUT_BYTES: usize = 32 << 10;
/// Room for replies that is kept from one to the next; an idle connection holds no more.
const OUTPUT_KEEP_BYTES: usize = 1 << 10;
/// Bytes of one write.
const WRITE_BYTES: usize = 32 << 10;
/// Time for one write: a client that takes less than 180 bytes a second holds resources for nothing.
const WRITE_WITHIN: Duration = Duration::from_mins(3);
/// Bytes of one read from a client that is quiet; an idle connection holds so many.
const READ_BYTES_QUIET: usize = 1 << 10;
/// Bytes of one read from a client that has just filled one.
const READ_BYTES_BUSY: usize = 16 << 10;
/// Time for a TLS handshake.
const HANDSHAKE_WITHIN: Duration = Duration::from_secs(30);
/// Time for the end of a connection.
const CLOSE_WITHIN: Duration = Duration::from_secs(5);
/// Time for one connection as a whole, however busy: whoever wants more connects again.
const CONNECTION_WITHIN: Duration = Duration::from_hours(24);

const _: () = assert!(READ_BYTES_QUIET < READ_BYTES_BUSY && OUTPUT_KEEP_BYTES < OUTPUT_BYTES);
const _: () = assert!(WRITE_WITHIN.as_secs() < CONNECTION_WITHIN.as_secs());

/// The client cannot be reached any more.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Gone;

/// A wire machine that asks questions.
pub(super) trait Machine {
    /// What it tells and asks.
    type Event;

    /// How many bytes it takes now.
    fn room(&self) -> usize;
    /// Takes bytes, at most so many.
    fn receive(&mut self, bytes: &[u8], now: Instant);
    /// What it has to tell.
    fn next_event(&mut self) -> Option<Self::Event>;
    /// What it has to say.
    fn take_output(&mut self) -> Bytes;
    /// By when the client must have sent something more.
    fn deadline(&self, waiting_since: Instant) -> Instant;
    /// That time is over.
    fn time_out(&mut self);
    /// The node stops.
    fn shut_down(&mut self);
    /// Whoever has logged in is locked out.
    fn lock_out(&mut self);
}

macro_rules! machine {
    ($server:ty, $event:ty) => {
        impl Machine for $server {
            type Event = $event;

            fn room(&self) -> usize {
                self.room()
            }

            fn receive(&mut self, bytes: &[u8], now: Instant) {
                let taken = self.receive(bytes, now);
                debug_assert_eq!(taken, bytes.len(), "no more was read than there is room");
            }

            fn next_event(&mut self) -> Option<Self::Event> {
                self.next_event()
            }

            fn take_output(&mut self) -> Bytes {
                self.take_output()
            }

            fn deadline(&self, waiting_since: Instant) -> Instant {
                self.deadline(waiting_since)
            }

            fn time_out(&mut self) {
                self.time_out();
            }

            fn shut_down(&mut self) {
                self.shut_down();
            }

            fn lock_out(&mut self) {
                self.lock_out();
            }
        }
    };
}

machine!(smtp_wire::Server, smtp_wire::Event);
machine!(pop3_wire::Server, pop3_wire::Event);

/// The time as machines are told it; tests can stop it.
pub(super) fn now() -> Instant {
    tokio::time::Instant::now().into_std()
}

/// See the module.
pub(super) struct Pump<M> {
    pub(super) connection: Connection,
    pub(super) machine: M,
    output: BytesMut,
    read_bytes: usize,
    ends_at: Instant,
    stopping: watch::Receiver<bool>,
    is_stopping: bool,
    /// The right of whoever has logged in to go on.
    pass: Option<Pass>,
}

impl<M: Machine> Pump<M> {
    /// Joins a machine to its client.
    pub(super) fn new(connection: Connection, machine: M, stopping: watch::Receiver<bool>) -> Self {
        Self {
            connection,
            machine,
            output: BytesMut::new(),
            read_bytes: READ_BYTES_QUIET,
            ends_at: now() + CONNECTION_WITHIN,
            stopping,
            is_stopping: false,
            pass: None,
        }
    }

    /// Somebody has logged in: the session goes on as long as this is good.
    pub(super) fn admit(&mut self, pass: Pass) {
        self.pass = Some(pass);
    }

    /// Nobody is logged in any more.
    pub(super) fn forget(&mut self) {
        self.pass = None;
    }

    /// What the machine tells or asks next; sends and reads until there is something. Not cancel safe.
    pub(super) async fn next(&mut self) -> Result<M::Event, Gone> {
        loop {
            let event = self.machine.next_event();
            self.take_output().await?;
            if let Some(event) = event {
                return Ok(event);
            }
            if self.output.is_empty() {
                self.listen().await?;
            } else {
                // A machine may have paused for want of room.
                self.flush().await?;
            }
        }
    }

    /// Sends everything that the machine has to say. Not cancel safe.
    pub(super) async fn flush(&mut self) -> Result<(), Gone> {
        let said = self.machine.take_output();
        self.send_behind(&said).await
    }

    async fn take_output(&mut self) -> Result<(), Gone> {
        let said = self.machine.take_output();
        if self.output.len() + said.len() < OUTPUT_BYTES {
            self.output.extend_from_slice(&said);
            return Ok(());
        }
        self.send_behind(&said).await
    }

    /// Sends what waits, and `said` behind it.
    async fn send_behind(&mut self, said: &[u8]) -> Result<(), Gone> {
        let mut waiting = std::mem::take(&mut self.output);
        self.write(&waiting).await?;
        self.write(said).await?;
        if waiting.capacity() <= OUTPUT_KEEP_BYTES {
            waiting.clear();
            self.output = waiting;
        }
        Ok(())
    }

    async fn write(&mut self, bytes: &[u8]) -> Result<(), Gone> {
        for piece in bytes.chunks(WRITE_BYTES) {
            if now() >= self.ends_at + WRITE_WITHIN {
                return Err(Gone);
            }
            let written = timeout(WRITE_WITHIN, self.connection.write_all(piece)).await;
            written.map_err(|_| Gone)?.map_err(|_| Gone)?;
        }
        Ok(())
    }

    /// Waits for the client, for its time to be over, for it to be locked out, or for the node to stop.
    async fn listen(&mut self) -> Result<(), Gone> {
        let room = self.machine.room().min(self.read_bytes);
        if room == 0 {
            // The session left a question open. It must not wait for ever.
            tracing::error!("a session waits for a client that waits for the session");
            return Err(Gone);
        }
        let deadline = self.machine.deadline(now()).min(self.ends_at);
        let mut input = BytesMut::new();
        let pass = self.pass.as_ref();
        let locked_out = async {
            match pass {
                Some(pass) => pass.ended().await,
                None => pending().await,
            }
        };
        tokio::select! {
            biased;
            // A sender that is gone counts as a stop, too.
            _ = self.stopping.wait_for(|stopping| *stopping), if !self.is_stopping => {
                self.is_stopping = true;
                self.machine.shut_down();
            }
            () = locked_out => {
                self.pass = None;
                self.machine.lock_out();
            }
            read = self.connection.read(&mut input, room) => {
                let len = read.map_err(|_| Gone)?;
                if len == 0 {
                    return Err(Gone);
                }
                self.machine.receive(&input, now());
                self.read_bytes = if len >= READ_BYTES_QUIET { READ_BYTES_BUSY } else { READ_BYTES_QUIET };
            }
            () = sleep_until(deadline.into()) => self.machine.time_out(),
        }
        Ok(())
    }

    /// Takes TLS up, after everything was sent. The machine has dropped what it had read in clear, and this reads nothing
    /// ahead.
    pub(super) async fn start_tls(&mut self) -> Result<(), Gone> {
        self.flush().await?;
        let started = timeout(HANDSHAKE_WITHIN, self.connection.start_tls()).await;
        match started {
            Ok(Ok(())) => Ok(()),
            Ok(Err(error)) => {
                tracing::debug!(%error, "TLS handshake failed");
                Err(Gone)
            }
            Err(_) => Err(Gone),
        }
    }

    /// Sends what there is left to say, and ends the connection.
    pub(super) async fn close(mut self) {
        if self.flush().await.is_ok() {
            // The client has what there was; how long it takes to go away is not our matter.
            let _ = timeout(CLOSE_WITHIN, self.connection.close()).await;
        }
    }
}

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;

    use pop3_wire::{Maildrop, PasswordPolicy};
    use smtp_wire::{AuthPolicy, Profile};

    use super::*;
    use crate::connection::Peer;
    use crate::session::transcript::{Client, pair};

    const PEER: Peer = Peer::Ip(std::net::IpAddr::V4(Ipv4Addr::LOCALHOST));

    fn smtp() -> (Client, Pump<smtp_wire::Server>, watch::Sender<bool>) {
        let config = smtp_wire::Config {
            profile: Profile::Smtp,
            host: "mail.demo.test".to_owned(),
            message_bytes_max: 1 << 20,
            tls: smtp_wire::Tls::Absent,
            auth: AuthPolicy::Hidden,
        };
        let (client, connection) = pair(PEER, None);
        let (stop, stopping) = watch::channel(false);
        let machine = smtp_wire::Server::new(config, now());
        (client, Pump::new(connection, machine, stopping), stop)
    }

    fn pop3() -> (Client, Pump<pop3_wire::Server>, watch::Sender<bool>) {
        let config = pop3_wire::Config {
            host: "mail.demo.test".to_owned(),
            tls: pop3_wire::Tls::Absent,
            passwords: PasswordPolicy::Offered,
        };
        let (client, connection) = pair(PEER, None);
        let (stop, stopping) = watch::channel(false);
        let machine = pop3_wire::Server::new(config, now());
        (client, Pump::new(connection, machine, stopping), stop)
    }

    #[tokio::test(start_paused = true)]
    async fn a_silent_client_is_told_that_its_time_is_over() {
        let (mut client, mut pump, _stop) = smtp();
        let begun = now();
        let event = pump.next().await;
        assert_eq!(event, Ok(smtp_wire::Event::Closed(smtp_wire::CloseReason::TimedOut)));
        assert_eq!(now() - begun, smtp_wire::limits::COMMAND_TIMEOUT);
        tokio::spawn(pump.close());
        client
            .run("S: 220 …\nS: 421 4.4.2 nothing was heard for too long\nS!")
            .await;
    }

    #[tokio::test(start_paused = true)]
    async fn a_client_that_takes_no_replies_is_gone() {
        let (mut client, mut pump, _stop) = smtp();
        let sending = tokio::spawn(async move { while client.try_send(b"HELP\r\n").await.is_ok() {} });
        let begun = now();
        assert_eq!(pump.next().await, Err(Gone));
        assert_eq!(now() - begun, WRITE_WITHIN);
        drop(pump);
        sending.await.expect("the client sees the end");
    }

    #[tokio::test(start_paused = true)]
    async fn no_connection_lasts_for_ever() {
        let (mut client, mut pump, _stop) = pop3();
        let begun = now();
        client.send(b"USER a\r\nPASS b\r\n").await;
        let Ok(pop3_wire::Event::Auth(_)) = pump.next().await else {
            panic!("no log-in");
        };
        pump.machine.log_in(Maildrop::new()).expect("was asked");
        tokio::spawn(async move {
            client.run("S: +OK …\nS: +OK …\nS: +OK 0 messages (0 octets)").await;
            loop {
                tokio::time::sleep(Duration::from_mins(5)).await;
                client.run("C: NOOP\nS: +OK").await;
            }
        });
        let event = pump.next().await;
        assert_eq!(event, Ok(pop3_wire::Event::Closed(pop3_wire::CloseReason::TimedOut)));
        assert_eq!(now() - begun, CONNECTION_WITHIN);
    }

    #[tokio::test(start_paused = true)]
    async fn a_node_that_stops_is_felt_at_once() {
        let (_client, mut pump, stop) = smtp();
        let begun = now();
        stop.send_replace(true);
        let event = pump.next().await;
        assert_eq!(
            event,
            Ok(smtp_wire::Event::Closed(smtp_wire::CloseReason::ShuttingDown))
        );
        assert_eq!(now(), begun);
    }

    #[tokio::test]
    async fn a_client_that_has_left_is_gone() {
        let (client, mut pump, _stop) = smtp();
        drop(client);
        assert_eq!(pump.next().await, Err(Gone));
    }
}
