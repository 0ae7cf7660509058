//! Text from outside, made fit to be shown: what containers log, what ECS and other services of AWS
//! say, what stands in an artifact.
//!
//! It goes to the pipeline's page, into the function's log and into the record, so it must not
//! steer what shows it (a terminal, a browser, CloudWatch), and it must not carry a password there.

use std::iter::Peekable;
use std::str::Chars;

use super::text;

/// No quoted line is longer; the messages that quote it have less room.
const LINE_LIMIT_BYTES: usize = 8 * 1024;

/// `text` in one line, without what [`printable`] leaves out and without the secrets of URLs. The
/// same again changes nothing.
pub fn shown(text: &str) -> String {
    let line: String = printable(&text::cut_bytes(text, LINE_LIMIT_BYTES))
        .chars()
        .map(|c| if c == '\n' { ' ' } else { c })
        .collect();
    without_secrets(&line)
}

/// `text` without escape sequences, control characters (line ends stay, as `\n`) and the invisible
/// characters that Unicode calls format (Cf): among them are those that turn the direction of what
/// follows. Other white space becomes a space.
pub fn printable(text: &str) -> String {
    let mut kept = String::with_capacity(text.len());
    let mut rest = text.chars().peekable();
    while let Some(c) = rest.next() {
        match c {
            ESCAPE => skip_escaped(&mut rest),
            '\u{9b}' => skip_control_sequence(&mut rest),
            '\u{90}' | '\u{98}' | '\u{9d}'..='\u{9f}' => skip_string(&mut rest),
            '\n' => kept.push(c),
            '\r' if rest.peek() == Some(&'\n') => {}
            // Line ends of other systems and of Unicode, form feed, tab.
            '\t' | '\u{b}' | '\u{c}' | '\r' | '\u{85}' | '\u{2028}' | '\u{2029}' => kept.push(' '),
            _ if c.is_control() || is_format(c) => {}
            _ => kept.push(c),
        }
    }
    kept
}

const ESCAPE: char = '\u{1b}';

/// What follows an escape character, by ECMA-48
/// (<https://ecma-international.org/publications-and-standards/standards/ecma-48/>). What is no
/// sequence stays.
fn skip_escaped(rest: &mut Peekable<Chars<'_>>) {
    match rest.peek() {
        Some('[') => {
            rest.next();
            skip_control_sequence(rest);
        }
        Some('P' | 'X' | ']' | '^' | '_') => {
            rest.next();
            skip_string(rest);
        }
        _ => {
            while rest.next_if(|c| (' '..='/').contains(c)).is_some() {}
            rest.next_if(|c| ('0'..='~').contains(c));
        }
    }
}

/// Parameters, intermediate characters and the final one of a control sequence.
fn skip_control_sequence(rest: &mut Peekable<Chars<'_>>) {
    while rest.next_if(|c| ('0'..='?').contains(c)).is_some() {}
    while rest.next_if(|c| (' '..='/').contains(c)).is_some() {}
    rest.next_if(|c| ('@'..='~').contains(c));
}

/// A control string up to its end, as the title of a window. Without an end in the same line it is
/// none, and what looked like it is shown.
fn skip_string(rest: &mut Peekable<Chars<'_>>) {
    let mut ahead = rest.clone();
    while let Some(c) = ahead.next() {
        let is_end = match c {
            '\u{7}' | '\u{9c}' => true,
            ESCAPE => ahead.next_if_eq(&'\\').is_some(),
            _ => false,
        };
        if is_end {
            *rest = ahead;
            return;
        }
        if c.is_control() {
            return;
        }
    }
}

/// Unicode 16's general category Cf
/// (<https://www.unicode.org/Public/16.0.0/ucd/extracted/DerivedGeneralCategory.txt>).
fn is_format(c: char) -> bool {
    matches!(
        c,
        '\u{ad}'
            | '\u{600}'..='\u{605}'
            | '\u{61c}'
            | '\u{6dd}'
            | '\u{70f}'
            | '\u{890}'..='\u{891}'
            | '\u{8e2}'
            | '\u{180e}'
            | '\u{200b}'..='\u{200f}'
            | '\u{202a}'..='\u{202e}'
            | '\u{2060}'..='\u{2064}'
            | '\u{2066}'..='\u{206f}'
            | '\u{feff}'
            | '\u{fff9}'..='\u{fffb}'
            | '\u{110bd}'
            | '\u{110cd}'
            | '\u{13430}'..='\u{1343f}'
            | '\u{1bca0}'..='\u{1bca3}'
            | '\u{1d173}'..='\u{1d17a}'
            | '\u{e0001}'
            | '\u{e0020}'..='\u{e007f}'
    )
}

/// `text` without what is secret in its URLs: who logs in with which password
/// (`postgres://app:…@db/x`), and queries, which may be signatures that open what they lead to: a
/// failed pull quotes the one of an image's layer. Nor with what is called a password and has a value, as in
/// connection strings (`Server=db;Password=…`), options (`--password …`) and JSON.
pub fn without_secrets(text: &str) -> String {
    without_values(&without_queries(&without_logins(text)))
}

/// What a name ends in whose value is secret, in lower case and without `-` and `_`.
const SECRET_NAMES: [&str; 10] = [
    "password",
    "passwd",
    "pwd",
    "passphrase",
    "secret",
    "secretkey",
    "accesskey",
    "apikey",
    "token",
    "privatekey",
];

/// Replaces the values of names that are secret by their name: `name=value`, `--name value`, `"name":"value"`; and
/// the password of a data source that is no URL, `user:password@tcp(host)`.
fn without_values(text: &str) -> String {
    let mut shown = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(begin) = secret_value(rest) {
        let (before, value) = rest.split_at(begin);
        shown.push_str(before);
        shown.push_str(HIDDEN);
        rest = &value[end_of_value(before, value)..];
    }
    without_data_source_logins(&(shown + rest))
}

/// Where the first secret value of `text` begins.
fn secret_value(text: &str) -> Option<usize> {
    let is_of_name = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == '-';
    let mut from = 0;
    while let Some(length) = text[from..].find(|c: char| !is_of_name(c)) {
        let end = from + length;
        let after = &text[end..];
        if let Some(value) = value_after(&text[..end], after) {
            return Some(text.len() - value.len());
        }
        from = end + after.chars().next().map_or(1, char::len_utf8);
    }
    None
}

/// The secret value that `after` begins with behind a gap, if `before` ends in a name that is secret.
fn value_after<'a>(before: &str, after: &'a str) -> Option<&'a str> {
    const GAPS: [&str; 7] = ["\":\"", "\": \"", "\\\":\\\"", "=\"", "='", "=", " "];
    let gap = GAPS.iter().find(|gap| after.starts_with(**gap))?;
    let value = &after[gap.len()..];
    let is_none = |c: char| c.is_whitespace() || "\"';,&…".contains(c);
    if value.is_empty() || value.starts_with(is_none) {
        return None;
    }
    let is_of_name = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == '-';
    let name = &before[before.trim_end_matches(is_of_name).len()..];
    if *gap == " " && !name.starts_with("--") {
        return None;
    }
    let plain: String = name.chars().filter(|c| !matches!(c, '-' | '_')).collect();
    let plain = plain.to_ascii_lowercase();
    let is_secret = SECRET_NAMES.iter().any(|secret| plain.ends_with(secret));
    is_secret.then_some(value)
}

/// Where the value ends that follows `before`: at the quotation mark that it began with, or where a value without
/// one does.
fn end_of_value(before: &str, value: &str) -> usize {
    let quote = before
        .chars()
        .next_back()
        .filter(|c| matches!(c, '"' | '\''));
    let end = match quote {
        Some(quote) => value.find(quote),
        None => value.find(|c: char| c.is_whitespace() || "\"';,&)".contains(c)),
    };
    end.unwrap_or(value.len())
}

/// `user:password@tcp(host:3306)/x`, as Go's drivers write it.
fn without_data_source_logins(text: &str) -> String {
    let mut shown = text.to_owned();
    for network in ["@tcp(", "@tcp6(", "@unix(", "@udp("] {
        let mut from = 0;
        while let Some(at) = shown[from..].find(network).map(|at| from + at) {
            let no_login = |c: char| c.is_whitespace() || "\"'`<>".contains(c);
            let begin = shown[..at].rfind(no_login);
            let begin = begin.map_or(0, |before| {
                before + shown[before..].chars().next().map_or(1, char::len_utf8)
            });
            from = if begin < at {
                shown.replace_range(begin..at, HIDDEN);
                begin + HIDDEN.len() + network.len()
            } else {
                at + network.len()
            };
        }
    }
    shown
}

const HIDDEN: &str = "…";

/// Replaces what stands before the `@` of a URL's authority
/// (<https://www.rfc-editor.org/rfc/rfc3986#section-3.2>). A password that has characters in it
/// which should have been escaped, so that the `@` comes later, is a password all the same: it
/// stands where only a port's digits may.
fn without_logins(text: &str) -> String {
    let mut shown = String::with_capacity(text.len());
    let mut rest = text;
    while let Some((before, after)) = at_authority(rest) {
        shown.push_str(before);
        let hidden = login_in(before, after);
        if let Some((keep, drop)) = hidden {
            shown.push_str(&after[..keep]);
            shown.push_str(HIDDEN);
            rest = &after[drop..];
        } else {
            rest = after;
        }
    }
    shown + rest
}

/// What of `after`, the text from a URL's authority on, is a login: how much of it may stay and
/// where what follows it begins.
fn login_in(before: &str, after: &str) -> Option<(usize, usize)> {
    let url = &after[..end_of_url(after)];
    let authority = &url[..url.find(['/', '?', '#', '\\']).unwrap_or(url.len())];
    if let Some(at) = authority.rfind('@') {
        // Whose password has an `@` in it has one that is not escaped.
        let has_password = authority[..at].contains(':');
        return Some((0, url.rfind('@').filter(|_| has_password).unwrap_or(at)));
    }
    // An IPv6 address has colons of its own.
    let name = authority.rfind(']').map_or(0, |end| end + 1);
    let colon = name + authority[name..].find(':')?;
    let port = &authority[colon + 1..];
    let after_digits = port.trim_start_matches(|c: char| c.is_ascii_digit());
    let has_digits = after_digits.len() < port.len();
    let is_port = after_digits.is_empty()
        || has_digits && after_digits.starts_with([',', ';', ')', ']', '}', '\'', '.', ':', '|']);
    if is_port && (is_of_the_web(before) || !url.contains('@')) {
        return None;
    }
    if is_port {
        return url.rfind('@').map(|at| (0, at));
    }
    let word = &after[..after.find(char::is_whitespace).unwrap_or(after.len())];
    match word.rfind('@') {
        Some(at) => Some((0, at)),
        // Cut off before its `@`, perhaps.
        None => Some((colon + 1, url.len())),
    }
}

/// The path of such a URL often has an `@` in it: `http://localhost:8080/@vite/client`.
fn is_of_the_web(before: &str) -> bool {
    let scheme = before.trim_end_matches(['/', '\\', ':']);
    let scheme = scheme.to_ascii_lowercase();
    ["http", "https", "ws", "wss"]
        .iter()
        .any(|web| scheme.ends_with(web))
}

fn without_queries(text: &str) -> String {
    let mut shown = String::with_capacity(text.len());
    let mut rest = text;
    while let Some((before, after)) = at_authority(rest) {
        shown.push_str(before);
        let end = end_of_url(after);
        let url = &after[..end];
        match url.find('?') {
            Some(query) => {
                // What closes the sentence around the URL is none of it.
                let closing = url.trim_end_matches(['\'', ')', ']', '}', ',', '.', ';', ':']);
                shown.push_str(&url[..=query]);
                shown.push_str(HIDDEN);
                shown.push_str(&url[closing.len().max(query + 1)..]);
            }
            None => shown.push_str(url),
        }
        rest = &after[end..];
    }
    shown + rest
}

/// `text` split before the authority of its first URL: behind `://`, also as JSON may have it,
/// `:\/\/`.
fn at_authority(text: &str) -> Option<(&str, &str)> {
    text.match_indices(':').find_map(|(colon, _)| {
        let after = &text[colon + 1..];
        let authority = after.trim_start_matches(['/', '\\']);
        let slashes = &after[..after.len() - authority.len()];
        let is_url = slashes.bytes().filter(|byte| *byte == b'/').count() >= 2;
        is_url.then(|| text.split_at(text.len() - authority.len()))
    })
}

/// Where the URL that `text` begins with ends: at what no URL has in it.
fn end_of_url(text: &str) -> usize {
    let no_url = |c: char| c.is_whitespace() || c.is_control() || "\"<>`".contains(c);
    text.find(no_url).unwrap_or(text.len())
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn escape_sequences_and_control_characters_are_left_out_and_the_text_stays() {
        for (text, expected) in [
            ("\u{1b}[31mred\u{1b}[0m", "red"),
            ("\u{1b}[1;38;5;196mred\u{1b}[m", "red"),
            ("\u{9b}31mred", "red"),
            ("\u{1b}]0;title\u{7}words", "words"),
            (
                "\u{1b}]8;;https://evil.example\u{1b}\\link\u{1b}]8;;\u{1b}\\",
                "link",
            ),
            ("\u{1b}]0;no end, all words", "0;no end, all words"),
            ("\u{1b}(Bwords\u{1b}M", "words"),
            ("\u{1b}", ""),
            ("\u{1b}[", ""),
            ("a\0b\u{8}c\u{7f}d", "abcd"),
            ("a\tb\r\nc\rd\u{2028}e\u{85}f", "a b c d e f"),
            (
                "a\u{202e}b\u{2066}c\u{200f}d\u{61c}e\u{200b}f\u{feff}g",
                "abcdefg",
            ),
            ("日本語 🙂 é", "日本語 🙂 é"),
        ] {
            assert_eq!(shown(text), expected, "{text:?}");
        }
        assert_eq!(printable("a\r\nb\u{1b}[0m\nc"), "a\nb\nc");
    }

    #[test]
    fn whoever_a_url_logs_in_with_is_not_shown() {
        for (text, expected) in [
            ("postgres://app:PASS@db/x", "postgres://…@db/x"),
            (
                "a postgres://app:PASS@db:5432/x, b",
                "a postgres://…@db:5432/x, b",
            ),
            ("https://TOKEN@github.com/a", "https://…@github.com/a"),
            ("redis://:PASS@h:6379", "redis://…@h:6379"),
            (
                "mongodb+srv://u:PASS@a,b/x?w=SECRET)",
                "mongodb+srv://…@a,b/x?…)",
            ),
            ("kafka://u:PASS@a:1,v:PASS@b:2", "kafka://…@b:2"),
            ("A=amqp://u:PASS@a,B=redis://:PASS@b", "A=amqp://…@b"),
            ("postgres://app:PA@SS@db", "postgres://…@db"),
            ("postgres://app:P@A/S@S@db/x", "postgres://…@db/x"),
            ("postgres://app:PA/SS@db/x", "postgres://…@db/x"),
            ("postgres://app:PA?SS#@db/x", "postgres://…@db/x"),
            ("postgres://app:PA\"SS@db/x", "postgres://…@db/x"),
            ("postgres://app:PA)SS'@db/x", "postgres://…@db/x"),
            ("postgres://app:12/34@db/x", "postgres://…@db/x"),
            ("postgres://app:PASSW", "postgres://app:…"),
            (
                r#"{"url":"postgres:\/\/app:PASS@db\/x"}"#,
                r#"{"url":"postgres:\/\/…@db\/x"}"#,
            ),
            (
                r#"{\"url\":\"postgres://app:PASS@db/x\"}"#,
                r#"{\"url\":\"postgres://…@db/x\"}"#,
            ),
            (
                "jdbc:postgresql://db/x?user=a&password=PASS",
                "jdbc:postgresql://db/x?…",
            ),
            ("HTTPS://U:PASS@h", "HTTPS://…@h"),
        ] {
            assert_eq!(shown(text), expected, "{text}");
        }
    }

    #[test]
    fn what_is_called_a_password_is_not_shown() {
        for (text, expected) in [
            (
                "Server=db;Uid=a;Pwd=MARK;Port=1",
                "Server=db;Uid=a;Pwd=…;Port=1",
            ),
            ("Host=db;Password='MA;RK'", "Host=db;Password='…'"),
            (
                "host=db password=MARK sslmode=off",
                "host=db password=… sslmode=off",
            ),
            (
                "redis-cli --password MARK ping",
                "redis-cli --password … ping",
            ),
            (
                "mysqladmin ping --password=MARK || exit 1",
                "mysqladmin ping --password=… || exit 1",
            ),
            (
                r#"{"db_password":"MARK","a":1}"#,
                r#"{"db_password":"…","a":1}"#,
            ),
            (r#"{"apiKey": "MARK"}"#, r#"{"apiKey": "…"}"#),
            ("AWS_SECRET_ACCESS_KEY=MARK", "AWS_SECRET_ACCESS_KEY=…"),
            ("GITHUB_TOKEN=MARK, retry", "GITHUB_TOKEN=…, retry"),
            (
                "app:MARK@tcp(db:3306)/x refused",
                "…@tcp(db:3306)/x refused",
            ),
        ] {
            assert_eq!(shown(text), expected, "{text}");
            assert!(!shown(text).contains("MARK"));
        }
    }

    #[test]
    fn what_only_speaks_of_passwords_is_shown_as_it_is() {
        for text in [
            "password authentication failed for user \"app\"",
            "error: unexpected token: '}'",
            "invalid token = sign",
            "secret: prod/db was not found",
            "DB_PASSWORD is not set",
            "a@tcp",
            "é=password",
        ] {
            assert_eq!(shown(text), text);
        }
    }

    #[test]
    fn a_url_without_secrets_is_shown_as_it_is() {
        for text in [
            "http://localhost:8080/@vite/client",
            "https://registry.npmjs.org/@scope/pkg",
            "http://[::1]:8080/a",
            "(see http://host:8080), http://a:80,b:90",
            "docker://repo/app@sha256:0123",
            "http://host: connection refused by me@example.com",
            "arn:aws:ecs:r:1:service/web and me@example.com",
            "file:///etc/x:y@z",
        ] {
            assert_eq!(shown(text), text);
        }
    }

    #[test]
    fn a_query_is_left_out_and_what_closes_the_sentence_stays() {
        for (text, expected) in [
            (
                r#"Get "https://b.s3.amazonaws.com/l?X-Amz-Signature=MARK": dial"#,
                r#"Get "https://b.s3.amazonaws.com/l?…": dial"#,
            ),
            ("(https://x/y?a=MARK), z", "(https://x/y?…), z"),
            ("https://x/y?a=MA)RK' z", "https://x/y?…' z"),
            ("https://x/?", "https://x/?…"),
        ] {
            assert_eq!(shown(text), expected, "{text}");
        }
    }

    proptest! {
        #[test]
        fn what_is_shown_steers_nothing_and_stays_so(text in any::<String>()) {
            let once = shown(&text);
            prop_assert!(!once.contains(|c: char| c.is_control() || is_format(c)), "{once:?}");
            prop_assert_eq!(&shown(&once), &once);
        }

        #[test]
        fn no_password_of_a_url_is_shown_whatever_stands_around_it(
            before in "[ -~]{0,20}",
            scheme in "[a-z][a-z0-9+.-]{0,9}",
            user in "[a-zA-Z0-9._~-]{0,9}",
            padding in "[A-Za-z0-9!$&'()*+,;=:@/?#._~-]{0,5}",
            after in "[ -~]{0,20}",
        ) {
            // On the web a port's digits are what they seem, whatever follows.
            let padding = format!("x{padding}");
            let text = format!("{before} {scheme}://{user}:{padding}MARK@db.example/x {after}");
            prop_assert!(!shown(&text).contains("MARK"), "{}", shown(&text));
        }

        #[test]
        fn looking_for_passwords_never_panics(text in "(password|token|=|\"|'|--| |é|…|:|;|x|@tcp\\(){0,12}") {
            let once = without_secrets(&text);
            prop_assert_eq!(without_secrets(&once), once);
        }

        #[test]
        fn looking_for_urls_never_panics(text in "[a:/\\\\@?#\\[\\]\" é0,)]{0,40}") {
            let once = without_secrets(&text);
            prop_assert_eq!(without_secrets(&once), once);
        }
    }
}
