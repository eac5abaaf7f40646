//! `holdfast trace`: what became of a message or of the mail of an address, from the delivery logs of all nodes.

use std::process::ExitCode;

use anyhow::bail;
use clap::builder::RangedU64ValueParser;
use cluster_config::admin::{Trace as Call, TraceRow};

use super::{Global, note};
use crate::admin_client::AdminClient;
use crate::exit::FOUND;
use crate::limits::{ANSWER_WITHIN, TRACE_RECORDS, TRACE_RECORDS_MAX};
use crate::output::{self, Cell, Rows, Tone};

/// Show what became of a message, or of the mail from or to an address
#[derive(clap::Args)]
#[command(
    after_help = "Examples:\n  holdfast trace ann@example.org\n  holdfast trace '<4711@example.net>'\n\n\
    Exit status: 0 something was found; 3 nothing was found; 1 nothing was found and not all nodes answered; \
    2 wrong usage"
)]
pub(super) struct Trace {
    /// The id that the sender was given in the 250 reply, a Message-ID, or a part of an address
    what: String,
    /// How many of the newest lines to show
    #[arg(long, value_name = "NUMBER", default_value_t = TRACE_RECORDS as u64,
          value_parser = RangedU64ValueParser::<u64>::new().range(1..=TRACE_RECORDS_MAX as u64))]
    limit: u64,
}

pub(super) fn run(global: &Global, arguments: &Trace) -> anyhow::Result<ExitCode> {
    let client = AdminClient::new(global.cluster()?)?;
    let limit = usize::try_from(arguments.limit)?;
    let call = Call {
        text: arguments.what.clone(),
        limit,
    };
    let answers = global.block_on(client.everywhere(&call, ANSWER_WITHIN))?;
    let mut records = Vec::new();
    let mut silent = Vec::new();
    let mut in_part = Vec::new();
    for (node, answer) in answers {
        match answer {
            Ok(reply) => {
                if !reply.is_whole && reply.records.len() < limit {
                    in_part.push(node.name.as_str());
                }
                records.extend(reply.records);
            }
            Err(error) => {
                note(&error.to_string());
                silent.push(node.name.as_str());
            }
        }
    }
    records.sort_by_key(|record: &TraceRow| record.time_ms);
    let records = records.split_off(records.len().saturating_sub(limit));
    if global.json {
        output::json(&records)?;
    } else {
        output::rows(&Rows {
            kind: None,
            header: &[
                "TIME (UTC)",
                "NODE",
                "ID",
                "FROM",
                "TO",
                "OUTCOME",
                "DETAIL",
                "MESSAGE-ID",
            ],
            rows: &records.iter().map(row).collect::<Vec<_>>(),
            none: "nothing was found",
        })?;
    }
    if !in_part.is_empty() {
        note(&format!(
            "the logs of {} could be read in part only",
            in_part.join(", ")
        ));
    }
    match (records.is_empty(), silent.is_empty()) {
        (false, _) => Ok(ExitCode::SUCCESS),
        (true, true) => Ok(FOUND.into()),
        (true, false) => bail!("nothing was found, and {} could not be asked", silent.join(", ")),
    }
}

fn row(record: &TraceRow) -> Vec<Cell> {
    let message_id = record.message_id.as_ref().map(|id| format!("<{id}>"));
    let tone = match record.outcome.as_str() {
        "accepted" => Tone::Good,
        _ => Tone::Warning,
    };
    vec![
        output::time(record.time_ms).into(),
        record.node.clone().into(),
        record.id.clone().into(),
        format!("<{}>", record.sender).into(),
        format!("<{}>", record.recipient).into(),
        tone.cell(&record.outcome),
        record.detail.clone().into(),
        message_id.unwrap_or_default().into(),
    ]
}
