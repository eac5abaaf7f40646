//! What a run found, as tables in Markdown: the form in which `docs/performance.md` keeps them.

use std::io::{self, Write};

use comfy_table::{Table, presets};

use crate::cpu;
use crate::delivery::{Cell, Findings, Turn};
use crate::server::Server;
use crate::statistics::{median, ratio};

/// One line about a turn, for whoever waits.
pub(crate) fn progress(server: &str, turn: &Turn) {
    eprintln!(
        "round {}: {} bytes, {} connections, {server}: {:.0}/s, {:.0} µs CPU each, others {:.2} cores, disk {:.0}/s",
        turn.round + 1,
        turn.cell.size,
        turn.cell.connections,
        turn.messages_per_second,
        turn.server_cpu * 1e6,
        turn.other_cores,
        turn.disk,
    );
}

/// Everything.
pub(crate) fn print(findings: &Findings, servers: &[Server]) -> io::Result<()> {
    let mut out = io::stdout().lock();
    for server in servers {
        writeln!(out, "- {}: {}", server.name, server.description)?;
    }
    writeln!(
        out,
        "\n{} cores, medians of {} rounds; ratios are medians of the ratios of each round.\n",
        cpu::cores(),
        findings.rounds
    )?;
    writeln!(out, "{}\n", rates(findings))?;
    writeln!(out, "{}\n", costs(findings))?;
    out.flush()
}

impl Findings {
    /// The middle of what `of` says of the turns of a server at a cell.
    fn middle(&self, cell: Cell, server: usize, of: impl Fn(&Turn) -> f64) -> f64 {
        let turns = self
            .turns
            .iter()
            .filter(|turn| turn.cell == cell && turn.server == server);
        median(turns.map(of))
    }

    /// The middle of a server's rate over the first one's, round by round.
    fn times(&self, cell: Cell, server: usize) -> f64 {
        let rate = |server, round| {
            let mut turns = self.turns.iter();
            let found = turns.find(|turn| turn.cell == cell && turn.server == server && turn.round == round);
            found.map_or(0.0, |turn| turn.messages_per_second)
        };
        median((0..self.rounds).map(|round| ratio(rate(server, round), rate(0, round))))
    }

    fn of_cell(&self, cell: Cell, of: impl Fn(&Turn) -> f64) -> f64 {
        median(self.turns.iter().filter(|turn| turn.cell == cell).map(of))
    }
}

fn rates(findings: &Findings) -> Table {
    let mut header = vec!["size".to_owned(), "connections".to_owned(), "disk appends/s".to_owned()];
    for (at, name) in findings.servers.iter().enumerate() {
        header.push(format!("{name} msg/s"));
        header.extend((at > 0).then(|| format!("× {}", findings.servers[0])));
    }
    let row = |cell: &Cell| {
        let mut row = vec![kibibytes(cell.size), cell.connections.to_string()];
        row.push(format!("{:.0}", findings.of_cell(*cell, |turn| turn.disk)));
        for server in 0..findings.servers.len() {
            row.push(format!(
                "{:.0}",
                findings.middle(*cell, server, |turn| turn.messages_per_second)
            ));
            row.extend((server > 0).then(|| format!("{:.2}", findings.times(*cell, server))));
        }
        row
    };
    table(header, findings.cells.iter().map(row))
}

fn costs(findings: &Findings) -> Table {
    let mut header = vec!["size".to_owned(), "connections".to_owned()];
    for name in &findings.servers {
        header.push(format!("{name} CPU µs/msg"));
        header.push("wait p50 / p99 ms".to_owned());
    }
    header.extend(["load CPU µs/msg".to_owned(), "others, cores".to_owned()]);
    let row = |cell: &Cell| {
        let mut row = vec![kibibytes(cell.size), cell.connections.to_string()];
        for server in 0..findings.servers.len() {
            row.push(format!(
                "{:.0}",
                findings.middle(*cell, server, |turn| turn.server_cpu * 1e6)
            ));
            row.push(format!(
                "{:.1} / {:.1}",
                findings.middle(*cell, server, |turn| turn.wait_p50 * 1e3),
                findings.middle(*cell, server, |turn| turn.wait_p99 * 1e3),
            ));
        }
        row.push(format!("{:.0}", findings.of_cell(*cell, |turn| turn.load_cpu * 1e6)));
        row.push(format!("{:.2}", findings.of_cell(*cell, |turn| turn.other_cores)));
        row
    };
    table(header, findings.cells.iter().map(row))
}

fn kibibytes(bytes: usize) -> String {
    format!("{} kB", bytes >> 10)
}

/// As Markdown.
pub(crate) fn table(header: Vec<String>, rows: impl Iterator<Item = Vec<String>>) -> Table {
    let mut table = Table::new();
    table.load_style(presets::ASCII_MARKDOWN).set_header(header);
    table.add_rows(rows);
    table
}
