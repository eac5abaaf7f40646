//! The AUTH exchange (RFC 4954 4).

use mail_model::{LoginExchange, LoginStep, PlainCredentials, SaslError, read_plain};

use super::{Phase, Question, Server};
use crate::command::{AuthCommand, Mechanism, auth_decode, auth_encode};
use crate::config::AuthPolicy;
use crate::event::{CloseReason, Event};
use crate::limits::AUTH_FAILURES_MAX;
use crate::replies;
use crate::reply::Reply;

/// An exchange that waits for the client's next line.
#[derive(Debug)]
pub(super) enum Exchange {
    Plain,
    Login(LoginExchange),
}

impl Exchange {
    fn mechanism(&self) -> Mechanism {
        match self {
            Self::Plain => Mechanism::Plain,
            Self::Login(_) => Mechanism::Login,
        }
    }

    fn challenge(&self) -> String {
        match self {
            Self::Plain => String::new(),
            Self::Login(login) => auth_encode(login.challenge()),
        }
    }

    /// `None` while more is to come.
    fn answer(&mut self, response: &[u8]) -> Result<Option<PlainCredentials>, SaslError> {
        match self {
            Self::Plain => read_plain(response).map(Some),
            Self::Login(login) => match login.answer(response)? {
                LoginStep::Challenge => Ok(None),
                LoginStep::Done(credentials) => Ok(Some(credentials)),
            },
        }
    }
}

impl Server {
    pub(super) fn take_auth(&mut self, auth: AuthCommand) {
        if !self.may_authenticate() {
            let reply = match self.config.auth {
                AuthPolicy::AfterTls => replies::auth_after_tls(),
                AuthPolicy::Offered | AuthPolicy::Hidden => replies::auth_absent(),
            };
            return self.fail(&reply);
        }
        if self.hello.is_none() {
            return self.fail(&replies::hello_first());
        }
        if self.is_authenticated || self.transaction.is_some() {
            return self.fail(&replies::auth_misplaced());
        }
        let exchange = match auth.mechanism {
            Mechanism::Plain => Exchange::Plain,
            Mechanism::Login => Exchange::Login(LoginExchange::new()),
        };
        match auth.initial {
            Some(response) => self.answer_exchange(exchange, &response),
            None => self.send_challenge(exchange),
        }
    }

    pub(super) fn take_auth_line(&mut self, exchange: Exchange, line: &[u8]) {
        if line == b"*" {
            return self.fail(&replies::auth_cancelled());
        }
        match auth_decode(line) {
            Some(response) => self.answer_exchange(exchange, &response),
            None => self.fail(&replies::bad_base64()),
        }
    }

    fn send_challenge(&mut self, exchange: Exchange) {
        self.say(&replies::challenge(&exchange.challenge()));
        self.phase = Phase::Auth(exchange);
    }

    fn answer_exchange(&mut self, mut exchange: Exchange, response: &[u8]) {
        match exchange.answer(response) {
            Ok(None) => self.send_challenge(exchange),
            Ok(Some(credentials)) => {
                self.question = Some(Question::Auth);
                let mechanism = exchange.mechanism();
                self.events.push_back(Event::Auth { mechanism, credentials });
            }
            Err(_) => self.fail(&replies::bad_auth_response()),
        }
    }

    pub(super) fn log_in(&mut self) {
        self.is_authenticated = true;
        self.say(&replies::authenticated());
    }

    pub(super) fn refuse_login(&mut self, reply: &Reply) {
        self.say(reply);
        self.tally.auth_failures += 1;
        if self.tally.auth_failures >= AUTH_FAILURES_MAX {
            self.close(&replies::too_many_errors(), CloseReason::TooManyAuthFailures);
        }
    }
}
