//! The loop of a session: wait, take events from the wire machine, do what each asks for, answer.
//!
//! Invariants
//! - A command is answered before the next one is looked at, so pipelined commands take effect in order.
//! - [`Session::complete`] alone sends tagged replies.
//! - The machine's state and `account` and `selected` agree: with an account it is authenticated, with a mailbox selected.

use std::future::pending;

use imap_wire::command::Tagged;
use imap_wire::limits::{AUTOLOGOUT, AUTOLOGOUT_BEFORE_LOGIN, AppendLimit};
use imap_wire::response::{self, Code, Status};
use imap_wire::{Command, Event, Numbering, Rejected, SessionState, Tag};
use mailstore::Account;
use mailstore::limits::MESSAGE_BYTES_MAX;
use tokio::sync::watch;
use tokio::time::{Instant, sleep_until};

use super::append::Incoming;
use super::authenticate::Exchange;
use super::channel::Channel;
use super::error::{End, Failure};
use super::outcome::{Done, Outcome};
use super::selected::{Selected, Telling};
use crate::auth::Pass;
use crate::connection::Connection;
use crate::services::SharedServices;

/// See the module.
pub(super) struct Session {
    pub(super) channel: Channel,
    pub(super) services: SharedServices,
    /// Whose session it is, after log-in.
    pub(super) account: Option<Account>,
    /// Its right to go on, after log-in.
    pub(super) pass: Option<Pass>,
    pub(super) selected: Option<Selected>,
    pub(super) doing: Doing,
    /// Wrong passwords so far.
    pub(super) login_failures: u32,
    stopping: watch::Receiver<bool>,
    /// When the session ends unless the client says something.
    deadline: Instant,
}

/// What takes more than one event.
pub(super) enum Doing {
    Nothing,
    /// AUTHENTICATE, between its lines.
    Exchange(Tag, Exchange),
    /// APPEND, while its messages come.
    Append(Box<Incoming>),
    /// IDLE.
    Idle {
        /// When the client is to be sent something.
        keep_alive: Instant,
        /// When to look again for what could not be read.
        retry: Option<Instant>,
    },
}

/// What a session waited for.
enum Action {
    Input,
    ClientClosed,
    News,
    KeepAlive,
    Stop,
    LockedOut,
    Timeout,
}

impl Session {
    pub(super) fn new(connection: Connection, services: SharedServices) -> Self {
        let append_limit = AppendLimit(services.settings.message_bytes_max.min(MESSAGE_BYTES_MAX));
        let stopping = services.stopping.clone();
        Self {
            channel: Channel::new(connection, append_limit),
            services,
            account: None,
            pass: None,
            selected: None,
            doing: Doing::Nothing,
            login_failures: 0,
            stopping,
            deadline: Instant::now() + AUTOLOGOUT_BEFORE_LOGIN,
        }
    }

    /// From the greeting to the good-bye.
    pub(super) async fn run(mut self) {
        self.greet();
        let end = loop {
            if let Err(end) = self.step().await {
                break end;
            }
        };
        if let End::Bye(code, text) = &end {
            response::write_bye(&mut self.channel.out, code.as_ref(), text);
            self.channel.close().await;
        }
        self.abandon().await;
    }

    fn greet(&mut self) {
        let code = Code::Capability(self.capabilities());
        let text = format!("{} Holdfast is ready", self.services.settings.host);
        response::write_greeting(&mut self.channel.out, Some(&code), &text);
    }

    /// Does everything that has come, then waits for more.
    async fn step(&mut self) -> Result<(), End> {
        while let Some(event) = self.channel.machine.poll() {
            self.check_end()?;
            self.on_event(event).await?;
            self.renew_deadline();
            self.channel.relieve().await?;
        }
        self.channel.flush().await?;
        match self.wait().await? {
            Action::Input => Ok(()),
            Action::ClientClosed => Err(End::Silent),
            Action::News => self.idle_news().await,
            Action::KeepAlive => {
                self.keep_alive();
                Ok(())
            }
            Action::Stop => Err(End::STOPPING),
            Action::LockedOut => Err(End::LOCKED_OUT),
            Action::Timeout => Err(End::Bye(None, "no command for too long".into())),
        }
    }

    /// Cancel safe in all its parts.
    async fn wait(&mut self) -> Result<Action, End> {
        let idle = match self.doing {
            Doing::Idle { keep_alive, retry } => Some((keep_alive, retry)),
            _ => None,
        };
        let selected = self.selected.as_mut();
        let news = async {
            match (idle, selected) {
                (Some((_, Some(retry))), Some(_)) => sleep_until(retry).await,
                (Some((_, None)), Some(selected)) => selected.news().await,
                _ => pending().await,
            }
        };
        let keep_alive = async {
            match idle {
                Some((at, _)) => sleep_until(at).await,
                None => pending().await,
            }
        };
        let locked_out = async {
            match &self.pass {
                Some(pass) => pass.ended().await,
                None => pending().await,
            }
        };
        tokio::select! {
            // A client that talks without pause does not hold up the end.
            biased;
            _ = self.stopping.wait_for(|stopping| *stopping) => Ok(Action::Stop),
            () = locked_out => Ok(Action::LockedOut),
            read = self.channel.read() => Ok(if read? { Action::Input } else { Action::ClientClosed }),
            () = news => Ok(Action::News),
            () = sleep_until(self.deadline) => Ok(Action::Timeout),
            () = keep_alive => Ok(Action::KeepAlive),
        }
    }

    fn renew_deadline(&mut self) {
        let silence = if self.account.is_some() {
            AUTOLOGOUT
        } else {
            AUTOLOGOUT_BEFORE_LOGIN
        };
        let deadline = Instant::now() + silence;
        self.deadline = match &self.doing {
            Doing::Append(incoming) => deadline.min(incoming.ends_at()),
            _ => deadline,
        };
    }

    /// Whether the node stops or the account was closed: long commands ask between messages.
    pub(super) fn check_end(&self) -> Result<(), End> {
        check_end_of(&self.stopping, self.pass.as_ref())
    }

    /// The same, for those who cannot ask the session.
    pub(super) fn stopping(&self) -> watch::Receiver<bool> {
        self.stopping.clone()
    }

    async fn on_event(&mut self, event: Event) -> Result<(), End> {
        match event {
            // Boxed, so that a session that waits does not hold the room of the largest command.
            Event::Command(command) => Box::pin(self.on_command(command)).await,
            Event::Continue => {
                response::write_continuation(&mut self.channel.out, "go on");
                Ok(self.channel.flush().await?)
            }
            Event::Append(append) => Box::pin(self.append_offered(append)).await,
            Event::AppendNext { tag, message } => Box::pin(self.append_next(&tag, message)).await,
            Event::AppendChunk(octets) => {
                self.append_octets(&octets).await;
                Ok(())
            }
            Event::AppendEnd { tag } => {
                let outcome = Box::pin(self.append_end()).await;
                self.end_command(&tag, outcome, Some(Telling::ALL)).await
            }
            Event::Rejected(rejected) => {
                self.on_rejected(&rejected).await;
                Ok(())
            }
            Event::AuthLine(line) => Box::pin(self.auth_line(line)).await,
            Event::IdleDone { tag } => {
                self.doing = Doing::Nothing;
                self.complete(&tag, Ok(Done::new("no longer idle")))
            }
            Event::Fatal { text } => Err(End::Bye(None, text.into())),
        }
    }

    /// A command that the machine refuses; with it goes what was under way under its tag.
    async fn on_rejected(&mut self, rejected: &Rejected) {
        response::write_rejected(&mut self.channel.out, rejected);
        self.abandon().await;
    }

    /// Drops what is under way; the bytes of messages that were not appended are freed.
    async fn abandon(&mut self) {
        if let Doing::Append(incoming) = std::mem::replace(&mut self.doing, Doing::Nothing) {
            incoming.abort().await;
        }
    }

    async fn on_command(&mut self, Tagged { tag, command }: Tagged) -> Result<(), End> {
        let telling = telling_after(&command);
        match self.execute(&tag, command).await.transpose() {
            Some(outcome) => self.end_command(&tag, outcome, telling).await,
            // IDLE and AUTHENTICATE go on with the next line.
            None => Ok(()),
        }
    }

    /// Runs a command; `None` when its answer comes with a later event.
    async fn execute(&mut self, tag: &Tag, command: Command) -> Result<Option<Done>, Failure> {
        let done = match command {
            Command::Authenticate(command) => return self.authenticate(tag, command).await,
            Command::Idle => return self.idle(tag).await.map(|()| None),
            Command::Logout => return self.logout(tag).await,
            Command::StartTls => return self.start_tls(tag).await.map(|()| None),
            Command::Capability => self.capability(),
            Command::Noop | Command::Check => self.noop().await,
            Command::Login(command) => self.login(command).await,
            Command::Select(name) => self.select(name).await,
            Command::Examine(name) => self.examine(name).await,
            Command::Create(name) => self.create(name).await,
            Command::Delete(name) => self.delete(name).await,
            Command::Rename(command) => self.rename(command).await,
            Command::Subscribe(name) => self.subscribe(name).await,
            Command::Unsubscribe(name) => self.unsubscribe(name).await,
            Command::List(command) => self.list(command).await,
            Command::Lsub(command) => self.lsub(command).await,
            Command::Status(command) => self.status(command).await,
            Command::Close => self.close().await,
            Command::Unselect => self.unselect(),
            Command::Expunge => self.expunge(None).await,
            Command::UidExpunge(set) => self.expunge(Some(&set)).await,
            Command::Search(command) => self.search(command).await,
            Command::Fetch(command) => self.fetch(command).await,
            Command::Store(command) => self.store(command).await,
            Command::Copy(command) => self.copy(command).await,
            Command::Move(command) => self.move_messages(command).await,
            Command::Namespace => self.namespace(),
            Command::Id(pairs) => self.id(&pairs),
        };
        done.map(Some)
    }

    /// Tells what else has happened, if that may be told now, and answers.
    pub(super) async fn end_command(
        &mut self,
        tag: &Tag,
        outcome: Outcome,
        telling: Option<Telling>,
    ) -> Result<(), End> {
        let told = match (&outcome, telling) {
            (Err(Failure::End(_)), _) | (_, None) => Ok(()),
            (_, Some(telling)) => self.tell_news(telling).await,
        };
        self.complete(tag, outcome)?;
        told
    }

    /// Tells the client what others did to the selected mailbox.
    async fn tell_news(&mut self, telling: Telling) -> Result<(), End> {
        let Some(selected) = &mut self.selected else {
            return Ok(());
        };
        if selected.has_news(telling) {
            selected.tell_soon(&mut self.channel.out, telling).await?;
        }
        Ok(())
    }

    /// The one function that answers a command (DESIGN P1): OK for what is committed and applied, NO or BAD for what has
    /// not happened. For what is uncertain there is no answer, but an end.
    pub(super) fn complete(&mut self, tag: &Tag, outcome: Outcome) -> Result<(), End> {
        let out = &mut self.channel.out;
        match outcome {
            Ok(done) => response::write_tagged(out, tag, Status::Ok, done.code.code().as_ref(), done.text),
            Err(failure) => {
                let (status, code, text) = failure.into_reply()?;
                response::write_tagged(out, tag, status, code.as_ref(), &text);
            }
        }
        Ok(())
    }

    /// The account; commands that need it come after log-in only.
    pub(super) fn account(&self) -> Result<&Account, Failure> {
        self.account.as_ref().ok_or(Failure::Bad("log in first"))
    }

    /// Leaves the selected mailbox, if there is one.
    pub(super) fn leave(&mut self) {
        if self.selected.take().is_some() {
            self.channel.machine.set_state(SessionState::Authenticated);
        }
    }
}

/// See [`Session::check_end`].
pub(super) fn check_end_of(stopping: &watch::Receiver<bool>, pass: Option<&Pass>) -> Result<(), End> {
    if *stopping.borrow() {
        Err(End::STOPPING)
    } else if pass.is_some_and(Pass::has_ended) {
        Err(End::LOCKED_OUT)
    } else {
        Ok(())
    }
}

/// What may be told before the answer to a command (RFC 3501, section 7.4.1); `None` before those that change the state
/// of the connection.
fn telling_after(command: &Command) -> Option<Telling> {
    match command {
        Command::Fetch(fetch) => Some(Telling::during(fetch.numbering)),
        Command::Store(store) => Some(Telling::during(store.numbering)),
        Command::Search(search) => Some(Telling::during(search.numbering)),
        Command::Copy(copy) | Command::Move(copy) if copy.numbering == Numbering::Uid => Some(Telling::ALL_BY_UID),
        Command::UidExpunge(_) => Some(Telling::ALL_BY_UID),
        Command::StartTls | Command::Authenticate(_) | Command::Login(_) | Command::Logout => None,
        _ => Some(Telling::ALL),
    }
}
