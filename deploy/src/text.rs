//! Small rules for texts that people read: cutting, counting, suggesting.

/// Cuts `text` to at most `limit` characters, between characters, ending in `…` where it was cut.
pub fn cut(text: &str, limit: usize) -> String {
    if text.chars().count() <= limit {
        return text.to_owned();
    }
    let mut kept: String = text.chars().take(limit.saturating_sub(1)).collect();
    if limit > 0 {
        kept.push('…');
    }
    kept
}

/// Cuts `text` to at most `limit` bytes of UTF-8, between characters, ending in `…` where it was
/// cut and that has room.
///
/// For what CodePipeline takes: it refuses an answer that is too long, which would be silence. Its
/// reference says characters, and it has been seen to count bytes; who keeps to bytes keeps to both.
pub fn cut_bytes(text: &str, limit: usize) -> String {
    const MARK: &str = "…";
    if text.len() <= limit {
        return text.to_owned();
    }
    let Some(room) = limit.checked_sub(MARK.len()) else {
        return text[..text.floor_char_boundary(limit)].to_owned();
    };
    format!("{}{MARK}", &text[..text.floor_char_boundary(room)])
}

/// What stands behind the last `/`: an ARN's name, as `app:42` or `web`. A plain name is itself.
pub fn last_part(arn: &str) -> &str {
    arn.rsplit('/').next().unwrap_or(arn)
}

/// The name in a target group's ARN, `arn:…:targetgroup/web/0123456789abcdef`; any other text is itself.
pub fn target_group(arn: &str) -> &str {
    arn.split('/').nth(1).unwrap_or(arn)
}

/// FNV-1a of `texts`, each with its end, in 32 bits: the same in each
/// build, which tokens need.
pub fn hash<'a>(texts: impl IntoIterator<Item = &'a str>) -> u32 {
    const OFFSET_BASIS: u32 = 0x811c_9dc5;
    const PRIME: u32 = 0x0100_0193;
    let bytes = texts
        .into_iter()
        .flat_map(|text| text.bytes().chain(std::iter::once(0)));
    bytes.fold(OFFSET_BASIS, |hash, byte| {
        (hash ^ u32::from(byte)).wrapping_mul(PRIME)
    })
}

/// The same as eight hexadecimal digits.
pub fn short_hash<'a>(texts: impl IntoIterator<Item = &'a str>) -> String {
    format!("{:08x}", hash(texts))
}

/// A JSON parser's text without its `at line 1 column 2`, which callers write in their own way.
pub fn without_position(error: &serde_json::Error) -> String {
    let text = error.to_string();
    match text.rfind(" at line ") {
        Some(end) => text[..end].to_owned(),
        None => text,
    }
}

/// Each text once, in the order of its first.
pub fn once(texts: impl IntoIterator<Item = String>) -> Vec<String> {
    let mut known: Vec<String> = Vec::new();
    for text in texts {
        if !known.contains(&text) {
            known.push(text);
        }
    }
    known
}

/// `1 task`, `2 tasks`.
pub fn counted(count: usize, noun: &str) -> String {
    if count == 1 {
        format!("1 {noun}")
    } else {
        format!("{count} {noun}s")
    }
}

/// So many items of a list are shown.
pub const LISTED_LIMIT: usize = 50;

/// `a`, `a and b`, `a, b and c`; of more than [`LISTED_LIMIT`] the first, as `a, b and 1990 more`.
pub fn listed<S: AsRef<str>>(items: &[S]) -> String {
    if let Some(more @ 1..) = items.len().checked_sub(LISTED_LIMIT) {
        let first: Vec<&str> = items[..LISTED_LIMIT].iter().map(AsRef::as_ref).collect();
        return format!("{} and {more} more", first.join(", "));
    }
    match items {
        [] => String::new(),
        [only] => only.as_ref().to_owned(),
        [first @ .., last] => {
            let first: Vec<&str> = first.iter().map(AsRef::as_ref).collect();
            format!("{} and {}", first.join(", "), last.as_ref())
        }
    }
}

/// The first sentence of `text`, without its full stop. What AWS says stands in parentheses and may have several.
pub fn first_sentence(text: &str) -> &str {
    let mut depth = 0_usize;
    for (at, c) in text.char_indices() {
        match c {
            '(' => depth += 1,
            ')' => depth = depth.saturating_sub(1),
            '.' if depth == 0 && text[at + 1..].starts_with(' ') => return &text[..at],
            _ => {}
        }
    }
    text.trim_end_matches('.')
}

/// The one of `known` that `written` was most likely meant to be, if any is near.
///
/// Near is: the same but for case and `-`/`_`, or at most a third of its letters away.
pub fn nearest<'a>(written: &str, known: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let plain = |text: &str| -> Vec<char> {
        text.chars()
            .filter(|c| *c != '-' && *c != '_')
            .flat_map(char::to_lowercase)
            .take(128)
            .collect()
    };
    let written = plain(written);
    known
        .into_iter()
        .map(|candidate| (edit_distance(&written, &plain(candidate)), candidate))
        .filter(|(distance, candidate)| *distance * 3 <= candidate.chars().count().max(3))
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, candidate)| candidate)
}

/// Levenshtein's distance: insertions, deletions and replacements that make `a` into `b`.
fn edit_distance(a: &[char], b: &[char]) -> usize {
    let mut previous: Vec<usize> = (0..=b.len()).collect();
    for (i, x) in a.iter().enumerate() {
        let mut current = vec![i + 1];
        for (j, y) in b.iter().enumerate() {
            let replaced = previous[j] + usize::from(x != y);
            current.push(replaced.min(previous[j + 1] + 1).min(current[j] + 1));
        }
        previous = current;
    }
    previous[b.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sentence_ends_at_a_full_stop_that_is_not_in_parentheses() {
        for (text, first) in [
            ("a call failed. Nothing was changed.", "a call failed"),
            (
                "a call failed (Unavailable. Try again later.). Nothing.",
                "a call failed (Unavailable. Try again later.)",
            ),
            ("version 1.2 (x) failed.", "version 1.2 (x) failed"),
            ("cut off (in it. More", "cut off (in it. More"),
            ("", ""),
        ] {
            assert_eq!(first_sentence(text), first);
        }
    }

    #[test]
    fn a_hash_is_the_same_in_each_build_and_knows_where_a_text_ends() {
        // FNV-1a's own test vector of one zero byte.
        assert_eq!(hash([""]), 0x050c_5d1f);
        assert_ne!(short_hash(["ab", "c"]), short_hash(["a", "bc"]));
    }

    #[test]
    fn text_is_cut_between_characters_and_says_that_it_was() {
        assert_eq!(cut("héllo", 5), "héllo");
        assert_eq!(cut("héllo", 4), "hél…");
        assert_eq!(cut("日本語", 2), "日…");
        assert_eq!(cut("abc", 0), "");
    }

    #[test]
    fn text_cut_by_bytes_is_cut_between_characters_too() {
        assert_eq!(cut_bytes("héllo", 6), "héllo");
        assert_eq!(cut_bytes("héllo", 5), "h…");
        assert_eq!(cut_bytes("🙂🙂", 7), "🙂…");
        assert_eq!(cut_bytes("🙂🙂", 6), "…");
        assert_eq!(cut_bytes("🙂", 2), "");
        assert_eq!(cut_bytes("abc", 0), "");
    }

    #[test]
    fn counts_and_lists_read_as_sentences() {
        assert_eq!(counted(1, "task"), "1 task");
        assert_eq!(counted(0, "task"), "0 tasks");
        assert_eq!(listed::<&str>(&[]), "");
        assert_eq!(listed(&["a"]), "a");
        assert_eq!(listed(&["a", "b", "c"]), "a, b and c");
        assert!(listed(&vec!["a"; 2000]).ends_with(", a, a and 1950 more"));
    }

    #[test]
    fn a_misspelt_name_is_recognised_and_an_unrelated_one_is_not() {
        let known = ["ClusterName", "ServiceName", "FileName"];
        assert_eq!(nearest("clustername", known), Some("ClusterName"));
        assert_eq!(nearest("Cluster_Name", known), Some("ClusterName"));
        assert_eq!(nearest("ServcieName", known), Some("ServiceName"));
        assert_eq!(nearest("Banana", known), None);
        assert_eq!(nearest("", known), None);
    }
}
