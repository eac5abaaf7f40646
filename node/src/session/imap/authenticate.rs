//! AUTHENTICATE (RFC 3501, section 6.2.2; SASL-IR, RFC 4959) with PLAIN (RFC 4616) and LOGIN.

use imap_wire::Tag;
use imap_wire::command::{AuthResponse, Authenticate};
use imap_wire::response::{Code, write_challenge};
use mail_model::{LoginExchange, LoginStep, PlainCredentials, SaslError, read_plain};

use super::error::{End, Failure};
use super::outcome::Done;
use super::session::{Doing, Session};

/// A mechanism that waits for the client's next line.
pub(super) enum Exchange {
    Plain,
    Login(LoginExchange),
}

/// What an answer leads to.
enum Step {
    Challenge(Exchange),
    Done(PlainCredentials),
}

impl Exchange {
    fn of(mechanism: &str) -> Option<Self> {
        match mechanism {
            "PLAIN" => Some(Self::Plain),
            "LOGIN" => Some(Self::Login(LoginExchange::new())),
            _ => None,
        }
    }

    fn challenge(&self) -> &'static str {
        match self {
            Self::Plain => "",
            Self::Login(exchange) => exchange.challenge(),
        }
    }

    fn answer(self, octets: &[u8]) -> Result<Step, SaslError> {
        match self {
            Self::Plain => read_plain(octets).map(Step::Done),
            Self::Login(mut exchange) => Ok(match exchange.answer(octets)? {
                LoginStep::Challenge => Step::Challenge(Self::Login(exchange)),
                LoginStep::Done(credentials) => Step::Done(credentials),
            }),
        }
    }
}

impl Session {
    /// `None` when the exchange goes on.
    pub(super) async fn authenticate(&mut self, tag: &Tag, command: Authenticate) -> Result<Option<Done>, Failure> {
        let exchange = Exchange::of(&command.mechanism);
        let exchange = exchange.ok_or_else(|| Failure::no(Code::Cannot, "this mechanism is not known here"))?;
        self.check_privacy()?;
        match command.initial {
            Some(initial) => self.answer(tag, exchange, &initial).await,
            None => {
                self.challenge(tag, exchange);
                Ok(None)
            }
        }
    }

    /// The client's answer to a challenge.
    pub(super) async fn auth_line(&mut self, line: AuthResponse) -> Result<(), End> {
        match std::mem::replace(&mut self.doing, Doing::Nothing) {
            Doing::Exchange(tag, exchange) => {
                let outcome = self.answer(&tag, exchange, &line).await;
                match outcome.transpose() {
                    Some(outcome) => self.complete(&tag, outcome),
                    None => Ok(()),
                }
            }
            other => {
                self.doing = other;
                Ok(())
            }
        }
    }

    async fn answer(&mut self, tag: &Tag, exchange: Exchange, line: &AuthResponse) -> Result<Option<Done>, Failure> {
        match exchange.answer(line.expose()) {
            Ok(Step::Done(credentials)) => self.log_in(&credentials).await.map(Some),
            Ok(Step::Challenge(exchange)) => {
                self.challenge(tag, exchange);
                Ok(None)
            }
            Err(error) => Err(Failure::no(Code::AuthenticationFailed, error.to_string())),
        }
    }

    fn challenge(&mut self, tag: &Tag, exchange: Exchange) {
        write_challenge(&mut self.channel.out, exchange.challenge().as_bytes());
        self.channel.machine.expect_auth_line(tag.clone());
        self.doing = Doing::Exchange(tag.clone(), exchange);
    }
}
