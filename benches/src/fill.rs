//! Mailboxes with many messages, made as fast as a server takes them; how fast is not measured here.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use anyhow::{Context, ensure};
use tokio::task::JoinSet;

use crate::imap::{Client, How};
use crate::limits::{FILL_BATCH, FILL_CLIENTS};
use crate::message::Stock;
use crate::server::Server;

/// What a mailbox is to hold: messages of one size, every other one with `\Seen`.
#[derive(Clone, Copy)]
pub(crate) struct Mailbox {
    pub(crate) account: usize,
    pub(crate) messages: usize,
    pub(crate) size: usize,
}

/// Puts the messages into the INBOX of the account, and sees that all are there.
///
/// # Errors
/// When the server refuses one.
pub(crate) async fn fill(server: &Server, mailbox: Mailbox) -> anyhow::Result<()> {
    let filling = try_fill(server, mailbox).await;
    filling.with_context(|| format!("fill a mailbox of {} with {} messages", server.name, mailbox.messages))
}

async fn try_fill(server: &Server, mailbox: Mailbox) -> anyhow::Result<()> {
    let mut first = Client::connect(server.imap[0], &How::Plain).await?;
    first.log_in(mailbox.account).await?;
    let is_multi = first.offers("MULTIAPPEND").await?;
    // One lock on the mailbox for many messages, or many messages under way at once.
    let clients = if is_multi {
        1
    } else {
        mailbox.messages.div_ceil(FILL_BATCH).min(FILL_CLIENTS)
    };
    let (stock, done) = (Arc::new(Stock::new(mailbox.size)), Arc::new(AtomicUsize::new(0)));
    let mut tasks = JoinSet::new();
    for client in 0..clients {
        let address = server.imap[client % server.imap.len()];
        let (stock, done) = (stock.clone(), done.clone());
        tasks.spawn(async move {
            let mut client = Client::connect(address, &How::Plain).await?;
            client.log_in(mailbox.account).await?;
            loop {
                let from = done.fetch_add(FILL_BATCH, Ordering::Relaxed);
                let until = mailbox.messages.min(from + FILL_BATCH);
                if from >= until {
                    return client.log_out().await;
                }
                client.append(&stock, from..until, is_multi).await?;
            }
        });
    }
    while let Some(ended) = tasks.join_next().await {
        ended.context("a client ended")??;
    }
    let answer = first.run("SELECT INBOX").await?;
    let exists = answer
        .number("EXISTS")
        .context("SELECT does not say how many messages there are")?;
    ensure!(exists == mailbox.messages as u64, "it has {exists} messages");
    first.log_out().await
}
