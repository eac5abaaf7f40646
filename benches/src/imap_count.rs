//! How many messages a server has, asked over IMAP after a run: what was acknowledged has to be there.

use std::net::SocketAddr;

use anyhow::{Context, bail, ensure};
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::TcpStream;
use tokio::time::timeout;

use crate::limits::{ACCOUNTS, ANSWER_WITHIN, REPLY_LINE_BYTES_MAX};

/// Messages in the INBOXes of all accounts.
///
/// # Errors
/// When an account cannot be asked.
pub(crate) async fn messages(address: SocketAddr) -> anyhow::Result<u64> {
    let mut sum = 0;
    for account in 1..=ACCOUNTS {
        let of_account = timeout(ANSWER_WITHIN, of_account(address, account)).await;
        let of_account = of_account.with_context(|| format!("{address} does not answer"))?;
        sum += of_account.with_context(|| format!("count the messages of user{account}"))?;
    }
    Ok(sum)
}

async fn of_account(address: SocketAddr, account: usize) -> anyhow::Result<u64> {
    let mut stream = BufReader::new(TcpStream::connect(address).await?);
    let commands = format!("a LOGIN user{account}@demo.test demo\r\nb STATUS INBOX (MESSAGES)\r\nc LOGOUT\r\n");
    // What is sent ahead of a log-in may be dropped, so each command waits for the one before.
    let mut count = None;
    read_until(&mut stream, "* OK", &mut count).await?;
    for command in commands.split_inclusive('\n') {
        stream.get_mut().write_all(command.as_bytes()).await?;
        read_until(&mut stream, &command[..2], &mut count).await?;
    }
    count.context("STATUS had no answer")
}

/// Reads up to the line that starts with `start`, which has to say OK; takes the count from a STATUS on the way.
async fn read_until(stream: &mut BufReader<TcpStream>, start: &str, count: &mut Option<u64>) -> anyhow::Result<()> {
    loop {
        let mut line = String::new();
        if stream.take(REPLY_LINE_BYTES_MAX).read_line(&mut line).await? == 0 {
            bail!("the connection ended");
        }
        if let Some((_, rest)) = line.split_once("(MESSAGES ") {
            let number = rest.split(')').next().unwrap_or_default();
            *count = Some(number.parse().with_context(|| format!("read {line:?}"))?);
        }
        if line.starts_with(start) {
            ensure!(line.contains(" OK"), "answered {line:?}");
            return Ok(());
        }
    }
}
