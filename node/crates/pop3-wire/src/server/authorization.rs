//! CAPA, and what a client may do before it has logged in (RFC 1939 4, RFC 2595 4, RFC 5034).

use mail_model::{PlainCredentials, Secret, read_plain};

use super::{Phase, Question, Server, State};
use crate::command::{InitialResponse, decode};
use crate::config::Tls;
use crate::event::Event;
use crate::status;

impl Server {
    pub(super) fn take_capa(&mut self) {
        let mut lines = vec![
            status::CAPABILITIES,
            "TOP",
            "UIDL",
            "RESP-CODES",
            "AUTH-RESP-CODE",
            "PIPELINING",
            "EXPIRE NEVER",
        ];
        if self.may_log_in() {
            lines.extend(["USER", "SASL PLAIN"]);
        }
        if self.config.tls == Tls::Offered && matches!(self.state, State::Authorization(_)) {
            lines.push("STLS");
        }
        lines.push(".");
        lines.into_iter().for_each(|line| self.say(line));
    }

    pub(super) fn take_user(&mut self, name: String) {
        if self.refuses_log_in() {
            return;
        }
        // Known or not: the answer tells nothing about which accounts exist.
        self.state = State::Authorization(Some(name));
        self.say(status::SEND_PASSWORD);
    }

    pub(super) fn take_pass(&mut self, password: Secret) {
        if self.refuses_log_in() {
            return;
        }
        let name = match &mut self.state {
            State::Authorization(name) => name.take(),
            State::Transaction(_) => None,
        };
        match name {
            Some(authcid) => self.ask(PlainCredentials {
                authzid: String::new(),
                authcid,
                password,
            }),
            None => self.fail(status::USER_FIRST),
        }
    }

    pub(super) fn take_auth(&mut self, initial: Option<InitialResponse>) {
        if self.refuses_log_in() {
            return;
        }
        self.state = State::Authorization(None);
        match initial {
            Some(InitialResponse(response)) => self.take_response(&response),
            None => {
                self.say(status::CHALLENGE);
                self.phase = Phase::Auth;
            }
        }
    }

    pub(super) fn take_auth_line(&mut self, line: &[u8]) {
        if line == b"*" {
            return self.fail(status::CANCELLED);
        }
        match decode(line) {
            Some(response) => self.take_response(&response),
            None => self.fail(status::BAD_BASE64),
        }
    }

    fn take_response(&mut self, response: &[u8]) {
        match read_plain(response) {
            Ok(credentials) => self.ask(credentials),
            Err(_) => self.fail(status::BAD_RESPONSE),
        }
    }

    fn ask(&mut self, credentials: PlainCredentials) {
        self.question = Some(Question::Auth);
        self.events.push_back(Event::Auth(credentials));
    }

    /// Answers, when no password is taken now.
    fn refuses_log_in(&mut self) -> bool {
        let refusal = match (&self.state, self.config.tls) {
            (State::Transaction(_), _) => status::LOGGED_IN,
            _ if self.may_log_in() => return false,
            (_, Tls::Offered) => status::TLS_FIRST,
            _ => status::PASSWORDS_ABSENT,
        };
        self.fail(refusal);
        true
    }

    pub(super) fn take_stls(&mut self) {
        match (&self.state, self.config.tls) {
            (State::Transaction(_), _) => self.fail(status::LOGGED_IN),
            (_, Tls::Absent) => self.fail(status::TLS_ABSENT),
            (_, Tls::Active) => self.fail(status::TLS_ACTIVE),
            (_, Tls::Offered) => {
                self.question = Some(Question::StartTls);
                self.events.push_back(Event::StartTls);
            }
        }
    }

    /// Everything that came behind STLS in clear text is dropped unread: it may be an attacker's.
    pub(super) fn await_handshake(&mut self) {
        self.say(status::BEGIN_TLS);
        self.input.clear();
        self.phase = Phase::Handshake;
    }
}
