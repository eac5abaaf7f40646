//! `holdfast account`: accounts and their passwords.

use std::io::{BufRead, IsTerminal, Read, stdin};

use anyhow::{Context, bail};
use clap::Subcommand;
use cluster_config::admin::{
    AccountMade, AccountRow, AddAccount, Call, ListAccounts, Password, RemoveAccount, SetAccountEnabled, SetPassword,
    SetQuota,
};
use serde::Serialize;

use super::{Changed, Global};
use crate::admin_client::AdminClient;
use crate::limits::PASSWORD_BYTES_MAX;
use crate::output::{self, Cell, Rows, Tone};

/// Add, list, disable, enable and remove accounts; set passwords and quotas
#[derive(Subcommand)]
#[command(
    after_help = "Examples:\n  holdfast account add ann@example.org\n  holdfast account list\n  \
    printf '%s\\n' \"$PASSWORD\" | holdfast account passwd ann@example.org --password-stdin"
)]
pub(super) enum Account {
    /// Make an account, with INBOX, Drafts, Sent, Junk, Trash and Archive
    #[command(after_help = "Example:\n  holdfast account add ann@example.org --quota 5G")]
    Add {
        /// Its address
        address: String,
        /// How much it may hold, as in 500M or 5G; none for no limit [default: what the policy says]
        #[arg(long, value_name = "SIZE")]
        quota: Option<Size>,
        #[command(flatten)]
        password: PasswordFrom,
    },
    /// List all accounts
    #[command(after_help = "Example:\n  holdfast account list --json")]
    List,
    /// Keep an account from logging in and getting mail; what it has stays
    #[command(after_help = "Example:\n  holdfast account disable ann@example.org")]
    Disable {
        /// An address of it
        address: String,
    },
    /// Let a disabled account log in and get mail again
    #[command(after_help = "Example:\n  holdfast account enable ann@example.org")]
    Enable {
        /// An address of it
        address: String,
    },
    /// Remove an account
    #[command(after_help = "Example:\n  holdfast account remove ann@example.org")]
    Remove {
        /// An address of it
        address: String,
    },
    /// Set the password of an account
    #[command(after_help = "Example:\n  holdfast account passwd ann@example.org")]
    Passwd {
        /// An address of it
        address: String,
        #[command(flatten)]
        password: PasswordFrom,
    },
    /// Set how much an account may hold
    #[command(after_help = "Example:\n  holdfast account quota ann@example.org 5G")]
    Quota {
        /// An address of it
        address: String,
        /// As in 500M or 5G; none for no limit, default for what the policy says
        size: QuotaSize,
    },
}

/// Where a password comes from.
#[derive(clap::Args)]
pub(super) struct PasswordFrom {
    /// Read the password as one line from standard input; without it, it is asked for on the terminal
    #[arg(long)]
    password_stdin: bool,
}

/// A quota; 0 for no limit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Size(u64);

impl std::str::FromStr for Size {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        if text == "none" {
            return Ok(Self(0));
        }
        let digits = text.trim_end_matches(|last: char| !last.is_ascii_digit());
        let shift = match &text[digits.len()..] {
            "" => 0,
            "K" | "KiB" => 10,
            "M" | "MiB" => 20,
            "G" | "GiB" => 30,
            "T" | "TiB" => 40,
            _ => return Err("write it as in 500M or 5G".to_owned()),
        };
        let number: u64 = digits.parse().map_err(|_| "write it as in 500M or 5G".to_owned())?;
        match number.checked_mul(1 << shift) {
            None => Err("that is more than can be counted".to_owned()),
            Some(0) => Err("write none for no limit".to_owned()),
            Some(bytes) => Ok(Self(bytes)),
        }
    }
}

/// A quota, or what the policy says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct QuotaSize(Option<u64>);

impl std::str::FromStr for QuotaSize {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text {
            "default" => Ok(Self(None)),
            _ => text.parse().map(|Size(bytes)| Self(Some(bytes))),
        }
    }
}

pub(super) fn run(global: &Global, account: &Account) -> anyhow::Result<()> {
    let client = AdminClient::new(global.cluster()?)?;
    match account {
        Account::Add {
            address,
            quota,
            password,
        } => add(global, &client, address, *quota, password),
        Account::List => list(global, &client),
        Account::Disable { address } => set_enabled(global, &client, address, false),
        Account::Enable { address } => set_enabled(global, &client, address, true),
        Account::Remove { address } => {
            let call = RemoveAccount {
                address: address.clone(),
            };
            ask(global, &client, &call)?;
            changed(global, address, "removed", "is removed")
        }
        Account::Passwd { address, password } => {
            let call = SetPassword {
                address: address.clone(),
                password: password.read()?,
            };
            ask(global, &client, &call)?;
            changed(global, address, "password set", "has a new password")
        }
        Account::Quota { address, size } => {
            let call = SetQuota {
                address: address.clone(),
                quota_bytes: size.0,
            };
            ask(global, &client, &call)?;
            changed(
                global,
                address,
                "quota set",
                &format!("has quota {}", shown_quota(size.0)),
            )
        }
    }
}

/// Asks about an account that should be there.
fn ask<C: Call>(global: &Global, client: &AdminClient, call: &C) -> anyhow::Result<C::Reply> {
    let answer = global.block_on(client.anywhere(call))?;
    answer.map_err(|error| error.advised("holdfast account list shows all accounts").into())
}

fn changed(global: &Global, address: &str, done: &str, text: &str) -> anyhow::Result<()> {
    global.done(&format!("{address} {text}"), &Changed { what: address, done })
}

#[derive(Serialize)]
struct Made<'a> {
    #[serde(flatten)]
    changed: Changed<'a>,
    #[serde(flatten)]
    made: AccountMade,
}

fn add(
    global: &Global,
    client: &AdminClient,
    address: &str,
    quota: Option<Size>,
    password: &PasswordFrom,
) -> anyhow::Result<()> {
    let call = AddAccount {
        address: address.to_owned(),
        password: password.read()?,
        quota_bytes: quota.map(|Size(bytes)| bytes),
    };
    let made = global.block_on(client.anywhere(&call))??;
    let text = format!("{address} is account {} in group {}", made.account, made.group);
    let (what, done) = (address, "added");
    let changed = Changed { what, done };
    global.done(&text, &Made { changed, made })
}

fn set_enabled(global: &Global, client: &AdminClient, address: &str, enabled: bool) -> anyhow::Result<()> {
    let call = SetAccountEnabled {
        address: address.to_owned(),
        enabled,
    };
    ask(global, client, &call)?;
    let state = if enabled { "enabled" } else { "disabled" };
    changed(global, address, state, &format!("is {state}"))
}

/// All accounts, however many.
pub(crate) async fn all(client: &AdminClient) -> anyhow::Result<Vec<AccountRow>> {
    let mut all = Vec::new();
    let mut after = None;
    loop {
        let page = client.anywhere(&ListAccounts { after }).await?;
        all.extend(page.rows);
        match all.last() {
            Some(last) if page.more => after = Some(last.account),
            _ => return Ok(all),
        }
    }
}

fn list(global: &Global, client: &AdminClient) -> anyhow::Result<()> {
    let all = global.block_on(all(client))??;
    if global.json {
        return output::json(&all);
    }
    output::rows(&Rows {
        kind: None,
        header: &["ADDRESS", "STATE", "QUOTA", "ACCOUNT", "GROUP", "MORE ADDRESSES"],
        rows: &all.iter().map(row).collect::<Vec<_>>(),
        none: "there is no account yet: holdfast account add ADDRESS makes one",
    })?;
    Ok(())
}

fn row(account: &AccountRow) -> Vec<Cell> {
    let mut addresses = account.addresses.iter();
    let tone = match account.state.as_str() {
        "active" => Tone::Good,
        _ => Tone::Warning,
    };
    vec![
        addresses.next().cloned().unwrap_or_default().into(),
        tone.cell(&account.state),
        shown_quota(account.quota_bytes).into(),
        account.account.to_string().into(),
        account.group.to_string().into(),
        addresses.cloned().collect::<Vec<_>>().join(" ").into(),
    ]
}

fn shown_quota(quota: Option<u64>) -> String {
    match quota {
        None => "default".to_owned(),
        Some(0) => "none".to_owned(),
        Some(bytes) => output::bytes(bytes),
    }
}

impl PasswordFrom {
    fn read(&self) -> anyhow::Result<Password> {
        let password = if self.password_stdin || !stdin().is_terminal() {
            let mut line = String::new();
            let read = stdin().lock().take(PASSWORD_BYTES_MAX).read_line(&mut line);
            read.context("read the password from standard input")?;
            line.trim_end_matches(['\r', '\n']).to_owned()
        } else {
            let password = rpassword::prompt_password("Password: ")?;
            if rpassword::prompt_password("Again: ")? != password {
                bail!("the two passwords differ, and nothing was changed: try again");
            }
            password
        };
        if password.is_empty() {
            bail!(
                "the password is empty, and nothing was changed: give one on the terminal, or as one line with --password-stdin"
            );
        }
        Ok(Password(password))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quotas_are_written_with_a_unit_or_as_words() {
        assert_eq!("5G".parse(), Ok(Size(5 << 30)));
        assert_eq!("500MiB".parse(), Ok(Size(500 << 20)));
        assert_eq!("none".parse(), Ok(QuotaSize(Some(0))));
        assert_eq!("default".parse(), Ok(QuotaSize(None)));
        for wrong in ["", "G", "5X", "-1G", "0", "99999999999T", "5 G"] {
            assert!(wrong.parse::<Size>().is_err(), "{wrong:?}");
        }
    }
}
