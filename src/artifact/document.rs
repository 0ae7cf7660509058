//! A file of the artifact as text or JSON, with what is wrong with it.

use serde_json::Value;

/// A file that has no narrower bound is at most this long.
pub const FILE_LIMIT_BYTES: usize = 1024 * 1024;

/// Why a file cannot be read as text, or as JSON.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Unusable {
    /// No bytes, or nothing but white space.
    #[error("is empty")]
    Empty,
    /// UTF-16, recognised by its byte order mark or its zero bytes.
    #[error(
        "is UTF-16, as PowerShell's > writes it: write it as UTF-8, for example with Set-Content -Encoding utf8"
    )]
    Utf16,
    /// Neither UTF-8 nor UTF-16.
    #[error("is not UTF-8: byte {0} is the first that is wrong")]
    NotUtf8(usize),
    /// Not JSON.
    #[error("contains invalid JSON at line {line}, column {column}: {reason}")]
    NotJson {
        /// From 1.
        line: usize,
        /// From 1; 0 if the line is empty.
        column: usize,
        /// The parser's text, without the position.
        reason: String,
    },
}

/// The file's text, without a byte order mark.
///
/// # Errors
/// [`Unusable`].
pub fn text(bytes: &[u8]) -> Result<&str, Unusable> {
    let has_utf16_mark = bytes.starts_with(&[0xFF, 0xFE]) || bytes.starts_with(&[0xFE, 0xFF]);
    // JSON in UTF-8 has no zero byte anywhere, UTF-16 has one beside its first character.
    let has_zero = bytes.iter().take(2).any(|byte| *byte == 0);
    if has_utf16_mark || has_zero {
        return Err(Unusable::Utf16);
    }
    let bytes = bytes.strip_prefix(&[0xEF, 0xBB, 0xBF]).unwrap_or(bytes);
    let content =
        std::str::from_utf8(bytes).map_err(|error| Unusable::NotUtf8(error.valid_up_to() + 1))?;
    if content.trim().is_empty() {
        return Err(Unusable::Empty);
    }
    Ok(content)
}

/// The file as JSON.
///
/// # Errors
/// [`Unusable`].
pub fn json(bytes: &[u8]) -> Result<Value, Unusable> {
    serde_json::from_str(text(bytes)?).map_err(|error| Unusable::NotJson {
        line: error.line(),
        column: error.column(),
        reason: crate::deploy::text::without_position(&error),
    })
}
