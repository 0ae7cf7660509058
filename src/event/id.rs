//! The job's id in an event that no JSON parser takes: cut off, a lone surrogate, a number that no
//! float holds, a depth that would fill the stack, bytes that are no UTF-8.
//!
//! Such a job is answered, too, or it would hang for twenty minutes. So this reads nothing but
//! strings and brackets, in one pass, without recursion, and minds nothing else.

use crate::deploy::outside::shown;

/// Keys and ids with more bytes than this are none of those that are looked for.
const TEXT_LIMIT_BYTES: usize = 256;

/// A place is named down to this depth.
const PATH_DEPTH: usize = 8;

/// What was found up to a place in an event.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Found {
    /// The id of the job; of several the last that can be read.
    pub(crate) id: Option<String>,
    /// Where the place is: the names of the members around it, outermost first.
    pub(crate) path: Vec<String>,
}

/// A member whose value comes next.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Wanted {
    Job,
    Id,
}

/// Looks for `{"<job>": {"id": "…"}}` in `event`, as far as `end`.
pub(crate) fn find(event: &[u8], job: &str, end: usize) -> Found {
    let event = &event[..end.min(event.len())];
    let mut found = Found::default();
    let mut at = event
        .iter()
        .position(|byte| *byte == b'{')
        .unwrap_or(event.len());
    let mut depth: usize = 0;
    let mut is_in_job = false;
    let mut wanted = None;
    while let Some(byte) = event.get(at) {
        at += 1;
        match byte {
            b'"' => {
                let text = &event[at - 1..end_of_string(event, at)];
                at += text.len() - 1;
                // Behind the colon it is the value, whatever follows it.
                let is_id = wanted.take() == Some(Wanted::Id);
                if is_id {
                    let id = read(text).filter(|id| !id.is_empty());
                    found.id = id.or(found.id);
                    continue;
                }
                let colon = event[at..]
                    .iter()
                    .position(|byte| !byte.is_ascii_whitespace());
                let is_key = colon.is_some_and(|colon| event[at + colon] == b':');
                if !is_key {
                    continue;
                }
                let key = read(text);
                wanted = match key.as_deref() {
                    Some(key) if depth == 1 && key == job => Some(Wanted::Job),
                    Some("id") if depth == 2 && is_in_job => Some(Wanted::Id),
                    _ => None,
                };
                if wanted == Some(Wanted::Job) {
                    found.id = None;
                }
                if depth <= PATH_DEPTH {
                    found.path.truncate(depth.saturating_sub(1));
                    found.path.push(key.unwrap_or_else(|| "?".to_owned()));
                }
            }
            b'{' | b'[' => {
                is_in_job |= *byte == b'{' && depth == 1 && wanted == Some(Wanted::Job);
                wanted = None;
                depth += 1;
            }
            b'}' | b']' => {
                wanted = None;
                depth = depth.saturating_sub(1);
                is_in_job &= depth > 1;
                found.path.truncate(depth);
                if depth == 0 {
                    break;
                }
            }
            b',' => wanted = None,
            _ => {}
        }
    }
    for name in &mut found.path {
        *name = shown(name);
    }
    found
}

/// Behind the string whose opening quote stands before `at`, or the end of what there is.
fn end_of_string(event: &[u8], mut at: usize) -> usize {
    while let Some(byte) = event.get(at) {
        match byte {
            b'"' => return at + 1,
            b'\\' => at += 2,
            _ => at += 1,
        }
    }
    event.len()
}

/// A JSON string with its quotes.
fn read(text: &[u8]) -> Option<String> {
    if text.len() > TEXT_LIMIT_BYTES {
        return None;
    }
    serde_json::from_slice(text).ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use serde_json::{Value, json};

    const JOB: &str = "CodePipeline.job";

    fn id(event: &str) -> Option<String> {
        find(event.as_bytes(), JOB, event.len()).id
    }

    #[test]
    fn the_id_is_found_whatever_is_wrong_with_the_rest() {
        let deep = format!("{}1{}", "[".repeat(100_000), "]".repeat(100_000));
        for rest in [
            r#""a": "\ud800""#,
            r#""a": 1e400"#,
            r#""a": nonsense"#,
            r#""a": "cut of"#,
            r#""a": {"b": ["#,
            r#""a": 01, , "#,
            &format!(r#""a": {deep}"#),
            "\"a\": \"\u{0}\n\"",
        ] {
            for event in [
                format!(r#"{{"CodePipeline.job": {{"id": "j-1", {rest}}}}}"#),
                format!(r#"{{"CodePipeline.job": {{"id": "j-1", {rest}"#),
                format!(r#" {{ "CodePipeline\u002ejob" :{{"id" : "j-1", {rest}"#),
                format!(
                    "\u{feff}{{\"x\": {{\"id\": \"no\"}}, \"CodePipeline.job\": {{\"id\": \"j-1\", {rest}"
                ),
            ] {
                assert_eq!(id(&event).as_deref(), Some("j-1"), "{rest}");
            }
        }
        // Right behind the id, or a second one that is none.
        for rest in [": 7", "x", r#", "id": 7, "a": 1e400"#, r#", "id": "cut of"#] {
            let event = format!(r#"{{"CodePipeline.job": {{"id": "j-1"{rest}"#);
            assert_eq!(id(&event).as_deref(), Some("j-1"), "{rest}");
        }
        for before in [
            r#""a": "\ud800""#,
            r#""a": 1e400"#,
            &format!(r#""a": {deep}"#),
        ] {
            let event = format!(r#"{{"CodePipeline.job": {{{before}, "id": "j-1"}}}}"#);
            assert_eq!(id(&event).as_deref(), Some("j-1"), "{before}");
        }
        let mut bytes = br#"{"CodePipeline.job": {"a": "_", "id": "j-1"}}"#.to_vec();
        bytes[28] = 0xff;
        assert_eq!(find(&bytes, JOB, bytes.len()).id.as_deref(), Some("j-1"));
    }

    #[test]
    fn only_the_job_s_own_id_is_one() {
        for event in [
            r#"{"id": "x"}"#,
            r#"{"CodePipeline.job": {"data": {"id": "x"}}}"#,
            r#"{"CodePipeline.job": [{"id": "x"}]}"#,
            r#"{"CodePipeline.job": "id", "other": {"id": "x"}}"#,
            r#"{"a": {"CodePipeline.job": {"id": "x"}}}"#,
            r#"{"CodePipeline.job": {"id": 7}}"#,
            r#"{"CodePipeline.job": {"id": ""}}"#,
            r#"{"CodePipeline.job": {"id": "cut of"#,
            r#"{"CodePipeline.job": {"a": "\"id\": \"x\""}}"#,
            r#"{"CodePipeline.job": {"id": {"id": "x"}}}"#,
            r#"{} {"CodePipeline.job": {"id": "x"}}"#,
            "",
            "{",
            "\"",
        ] {
            assert_eq!(id(event), None, "{event}");
        }
        let long = "x".repeat(TEXT_LIMIT_BYTES);
        assert_eq!(
            id(&format!(r#"{{"CodePipeline.job": {{"id": "{long}"}}}}"#)),
            None
        );
    }

    #[test]
    fn the_place_of_a_mistake_is_named_by_the_members_around_it() {
        let event = r#"{"CodePipeline.job": {"id": "j", "data": {"a": {"x": 1}, "b": "\ud800"}}}"#;
        let path = |end| find(event.as_bytes(), JOB, end).path.join(".");
        assert_eq!(
            path(event.find("ud800").unwrap()),
            "CodePipeline.job.data.b"
        );
        assert_eq!(
            path(event.find("\"b\"").unwrap()),
            "CodePipeline.job.data.a"
        );
        assert_eq!(path(event.len()), "");
    }

    proptest! {
        #[test]
        fn any_bytes_are_read_without_a_panic(
            bytes in prop::collection::vec(any::<u8>(), 0..200),
            text in "[{}\\[\\]\":,\\\\ aid]{0,80}",
            end in 0..300_usize,
        ) {
            find(&bytes, JOB, end);
            find(text.as_bytes(), JOB, end);
            find(format!(r#"{{"CodePipeline.job": {{"id": {text}"#).as_bytes(), JOB, end);
        }

        #[test]
        fn an_event_that_is_json_has_the_id_that_its_parser_finds(
            id in "[ -~]{1,40}",
            key in "[ -~]{0,10}",
            value in "\\PC{0,20}",
            cut in 0..200_usize,
        ) {
            let event = json!({key.clone(): {"id": value}, JOB: {key: [value], "id": id, "z": {"id": "no"}}});
            let written = event.to_string();
            let parsed: Value = serde_json::from_str(&written).unwrap();
            let expected = parsed[JOB]["id"].as_str();
            let found = find(written.as_bytes(), JOB, written.len()).id;
            prop_assert_eq!(found.as_deref(), expected);
            // Cut off anywhere it is that id or none.
            let found = find(written.as_bytes(), JOB, cut).id;
            prop_assert!(found.is_none() || found.as_deref() == expected);
        }
    }
}
