//! Rows of many messages, page by page, for FETCH and SEARCH: never more than one page is held.
//!
//! Messages that another session expunged are there as long as the mail store keeps them (DESIGN M11); for one that is
//! gone for good there is `None`.

use mail_model::Uid;
use mailstore::StoreError;
use mailstore::front::MailboxView;
use mailstore::limits::{DETAILS_PER_QUERY, PAGE_ROWS};
use mailstore::query::Details;
use mailstore::record::HotRow;

use super::error::Failure;
use super::limits::ROWS_READ_PER_WANTED;
use super::selection::uids;

/// Positions in a view whose rows are read one page after another.
pub(super) struct Pages<'a> {
    view: &'a MailboxView,
    positions: &'a [usize],
}

impl<'a> Pages<'a> {
    /// The rows of the messages at `positions`, which ascend.
    pub(super) fn new(view: &'a MailboxView, positions: &'a [usize]) -> Self {
        Self { view, positions }
    }

    /// Whether there is no page left.
    pub(super) fn is_over(&self) -> bool {
        self.positions.is_empty()
    }

    /// The next page of everything about messages.
    pub(super) async fn details(&mut self, structure: bool) -> Result<Vec<(usize, Option<Details>)>, Failure> {
        let asked = &self.positions[..self.positions.len().min(DETAILS_PER_QUERY)];
        let wanted = uids(self.view, asked);
        let page = self
            .view
            .account()
            .details(self.view.mailbox(), &wanted, structure)
            .await;
        let (found, more) = page.map_err(Failure::of_selected)?;
        let last = found.last().filter(|_| more).map(|details| details.uid);
        // A page that ends early ends behind its last message; those before it that are missing are gone.
        let covered = match last {
            Some(last) => wanted.partition_point(|uid| *uid <= last),
            None => asked.len(),
        };
        self.positions = &self.positions[covered..];
        Ok(pair(&asked[..covered], &wanted, found, |details| details.uid))
    }

    /// The next page of flags, dates and sizes.
    pub(super) async fn hot(&mut self) -> Result<Vec<(usize, Option<HotRow>)>, Failure> {
        let Some(first) = self.positions.first().copied() else {
            return Ok(Vec::new());
        };
        let near = self.positions.partition_point(|at| at - first < PAGE_ROWS);
        let asked = &self.positions[..near];
        let last = asked.last().copied().unwrap_or(first);
        if last - first >= asked.len().saturating_mul(ROWS_READ_PER_WANTED) {
            return self.hot_of_details().await;
        }
        let wanted = uids(self.view, asked);
        let found = self.range(&wanted).await.map_err(Failure::of_selected)?;
        self.positions = &self.positions[near..];
        let mut page = pair(asked, &wanted, found, |(uid, _)| *uid);
        self.fill_expunged(&mut page).await?;
        Ok(page
            .into_iter()
            .map(|(at, found)| (at, found.map(|(_, row)| row)))
            .collect())
    }

    async fn hot_of_details(&mut self) -> Result<Vec<(usize, Option<HotRow>)>, Failure> {
        let page = self.details(false).await?;
        let mut rows = Vec::with_capacity(page.len());
        for (at, details) in page {
            let hot = details.map(|details| details.hot()).transpose();
            rows.push((at, hot.map_err(StoreError::from)?));
        }
        Ok(rows)
    }

    async fn range(&self, wanted: &[Uid]) -> Result<Vec<(Uid, HotRow)>, StoreError> {
        let mut found = Vec::with_capacity(wanted.len());
        let (Some(first), Some(last)) = (wanted.first(), wanted.last()) else {
            return Ok(found);
        };
        let mut from = Some(first.get());
        while let Some(at) = from {
            let page = self
                .view
                .account()
                .hot_page(self.view.mailbox(), at, last.get())
                .await?;
            for message in page.messages() {
                let (uid, hot) = message?;
                if wanted.binary_search(&uid).is_ok() {
                    found.push((uid, hot));
                }
            }
            from = page.next.filter(|next| *next <= last.get());
        }
        Ok(found)
    }

    /// Looks for what is no longer among the messages, but may still be kept.
    async fn fill_expunged(&self, page: &mut [(usize, Option<(Uid, HotRow)>)]) -> Result<(), Failure> {
        let missing: Vec<usize> = page
            .iter()
            .filter(|(_, row)| row.is_none())
            .map(|(at, _)| *at)
            .collect();
        let mut pages = Pages::new(self.view, &missing);
        while !pages.is_over() {
            for (position, details) in pages.details(false).await? {
                let Some(details) = details else { continue };
                let hot = details.hot().map_err(StoreError::from)?;
                if let Ok(at) = page.binary_search_by_key(&position, |(at, _)| *at) {
                    page[at].1 = Some((details.uid, hot));
                }
            }
        }
        Ok(())
    }
}

/// Puts what was found, in the order of UIDs, to its position.
fn pair<T>(asked: &[usize], wanted: &[Uid], found: Vec<T>, uid: impl Fn(&T) -> Uid) -> Vec<(usize, Option<T>)> {
    let mut found = found.into_iter().peekable();
    let pairs = asked.iter().zip(wanted).map(|(at, wanted)| {
        let row = found.next_if(|row| uid(row) == *wanted);
        (*at, row)
    });
    pairs.collect()
}
