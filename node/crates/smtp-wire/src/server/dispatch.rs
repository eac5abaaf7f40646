//! What each command does in the state it meets (RFC 5321 4.1.4).

use super::{Phase, Question, Server, Transaction};
use crate::command::{BadCommand, Command, Hello, HelloVerb, MailRequest};
use crate::config::{Profile, Tls};
use crate::event::{CloseReason, Event};
use crate::limits::{RECIPIENTS_MAX, TRANSACTIONS_MAX, UNKNOWN_COMMANDS_MAX};
use crate::mailbox::Recipient;
use crate::replies;

impl Server {
    pub(super) fn take_command(&mut self, line: &[u8]) {
        let command = match Command::read(line) {
            Ok(command) => command,
            Err(fault) => return self.take_bad_command(fault),
        };
        match command {
            Command::Hello(hello) => self.take_hello(hello),
            Command::Mail(request) => self.take_mail(request),
            Command::Rcpt(recipient) => self.take_rcpt(recipient),
            Command::Data => self.take_data(),
            Command::Bdat { bytes, is_last } => self.take_bdat(bytes, is_last),
            Command::Reset => {
                self.drop_transaction();
                self.say(&replies::ok());
                self.count_fruitless();
            }
            Command::Quit => {
                self.say(&replies::goodbye(&self.config.host));
                self.events.push_back(Event::Quit);
                self.end();
            }
            Command::StartTls => self.take_starttls(),
            Command::Auth(auth) => self.take_auth(auth),
            Command::Expand => self.fail(&replies::no_expansion()),
            Command::Noop | Command::Verify | Command::Help => {
                self.say(&match command {
                    Command::Verify => replies::not_verified(),
                    Command::Help => replies::help(),
                    _ => replies::ok(),
                });
                self.count_fruitless();
            }
        }
    }

    fn take_bad_command(&mut self, fault: BadCommand) {
        match fault {
            BadCommand::OtherProtocol => self.close(&fault.reply(), CloseReason::OtherProtocol),
            BadCommand::Bdat => self.close(&fault.reply(), CloseReason::BadChunkSize),
            BadCommand::Unknown => {
                self.tally.unknown_commands += 1;
                self.fail(&fault.reply());
                if self.tally.unknown_commands > UNKNOWN_COMMANDS_MAX {
                    self.close(&replies::too_many_errors(), CloseReason::TooManyErrors);
                }
            }
            _ => self.fail(&fault.reply()),
        }
    }

    fn take_hello(&mut self, hello: Hello) {
        let is_lmtp = self.config.profile == Profile::Lmtp;
        if is_lmtp != (hello.verb == HelloVerb::Lhlo) {
            let expected = if is_lmtp { "LHLO" } else { "EHLO" };
            return self.fail(&replies::wrong_hello(expected));
        }
        self.drop_transaction();
        let capabilities = match hello.verb {
            HelloVerb::Helo => Vec::new(),
            HelloVerb::Ehlo | HelloVerb::Lhlo => self.capabilities(),
        };
        self.say(&replies::hello(&self.config.host, &hello.name, &capabilities));
        self.hello = Some(hello.clone());
        self.events.push_back(Event::Hello(hello));
        self.count_fruitless();
    }

    fn capabilities(&self) -> Vec<String> {
        let mut capabilities = vec![
            "PIPELINING".to_owned(),
            format!("SIZE {}", self.config.message_bytes_max),
            "8BITMIME".to_owned(),
            "CHUNKING".to_owned(),
            "ENHANCEDSTATUSCODES".to_owned(),
        ];
        if self.config.tls == Tls::Offered {
            capabilities.push("STARTTLS".to_owned());
        }
        if self.may_authenticate() && !self.is_authenticated {
            capabilities.push("AUTH PLAIN LOGIN".to_owned());
        }
        capabilities
    }

    fn take_mail(&mut self, request: MailRequest) {
        if self.hello.is_none() {
            return self.fail(&replies::hello_first());
        }
        if self.config.profile == Profile::Submission && !self.is_authenticated {
            return self.fail(&replies::auth_first());
        }
        if self.transaction.is_some() {
            return self.fail(&replies::nested_mail());
        }
        if request
            .declared_bytes
            .is_some_and(|bytes| bytes > self.config.message_bytes_max)
        {
            return self.say(&replies::too_large());
        }
        if self.tally.transactions >= TRANSACTIONS_MAX {
            return self.close(&replies::too_many_transactions(), CloseReason::TooManyTransactions);
        }
        self.tally.transactions += 1;
        self.question = Some(Question::Mail);
        self.events.push_back(Event::Mail(request));
    }

    pub(super) fn begin_transaction(&mut self) {
        self.transaction = Some(Transaction::default());
        self.say(&replies::sender_ok());
    }

    fn take_rcpt(&mut self, recipient: Recipient) {
        let Some(transaction) = &self.transaction else {
            return self.fail(&replies::mail_first());
        };
        if transaction.intake.is_some() || transaction.failure.is_some() {
            return self.fail(&replies::chunks_begun());
        }
        if transaction.recipients >= RECIPIENTS_MAX {
            return self.say(&replies::too_many_recipients());
        }
        self.question = Some(Question::Rcpt);
        self.events.push_back(Event::Rcpt(recipient));
    }

    pub(super) fn add_recipient(&mut self) {
        if let Some(transaction) = &mut self.transaction {
            transaction.recipients += 1;
        }
        self.say(&replies::recipient_ok());
    }

    /// Gives an open transaction up, and says so.
    pub(super) fn drop_transaction(&mut self) {
        if self.transaction.take().is_some() {
            self.events.push_back(Event::Reset);
        }
    }

    fn take_starttls(&mut self) {
        match self.config.tls {
            Tls::Absent => self.fail(&replies::tls_absent()),
            Tls::Active => self.fail(&replies::tls_active()),
            Tls::Offered => {
                self.question = Some(Question::StartTls);
                self.events.push_back(Event::StartTls);
            }
        }
    }

    /// Everything that came behind STARTTLS in clear text is dropped unread: it may be an attacker's.
    pub(super) fn await_handshake(&mut self) {
        self.drop_transaction();
        self.say(&replies::ready_for_tls());
        self.input.clear();
        self.phase = Phase::Handshake;
    }
}
