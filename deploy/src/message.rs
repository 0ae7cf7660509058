//! A message that people read: a headline in sentences, and what stands below it.

use std::fmt;
use std::ops::Deref;

use super::outside::printable;
use super::text;

/// A text that knows where the sentences of its headline begin: the first says what happened, each of the others what
/// was done about it or what is so now. CodePipeline gets the text, the record's page the sentences.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Message {
    text: String,
    /// Where each sentence after the first begins, in bytes. A blank stands before it.
    starts: Vec<usize>,
}

impl Message {
    /// A headline of these sentences. Empty ones are left out.
    pub fn of<S: AsRef<str>>(sentences: impl IntoIterator<Item = S>) -> Self {
        let sentences = sentences.into_iter();
        sentences.fold(Self::default(), Self::then)
    }

    /// The same with one more sentence at the end of its headline, unless that is empty. What nothing has ended
    /// before it ends with a full stop.
    #[must_use]
    pub fn then(mut self, sentence: impl AsRef<str>) -> Self {
        let sentence = sentence.as_ref().trim();
        let end = self.headline_end();
        if sentence.is_empty() {
            return self;
        }
        let headline = self.text.get(..end).unwrap_or_default();
        let between = match headline {
            "" => "",
            // A policy's statement ends in a brace.
            ended if ended.ends_with(['.', '!', '?', '}']) => " ",
            _ => ". ",
        };
        self.text.insert_str(end, &format!("{between}{sentence}"));
        if end > 0 {
            self.starts.push(end + between.len());
        }
        self
    }

    /// The same with `lines` below all of it, which begin with a line's end, or are empty.
    #[must_use]
    pub fn with_details(mut self, lines: &str) -> Self {
        self.text.push_str(lines);
        self
    }

    /// The same with one more line as the last, if all of it has at most `limit` bytes then.
    #[must_use]
    pub fn with_last_line(self, line: &str, limit: usize) -> Self {
        if self.text.len() + 1 + line.len() > limit {
            return self;
        }
        self.with_details(&format!("\n{line}"))
    }

    /// The sentences of the headline.
    pub fn sentences(&self) -> Vec<&str> {
        let mut sentences = self.pieces();
        if let Some(last) = sentences.pop() {
            sentences.push(last.split_once('\n').map_or(last, |(headline, _)| headline));
        }
        let sentences = sentences.into_iter().map(str::trim);
        sentences.filter(|one| !one.is_empty()).collect()
    }

    /// What stands below the headline, without the line's end between them.
    pub fn details(&self) -> &str {
        let below = self.text.get(self.headline_end()..).unwrap_or_default();
        below.trim_matches(['\r', '\n'])
    }

    /// All of it in one line, for a text that it is a part of.
    pub fn one_line(&self) -> String {
        self.text.replace('\n', " ")
    }

    /// Its text.
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// As far as it can be shown, cut to `limit` bytes.
    #[must_use]
    pub fn shown(&self, limit: usize) -> Self {
        let mut shown = Self::default();
        for piece in self.pieces() {
            if !shown.text.is_empty() {
                shown.starts.push(shown.text.len());
            }
            shown.text.push_str(&printable(piece));
        }
        shown.text = text::cut_bytes(&shown.text, limit);
        let end = shown.text.len();
        shown.starts.retain(|start| *start < end);
        shown
    }

    /// Where the headline ends.
    fn headline_end(&self) -> usize {
        let last = self.starts.last().copied().unwrap_or(0);
        let below = self.text.get(last..).unwrap_or_default().find('\n');
        below.map_or(self.text.len(), |at| last + at)
    }

    /// All of the text, divided where a sentence begins.
    fn pieces(&self) -> Vec<&str> {
        let ends = self.starts.iter().copied();
        let ends = ends.chain(std::iter::once(self.text.len()));
        let mut from = 0;
        let pieces = ends.map(|end| {
            let piece = self.text.get(from..end).unwrap_or_default();
            from = end;
            piece
        });
        pieces.collect()
    }
}

impl Deref for Message {
    type Target = str;

    fn deref(&self) -> &str {
        &self.text
    }
}

impl fmt::Display for Message {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

/// A text of which nothing else is known: its first line is one sentence.
impl From<String> for Message {
    fn from(text: String) -> Self {
        Self {
            text,
            starts: Vec::new(),
        }
    }
}

impl From<&str> for Message {
    fn from(text: &str) -> Self {
        text.to_owned().into()
    }
}

impl From<&String> for Message {
    fn from(text: &String) -> Self {
        text.clone().into()
    }
}

impl From<Message> for String {
    fn from(message: Message) -> Self {
        message.text
    }
}

impl AsRef<str> for Message {
    fn as_ref(&self) -> &str {
        &self.text
    }
}

impl PartialEq<str> for Message {
    fn eq(&self, other: &str) -> bool {
        self.text == other
    }
}

impl PartialEq<&str> for Message {
    fn eq(&self, other: &&str) -> bool {
        self.text == *other
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_headline_is_its_sentences_joined_by_blanks_and_gives_them_back() {
        let message = Message::of(["It failed: a. b.", "", " Rolled back: c.", "d."]);
        assert_eq!(message, "It failed: a. b. Rolled back: c. d.");
        let sentences = ["It failed: a. b.", "Rolled back: c.", "d."];
        assert_eq!(message.sentences(), sentences);
        assert_eq!(message.details(), "");
        assert_eq!(Message::default().sentences(), [""; 0]);
    }

    #[test]
    fn a_sentence_more_ends_the_headline_and_not_what_stands_below_it() {
        let message = Message::from("It failed\n  log");
        let message = message.then("It ran.").then("It stays.");
        assert_eq!(message, "It failed. It ran. It stays.\n  log");
        assert_eq!(message.sentences(), ["It failed.", "It ran.", "It stays."]);
        assert_eq!(message.details(), "  log");
    }

    #[test]
    fn the_last_line_is_left_out_where_it_has_no_room() {
        let message = Message::from("It failed.");
        let linked = message.clone().with_last_line("x", 12);
        assert_eq!(linked, "It failed.\nx");
        assert_eq!(linked.sentences(), ["It failed."]);
        assert_eq!(message.clone().with_last_line("xy", 12), message);
    }

    proptest! {
        #[test]
        fn sentences_are_what_they_were_whatever_is_cut(
            // There is always a headline.
            sentences in prop::collection::vec("[a-zé][a-zé\u{1b}\u{7}. ]{0,20}", 1..5),
            below in "(\n[a-zé ]{0,30}){0,3}",
            limit in 0_usize..120,
        ) {
            let whole = Message::of(&sentences).with_details(&below);
            let shown = whole.shown(limit);
            prop_assert!(shown.len() <= limit);
            prop_assert!(shown.sentences().len() <= whole.sentences().len());
            let uncut = whole.shown(usize::MAX);
            if uncut.len() <= limit {
                prop_assert_eq!(&uncut, &shown);
                prop_assert_eq!(&shown.shown(limit), &shown);
            }
        }
    }
}
