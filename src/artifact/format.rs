//! What a file is that is no zip, by its first bytes.

/// So many of them tell (a tar's are at 257).
pub const HEAD_BYTES: u64 = 512;

/// First bytes and what they are of.
const MAGIC: [(&[u8], &str); 9] = [
    (b"\x1f\x8b", "a gzip file"),
    (b"BZh", "a bzip2 file"),
    (b"\xfd7zXZ\0", "an xz file"),
    (b"\x28\xb5\x2f\xfd", "a Zstandard file"),
    (b"\x04\x22\x4d\x18", "an LZ4 file"),
    (b"7z\xbc\xaf\x27\x1c", "a 7z file"),
    (b"Rar!\x1a\x07", "a RAR file"),
    (b"\x7fELF", "a program"),
    (b"%PDF-", "a PDF"),
];

/// A tar's magic (POSIX.1-2017, pax, ustar interchange format) and where it is.
const TAR: (usize, &[u8]) = (257, b"ustar");

/// What begins with `head`, as `a gzip file`; `None` if it is a zip or nothing that is known.
pub fn of(head: &[u8]) -> Option<&'static str> {
    if let Some((_, name)) = MAGIC.iter().find(|(magic, _)| head.starts_with(magic)) {
        return Some(name);
    }
    let (at, magic) = TAR;
    if head.get(at..).is_some_and(|rest| rest.starts_with(magic)) {
        return Some("a tar file");
    }
    if is_zip(head) {
        return None;
    }
    of_text(head)
}

/// Whether it begins as a zip does, or as a part of a split one (APPNOTE.TXT 4.3.7, 8.5.3).
pub fn is_zip(head: &[u8]) -> bool {
    head.starts_with(b"PK\x03\x04") || head.starts_with(b"PK\x07\x08")
}

fn of_text(head: &[u8]) -> Option<&'static str> {
    if head.starts_with(&[0xff, 0xfe]) || head.starts_with(&[0xfe, 0xff]) {
        return Some("a text file in UTF-16");
    }
    let head = head.strip_prefix(b"\xef\xbb\xbf").unwrap_or(head);
    // The last character may be cut.
    let text = match std::str::from_utf8(head) {
        Ok(text) => text,
        Err(error) if error.error_len().is_none() => {
            std::str::from_utf8(&head[..error.valid_up_to()]).ok()?
        }
        Err(_) => return None,
    };
    if text.contains(|letter: char| letter.is_control() && !letter.is_whitespace()) {
        return None;
    }
    let text = text.trim_start();
    let begins_with = |tag: &str| {
        let start = text.get(..tag.len());
        start.is_some_and(|start| start.eq_ignore_ascii_case(tag))
    };
    Some(match text.chars().next() {
        None => "white space alone",
        Some('{' | '[') => {
            "JSON (as a source action writes it that is set to 'Full clone', or a file that was not zipped)"
        }
        Some('<') if begins_with("<!doctype html") || begins_with("<html") => "HTML",
        Some('<') => "XML",
        Some(_) => "a text file",
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_bytes_show_what_a_file_is() {
        let mut tar = vec![b'x'; 512];
        tar[257..262].copy_from_slice(b"ustar");
        for (head, expected) in [
            (&b"\x1f\x8b\x08\0"[..], Some("a gzip file")),
            (b"BZh91AY", Some("a bzip2 file")),
            (b"\xfd7zXZ\0\0", Some("an xz file")),
            (b"\x28\xb5\x2f\xfd\0", Some("a Zstandard file")),
            (b"7z\xbc\xaf\x27\x1c\0", Some("a 7z file")),
            (&tar, Some("a tar file")),
            (b"<!DOCTYPE html><p>", Some("HTML")),
            (b"<?xml version='1.0'?>", Some("XML")),
            (b"FROM scratch\n\xc3", Some("a text file")),
            (b"\xff\xfe[\0", Some("a text file in UTF-16")),
            (b" \n", Some("white space alone")),
            (b"PK\x03\x04", None),
            (b"\0\x01\x02\xff", None),
        ] {
            assert_eq!(of(head), expected, "{head:?}");
        }
        for json in [&b" {\"a\": 1}"[..], b"\xef\xbb\xbf[1]"] {
            assert!(of(json).unwrap().starts_with("JSON"));
        }
    }
}
