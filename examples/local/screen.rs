//! Where it is shown: a terminal with status lines at the bottom, plain lines, or JSON for machines.

use std::io::{ErrorKind, IsTerminal as _, Write};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

use ecs_deploy_action::settings::environment;
use serde_json::Value;
use textwrap::core::display_width;
use textwrap::{Options, WordSeparator, WordSplitter, WrapAlgorithm};

pub(crate) const BOLD: &str = "\x1b[1m";
pub(crate) const DIM: &str = "\x1b[2m";
pub(crate) const GREEN: &str = "\x1b[32m";
pub(crate) const RED: &str = "\x1b[31m";
pub(crate) const YELLOW: &str = "\x1b[33m";
/// No colour.
pub(crate) const PLAIN: &str = "";

const RESET: &str = "\x1b[0m";
/// All from the first column of this line on.
const CLEAR_BELOW: &str = "\r\x1b[J";

/// Of a terminal that does not say how large it is.
const SIZE_DEFAULT: Size = Size {
    columns: 80,
    rows: 24,
};
/// Nothing is wrapped to less.
const COLUMNS_LEAST: usize = 20;

/// What a line begins with, as `01:23  `, and as wide as what follows on it is indented.
const TIME_COLUMNS: usize = 7;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Size {
    columns: usize,
    rows: usize,
}

impl Size {
    /// Some terminals say 0.
    fn of((columns, rows): (terminal_size::Width, terminal_size::Height)) -> Self {
        let (columns, rows) = (usize::from(columns.0), usize::from(rows.0));
        if columns == 0 || rows == 0 {
            return SIZE_DEFAULT;
        }
        Self { columns, rows }
    }
}

/// How it is shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Style {
    /// With colours, and with status lines that are drawn anew.
    Drawn,
    /// Without an escape code.
    Plain,
    /// A line of JSON for each step.
    Json,
}

impl Style {
    fn of(json: bool, is_terminal: bool, variable: impl Fn(&str) -> Option<String>) -> Self {
        let is_dumb = variable("TERM").is_some_and(|term| term == "dumb");
        // https://no-color.org
        let has_no_colour = variable("NO_COLOR").is_some_and(|written| !written.is_empty());
        match (json, is_terminal) {
            (true, _) => Self::Json,
            (false, true) if !is_dumb && !has_no_colour => Self::Drawn,
            (false, _) => Self::Plain,
        }
    }
}

/// Something that was to be written is lost, which the exit status says.
static HAS_LOST: AtomicBool = AtomicBool::new(false);

/// Notes that something that was to be written is lost, and was reported.
pub(crate) fn lost() {
    HAS_LOST.store(true, Ordering::Relaxed);
}

/// Whether something is lost.
pub(crate) fn has_lost() -> bool {
    HAS_LOST.load(Ordering::Relaxed)
}

/// Reports the first loss; what is lost after it is likely to have the same reason. Whoever closed
/// the pipe wants no more.
pub(crate) fn kept<T>(what: &str, written: std::io::Result<T>) -> std::io::Result<T> {
    if let Err(error) = &written
        && error.kind() != ErrorKind::BrokenPipe
        && !HAS_LOST.swap(true, Ordering::Relaxed)
    {
        problem(&format!(
            "{what} cannot be written: {error}. Some of it is lost."
        ));
    }
    written
}

/// A part of a line: its colour and its text.
pub(crate) type Span = (&'static str, String);

/// Standard output.
pub(crate) struct Screen {
    style: Style,
    /// The status lines, as long as they are drawn. The cursor waits in the first column of the
    /// first: whatever a resized terminal makes of them, all from there on is to be cleared.
    status: Mutex<Vec<Vec<Span>>>,
}

impl Screen {
    pub(crate) fn new(json: bool) -> Self {
        Self {
            style: Style::of(json, std::io::stdout().is_terminal(), environment),
            status: Mutex::default(),
        }
    }

    pub(crate) fn style(&self) -> Style {
        self.style
    }

    fn status_lines(&self) -> MutexGuard<'_, Vec<Vec<Span>>> {
        self.status.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Writes a line of JSON, if that is the style.
    pub(crate) fn json(&self, step: &Value) {
        if self.style == Style::Json {
            write(&format!("{step}\n"));
        }
    }

    /// Writes a text for people above the status lines.
    pub(crate) fn text(&self, colour: &'static str, text: &str) {
        self.lines(colour, "", text);
    }

    /// The same with a time before it.
    pub(crate) fn at(&self, time: &str, colour: &'static str, text: &str) {
        self.lines(colour, time, text);
    }

    fn lines(&self, colour: &'static str, time: &str, text: &str) {
        if self.style == Style::Json {
            return;
        }
        let begin = if time.is_empty() { 0 } else { TIME_COLUMNS };
        let width = stdout_columns().map(|all| all.saturating_sub(begin));
        let mut written = String::new();
        for (number, line) in wrapped(text, width).into_iter().enumerate() {
            let time = if number == 0 { time } else { "" };
            if begin > 0 {
                written.push_str(&self.painted(DIM, &format!("{time:<TIME_COLUMNS$}")));
            }
            written.push_str(&self.painted(colour, &line));
            written.push('\n');
        }
        self.above(|| write(&written));
    }

    fn painted(&self, colour: &str, text: &str) -> String {
        if self.style != Style::Drawn || colour.is_empty() || text.trim().is_empty() {
            return text.to_owned();
        }
        format!("{colour}{text}{RESET}")
    }

    /// Draws the status lines, in the place of those that are there.
    pub(crate) fn status(&self, lines: Vec<Vec<Span>>) {
        if self.style != Style::Drawn {
            return;
        }
        let mut status = self.status_lines();
        *status = lines;
        write(&drawn(&status, stdout_size().unwrap_or(SIZE_DEFAULT)));
    }

    /// Takes the status lines away.
    pub(crate) fn end_status(&self) {
        let mut status = self.status_lines();
        if !std::mem::take(&mut *status).is_empty() {
            write(CLEAR_BELOW);
        }
    }

    /// Writes to the terminal with the status lines out of the way.
    pub(crate) fn above<T>(&self, write_all: impl FnOnce() -> T) -> T {
        let status = self.status_lines();
        if status.is_empty() {
            return write_all();
        }
        write(CLEAR_BELOW);
        let result = write_all();
        write(&drawn(&status, stdout_size().unwrap_or(SIZE_DEFAULT)));
        result
    }
}

impl Drop for Screen {
    /// Whatever ends it, the prompt comes on a line of its own.
    fn drop(&mut self) {
        self.end_status();
    }
}

/// Writes a text that is laid out for 80 columns to standard output.
pub(crate) fn text(message: &str) {
    let narrow = stdout_columns().filter(|columns| *columns < SIZE_DEFAULT.columns);
    let narrowed = narrow.map(|columns| laid_out(message, columns).join("\n"));
    write(&format!("{}\n", narrowed.as_deref().unwrap_or(message)));
}

/// Writes a text to standard error, wrapped if that is a terminal.
pub(crate) fn problem(message: &str) {
    let size = terminal_size::terminal_size_of(std::io::stderr()).map(Size::of);
    for line in wrapped(message, columns(size)) {
        problem_line(&line);
    }
}

/// Writes a command to standard error, in one line, so that it can be copied.
pub(crate) fn command(written: &str) {
    problem_line(written);
}

/// Where standard error cannot be written to, the exit status alone can say so.
fn problem_line(line: &str) {
    let written = writeln!(std::io::stderr(), "{line}");
    if written.is_err_and(|error| error.kind() != ErrorKind::BrokenPipe) {
        lost();
    }
}

/// Writes to standard output.
fn write(written: &str) {
    let mut out = std::io::stdout();
    let done = out.write_all(written.as_bytes()).and_then(|()| out.flush());
    // Reported, which is all that can be done about it here.
    drop(kept("The output", done));
}

/// So many columns a line of standard output may have, if that is a terminal.
pub(crate) fn stdout_columns() -> Option<usize> {
    columns(stdout_size())
}

fn stdout_size() -> Option<Size> {
    terminal_size::terminal_size_of(std::io::stdout()).map(Size::of)
}

/// Of a terminal, if it is one.
fn columns(size: Option<Size>) -> Option<usize> {
    size.map(|size| size.columns.max(COLUMNS_LEAST))
}

/// What draws status lines and leaves the cursor in the first column of the first.
fn drawn(lines: &[Vec<Span>], size: Size) -> String {
    // A line of all columns would leave the cursor on the next one in some terminals.
    let columns = size.columns.saturating_sub(1);
    let rows = lines.len().min(size.rows.saturating_sub(1).max(1));
    let mut written = CLEAR_BELOW.to_owned();
    for (number, line) in lines.iter().take(rows).enumerate() {
        if number > 0 {
            written.push('\n');
        }
        let mut left = columns;
        for (colour, text) in line {
            let text = cut(text, left);
            left = left.saturating_sub(display_width(&text));
            if colour.is_empty() {
                written.push_str(&text);
            } else {
                written.push_str(&format!("{colour}{text}{RESET}"));
            }
        }
    }
    written.push('\r');
    if rows > 1 {
        written.push_str(&format!("\x1b[{}A", rows - 1));
    }
    written
}

/// At most so many columns of `text`, ending in `…` if it was longer.
fn cut(text: &str, columns: usize) -> String {
    if display_width(text) <= columns {
        return text.to_owned();
    }
    let mut kept = String::new();
    let mut left = columns.saturating_sub(1);
    for c in text.chars() {
        let width = display_width(c.encode_utf8(&mut [0; 4]));
        if width > left {
            break;
        }
        left -= width;
        kept.push(c);
    }
    if columns > 0 {
        kept.push('…');
    }
    kept
}

/// The columns of an explanation beside its name, at least; with fewer it stands below.
const EXPLANATION_COLUMNS_LEAST: usize = 20;
/// So much further than its name it begins there.
const EXPLANATION_INDENT: usize = 4;

/// A text of paragraphs, and of names with explanations beside them, for fewer columns than it was
/// written for. What follows of an explanation stands below its beginning if there is room.
fn laid_out(text: &str, columns: usize) -> Vec<String> {
    let indent = |line: &str| line.len() - line.trim_start().len();
    // Each paragraph or explanation in one line, with the place where its explanation begins.
    let mut joined: Vec<(String, usize)> = Vec::new();
    for line in text.split('\n') {
        let gap = line.trim_start().find("  ").map(|gap| gap + indent(line));
        let explained = gap.map(|gap| gap + indent(&line[gap..]));
        match joined.last_mut() {
            Some((before, hang))
                if !before.is_empty()
                    && !line.is_empty()
                    && explained.is_none()
                    && indent(line) == *hang =>
            {
                before.push(' ');
                before.push_str(line.trim_start());
            }
            _ => joined.push((line.to_owned(), explained.unwrap_or(indent(line)))),
        }
    }
    let lines = joined.iter().flat_map(|(line, hang)| {
        let begin = indent(line);
        if *hang == begin {
            return wrapped(line, Some(columns));
        }
        let (name, explanation) = line.split_at(*hang);
        if hang + EXPLANATION_COLUMNS_LEAST > columns {
            let below = " ".repeat(begin + EXPLANATION_INDENT) + explanation;
            let name = wrapped(name.trim_end(), Some(columns));
            return [name, wrapped(&below, Some(columns))].concat();
        }
        let explanation = wrapped(explanation, Some(columns - hang));
        let heads = std::iter::once(name.to_owned()).chain(std::iter::repeat(" ".repeat(*hang)));
        let lines = heads.zip(explanation);
        lines.map(|(head, part)| head + &part).collect()
    });
    lines.collect()
}

/// The lines of `text`, broken between words where they have more columns. What follows on a broken
/// line has its indent. A word that is longer stays whole: it may be an address, or one of a command.
fn wrapped(text: &str, columns: Option<usize>) -> Vec<String> {
    let Some(columns) = columns else {
        return text.split('\n').map(str::to_owned).collect();
    };
    let mut lines = Vec::new();
    for line in text.split('\n') {
        let content = line.trim_start_matches([' ', '-', '+']);
        let begin = &line[..line.len() - content.len()];
        let indent = " ".repeat(display_width(begin));
        let options = Options::new(columns)
            .initial_indent(begin)
            .subsequent_indent(&indent)
            .break_words(false)
            .word_separator(WordSeparator::AsciiSpace)
            .word_splitter(WordSplitter::NoHyphenation)
            .wrap_algorithm(WrapAlgorithm::FirstFit);
        let broken = textwrap::wrap(content, options);
        lines.extend(broken.into_iter().map(std::borrow::Cow::into_owned));
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::*;

    fn style(is_terminal: bool, variables: &[(&str, &str)]) -> Style {
        Style::of(false, is_terminal, |name| {
            let found = variables.iter().find(|(known, _)| *known == name);
            found.map(|(_, value)| (*value).to_owned())
        })
    }

    #[test]
    fn there_are_escape_codes_on_a_terminal_only_and_not_where_nobody_wants_them() {
        assert_eq!(style(true, &[("TERM", "xterm")]), Style::Drawn);
        assert_eq!(style(true, &[("NO_COLOR", "")]), Style::Drawn);
        assert_eq!(style(true, &[("NO_COLOR", "0")]), Style::Plain);
        assert_eq!(style(true, &[("TERM", "dumb")]), Style::Plain);
        assert_eq!(style(false, &[("TERM", "xterm")]), Style::Plain);
        assert_eq!(Style::of(true, true, |_| None), Style::Json);
    }

    #[test]
    fn prose_is_broken_between_words_and_keeps_its_indent_and_a_long_word_stays_whole() {
        let text = "one two three\n  - four five six\nan arn:aws:ecs:eu-central-1 it is";
        let lines = wrapped(text, Some(10));
        let expected = [
            "one two",
            "three",
            "  - four",
            "    five",
            "    six",
            "an",
            "arn:aws:ecs:eu-central-1",
            "it is",
        ];
        assert_eq!(lines, expected);
        assert_eq!(wrapped(text, None).len(), 3);
        assert_eq!(wrapped("", Some(10)), [""]);
    }

    #[test]
    fn an_explanation_stays_beside_its_name_while_there_is_room_and_stands_below_it_else() {
        let text = "usage [options]\n\n  --one X   what it does\n            (it is this by default)\n  --two\n            more of\n            it\n\nIn a\nparagraph.";
        let expected = [
            "usage [options]",
            "",
            "  --one X   what it does (it is",
            "            this by default)",
            "  --two",
            "            more of it",
            "",
            "In a paragraph.",
        ];
        assert_eq!(laid_out(text, 33), expected);
        let below = [
            "usage",
            "[options]",
            "",
            "  --one X",
            "      what it",
            "      does (it",
            "      is this",
            "      by",
            "      default)",
            "  --two",
        ];
        assert_eq!(laid_out(text, 14)[..below.len()], below);
    }

    #[test]
    fn a_status_line_has_fewer_columns_than_the_terminal_and_wide_letters_count_twice() {
        assert_eq!(cut("abcdef", 6), "abcdef");
        assert_eq!(cut("abcdef", 5), "abcd…");
        assert_eq!(cut("日本語", 5), "日本…");
        assert_eq!(cut("日本語", 4), "日…");
        assert_eq!(cut("a", 0), "");
        let size = Size {
            columns: 10,
            rows: 24,
        };
        let line = |text: &str| vec![(PLAIN, text.to_owned())];
        let written = drawn(&[line("0123456789")], size);
        assert_eq!(written, "\r\x1b[J01234567…\r");
    }

    #[test]
    fn after_drawing_the_cursor_is_where_the_status_began_and_rows_that_the_terminal_lacks_are_left_out()
     {
        let line = |text: &str| vec![(DIM, text.to_owned())];
        let lines = [line("a"), line("b"), line("c")];
        let written = |rows: usize| drawn(&lines, Size { columns: 10, rows });
        assert!(written(24).ends_with("c\x1b[0m\r\x1b[2A"));
        assert!(written(3).ends_with("b\x1b[0m\r\x1b[1A"));
        assert!(written(1).ends_with("a\x1b[0m\r"));
    }
}
