//! Artifacts of any size, made when they are needed.

use std::io::{Cursor, Write};

use bytes::Bytes;
use zip::write::SimpleFileOptions;
use zip::{CompressionMethod, ZipArchive, ZipWriter};

/// The file that each has, as its first.
pub const FILE: &str = "imagedefinitions.json";
/// What is in it.
pub const IMAGES: &[u8] = br#"[{"name": "app", "imageUri": "repo/app:v2"}]"#;

/// Headers before the names: local, of the directory, at the end (APPNOTE.TXT 4.3.7, 4.3.12, 4.3.16).
const LOCAL_BYTES: u64 = 30;
const ENTRY_BYTES: u64 = 46;
const END_BYTES: u64 = 22;

/// A local header's extra field may be so long without being known beforehand.
const EXTRA_ROOM_BYTES: u64 = 1024;

/// A zip as an object that may be sparse, see [`crate::S3::put_sparse`].
#[derive(Clone, Debug)]
pub struct Artifact {
    /// In bytes.
    pub length: u64,
    /// Where it is not zero.
    pub segments: Vec<(u64, Bytes)>,
    /// The bytes from where its directory begins to its end.
    directory: u64,
}

impl Artifact {
    /// How many bytes it takes at most to read the file, if the last `tail` bytes are read first:
    /// those, what of the directory is before them, and the entry.
    pub fn cost(&self, tail: u64) -> u64 {
        let tail = self.length.min(tail);
        let directory = self.directory.saturating_sub(tail);
        let entry = if self.length > tail {
            LOCAL_BYTES + length_of(FILE.as_bytes()) + length_of(IMAGES) + EXTRA_ROOM_BYTES
        } else {
            0
        };
        tail + directory + entry
    }
}

fn length_of(bytes: &[u8]) -> u64 {
    u64::try_from(bytes.len()).expect("a length")
}

/// A zip of `length` bytes: the image definitions, then one stored file of zeros.
///
/// # Panics
/// If it is too short for that, or 4 GiB or longer.
pub fn of_length(length: u64) -> Artifact {
    const PADDING: &[u8] = b"padding";
    /// What both kinds of header share: version, flags, method, time, date, checksum, sizes.
    fn shared(checksum: u32, size: u64) -> Vec<u8> {
        let size = u32::try_from(size).expect("less than 4 GiB");
        let mut header = vec![10, 0, 0, 0, 0, 0, 0, 0, 0x21, 0];
        for number in [checksum, size, size] {
            header.extend(number.to_le_bytes());
        }
        header
    }
    fn local(name: &[u8], shared: &[u8]) -> Vec<u8> {
        let mut header = b"PK\x03\x04".to_vec();
        header.extend(shared);
        header.extend(u16::try_from(name.len()).expect("a name").to_le_bytes());
        header.extend([0, 0]);
        header.extend(name);
        header
    }
    fn entry(name: &[u8], shared: &[u8], at: u64) -> Vec<u8> {
        let mut entry = b"PK\x01\x02\x0a\x03".to_vec();
        entry.extend(shared);
        entry.extend(u16::try_from(name.len()).expect("a name").to_le_bytes());
        // Extra, comment, disk, attributes.
        entry.extend([0; 12]);
        entry.extend(u32::try_from(at).expect("a place").to_le_bytes());
        entry.extend(name);
        entry
    }
    let names = length_of(FILE.as_bytes()) + length_of(PADDING);
    let directory = 2 * ENTRY_BYTES + names + END_BYTES;
    let padding = length - directory - 2 * LOCAL_BYTES - names - length_of(IMAGES);
    let file = shared(crc32fast::hash(IMAGES), length_of(IMAGES));
    // Nobody reads the zeros through the zip, so their checksum is nobody's business.
    let zeros = shared(0, padding);

    let mut head = local(FILE.as_bytes(), &file);
    head.extend(IMAGES);
    let zeros_at = length_of(&head);
    head.extend(local(PADDING, &zeros));
    let mut tail = entry(FILE.as_bytes(), &file, 0);
    tail.extend(entry(PADDING, &zeros, zeros_at));
    let size = u32::try_from(tail.len()).expect("a short directory");
    let start = u32::try_from(length - directory).expect("less than 4 GiB");
    tail.extend(b"PK\x05\x06\0\0\0\0\x02\0\x02\0");
    tail.extend(size.to_le_bytes());
    tail.extend(start.to_le_bytes());
    tail.extend([0, 0]);
    assert_eq!(length_of(&tail), directory);
    Artifact {
        length,
        segments: vec![(0, head.into()), (length - directory, tail.into())],
        directory,
    }
}

/// A zip with so many entries: the image definitions, then small files.
///
/// # Panics
/// Never: memory takes what is written to it.
pub fn of_entries(entries: u32) -> Artifact {
    let stored = SimpleFileOptions::default().compression_method(CompressionMethod::Stored);
    let mut writer = ZipWriter::new(Cursor::new(Vec::new()));
    let mut add = |name: &str, content: &[u8]| {
        writer.start_file(name, stored).expect("an entry");
        writer.write_all(content).expect("its content");
    };
    add(FILE, IMAGES);
    for number in 1..entries {
        add(
            &format!("app/node_modules/package-{number:07}/index.js"),
            b"module.exports = {}\n",
        );
    }
    let zip = writer.finish().expect("a zip").into_inner();
    let archive = ZipArchive::new(Cursor::new(&zip)).expect("a zip");
    let length = length_of(&zip);
    let directory = length - archive.central_directory_start();
    drop(archive);
    Artifact {
        length,
        segments: vec![(0, zip.into())],
        directory,
    }
}
