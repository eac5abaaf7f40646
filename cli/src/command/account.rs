//! `holdfast account`: accounts and their passwords.

use std::io::{BufRead, IsTerminal, Read, stdin};
use std::process::ExitCode;

use anyhow::{Context, bail};
use clap::Subcommand;
use cluster_config::admin::{
    AccountRow, AddAccount, ListAccounts, Password, RemoveAccount, SetAccountEnabled, SetPassword, SetQuota,
};

use super::{Global, block_on};
use crate::admin_client::AdminClient;
use crate::limits::PASSWORD_BYTES_MAX;
use crate::output;

/// Add, list, disable, enable and remove accounts; set passwords and quotas
#[derive(Subcommand)]
#[command(after_help = "Examples:\n  holdfast account add ann@example.org\n  \
    printf '%s\\n' \"$PASSWORD\" | holdfast account passwd ann@example.org --password-stdin")]
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
    List {
        /// Write JSON
        #[arg(long)]
        json: bool,
    },
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

pub(super) fn run(global: &Global, account: &Account) -> anyhow::Result<ExitCode> {
    let client = AdminClient::new(global.cluster()?)?;
    block_on(async {
        match account {
            Account::Add {
                address,
                quota,
                password,
            } => {
                let call = AddAccount {
                    address: address.clone(),
                    password: password.read()?,
                    quota_bytes: quota.map(|Size(bytes)| bytes),
                };
                let made = client.anywhere(&call).await?;
                output::line(&format!(
                    "{address} is account {} in group {}",
                    made.account, made.group
                ))?;
            }
            Account::List { json } => list(&client, *json).await?,
            Account::Disable { address } => set_enabled(&client, address, false).await?,
            Account::Enable { address } => set_enabled(&client, address, true).await?,
            Account::Remove { address } => {
                let call = RemoveAccount {
                    address: address.clone(),
                };
                client.anywhere(&call).await?;
                output::line(&format!("{address} is removed"))?;
            }
            Account::Passwd { address, password } => {
                let call = SetPassword {
                    address: address.clone(),
                    password: password.read()?,
                };
                client.anywhere(&call).await?;
                output::line(&format!("{address} has a new password"))?;
            }
            Account::Quota { address, size } => {
                let call = SetQuota {
                    address: address.clone(),
                    quota_bytes: size.0,
                };
                client.anywhere(&call).await?;
                output::line(&format!("{address} has quota {}", shown_quota(size.0)))?;
            }
        }
        anyhow::Ok(())
    })??;
    Ok(ExitCode::SUCCESS)
}

async fn set_enabled(client: &AdminClient, address: &str, enabled: bool) -> anyhow::Result<()> {
    let address = address.to_owned();
    let call = SetAccountEnabled { address, enabled };
    client.anywhere(&call).await?;
    let state = if enabled { "enabled" } else { "disabled" };
    output::line(&format!("{} is {state}", call.address))?;
    Ok(())
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

async fn list(client: &AdminClient, json: bool) -> anyhow::Result<()> {
    let all = all(client).await?;
    if json {
        return output::json(&all);
    }
    let rows: Vec<_> = all.iter().map(row).collect();
    output::rows(
        &["ADDRESS", "STATE", "QUOTA", "ACCOUNT", "GROUP", "MORE ADDRESSES"],
        &rows,
    )?;
    Ok(())
}

fn row(account: &AccountRow) -> Vec<String> {
    let mut addresses = account.addresses.iter();
    vec![
        addresses.next().cloned().unwrap_or_default(),
        account.state.clone(),
        shown_quota(account.quota_bytes),
        account.account.to_string(),
        account.group.to_string(),
        addresses.cloned().collect::<Vec<_>>().join(" "),
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
                bail!("the two passwords differ");
            }
            password
        };
        if password.is_empty() {
            bail!("there is no password");
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
