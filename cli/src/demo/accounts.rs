//! The domain and the accounts of a demo, made where they are missing.

use std::collections::BTreeSet;

use anyhow::bail;
use cluster_config::admin::{AddAccount, AddDomain, Password};
use futures::stream::{self, StreamExt};
use tokio::time::{Instant, sleep};

use crate::admin_client::{AdminClient, CallError};
use crate::command::{account, domain};
use crate::limits::{DEMO_ACCOUNTS_AT_ONCE, DEMO_LOOK_EVERY, DEMO_READY_WITHIN};
use crate::progress::Progress;

/// The domain of a demo (RFC 2606 reserves its top level).
pub(crate) const DOMAIN: &str = "demo.test";
/// The password of every account.
pub(crate) const PASSWORD: &str = "demo";

/// The address of an account, from 1.
pub(crate) fn address(number: u32) -> String {
    format!("user{number}@{DOMAIN}")
}

/// Returns once the domain and the first `count` accounts are there. What fails is looked at anew and tried again,
/// since each step may be repeated.
pub(crate) async fn provide(client: &AdminClient, count: u32, progress: &Progress) -> anyhow::Result<()> {
    let deadline = Instant::now() + DEMO_READY_WITHIN;
    loop {
        let error = match provide_once(client, count, progress).await {
            Ok(()) => return Ok(()),
            Err(error) => error,
        };
        if Instant::now() >= deadline {
            bail!("{error}");
        }
        sleep(DEMO_LOOK_EVERY).await;
    }
}

async fn provide_once(client: &AdminClient, count: u32, progress: &Progress) -> anyhow::Result<()> {
    if domain::all(client).await?.iter().all(|row| row.domain != DOMAIN) {
        let domain = DOMAIN.to_owned();
        client.anywhere(&AddDomain { domain, alias_of: None }).await?;
    }
    let there = account::all(client)
        .await?
        .into_iter()
        .filter(|row| row.state != "creating");
    let there: BTreeSet<String> = there.flat_map(|row| row.addresses).collect();
    let missing = (1..=count).map(address).filter(|address| !there.contains(address));
    let mut making = stream::iter(missing)
        .map(|address| make(client, address))
        .buffer_unordered(DEMO_ACCOUNTS_AT_ONCE);
    let mut done = there.len();
    while let Some(made) = making.next().await {
        made?;
        done += 1;
        progress.count("making accounts", done, count as usize);
    }
    Ok(())
}

async fn make(client: &AdminClient, address: String) -> Result<(), CallError> {
    let call = AddAccount {
        address,
        password: Password(PASSWORD.to_owned()),
        quota_bytes: None,
    };
    client.anywhere(&call).await.map(drop)
}
