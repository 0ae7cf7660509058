//! One small file out of a zip of any size.

use std::io::Read;

use zip::read::{ArchiveOffset, Config};
use zip::result::ZipError;
use zip::{CompressionMethod, ZipArchive};

use super::ranged::{FETCH_LIMIT_BYTES, Ranged, Source, Stop};
use crate::deploy::text;

/// So much of the object's end is fetched first: the longest possible end record with its comment
/// (64 KiB), and in most artifacts the whole directory and in small ones everything.
pub const TAIL_BYTES: u64 = 128 * 1024;

/// A local header before its name (APPNOTE.TXT 4.3.7).
const LOCAL_HEADER_BYTES: u64 = 30;

/// Room for the extra field of a local header, whose length the directory does not tell.
const EXTRA_FIELD_ROOM_BYTES: u64 = 1024;

/// At most so many close matches are named.
const NEAR_LIMIT: usize = 3;

/// An entry of the directory before its name (APPNOTE.TXT 4.3.12).
const DIRECTORY_ENTRY_BYTES: u64 = 46;

/// What `zip` keeps of each entry besides its name while its table grows, and how often it keeps
/// the name (measured: `tests/memory.rs`).
const KEPT_BYTES: u64 = 440;
const NAME_COPIES: u64 = 2;

/// Kept for the rest of the function: its code, TLS, buffers.
const RESERVED_BYTES: u64 = 48 * 1024 * 1024;

/// What reading a zip may take.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Bounds {
    /// Memory, in bytes.
    memory: u64,
}

impl Bounds {
    /// Those of a function with this memory, in MiB; of one with plenty if it is not known.
    ///
    /// A function that runs out of memory is killed and answers nobody.
    pub fn for_memory(mebibytes: Option<u64>) -> Self {
        const PLENTY_MIB: u64 = 1024;
        let memory = mebibytes.unwrap_or(PLENTY_MIB).saturating_mul(1024 * 1024);
        Self {
            memory: memory.saturating_sub(RESERVED_BYTES),
        }
    }

    /// How large, in bytes, a directory with so many entries may be. `None`: not even with names
    /// of one letter.
    ///
    /// It takes its own size, and all of it but what stands before the names is names.
    pub fn directory(self, entries: u64) -> Option<u64> {
        let fixed = KEPT_BYTES.saturating_sub(NAME_COPIES * DIRECTORY_ENTRY_BYTES);
        let left = self.memory.checked_sub(entries.checked_mul(fixed)?)?;
        let most = (left / (1 + NAME_COPIES)).min(FETCH_LIMIT_BYTES);
        let least = entries.checked_mul(DIRECTORY_ENTRY_BYTES + 1)?;
        (most >= least).then_some(most)
    }
}

/// Why the file could not be read from the zip.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum Unreadable<E> {
    /// The object could not be fetched.
    #[error("the object could not be fetched")]
    Source(E),
    /// The object has no bytes.
    #[error("it is empty")]
    Empty,
    /// Not a zip, or a broken one.
    #[error("it is not a readable zip ({0})")]
    NotZip(String),
    /// The directory of the zip is larger than we read.
    #[error(
        "its list of {0} files is larger than what the function has memory for, or than {most} MiB: put fewer files into the artifact, or raise the function's MemorySize",
        most = FETCH_LIMIT_BYTES / (1024 * 1024)
    )]
    DirectoryTooLarge(u64),
    /// The file is not in it.
    #[error("it has no such file among its {count}{}", near_words(.near))]
    Absent {
        /// How many files the zip has.
        count: usize,
        /// Files that may be meant.
        near: Vec<String>,
    },
    /// The file is larger than its kind may be.
    #[error("the file is larger than {} KB", .limit / 1024)]
    FileTooLarge {
        /// The bound, in bytes.
        limit: u64,
    },
    /// The file is encrypted.
    #[error("the file is encrypted; build the artifact without a password")]
    Encrypted,
    /// A compression method that CodePipeline's and the usual tools do not write.
    #[error("the file is compressed with method {0}; use deflate or store it")]
    Method(String),
}

fn near_words(near: &[String]) -> String {
    if near.is_empty() {
        String::new()
    } else {
        let quoted: Vec<String> = near.iter().map(|name| format!("'{name}'")).collect();
        format!("; it has {}", text::listed(&quoted))
    }
}

impl<E> Unreadable<E> {
    fn of_stop(stop: Stop<E>, entries: u64) -> Self {
        match stop {
            Stop::Source(error) => Self::Source(error),
            Stop::TooMuch => Self::DirectoryTooLarge(entries),
            Stop::TooOften => Self::NotZip("its parts point to and fro".to_owned()),
            Stop::WrongLength => Self::NotZip("the store answered with another length".to_owned()),
        }
    }
}

/// A file to read.
#[derive(Debug, Clone, Copy)]
pub struct Wanted<'a> {
    /// Its path inside the zip.
    pub name: &'a str,
    /// It may have so many bytes.
    pub limit: u64,
}

/// Reads the file `name` of at most `limit` bytes from the zip in `source`.
///
/// Takes at most four requests of a sound zip, and memory for its directory and the file.
///
/// # Errors
/// [`Unreadable`], with what is wrong.
pub fn read<S: Source>(
    source: S,
    name: &str,
    limit: u64,
    bounds: Bounds,
) -> Result<Vec<u8>, Unreadable<S::Error>> {
    let mut contents = read_all(source, &[Wanted { name, limit }], bounds)?;
    contents.pop().unwrap_or(Err(Unreadable::Empty))
}

/// Reads several files; the directory is read once. One result for each, in their order.
///
/// # Errors
/// [`Unreadable`] if none can be read.
pub fn read_all<S: Source>(
    source: S,
    wanted: &[Wanted<'_>],
    bounds: Bounds,
) -> Result<Vec<Content<S::Error>>, Unreadable<S::Error>> {
    let mut reader =
        Ranged::open(source, TAIL_BYTES).map_err(|stop| Unreadable::of_stop(stop, 0))?;
    if reader.total() == 0 {
        return Err(Unreadable::Empty);
    }
    let entries = entries_claimed(reader.tail());
    let too_large = || Unreadable::DirectoryTooLarge(entries);
    reader.limit_fetches(bounds.directory(entries).ok_or_else(too_large)?);
    let stopped = |stop| Unreadable::of_stop(stop, entries);
    // CodePipeline's artifacts are plain zips, so offsets count from the object's first byte;
    // looking for others would read on and on in what is no zip.
    let config = Config {
        archive_offset: ArchiveOffset::Known(0),
    };
    let archive = match ZipArchive::with_config(config, &mut reader) {
        Ok(archive) => archive,
        Err(error) => {
            let stop = reader.take_stop().map(stopped);
            return Err(stop.unwrap_or_else(|| Unreadable::NotZip(error.to_string())));
        }
    };
    let found: Vec<Result<Found, Unreadable<S::Error>>> =
        wanted.iter().map(|one| find(&archive, *one)).collect();
    let metadata = archive.metadata();
    drop(archive);

    let mut contents = Vec::new();
    for found in found {
        let found = match found {
            Ok(found) => found,
            Err(unreadable) => {
                contents.push(Err(unreadable));
                continue;
            }
        };
        reader.announce(found.start, found.end);
        let limit = found.limit;
        let outcome = metadata.entry(found.index).and_then(|entry| {
            let mut content = Vec::new();
            let mut file = entry.with_reader(&mut reader, zip::ZipReadOptions::default())?;
            file.by_ref().take(limit + 1).read_to_end(&mut content)?;
            Ok(content)
        });
        contents.push(match outcome {
            Ok(content) if u64::try_from(content.len()).is_ok_and(|length| length <= limit) => {
                Ok(content)
            }
            Ok(_) => Err(Unreadable::FileTooLarge { limit }),
            Err(error) => {
                let stop = reader.take_stop().map(stopped);
                Err(stop.unwrap_or_else(|| Unreadable::NotZip(error.to_string())))
            }
        });
    }
    Ok(contents)
}

/// A file's content, or why it could not be read.
pub type Content<E> = Result<Vec<u8>, Unreadable<E>>;

/// Where an entry is.
struct Found {
    index: usize,
    /// The bytes that hold it.
    start: u64,
    end: u64,
    limit: u64,
}

fn find<R: Read + std::io::Seek, E>(
    archive: &ZipArchive<R>,
    wanted: Wanted<'_>,
) -> Result<Found, Unreadable<E>> {
    let Wanted { name, limit } = wanted;
    let Some(index) = index_of(archive, name) else {
        return Err(Unreadable::Absent {
            count: archive.len(),
            near: near(archive, name),
        });
    };
    let not_zip = |error: ZipError| Unreadable::NotZip(error.to_string());
    let entry = archive.by_index_data(index).map_err(not_zip)?;
    if entry.encrypted() {
        return Err(Unreadable::Encrypted);
    }
    match entry.compression() {
        CompressionMethod::Stored | CompressionMethod::Deflated => {}
        other => return Err(Unreadable::Method(other.to_string())),
    }
    // Deflate makes nothing longer by more than a few bytes in 64 KiB.
    if entry.size() > limit || entry.compressed_size() > limit + limit / 8 + EXTRA_FIELD_ROOM_BYTES
    {
        return Err(Unreadable::FileTooLarge { limit });
    }
    let start = entry.header_start();
    let end = start
        .saturating_add(LOCAL_HEADER_BYTES + EXTRA_FIELD_ROOM_BYTES + entry.compressed_size())
        .saturating_add(u64::try_from(entry.name_raw().len()).unwrap_or(u64::MAX));
    Ok(Found {
        index,
        start,
        end,
        limit,
    })
}

/// The greatest number of entries that an end record in the tail claims: `zip` reads as many, and
/// no more. Records of zips within the zip are looked at too, which does no harm.
///
/// APPNOTE.TXT 4.3.14 (zip64) and 4.3.16.
fn entries_claimed(tail: &[u8]) -> u64 {
    let end = numbers_behind(tail, b"PK\x05\x06", 10, 2);
    let zip64 = numbers_behind(tail, b"PK\x06\x06", 32, 8).max();
    // All ones say that a zip64 record has the number.
    let is_number = |number: &u64| zip64.is_none() || *number != u64::from(u16::MAX);
    end.filter(is_number).max().max(zip64).unwrap_or(0)
}

/// The little-endian numbers of `size` bytes that stand `offset` bytes after each `signature`.
fn numbers_behind<'a>(
    tail: &'a [u8],
    signature: &'a [u8],
    offset: usize,
    size: usize,
) -> impl Iterator<Item = u64> + 'a {
    tail.windows(offset + size)
        .filter(move |record| record.starts_with(signature))
        .map(move |record| {
            let bytes = record[offset..].iter().rev();
            bytes.fold(0, |number, byte| (number << 8) | u64::from(*byte))
        })
}

/// The entry called `name`, also if the zip writes it with `\` or a leading `./`.
fn index_of<R: Read + std::io::Seek>(archive: &ZipArchive<R>, name: &str) -> Option<usize> {
    archive.index_for_name(name).or_else(|| {
        archive
            .file_names()
            .position(|written| written.is_ok_and(|written| plain(&written) == name))
    })
}

fn plain(written: &str) -> String {
    written
        .replace('\\', "/")
        .trim_start_matches("./")
        .to_owned()
}

/// Files that may be meant: the same name in another folder or case, or one that is nearly it.
fn near<R: Read + std::io::Seek>(archive: &ZipArchive<R>, name: &str) -> Vec<String> {
    let wanted = text::last_part(name).to_lowercase();
    let names = || {
        archive
            .file_names()
            .filter_map(Result::ok)
            .map(|written| plain(&written))
    };
    let mut near: Vec<String> = names()
        .filter(|written| text::last_part(written).to_lowercase() == wanted)
        .take(NEAR_LIMIT)
        .collect();
    if near.is_empty() {
        near = names()
            .filter(|written| {
                let last = text::last_part(written);
                last.len().abs_diff(wanted.len()) <= wanted.len() / 3
                    && text::nearest(last, [wanted.as_str()]).is_some()
            })
            .take(NEAR_LIMIT)
            .collect();
    }
    near
}

#[cfg(test)]
mod tests {
    use super::super::ranged::tests::Memory;
    use super::*;
    use std::io::{Cursor, Write};
    use zip::write::SimpleFileOptions;
    use zip::{CompressionMethod, ZipWriter};

    const NAME: &str = "imagedefinitions.json";
    const CONTENT: &[u8] = br#"[{"name": "app", "imageUri": "repo/app:v2"}]"#;
    const LIMIT: u64 = 100 * 1024;
    const PLENTY: Bounds = Bounds { memory: 1 << 30 };

    fn noise(length: usize) -> Vec<u8> {
        let mut state = 1_u32;
        (0..length)
            .map(|_| {
                state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
                state.to_be_bytes()[0]
            })
            .collect()
    }

    fn zip_of(files: &[(&str, &[u8])], options: SimpleFileOptions) -> Vec<u8> {
        let mut writer = ZipWriter::new(Cursor::new(Vec::new()));
        for (name, content) in files {
            writer.start_file(*name, options).unwrap();
            writer.write_all(content).unwrap();
        }
        writer.finish().unwrap().into_inner()
    }

    fn deflated() -> SimpleFileOptions {
        SimpleFileOptions::default().compression_method(CompressionMethod::Deflated)
    }

    fn stored() -> SimpleFileOptions {
        SimpleFileOptions::default().compression_method(CompressionMethod::Stored)
    }

    /// What is read, and with how many requests.
    fn read_from(zip: Vec<u8>, name: &str) -> (Result<Vec<u8>, Unreadable<String>>, usize) {
        let memory = Memory::new(zip);
        let outcome = read(memory.clone(), name, LIMIT, PLENTY);
        (outcome, memory.requests())
    }

    #[test]
    fn a_small_zip_takes_one_request() {
        for options in [deflated(), stored()] {
            let zip = zip_of(&[("a.txt", b"a"), (NAME, CONTENT)], options);
            assert_eq!(read_from(zip, NAME), (Ok(CONTENT.to_vec()), 1));
        }
    }

    #[test]
    fn a_file_at_the_front_of_a_large_zip_takes_two_requests_and_few_bytes() {
        let zip = zip_of(&[(NAME, CONTENT), ("big", &noise(2_000_000))], stored());
        let memory = Memory::new(zip);
        assert_eq!(read(memory.clone(), NAME, LIMIT, PLENTY).unwrap(), CONTENT);
        let asked: u64 = memory
            .asked
            .lock()
            .unwrap()
            .iter()
            .map(|(start, end)| end - start)
            .sum();
        assert_eq!(memory.requests(), 2);
        assert!(asked < TAIL_BYTES + 2 * EXTRA_FIELD_ROOM_BYTES, "{asked}");
    }

    #[test]
    fn a_directory_larger_than_the_tail_takes_at_most_four_requests() {
        let names: Vec<String> = (0..10_000).map(|n| format!("lib/{n:06}.js")).collect();
        let mut files: Vec<(&str, &[u8])> = vec![(NAME, CONTENT)];
        let filler = noise(40);
        files.extend(names.iter().map(|name| (name.as_str(), &filler[..])));
        let (outcome, requests) = read_from(zip_of(&files, stored()), NAME);
        assert_eq!(outcome.unwrap(), CONTENT);
        assert!(requests <= 4, "{requests}");
    }

    #[test]
    fn zip64_and_data_descriptors_are_read() {
        let zip64 = zip_of(&[(NAME, CONTENT)], deflated().large_file(true));
        assert_eq!(read_from(zip64, NAME).0.unwrap(), CONTENT);

        let mut writer = ZipWriter::new_stream(Vec::new());
        writer.start_file(NAME, deflated()).unwrap();
        writer.write_all(CONTENT).unwrap();
        let streamed = writer.finish().unwrap().into_inner();
        assert_eq!(streamed[6] & 8, 8, "the flag for a data descriptor");
        assert_eq!(read_from(streamed, NAME).0.unwrap(), CONTENT);
    }

    #[test]
    fn a_zip_with_more_entries_than_sixteen_bits_count_is_read() {
        let names: Vec<String> = (0..65_600).map(|n| format!("{n}")).collect();
        let mut files: Vec<(&str, &[u8])> =
            names.iter().map(|name| (name.as_str(), &b""[..])).collect();
        files.push((NAME, CONTENT));
        let (outcome, requests) = read_from(zip_of(&files, stored()), NAME);
        assert_eq!(outcome.unwrap(), CONTENT);
        assert!(requests <= 4, "{requests}");
    }

    #[test]
    fn a_name_written_with_backslashes_or_dot_slash_is_the_same_file() {
        let zip = zip_of(&[("deploy\\images.json", CONTENT)], stored());
        assert_eq!(read_from(zip, "deploy/images.json").0.unwrap(), CONTENT);
        let zip = zip_of(&[("./imagedefinitions.json", CONTENT)], stored());
        assert_eq!(read_from(zip, NAME).0.unwrap(), CONTENT);
    }

    #[test]
    fn an_absent_file_names_those_that_may_be_meant() {
        let said = |files: &[(&str, &[u8])]| {
            read_from(zip_of(files, stored()), NAME)
                .0
                .unwrap_err()
                .to_string()
        };
        assert_eq!(
            said(&[("out/imagedefinitions.json", b""), ("x", b"")]),
            "it has no such file among its 2; it has 'out/imagedefinitions.json'"
        );
        assert_eq!(
            said(&[("imageDefinition.json", b"")]),
            "it has no such file among its 1; it has 'imageDefinition.json'"
        );
        assert_eq!(said(&[("README", b"")]), "it has no such file among its 1");
    }

    #[test]
    fn an_empty_object_and_one_that_is_no_zip_are_told_apart() {
        assert_eq!(read_from(Vec::new(), NAME), (Err(Unreadable::Empty), 1));
        for not_zip in [vec![b'x'], noise(1000), noise(1_000_000)] {
            let (outcome, requests) = read_from(not_zip, NAME);
            assert!(matches!(outcome, Err(Unreadable::NotZip(_))), "{outcome:?}");
            assert!(requests <= 4, "{requests}");
        }
    }

    #[test]
    fn a_truncated_zip_is_no_zip() {
        let zip = zip_of(&[(NAME, CONTENT), ("big", &noise(5000))], stored());
        for length in [10, 100, zip.len() / 2, zip.len() - 1] {
            let (outcome, _) = read_from(zip[..length].to_vec(), NAME);
            assert!(
                matches!(outcome, Err(Unreadable::NotZip(_))),
                "{length}: {outcome:?}"
            );
        }
    }

    #[test]
    fn a_file_over_its_bound_is_refused_whatever_its_header_claims() {
        let bomb = vec![b' '; usize::try_from(LIMIT).unwrap() + 1];
        let zip = zip_of(&[(NAME, &bomb)], deflated());
        assert_eq!(
            read_from(zip.clone(), NAME).0,
            Err(Unreadable::FileTooLarge { limit: LIMIT })
        );

        // The directory's uncompressed size, 24 bytes into its entry, made small.
        let mut lying = zip;
        let entry = lying
            .windows(4)
            .rposition(|bytes| bytes == b"PK\x01\x02")
            .unwrap();
        lying[entry + 24..entry + 28].copy_from_slice(&10_u32.to_le_bytes());
        let outcome = read_from(lying, NAME).0;
        assert!(
            matches!(
                outcome,
                Err(Unreadable::FileTooLarge { .. } | Unreadable::NotZip(_))
            ),
            "{outcome:?}"
        );
    }

    #[test]
    fn a_file_whose_checksum_is_wrong_is_not_used() {
        let mut zip = zip_of(&[(NAME, CONTENT)], stored());
        let at = zip.windows(4).position(|bytes| bytes == b"repo").unwrap();
        zip[at] = b'R';
        assert!(matches!(read_from(zip, NAME).0, Err(Unreadable::NotZip(_))));
    }

    #[test]
    fn an_encrypted_file_says_so() {
        let mut zip = zip_of(&[(NAME, CONTENT)], stored());
        for (signature, flags) in [(b"PK\x03\x04", 6), (b"PK\x01\x02", 8)] {
            let at = zip.windows(4).position(|bytes| bytes == signature).unwrap();
            zip[at + flags] |= 1;
        }
        assert_eq!(read_from(zip, NAME).0, Err(Unreadable::Encrypted));
    }

    #[test]
    fn another_compression_method_says_which() {
        let mut zip = zip_of(&[(NAME, CONTENT)], stored());
        for (signature, method) in [(b"PK\x03\x04", 8), (b"PK\x01\x02", 10)] {
            let at = zip.windows(4).position(|bytes| bytes == signature).unwrap();
            zip[at + method] = 12;
        }
        let outcome = read_from(zip, NAME).0;
        assert!(matches!(outcome, Err(Unreadable::Method(_))), "{outcome:?}");
    }

    #[test]
    fn a_zip_with_more_entries_than_memory_allows_is_refused_before_its_directory_is_read() {
        let names: Vec<String> = (0..70_000).map(|n| format!("{n}")).collect();
        let files: Vec<(&str, &[u8])> =
            names.iter().map(|name| (name.as_str(), &b""[..])).collect();
        let memory = Memory::new(zip_of(&files, stored()));
        let bounds = Bounds {
            memory: 70_000 * KEPT_BYTES,
        };
        let outcome = read(memory.clone(), NAME, LIMIT, bounds);
        assert_eq!(outcome, Err(Unreadable::DirectoryTooLarge(70_000)));
        assert_eq!(memory.requests(), 1);
    }

    #[test]
    fn a_function_with_more_memory_reads_more_and_never_more_than_the_bound() {
        let directory = |memory, entries| Bounds::for_memory(memory).directory(entries);
        let small = directory(Some(128), 100_000).unwrap();
        assert!(small > 100_000 * (DIRECTORY_ENTRY_BYTES + 100), "{small}");
        assert!(directory(Some(256), 100_000).unwrap() > small);
        assert_eq!(directory(Some(1024), 100_000), Some(FETCH_LIMIT_BYTES));
        assert_eq!(directory(None, 0), Some(FETCH_LIMIT_BYTES));
        for entries in [1_000_000, u64::MAX / KEPT_BYTES, u64::MAX] {
            assert_eq!(directory(Some(128), entries), None, "{entries}");
        }
        assert_eq!(directory(Some(0), 1), None);
    }

    #[test]
    fn overlapping_entries_and_lying_offsets_are_refused_or_read_for_what_they_are() {
        let sound = zip_of(&[("a", b"aaaa"), (NAME, CONTENT)], stored());
        let entries: Vec<usize> = sound
            .windows(4)
            .enumerate()
            .filter(|(_, bytes)| bytes == b"PK\x01\x02")
            .map(|(at, _)| at)
            .collect();
        // The local header's offset, 42 bytes into an entry of the directory.
        for offset in [0_u32, 1, 17, 1 << 20, u32::MAX - 1] {
            let mut lying = sound.clone();
            lying[entries[1] + 42..entries[1] + 46].copy_from_slice(&offset.to_le_bytes());
            let (outcome, requests) = read_from(lying, NAME);
            assert!(
                !matches!(&outcome, Ok(content) if content != CONTENT),
                "{offset}: {outcome:?}"
            );
            assert!(requests <= 4, "{offset}: {requests}");
        }
    }

    #[test]
    fn of_two_files_with_the_same_name_one_is_read_and_dots_in_names_lead_nowhere() {
        let mut zip = zip_of(
            &[("imagedefinitions.jsoX", CONTENT), (NAME, CONTENT)],
            stored(),
        );
        for at in 0..zip.len() - NAME.len() {
            if zip[at..].starts_with(b"imagedefinitions.jsoX") {
                zip[at + NAME.len() - 1] = b'n';
            }
        }
        assert_eq!(read_from(zip, NAME).0.unwrap(), CONTENT);
        let zip = zip_of(&[("../../etc/imagedefinitions.json", CONTENT)], stored());
        let outcome = read_from(zip, NAME).0;
        assert!(
            matches!(outcome, Err(Unreadable::Absent { .. })),
            "{outcome:?}"
        );
    }
}
