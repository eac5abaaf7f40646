//! How results are shown: tables on a terminal, lines of tab-separated columns in a pipe, JSON when asked for.
//!
//! Invariants
//! - What a pipe gets has one record a line and no header, whatever the width of any terminal.
//! - Colors only repeat what the words say. Whether there are any is decided by `--color`, `NO_COLOR` and the terminal.

use std::borrow::Cow;
use std::io::{self, IsTerminal, Write};

use anstream::{AutoStream, ColorChoice};
use anstyle::{AnsiColor, Style};
use comfy_table::{Attribute, Color, ColumnConstraint, ContentArrangement, Table, presets};
use serde::Serialize;

use crate::limits::{TABLE_WRAPPED_MIN, TERMINAL_WIDTH};

/// What a word means to the reader.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Tone {
    /// Nothing in particular.
    #[default]
    Plain,
    /// All is well.
    Good,
    /// Somebody should look.
    Warning,
    /// Something is wrong.
    Bad,
    /// Of less interest than the rest.
    Faint,
}

/// One field of a row.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Cell {
    pub(crate) text: String,
    tone: Tone,
}

impl<T: Into<String>> From<T> for Cell {
    fn from(text: T) -> Self {
        let (text, tone) = (text.into(), Tone::Plain);
        Self { text, tone }
    }
}

impl Cell {
    /// Its text, with colors if standard output has them.
    pub(crate) fn painted(&self) -> Cow<'_, str> {
        self.tone.paint(&self.text)
    }
}

impl Tone {
    /// A field in this tone.
    pub(crate) fn cell(self, text: impl Into<String>) -> Cell {
        let text = text.into();
        Cell { text, tone: self }
    }

    /// A text in this tone, if standard output has colors.
    pub(crate) fn paint(self, text: &str) -> Cow<'_, str> {
        match self.style().filter(|_| has_colors()) {
            Some(style) => format!("{style}{text}{style:#}").into(),
            None => text.into(),
        }
    }

    fn style(self) -> Option<Style> {
        let color = |color: AnsiColor| Some(color.on_default());
        match self {
            Self::Plain => None,
            Self::Good => color(AnsiColor::Green),
            Self::Warning => color(AnsiColor::Yellow),
            Self::Bad => color(AnsiColor::Red),
            Self::Faint => Some(Style::new().dimmed()),
        }
    }
}

/// A list of records.
pub(crate) struct Rows<'a> {
    /// What kind of record it is: the first column in a pipe, for a command that shows several kinds.
    pub(crate) kind: Option<&'a str>,
    /// For a human; a pipe does not get it.
    pub(crate) header: &'a [&'a str],
    /// The records.
    pub(crate) rows: &'a [Vec<Cell>],
    /// What a human reads when there are none.
    pub(crate) none: &'a str,
}

/// Shows rows.
///
/// # Errors
/// When nobody takes the output.
pub(crate) fn rows(list: &Rows<'_>) -> io::Result<()> {
    let mut out = io::stdout().lock();
    match (is_terminal(), list.rows.is_empty()) {
        (true, true) => writeln!(out, "{}", list.none)?,
        (true, false) => writeln!(out, "{}", table(list.header, list.rows, width(), has_colors()))?,
        (false, _) => {
            for row in list.rows {
                writeln!(out, "{}", line_of(list.kind, row))?;
            }
        }
    }
    out.flush()
}

/// One record as a line. A tab or line end inside a field would be taken for one between fields.
fn line_of(kind: Option<&str>, row: &[Cell]) -> String {
    let fields = kind.map(Cow::from).into_iter().chain(row.iter().map(|cell| {
        let text = cell.text.replace(['\t', '\n', '\r'], " ");
        Cow::from(cell.tone.paint(&text).into_owned())
    }));
    fields.collect::<Vec<_>>().join("\t")
}

/// Rows as a human reads them, in lines of at most `width` columns: as they are where they fit; with the widest column
/// wrapped where enough is left for it; otherwise a line for each field.
#[must_use]
pub(crate) fn table(header: &[&str], rows: &[Vec<Cell>], width: u16, colored: bool) -> String {
    let mut table = Table::new();
    table.load_style(presets::NOTHING);
    let head = header.iter().map(|text| painted(text, Tone::Faint, colored));
    table.set_header(head.collect::<Vec<_>>());
    for row in rows {
        table.add_row(row.iter().map(|cell| painted(&cell.text, cell.tone, colored)));
    }
    for column in table.column_iter_mut() {
        column.set_padding((0, 2));
        column.set_constraint(ColumnConstraint::ContentWidth);
    }
    if colored {
        table.enforce_styling();
    }
    let columns: Vec<u16> = table.column_max_content_widths();
    let natural: usize = columns.iter().map(|column| usize::from(*column) + 2).sum();
    let Some((widest, most)) = columns.iter().enumerate().max_by_key(|(_, column)| **column) else {
        return String::new();
    };
    let others = natural - usize::from(*most) - 2;
    if natural > usize::from(width) + 2 {
        if others + usize::from(TABLE_WRAPPED_MIN) > usize::from(width) {
            return records(header, rows, colored);
        }
        if let Some(column) = table.column_mut(widest) {
            column.remove_constraint();
        }
        table
            .set_content_arrangement(ContentArrangement::Dynamic)
            .set_width(width);
    }
    table.trim_fmt()
}

fn painted(text: &str, tone: Tone, colored: bool) -> comfy_table::Cell {
    let cell = comfy_table::Cell::new(text);
    match tone {
        _ if !colored => cell,
        Tone::Plain => cell,
        Tone::Good => cell.fg(Color::DarkGreen),
        Tone::Warning => cell.fg(Color::DarkYellow),
        Tone::Bad => cell.fg(Color::DarkRed),
        Tone::Faint => cell.add_attribute(Attribute::Dim),
    }
}

/// A line for each field that has something in it, an empty line between records.
fn records(header: &[&str], rows: &[Vec<Cell>], colored: bool) -> String {
    let longest = header.iter().map(|name| name.len()).max().unwrap_or(0);
    let record = |row: &Vec<Cell>| {
        let fields = header.iter().zip(row).filter(|(_, cell)| !cell.text.is_empty());
        let lines = fields.map(|(name, cell)| {
            let text = match cell.tone.style().filter(|_| colored) {
                Some(style) => format!("{style}{}{style:#}", cell.text),
                None => cell.text.clone(),
            };
            format!("{name:longest$}  {text}")
        });
        lines.collect::<Vec<_>>().join("\n")
    };
    rows.iter().map(record).collect::<Vec<_>>().join("\n\n")
}

/// Whether a human looks at standard output.
#[must_use]
pub(crate) fn is_terminal() -> bool {
    io::stdout().is_terminal()
}

fn has_colors() -> bool {
    AutoStream::choice(&io::stdout()) != ColorChoice::Never
}

/// Has colors as `--color` says.
pub(crate) fn set_colors(choice: clap::ColorChoice) {
    let choice = match choice {
        clap::ColorChoice::Auto => ColorChoice::Auto,
        clap::ColorChoice::Always => ColorChoice::Always,
        clap::ColorChoice::Never => ColorChoice::Never,
    };
    choice.write_global();
}

/// Columns of the terminal.
fn width() -> u16 {
    Table::new()
        .width()
        .filter(|width| *width > 0)
        .unwrap_or(TERMINAL_WIDTH)
}

/// Sets two lists apart for a human; a pipe needs nothing.
///
/// # Errors
/// When nobody takes the output.
pub(crate) fn gap() -> io::Result<()> {
    if is_terminal() { line("") } else { Ok(()) }
}

/// Shows a value as JSON.
///
/// # Errors
/// When nobody takes the output.
pub(crate) fn json<T: Serialize + ?Sized>(value: &T) -> anyhow::Result<()> {
    line(&serde_json::to_string_pretty(value)?)?;
    Ok(())
}

/// Shows one line at once.
///
/// # Errors
/// When nobody takes the output.
pub(crate) fn line(text: &str) -> io::Result<()> {
    let mut out = io::stdout().lock();
    writeln!(out, "{text}")?;
    out.flush()
}

/// Bytes as a human reads them.
#[must_use]
pub(crate) fn bytes(bytes: u64) -> String {
    const UNITS: [&str; 5] = ["B", "KiB", "MiB", "GiB", "TiB"];
    let mut scaled = bytes;
    let mut rest = 0;
    let mut unit = 0;
    while scaled >= 1_024 && unit + 1 < UNITS.len() {
        rest = scaled % 1_024;
        scaled /= 1_024;
        unit += 1;
    }
    match unit {
        0 => format!("{scaled} B"),
        _ => format!("{scaled}.{} {}", rest * 10 / 1_024, UNITS[unit]),
    }
}

/// Milliseconds since 1970 as a human reads them, UTC.
#[must_use]
pub(crate) fn time(ms: u64) -> String {
    let time = i64::try_from(ms)
        .ok()
        .and_then(|ms| jiff::Timestamp::from_millisecond(ms).ok());
    time.map_or_else(
        || format!("{ms} ms"),
        |time| time.strftime("%Y-%m-%d %H:%M:%S").to_string(),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sample() -> Vec<Vec<Cell>> {
        let long = "it does not answer on its port for administrators, which is 21090";
        vec![
            vec!["n1".into(), Tone::Good.cell("up"), "".into()],
            vec!["n2".into(), Tone::Bad.cell("down"), long.into()],
        ]
    }

    fn longest_line(text: &str) -> usize {
        text.lines().map(str::len).max().unwrap_or(0)
    }

    #[test]
    fn a_table_is_as_narrow_as_the_terminal_and_loses_no_word() {
        for width in [200, 79, 60, 45, 40] {
            let table = table(&["NODE", "STATE", "NOTE"], &sample(), width, false);
            assert!(longest_line(&table) <= usize::from(width), "{width}:\n{table}");
            let words: Vec<&str> = table.split_whitespace().collect();
            for word in ["NODE", "n2", "down", "administrators,", "21090"] {
                assert!(words.contains(&word), "{width}: {word} is missing in\n{table}");
            }
        }
    }

    #[test]
    fn where_a_table_has_no_room_each_field_has_a_line() {
        let shown = table(&["NODE", "STATE", "NOTE"], &sample(), 20, false);
        let lines: Vec<&str> = shown.lines().collect();
        assert_eq!(lines[..4], ["NODE   n1", "STATE  up", "", "NODE   n2"], "{shown}");
    }

    #[test]
    fn colors_add_nothing_but_colors() {
        let plain = table(&["NODE", "STATE", "NOTE"], &sample(), 120, false);
        let colored = table(&["NODE", "STATE", "NOTE"], &sample(), 120, true);
        assert!(!plain.contains('\x1b') && colored.contains("\x1b["));
        let stripped = anstream::adapter::strip_str(&colored).to_string();
        let squeezed = |text: &str| text.split_whitespace().collect::<Vec<_>>().join(" ");
        assert_eq!(squeezed(&stripped), squeezed(&plain));
    }

    #[test]
    fn a_record_stays_on_one_line_of_a_pipe() {
        let row = ["a".into(), "two\nlines\tand a tab".into()];
        assert_eq!(line_of(None, &row), "a\ttwo lines and a tab");
        assert_eq!(line_of(Some("node"), &row[..1]), "node\ta");
    }

    #[test]
    fn bytes_are_shown_in_the_largest_unit_that_fits() {
        let shown = [0, 1_023, 1_536, 5 << 30, u64::MAX].map(bytes);
        assert_eq!(shown, ["0 B", "1023 B", "1.5 KiB", "5.0 GiB", "16777215.9 TiB"]);
    }

    #[test]
    fn times_are_shown_in_utc() {
        assert_eq!(time(0), "1970-01-01 00:00:00");
        assert_eq!(time(u64::MAX), format!("{} ms", u64::MAX));
    }
}
