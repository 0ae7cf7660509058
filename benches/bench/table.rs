//! Tables as Markdown, so that BENCHMARKS.md can quote them.

use std::io::Write;
use std::time::Duration;

/// Says a line.
pub(crate) fn say(line: &str) {
    writeln!(std::io::stdout(), "{line}").expect("standard output");
}

/// A heading, named columns, rows, and what is to be known about them.
pub(crate) struct Table {
    title: String,
    rows: Vec<Vec<String>>,
    notes: Vec<String>,
}

impl Table {
    pub(crate) fn new(title: &str, columns: &[&str]) -> Self {
        Self {
            title: title.to_owned(),
            rows: vec![columns.iter().map(|&column| column.to_owned()).collect()],
            notes: Vec::new(),
        }
    }

    pub(crate) fn row(&mut self, cells: Vec<String>) {
        assert_eq!(cells.len(), self.rows[0].len(), "{cells:?}");
        self.rows.push(cells);
    }

    pub(crate) fn note(&mut self, note: impl Into<String>) {
        self.notes.push(note.into());
    }

    /// An aim, what was measured, and whether that is so.
    pub(crate) fn aim(&mut self, aim: &str, measured: &str, is_met: bool) {
        let verdict = if is_met { "met" } else { "NOT met" };
        self.note(format!("aim: {aim}: {measured}, {verdict}"));
    }

    pub(crate) fn print(self) {
        let columns = self.rows[0].len();
        let widths: Vec<usize> = (0..columns)
            .map(|column| {
                let lengths = self.rows.iter().map(|row| row[column].chars().count());
                lengths.max().unwrap_or(0)
            })
            .collect();
        say(&format!("\n## {}\n", self.title));
        for (number, row) in self.rows.iter().enumerate() {
            let cells: Vec<String> = row
                .iter()
                .zip(&widths)
                .map(|(cell, &width)| format!("{cell:<width$}"))
                .collect();
            say(&format!("| {} |", cells.join(" | ")));
            if number == 0 {
                let rules: Vec<String> = widths.iter().map(|&width| "-".repeat(width)).collect();
                say(&format!("| {} |", rules.join(" | ")));
            }
        }
        if !self.notes.is_empty() {
            say("");
        }
        for note in &self.notes {
            say(&format!("- {note}"));
        }
    }
}

/// Milliseconds with one decimal.
pub(crate) fn millis(duration: Duration) -> String {
    format!("{:.1} ms", duration.as_secs_f64() * 1000.0)
}

/// How many times the first is the second.
pub(crate) fn times(one: f64, other: f64) -> String {
    format!("{:.2}x", one / other)
}

/// Bytes in a unit that fits, of 1024 each.
#[expect(clippy::cast_precision_loss, reason = "two decimals are shown")]
pub(crate) fn bytes(count: u64) -> String {
    const KIB: f64 = 1024.0;
    let count_in = count as f64;
    if count_in < KIB {
        format!("{count} B")
    } else if count_in < KIB * KIB {
        format!("{:.1} KiB", count_in / KIB)
    } else {
        format!("{:.1} MiB", count_in / KIB / KIB)
    }
}
