//! What a run found, as tables in Markdown: the form in which `docs/performance.md` keeps them.

use std::io::{self, Write};

use comfy_table::{Table, presets};

use crate::cpu;
use crate::server::Server;
use crate::statistics::{median, ratio};
use crate::turns::{Cell, Turn};

/// How a table shows the speed of a server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Shown {
    /// Operations per second, and how many times as many as the first server did.
    Rate,
    /// Milliseconds per operation, and how many times as long as the first server took.
    Time,
}

/// Everything that a run found.
pub(crate) struct Findings {
    /// What the run is called.
    pub(crate) title: &'static str,
    /// What the keys of the cells are.
    pub(crate) heads: Vec<&'static str>,
    pub(crate) cells: Vec<Cell>,
    /// What is counted: messages, commands.
    pub(crate) unit: &'static str,
    pub(crate) shown: Shown,
    pub(crate) turns: Vec<Turn>,
    pub(crate) rounds: usize,
}

impl Findings {
    /// One line about a turn, for whoever waits; and keeps it.
    pub(crate) fn add(&mut self, turn: Turn, servers: &[Server]) {
        eprintln!(
            "round {}: {}, {}: {} {}, {:.0} µs CPU each, others {:.2} cores, disk {:.0}/s",
            turn.round,
            self.cells[turn.cell].keys.join(", "),
            servers[turn.server].name,
            self.speed(turn.rate),
            self.speed_unit(),
            turn.server_cpu * 1e6,
            turn.other_cores,
            turn.disk,
        );
        self.turns.push(turn);
    }

    /// Everything, with what the servers are.
    pub(crate) fn print(&self, servers: &[Server]) -> io::Result<()> {
        let mut out = io::stdout().lock();
        writeln!(out, "### {}\n", self.title)?;
        for server in servers {
            writeln!(out, "- {}: {}", server.name, server.description)?;
        }
        writeln!(
            out,
            "\n{} cores, medians of {} rounds; ratios are medians of the ratios of each round.\n",
            cpu::cores(),
            self.rounds
        )?;
        writeln!(out, "{}\n", self.speeds(servers))?;
        writeln!(out, "{}\n", self.costs(servers))?;
        out.flush()
    }

    /// The middle of what `of` says of the turns of a server at a cell.
    pub(crate) fn middle(&self, cell: usize, server: usize, of: impl Fn(&Turn) -> f64) -> f64 {
        let turns = self
            .turns
            .iter()
            .filter(|turn| turn.cell == cell && turn.server == server);
        median(turns.map(of))
    }

    /// The middle of a server's speed over the first one's, round by round.
    fn times(&self, cell: usize, server: usize) -> f64 {
        let rate = |server, round| {
            let mut turns = self.turns.iter();
            let found = turns.find(|turn| turn.cell == cell && turn.server == server && turn.round == round);
            found.map_or(0.0, |turn| turn.rate)
        };
        let of_round = |round| match self.shown {
            Shown::Rate => ratio(rate(server, round), rate(0, round)),
            Shown::Time => ratio(rate(0, round), rate(server, round)),
        };
        median((1..=self.rounds).map(of_round).filter(|ratio| *ratio > 0.0))
    }

    fn of_cell(&self, cell: usize, of: impl Fn(&Turn) -> f64) -> f64 {
        median(self.turns.iter().filter(|turn| turn.cell == cell).map(of))
    }

    fn speed(&self, rate: f64) -> String {
        match self.shown {
            Shown::Rate => short(rate),
            Shown::Time => short(ratio(1e3, rate)),
        }
    }

    fn speed_unit(&self) -> String {
        match self.shown {
            Shown::Rate => format!("{}/s", self.unit),
            Shown::Time => "ms".to_owned(),
        }
    }

    fn head(&self) -> Vec<String> {
        self.heads.iter().map(|head| (*head).to_owned()).collect()
    }

    fn speeds(&self, servers: &[Server]) -> Table {
        let mut header = self.head();
        header.push("disk appends/s".to_owned());
        for (at, server) in servers.iter().enumerate() {
            header.push(format!("{} {}", server.name, self.speed_unit()));
            header.extend((at > 0).then(|| format!("× {}", servers[0].name)));
        }
        header.push("goal".to_owned());
        let row = |cell: usize| {
            let mut row = self.cells[cell].keys.clone();
            row.push(short(self.of_cell(cell, |turn| turn.disk)));
            for server in 0..servers.len() {
                let rate = self.middle(cell, server, |turn| turn.rate);
                let is_there = rate > 0.0;
                row.push(if is_there { self.speed(rate) } else { "–".to_owned() });
                let times = self.times(cell, server);
                row.extend((server > 0).then(|| {
                    if is_there {
                        format!("{times:.2}")
                    } else {
                        "–".to_owned()
                    }
                }));
            }
            row.push(self.cells[cell].goal.to_owned());
            row
        };
        table(header, (0..self.cells.len()).map(row))
    }

    fn costs(&self, servers: &[Server]) -> Table {
        let mut header = self.head();
        for server in servers {
            header.push(format!("{} CPU µs/{}", server.name, self.unit));
            header.push("wait p50 / p99 ms".to_owned());
        }
        header.extend([format!("load CPU µs/{}", self.unit), "others, cores".to_owned()]);
        let row = |cell: usize| {
            let mut row = self.cells[cell].keys.clone();
            for server in 0..servers.len() {
                let middle = |of: fn(&Turn) -> f64| short(self.middle(cell, server, of));
                let (p50, p99) = (middle(|turn| turn.wait_p50 * 1e3), middle(|turn| turn.wait_p99 * 1e3));
                if self.turns.iter().any(|turn| turn.cell == cell && turn.server == server) {
                    row.push(middle(|turn| turn.server_cpu * 1e6));
                    row.push(format!("{p50} / {p99}"));
                } else {
                    row.extend(["–".to_owned(), "–".to_owned()]);
                }
            }
            row.push(short(self.of_cell(cell, |turn| turn.load_cpu * 1e6)));
            row.push(format!("{:.2}", self.of_cell(cell, |turn| turn.other_cores)));
            row
        };
        table(header, (0..self.cells.len()).map(row))
    }
}

/// A number with as many places as it is worth.
pub(crate) fn short(number: f64) -> String {
    match number {
        number if number >= 99.5 => format!("{number:.0}"),
        number if number >= 9.95 => format!("{number:.1}"),
        number => format!("{number:.2}"),
    }
}

/// As Markdown.
pub(crate) fn table(header: Vec<String>, rows: impl Iterator<Item = Vec<String>>) -> Table {
    let mut table = Table::new();
    table.load_style(presets::ASCII_MARKDOWN).set_header(header);
    table.add_rows(rows);
    table
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn small_numbers_keep_their_places() {
        assert_eq!(
            [0.3_f64, 12.84, 45.0, 99.9, 166_000.4].map(short),
            ["0.30", "12.8", "45.0", "100", "166000"]
        );
    }

    #[test]
    fn ratios_of_times_are_turned_round() {
        let turn = |server, round, rate| Turn {
            cell: 0,
            server,
            round,
            operations: 1,
            rate,
            wait_p50: 0.0,
            wait_p99: 0.0,
            server_cpu: 0.0,
            load_cpu: 0.0,
            other_cores: 0.0,
            disk: 0.0,
        };
        let mut findings = Findings {
            title: "x",
            heads: vec!["work"],
            cells: vec![Cell::new(["a"], "")],
            unit: "msg",
            shown: Shown::Rate,
            turns: vec![turn(0, 1, 10.0), turn(1, 1, 20.0), turn(0, 2, 10.0), turn(1, 2, 40.0)],
            rounds: 2,
        };
        assert!((findings.times(0, 1) - 3.0).abs() < 1e-9);
        findings.shown = Shown::Time;
        assert!((findings.times(0, 1) - 0.375).abs() < 1e-9);
    }
}
