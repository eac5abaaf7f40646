//! The trace headers of a delivery, which stand before the message for one account (RFC 5321 4.4; DESIGN M1).

use mail_model::{Address, InternalDate};
use mailstore::directory;
use smtp_wire::{Protocol, Received, Recipient, ReversePath, delivered_to_field, return_path_field};

use crate::connection::Peer;

/// What all recipients of one message have in common.
pub(super) struct Trace<'a> {
    pub(super) sender: &'a ReversePath,
    pub(super) hello: &'a str,
    pub(super) peer: Peer,
    pub(super) host: &'a str,
    pub(super) protocol: Protocol,
    pub(super) id: &'a str,
    /// The recipient, if it is the only one of the transaction: none of several may learn of the others.
    pub(super) only_recipient: Option<&'a Recipient>,
    pub(super) date: InternalDate,
}

impl Trace<'_> {
    /// The Received field.
    pub(super) fn received(&self) -> String {
        let received = Received {
            hello: self.hello,
            peer: match self.peer {
                Peer::Ip(ip) => Some(ip.to_canonical()),
                Peer::Local => None,
            },
            by: self.host,
            protocol: self.protocol,
            id: self.id,
            only_recipient: self.only_recipient,
            date: self.date,
        };
        received.field()
    }

    /// Everything for one account, whole lines; `received` is the field of this trace.
    pub(super) fn prefix(&self, received: &str, account: &directory::Recipient) -> Vec<u8> {
        let mut prefix = return_path_field(self.sender);
        prefix.push_str(&delivered_to_field(&delivered_to(account)));
        prefix.push_str(received);
        prefix.into_bytes()
    }
}

/// The address that matched, with what followed its `+`: filters of users go by that.
fn delivered_to(account: &directory::Recipient) -> Address {
    let with_detail = account.detail.as_ref().and_then(|detail| {
        let local = format!("{}+{detail}", account.address.local());
        Address::of(&local, account.address.domain().clone()).ok()
    });
    with_detail.unwrap_or_else(|| account.address.clone())
}
