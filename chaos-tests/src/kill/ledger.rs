//! What was sent to each account, what was done to it there, and what was seen of it: the oracle of a run.
//!
//! What must hold
//! - A message that was acknowledged, or seen once, is there: once, at every node, byte for byte.
//! - One that was neither is there at most once.
//! - One that was moved or removed, and the server said so, is where it was moved to, or nowhere; without an answer it is
//!   wholly here or wholly there.
//! - A UID means one message for ever, a message has one UID in a mailbox, UIDVALIDITY stays, UIDNEXT never falls and is
//!   above every UID.
//! - A flag is as the last acknowledged STORE has left it.
//!
//! Invariants: whatever may take effect is noted before it is asked for; what the server has said, after. Whoever changes
//! messages that are there holds the account's desk, so that no two clients are after one message. What had no answer is
//! left alone from then on, since it may take effect late.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard};

use super::Violation;
use super::world::user;
use crate::process::client::Selected;

/// A mailbox of an account.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Place {
    Inbox,
    Archive,
}

impl Place {
    pub(super) const ALL: [Self; 2] = [Self::Inbox, Self::Archive];

    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Inbox => "INBOX",
            Self::Archive => "Archive",
        }
    }
}

/// How a message came in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Form {
    /// Behind trace headers.
    Delivered,
    /// As it is, with flags of its own.
    Appended,
}

/// What is done to a message at most once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Act {
    /// To the archive.
    Move,
    Remove,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Progress {
    Untouched,
    /// Asked for; it may have taken effect or may still do so.
    Begun(Act),
    Done(Act),
}

/// Whether a message has `\Flagged`; `None` when nobody can say.
type Flagged = Option<bool>;

#[derive(Clone, Copy, Debug)]
struct Fate {
    form: Form,
    /// The server has acknowledged it, or shown it.
    is_certain: bool,
    progress: Progress,
    flagged: Flagged,
}

/// What is known of a mailbox.
#[derive(Debug, Default)]
struct Uids {
    uid_validity: Option<u32>,
    /// Lowest UIDNEXT that may still be shown.
    floor: u32,
    numbers: BTreeMap<u32, u32>,
    uids: BTreeMap<u32, u32>,
}

#[derive(Debug, Default)]
struct Book {
    fates: BTreeMap<u32, Fate>,
    mailboxes: BTreeMap<Place, Uids>,
    /// What the first node showed at the end.
    last: Option<View>,
}

/// A message as a node shows it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Seen {
    pub(super) uid: u32,
    pub(super) number: u32,
    /// Sorted, without `\Recent`.
    pub(super) flags: Vec<String>,
}

/// What a node shows of an account, ascending by UID.
pub(super) type View = BTreeMap<Place, Vec<Seen>>;

/// Where messages are for certain, at one instant; nowhere is a place, too.
pub(super) struct Certain(BTreeMap<u32, Option<Place>>);

/// See the module. Accounts count from 1.
pub(super) struct Ledger {
    books: Vec<Mutex<Book>>,
    desks: Vec<Mutex<()>>,
}

impl Ledger {
    pub(super) fn new(accounts: u32) -> Self {
        Self {
            books: (0..accounts).map(|_| Mutex::default()).collect(),
            desks: (0..accounts).map(|_| Mutex::default()).collect(),
        }
    }

    fn book(&self, account: u32) -> MutexGuard<'_, Book> {
        self.books[account as usize - 1].lock().expect("no client panics")
    }

    /// The right to change messages of an account; `None` when another client has it.
    pub(super) fn desk(&self, account: u32) -> Option<MutexGuard<'_, ()>> {
        self.desks[account as usize - 1].try_lock().ok()
    }

    /// A message is about to be sent to an account.
    pub(super) fn sends(&self, account: u32, number: u32, form: Form) {
        let fate = Fate {
            form,
            is_certain: false,
            progress: Progress::Untouched,
            flagged: Some(false),
        };
        self.book(account).fates.insert(number, fate);
    }

    /// The server has acknowledged it.
    pub(super) fn acknowledged(&self, account: u32, number: u32) {
        self.change(account, number, |fate| fate.is_certain = true);
    }

    fn change<T>(&self, account: u32, number: u32, change: impl FnOnce(&mut Fate) -> T) -> T {
        let mut book = self.book(account);
        change(book.fates.get_mut(&number).expect("it was sent before"))
    }

    /// Whether this message may be acted on; from then on it is nobody else's. Only with the desk.
    pub(super) fn claim(&self, account: u32, number: u32, act: Act) -> bool {
        self.change(account, number, |fate| {
            let is_free = fate.progress == Progress::Untouched;
            if is_free {
                fate.progress = Progress::Begun(act);
            }
            is_free
        })
    }

    /// The server has acknowledged the act that was claimed.
    pub(super) fn did(&self, account: u32, number: u32) {
        self.change(account, number, |fate| {
            if let Progress::Begun(act) = fate.progress {
                fate.progress = Progress::Done(act);
            }
        });
    }

    /// What the flag of a message is to become, if that may be changed; until [`Self::flagged`] nobody knows what it is.
    /// Only with the desk.
    pub(super) fn flags(&self, account: u32, number: u32) -> Option<bool> {
        self.change(account, number, |fate| match fate.progress {
            Progress::Untouched => fate.flagged.take().map(|is_set| !is_set),
            _ => None,
        })
    }

    /// The server has acknowledged it.
    pub(super) fn flagged(&self, account: u32, number: u32, is_set: bool) {
        self.change(account, number, |fate| fate.flagged = Some(is_set));
    }

    /// The lowest UIDNEXT that a SELECT may show which begins after this.
    pub(super) fn floor(&self, account: u32, place: Place) -> u32 {
        self.book(account).mailboxes.entry(place).or_default().floor
    }

    /// A mailbox was selected, after `floor` was asked for.
    pub(super) fn selected(&self, account: u32, place: Place, floor: u32, selected: Selected) -> Result<(), Violation> {
        let mut book = self.book(account);
        let uids = book.mailboxes.entry(place).or_default();
        uids.validity(account, place, selected.uid_validity)?;
        if selected.uid_next < floor {
            let (shown, user) = (selected.uid_next, user(account));
            return Err(Violation(format!(
                "{user} {}: UIDNEXT is {shown} after {floor}",
                place.name()
            )));
        }
        uids.floor = uids.floor.max(selected.uid_next);
        Ok(())
    }

    /// A message was seen in a mailbox.
    pub(super) fn saw(
        &self,
        account: u32,
        place: Place,
        uid_validity: u32,
        uid: u32,
        number: u32,
    ) -> Result<(), Violation> {
        let mut book = self.book(account);
        let wrong = |what: String| Violation(format!("{} {}: {what}", user(account), place.name()));
        let Some(fate) = book.fates.get_mut(&number) else {
            return Err(wrong(format!("nobody sent message {number}")));
        };
        fate.is_certain = true;
        let uids = book.mailboxes.entry(place).or_default();
        uids.validity(account, place, uid_validity)?;
        let known = *uids.numbers.entry(uid).or_insert(number);
        if known != number {
            return Err(wrong(format!("UID {uid} was message {known} and is message {number}")));
        }
        let known = *uids.uids.entry(number).or_insert(uid);
        if known != uid {
            return Err(wrong(format!("message {number} has UID {uid} and UID {known}")));
        }
        uids.floor = uids.floor.max(uid + 1);
        Ok(())
    }

    /// Where messages are for certain.
    pub(super) fn certain(&self, account: u32) -> Certain {
        let book = self.book(account);
        let places = book
            .fates
            .iter()
            .filter_map(|(number, fate)| Some((*number, fate.place()?)));
        Certain(places.collect())
    }

    /// Holds what was seen against what was certain before anybody looked, unless it has changed since.
    pub(super) fn compare(&self, account: u32, before: &Certain, view: &View) -> Result<(), Violation> {
        let now = self.certain(account);
        for (number, place) in &before.0 {
            if now.0.get(number) == Some(place) {
                expect(account, *number, view, &[*place])?;
            }
        }
        Ok(())
    }

    /// Holds what a node shows at the end, when nobody changes anything any more, against everything that is known.
    pub(super) fn settle(&self, account: u32, view: View) -> Result<(), Violation> {
        let mut book = self.book(account);
        for (number, fate) in &book.fates {
            expect(account, *number, &view, fate.places())?;
            let seen = view.values().flatten().find(|seen| seen.number == *number);
            if let Some(fault) = seen.and_then(|seen| fate.flag_fault(*number, &seen.flags)) {
                return Err(Violation(format!("{}: message {number}: {fault}", user(account))));
            }
        }
        match &book.last {
            Some(last) if *last != view => Err(Violation(format!(
                "{}: two nodes show different things: {last:?}, {view:?}",
                user(account)
            ))),
            _ => {
                book.last = Some(view);
                Ok(())
            }
        }
    }

    /// How a message came in.
    pub(super) fn form(&self, account: u32, number: u32) -> Option<Form> {
        self.book(account).fates.get(&number).map(|fate| fate.form)
    }
}

impl Uids {
    fn validity(&mut self, account: u32, place: Place, shown: u32) -> Result<(), Violation> {
        let known = *self.uid_validity.get_or_insert(shown);
        if known == shown {
            return Ok(());
        }
        let (user, place) = (user(account), place.name());
        Err(Violation(format!(
            "{user} {place}: UIDVALIDITY was {known} and is {shown}"
        )))
    }
}

impl Fate {
    /// Where the message may be.
    fn places(&self) -> &'static [Option<Place>] {
        const NOWHERE: Option<Place> = None;
        const INBOX: Option<Place> = Some(Place::Inbox);
        const ARCHIVE: Option<Place> = Some(Place::Archive);
        match (self.progress, self.is_certain) {
            (Progress::Untouched, true) => &[INBOX],
            (Progress::Untouched, false) | (Progress::Begun(Act::Remove), _) => &[INBOX, NOWHERE],
            (Progress::Begun(Act::Move), _) => &[INBOX, ARCHIVE],
            (Progress::Done(Act::Move), _) => &[ARCHIVE],
            (Progress::Done(Act::Remove), _) => &[NOWHERE],
        }
    }

    /// Where it is, if there is only one place.
    fn place(&self) -> Option<Option<Place>> {
        match self.places() {
            [place] => Some(*place),
            _ => None,
        }
    }

    fn flag_fault(&self, number: u32, flags: &[String]) -> Option<String> {
        let has = |flag: &str| flags.iter().any(|each| each == flag);
        let answered = self.form == Form::Appended && is_answered(number);
        let is_wrong = self.flagged.is_some_and(|is_set| is_set != has("\\Flagged"))
            || has("\\Answered") != answered
            || (has("\\Deleted") && self.progress != Progress::Begun(Act::Remove));
        is_wrong.then(|| {
            format!(
                "flags {flags:?}, \\Flagged should be {:?}, \\Answered {answered}",
                self.flagged
            )
        })
    }
}

/// Whether a message is appended with `\Answered`.
pub(super) fn is_answered(number: u32) -> bool {
    number % 2 == 1
}

/// Fails unless `view` shows the message once in one of `places`, and in no other.
fn expect(account: u32, number: u32, view: &View, places: &[Option<Place>]) -> Result<(), Violation> {
    let of_place = |(place, seen): (&Place, &Vec<Seen>)| {
        let count = seen.iter().filter(|seen| seen.number == number).count();
        std::iter::repeat_n(Some(*place), count).collect::<Vec<_>>()
    };
    let mut found: Vec<Option<Place>> = view.iter().flat_map(of_place).collect();
    if found.is_empty() {
        found.push(None);
    }
    if found.len() == 1 && places.contains(&found[0]) {
        return Ok(());
    }
    let names = |places: &[Option<Place>]| {
        let name = |place: &Option<Place>| place.map_or("nowhere", Place::name);
        places.iter().map(name).collect::<Vec<_>>()
    };
    Err(Violation(format!(
        "{}: message {number} was found: {}; it should be: {}",
        user(account),
        names(&found).join(" and "),
        names(places).join(" or ")
    )))
}

#[cfg(test)]
mod tests {
    use super::*;

    const ACCOUNT: u32 = 1;

    fn seen(uid: u32, number: u32) -> Seen {
        let flags = Vec::new();
        Seen { uid, number, flags }
    }

    fn inbox(seen: &[Seen]) -> View {
        BTreeMap::from([(Place::Inbox, seen.to_vec())])
    }

    fn one_acknowledged() -> Ledger {
        let ledger = Ledger::new(1);
        ledger.sends(ACCOUNT, 2, Form::Delivered);
        ledger.acknowledged(ACCOUNT, 2);
        ledger
    }

    #[test]
    fn what_was_acknowledged_is_there_once() {
        let ledger = one_acknowledged();
        assert!(ledger.settle(ACCOUNT, inbox(&[seen(1, 2)])).is_ok());
        for wrong in [&[][..], &[seen(1, 2), seen(2, 2)]] {
            assert!(one_acknowledged().settle(ACCOUNT, inbox(wrong)).is_err(), "{wrong:?}");
        }
    }

    #[test]
    fn what_was_not_acknowledged_may_be_there_until_it_was_seen() {
        for views in [&[][..], &[seen(1, 2)]] {
            let ledger = Ledger::new(1);
            ledger.sends(ACCOUNT, 2, Form::Delivered);
            assert!(ledger.settle(ACCOUNT, inbox(views)).is_ok());
        }
        let ledger = Ledger::new(1);
        ledger.sends(ACCOUNT, 2, Form::Delivered);
        ledger.saw(ACCOUNT, Place::Inbox, 1, 1, 2).unwrap();
        assert!(ledger.settle(ACCOUNT, inbox(&[])).is_err());
    }

    #[test]
    fn acts_move_what_they_say_and_nothing_half() {
        let archived = BTreeMap::from([(Place::Archive, vec![seen(1, 2)])]);
        let both = BTreeMap::from([(Place::Inbox, vec![seen(1, 2)]), (Place::Archive, vec![seen(1, 2)])]);
        let here = || inbox(&[seen(1, 2)]);
        let nowhere = || inbox(&[]);
        for (act, done, right) in [
            (Act::Move, false, vec![here(), archived.clone()]),
            (Act::Move, true, vec![archived.clone()]),
            (Act::Remove, false, vec![here(), nowhere()]),
            (Act::Remove, true, vec![nowhere()]),
        ] {
            for view in [here(), nowhere(), archived.clone(), both.clone()] {
                let ledger = one_acknowledged();
                assert!(ledger.claim(ACCOUNT, 2, act) && !ledger.claim(ACCOUNT, 2, act));
                if done {
                    ledger.did(ACCOUNT, 2);
                }
                let outcome = ledger.settle(ACCOUNT, view.clone());
                assert_eq!(outcome.is_ok(), right.contains(&view), "{act:?} {done} {view:?}");
            }
        }
    }

    #[test]
    fn a_uid_is_one_message_and_a_message_has_one_uid() {
        let ledger = one_acknowledged();
        ledger.sends(ACCOUNT, 4, Form::Delivered);
        ledger.saw(ACCOUNT, Place::Inbox, 7, 1, 2).unwrap();
        assert!(ledger.saw(ACCOUNT, Place::Inbox, 7, 1, 2).is_ok());
        assert!(ledger.saw(ACCOUNT, Place::Archive, 8, 1, 4).is_ok());
        for (uid_validity, uid, number) in [(7, 1, 4), (7, 2, 2), (9, 3, 4), (7, 3, 5)] {
            let outcome = ledger.saw(ACCOUNT, Place::Inbox, uid_validity, uid, number);
            assert!(outcome.is_err(), "{uid_validity} {uid} {number}");
        }
    }

    #[test]
    fn uidnext_never_falls() {
        let ledger = one_acknowledged();
        let selected = |uid_next| Selected {
            exists: 1,
            uid_validity: 7,
            uid_next,
        };
        ledger.saw(ACCOUNT, Place::Inbox, 7, 4, 2).unwrap();
        let floor = ledger.floor(ACCOUNT, Place::Inbox);
        assert!(ledger.selected(ACCOUNT, Place::Inbox, floor, selected(4)).is_err());
        assert!(ledger.selected(ACCOUNT, Place::Inbox, floor, selected(9)).is_ok());
        // One that began before the other ended.
        assert!(ledger.selected(ACCOUNT, Place::Inbox, floor, selected(5)).is_ok());
        let floor = ledger.floor(ACCOUNT, Place::Inbox);
        assert!(ledger.selected(ACCOUNT, Place::Inbox, floor, selected(8)).is_err());
    }

    #[test]
    fn flags_are_as_they_were_left() {
        let flagged = |flags: &[&str]| {
            let flags = flags.iter().map(|flag| (*flag).to_owned()).collect();
            inbox(&[Seen { flags, ..seen(1, 2) }])
        };
        let ledger = one_acknowledged();
        assert!(ledger.settle(ACCOUNT, flagged(&["\\Flagged"])).is_err());
        assert_eq!(ledger.flags(ACCOUNT, 2), Some(true));
        assert_eq!(ledger.flags(ACCOUNT, 2), None, "its outcome is not known");
        ledger.flagged(ACCOUNT, 2, true);
        assert!(ledger.settle(ACCOUNT, flagged(&[])).is_err());
        assert!(ledger.settle(ACCOUNT, flagged(&["\\Flagged"])).is_ok());
        assert!(one_acknowledged().settle(ACCOUNT, flagged(&["\\Deleted"])).is_err());
    }

    #[test]
    fn what_changes_while_somebody_looks_is_not_held_against_him() {
        let ledger = one_acknowledged();
        let before = ledger.certain(ACCOUNT);
        assert!(ledger.compare(ACCOUNT, &before, &inbox(&[])).is_err());
        ledger.claim(ACCOUNT, 2, Act::Remove);
        assert!(ledger.compare(ACCOUNT, &before, &inbox(&[])).is_ok());
    }

    #[test]
    fn nodes_that_disagree_show() {
        let ledger = one_acknowledged();
        assert!(ledger.settle(ACCOUNT, inbox(&[seen(1, 2)])).is_ok());
        assert!(ledger.settle(ACCOUNT, inbox(&[seen(3, 2)])).is_err());
    }
}
