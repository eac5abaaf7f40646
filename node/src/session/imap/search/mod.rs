//! SEARCH (RFC 3501, section 6.4.4), in passes that each read more than the one before, of fewer messages: the view, hot
//! rows, structure rows, and at last the messages themselves, piece by piece.
//!
//! Work is bounded: by time, by what one pass holds, and by turns for others; the client hears of a long search.

mod criteria;
mod facts;
mod text;

use imap_wire::Numbering;
use imap_wire::command::Search;
use imap_wire::response::{Code, Status, write_search, write_untagged};
use mailstore::StoreError;
use tokio::time::Instant;

use super::channel::Channel;
use super::error::{End, Failure};
use super::limits::{MESSAGES_PER_TURN, SEARCH_PROGRESS, SEARCH_WITHIN};
use super::outcome::{Done, Outcome};
use super::rows::Pages;
use super::selected::Selected;
use super::selection::seq_at;
use super::session::Session;
use criteria::Criteria;
use facts::Facts;

/// The clock of one SEARCH.
struct Clock {
    ends: Instant,
    speaks: Instant,
}

impl Session {
    pub(super) async fn search(&mut self, command: Search) -> Outcome {
        let selected = self.selected.as_ref().ok_or(Failure::Bad("no mailbox is selected"))?;
        let criteria = Criteria::new(&command.key, &selected.view)?;
        let mut clock = Clock::new();
        let mut found = Vec::new();
        let open = self.search_view(&criteria, &mut found, &mut clock).await?;
        let open = if criteria.needs_rows() {
            self.search_rows(&criteria, open, &mut found, &mut clock).await?
        } else {
            open
        };
        self.search_messages(&criteria, &open, &mut found, &mut clock).await?;
        found.sort_unstable();
        self.tell_found(command.numbering, &found)
    }

    fn tell_found(&mut self, numbering: Numbering, found: &[usize]) -> Outcome {
        let selected = self.selected.as_ref().ok_or(Failure::Bad("no mailbox is selected"))?;
        let entries = selected.view.entries();
        let number = |at: &usize| match numbering {
            Numbering::Sequence => Some(seq_at(*at).get()),
            Numbering::Uid => entries.get(*at).map(|entry| entry.uid.get()),
        };
        write_search(&mut self.channel.out, found.iter().filter_map(number));
        Ok(Done::new("that is all"))
    }

    /// What the view decides goes to `found`; returns what is left to decide.
    async fn search_view(
        &mut self,
        criteria: &Criteria,
        found: &mut Vec<usize>,
        clock: &mut Clock,
    ) -> Result<Vec<usize>, Failure> {
        let mut open = Vec::new();
        let count = self
            .selected
            .as_ref()
            .map_or(0, |selected| selected.view.entries().len());
        for start in (0..count).step_by(MESSAGES_PER_TURN) {
            self.check_search(clock).await?;
            let Some(selected) = &self.selected else { break };
            let end = count.min(start + MESSAGES_PER_TURN);
            for (at, entry) in (start..end).zip(&selected.view.entries()[start..end]) {
                match criteria.holds(&Facts::of_view(seq_at(at), entry, selected.view.is_recent(entry.uid))) {
                    Some(true) => found.push(at),
                    Some(false) => {}
                    None => open.push(at),
                }
            }
            tokio::task::yield_now().await;
        }
        Ok(open)
    }

    async fn search_rows(
        &mut self,
        criteria: &Criteria,
        open: Vec<usize>,
        found: &mut Vec<usize>,
        clock: &mut Clock,
    ) -> Result<Vec<usize>, Failure> {
        let mut still_open = Vec::new();
        let mut rest = open.as_slice();
        while !rest.is_empty() {
            self.check_search(clock).await?;
            let Some(selected) = &self.selected else { break };
            let (now, later) = rest.split_at(rest.len().min(MESSAGES_PER_TURN));
            rest = later;
            let mut pages = Pages::new(&selected.view, now);
            while !pages.is_over() {
                for (at, hot) in pages.hot().await? {
                    let (Some(hot), Some(entry)) = (hot, selected.view.entries().get(at)) else {
                        continue;
                    };
                    let facts = Facts::of_view(seq_at(at), entry, selected.view.is_recent(entry.uid)).with_row(&hot);
                    match criteria.holds(&facts) {
                        Some(true) => found.push(at),
                        Some(false) => {}
                        None => still_open.push(at),
                    }
                }
            }
        }
        Ok(still_open)
    }

    async fn search_messages(
        &mut self,
        criteria: &Criteria,
        open: &[usize],
        found: &mut Vec<usize>,
        clock: &mut Clock,
    ) -> Result<(), Failure> {
        let stopping = self.stopping();
        let Self { channel, selected, .. } = self;
        let Some(selected) = selected else { return Ok(()) };
        let mut pages = Pages::new(&selected.view, open);
        while !pages.is_over() {
            for (at, details) in pages.details(true).await? {
                if *stopping.borrow() {
                    return Err(End::STOPPING.into());
                }
                clock.check(channel).await?;
                let Some(details) = details else { continue };
                match holds(criteria, selected, at, &details, clock, channel).await {
                    Ok(true) => found.push(at),
                    // Expunged while we looked: nobody finds it.
                    Ok(false) | Err(Failure::Store(StoreError::Expunged)) => {}
                    Err(failure) => return Err(failure),
                }
            }
        }
        Ok(())
    }

    async fn check_search(&mut self, clock: &mut Clock) -> Result<(), Failure> {
        self.check_end()?;
        clock.check(&mut self.channel).await
    }
}

/// Whether a message is one of those that are looked for: by its structure, else by its octets.
async fn holds(
    criteria: &Criteria,
    selected: &Selected,
    position: usize,
    details: &mailstore::query::Details,
    clock: &mut Clock,
    channel: &mut Channel,
) -> Result<bool, Failure> {
    let Some(entry) = selected.view.entries().get(position) else {
        return Ok(false);
    };
    let account = selected.view.account();
    let hot = details.hot().map_err(StoreError::from)?;
    let structure = account.structure(details).await?;
    let facts = Facts::of_view(seq_at(position), entry, selected.view.is_recent(entry.uid))
        .with_row(&hot)
        .with_structure(&structure);
    if let Some(holds) = criteria.holds(&facts) {
        return Ok(holds);
    }
    let strings = text::look(criteria, account, details, &structure, clock, channel).await?;
    Ok(criteria.holds(&facts.with_strings(&strings)).unwrap_or(false))
}

impl Clock {
    fn new() -> Self {
        let now = Instant::now();
        Self {
            ends: now + SEARCH_WITHIN,
            speaks: now + SEARCH_PROGRESS,
        }
    }

    /// Ends a search that takes too long, and lets the client know of one that takes long.
    async fn check(&mut self, channel: &mut Channel) -> Result<(), Failure> {
        let now = Instant::now();
        if now >= self.ends {
            return Err(Failure::no(
                Code::Limit,
                "the search takes too long, look for less at a time",
            ));
        }
        if now >= self.speaks {
            self.speaks = now + SEARCH_PROGRESS;
            write_untagged(&mut channel.out, Status::Ok, None, "still searching");
            channel.flush().await?;
        }
        Ok(())
    }
}
