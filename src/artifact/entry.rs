//! One small file out of a zip of any size.
//!
//! Read by APPNOTE.TXT (<https://pkware.cachefly.net/webdocs/casestudies/APPNOTE.TXT>), whose
//! sections are named below. The directory is gone through once, a part at a time, and nothing is
//! kept of an entry that is not asked for: so neither memory nor what else the zip holds decides
//! whether a file can be read. The `zip` crate keeps a table of all entries and refuses a zip for
//! any extra field that it cannot parse.

use std::io::Read;

use super::format;
use super::ranged::{Ranged, Source, Stop};
use crate::deploy::{outside, text};

/// So much of the object's end is fetched first: the longest possible end record with its comment
/// (64 KiB), and in most artifacts the whole directory and in small ones everything.
pub const TAIL_BYTES: u64 = 128 * 1024;

/// A larger directory is not read.
pub const DIRECTORY_LIMIT_BYTES: u64 = 64 * MIB;

const MIB: u64 = 1024 * 1024;

/// Room for the extra field of a local header, whose length is not in the directory.
const EXTRA_FIELD_ROOM_BYTES: u64 = 1024;

/// At most so many close matches are named.
const NEAR_LIMIT: usize = 3;

/// So many files are named of an artifact that has none that may be meant.
const FIRST_LIMIT: usize = 10;
/// So much of each: there may be several artifacts.
const FIRST_NAME_LIMIT_CHARS: usize = 80;

/// At most so many names are compared letter by letter.
const NEAR_TRIES: usize = 10_000;

/// So much of a name is shown.
const NAME_LIMIT_CHARS: usize = 200;

/// The file that an ECR source action writes.
const IMAGE_DETAIL_FILE: &str = super::image_definitions::IMAGE_DETAIL_FILE;

/// How much of a directory is held at a time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Bounds {
    /// In bytes.
    part: u64,
}

impl Bounds {
    /// Those of a function with this memory, in MiB; of one with plenty if it is not known.
    ///
    /// A function that runs out of memory is killed and answers nobody.
    pub fn for_memory(mebibytes: Option<u64>) -> Self {
        const PLENTY_MIB: u64 = 1024;
        /// Kept for the rest of the function: its code, TLS, buffers.
        const RESERVED_MIB: u64 = 48;
        /// Of what is left a fifth: 16 MiB of the smallest function's 128.
        const SHARES: u64 = 5;
        let left = mebibytes.unwrap_or(PLENTY_MIB).saturating_sub(RESERVED_MIB);
        Self::of((left / SHARES).saturating_mul(MIB))
    }

    /// The same memory for so many artifacts at once.
    #[must_use]
    pub fn shared_by(self, artifacts: usize) -> Self {
        let artifacts = u64::try_from(artifacts).unwrap_or(u64::MAX).max(1);
        Self::of(self.part / artifacts)
    }

    fn of(part: u64) -> Self {
        // The longest entry has less than 200 KiB.
        Self {
            part: part.clamp(MIB, DIRECTORY_LIMIT_BYTES),
        }
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
    /// Something else than a zip; as text, `a gzip file`.
    #[error("it is {0}, not a zip")]
    Other(&'static str),
    /// A broken zip.
    #[error("it is not a readable zip ({0})")]
    NotZip(String),
    /// The directory of the zip is larger than we read.
    #[error(
        "its list of {0} files is larger than {most} MiB: put fewer files into the artifact",
        most = DIRECTORY_LIMIT_BYTES / MIB
    )]
    DirectoryTooLarge(u64),
    /// The file is not in it.
    #[error("it has {}{}", absent_text(*.count), instead_text(.near, .first, .image_detail.as_deref(), *.count))]
    Absent {
        /// How many files the zip has.
        count: u64,
        /// Files that may be meant.
        near: Vec<String>,
        /// The first files that it has.
        first: Vec<String>,
        /// The first imageDetail.json that it has.
        image_detail: Option<String>,
    },
    /// It is there more than once.
    #[error(
        "it has that file {0} times: which one is meant is not known; let the build write it once"
    )]
    Twice(usize),
    /// Something else stands in its place, as `a symbolic link`.
    #[error("in its place is {0}: put the file itself into the artifact")]
    NoFile(&'static str),
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
    #[error("the file is compressed with method {}; use deflate or store it", method_text(*.0))]
    Method(u16),
}

impl<E> Unreadable<E> {
    /// Whether the object is no zip at all, so that it cannot have the file.
    pub fn is_no_zip(&self) -> bool {
        matches!(self, Self::Empty | Self::Other(_))
    }
}

/// A method's number, and its name for the usual ones (APPNOTE.TXT 4.4.5).
fn method_text(method: u16) -> String {
    let name = match method {
        9 => "Deflate64",
        12 => "bzip2",
        14 => "LZMA",
        93 => "Zstandard",
        95 => "xz",
        other => return other.to_string(),
    };
    format!("{method} ({name})")
}

fn absent_text(count: u64) -> String {
    match count {
        0 => "no files at all".to_owned(),
        count => format!("no such file among its {count}"),
    }
}

/// What may be meant, else what there is.
fn instead_text(
    near: &[String],
    first: &[String],
    image_detail: Option<&str>,
    count: u64,
) -> String {
    let names = match (near, image_detail) {
        // The remedy names it.
        ([], Some(_)) => &[],
        ([], None) => first,
        (near, _) => near,
    };
    if names.is_empty() {
        return String::new();
    }
    let quoted: Vec<String> = names.iter().map(|name| format!("'{name}'")).collect();
    let listed = u64::try_from(quoted.len()).unwrap_or(u64::MAX);
    match count.saturating_sub(listed) {
        more @ 1.. if near.is_empty() => {
            format!("; it has {} and {more} more", quoted.join(", "))
        }
        _ => format!("; it has {}", text::listed(&quoted)),
    }
}

impl<E> From<Stop<E>> for Unreadable<E> {
    fn from(stop: Stop<E>) -> Self {
        match stop {
            Stop::Source(error) => Self::Source(error),
            Stop::WrongLength => broken("the store answered with another length"),
        }
    }
}

fn broken<E>(why: &str) -> Unreadable<E> {
    Unreadable::NotZip(why.to_owned())
}

/// A file to read.
#[derive(Debug, Clone, Copy)]
pub struct Wanted<'a> {
    /// Its path inside the zip.
    pub name: &'a str,
    /// It may have so many bytes.
    pub limit: u64,
}

/// A file's content, or why it could not be read.
pub type Content<E> = Result<Vec<u8>, Unreadable<E>>;

/// Reads the file `name` of at most `limit` bytes from the zip in `source`.
///
/// Takes one to three requests of a usual zip; memory for a part of its directory and the file.
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
    let mut object = Ranged::open(source, TAIL_BYTES)?;
    if object.total() == 0 {
        return Err(Unreadable::Empty);
    }
    let Some(end) = End::find(object.tail()) else {
        let head = object.read(0, format::HEAD_BYTES)?;
        return Err(match format::of(&head) {
            Some(other) => Unreadable::Other(other),
            None if format::is_zip(&head) => broken("its end is missing: it was cut off"),
            None => Unreadable::Other("something without a zip's end record"),
        });
    };
    let directory = Directory::locate(&mut object, end)?;
    let mut search = Search::new(wanted);
    go_through(&mut object, directory, bounds, &mut search)?;
    Ok(search
        .finish()
        .into_iter()
        .zip(wanted)
        .map(|(found, wanted)| content(&mut object, directory, found?, wanted.limit))
        .collect())
}

/// The little-endian number of `SIZE` bytes at `at`; 0 where there are none, which no caller asks.
fn number<const SIZE: usize>(bytes: &[u8], at: usize) -> u64 {
    let digits = bytes.get(at..at + SIZE).unwrap_or_default();
    digits
        .iter()
        .rev()
        .fold(0, |number, byte| (number << 8) | u64::from(*byte))
}

fn u16_at(bytes: &[u8], at: usize) -> u64 {
    number::<2>(bytes, at)
}

fn u32_at(bytes: &[u8], at: usize) -> u64 {
    number::<4>(bytes, at)
}

/// The end of central directory record (4.3.16).
struct End {
    /// Where it is, counted from the tail's beginning.
    at: usize,
    /// Where the locator of its zip64 form would be.
    locator: Option<usize>,
    disk: u64,
    entries: u64,
    size: u64,
    start: u64,
}

/// All ones: the zip64 record has the number (4.4.1.4).
const IN_ZIP64_16: u64 = 0xffff;
const IN_ZIP64_32: u64 = 0xffff_ffff;

impl End {
    const BYTES: usize = 22;
    const LOCATOR_BYTES: usize = 20;

    /// The last record whose comment ends where the object does, else the last whose comment ends
    /// before.
    fn find(tail: &[u8]) -> Option<Self> {
        let mut before = None;
        for at in (0..(tail.len() + 1).saturating_sub(Self::BYTES)).rev() {
            let record = &tail[at..];
            if !record.starts_with(b"PK\x05\x06") {
                continue;
            }
            let length = u64::try_from(record.len() - Self::BYTES).unwrap_or(u64::MAX);
            match u16_at(record, 20).cmp(&length) {
                std::cmp::Ordering::Equal => return Some(Self::of(tail, at)),
                std::cmp::Ordering::Less => before = before.or(Some(at)),
                std::cmp::Ordering::Greater => {}
            }
        }
        before.map(|at| Self::of(tail, at))
    }

    fn of(tail: &[u8], at: usize) -> Self {
        let record = &tail[at..];
        let locator = at.checked_sub(Self::LOCATOR_BYTES);
        Self {
            at,
            locator: locator.filter(|at| tail[*at..].starts_with(b"PK\x06\x07")),
            disk: u16_at(record, 4),
            entries: u16_at(record, 10),
            size: u32_at(record, 12),
            start: u32_at(record, 16),
        }
    }
}

/// Where the central directory is, counted from the object's first byte, as CodePipeline's
/// artifacts have it.
#[derive(Debug, Clone, Copy)]
struct Directory {
    start: u64,
    end: u64,
    /// How many entries it has, as far as the end record counts.
    entries: u64,
    /// It counts no further than this.
    counts_to: u64,
}

impl Directory {
    fn locate<S: Source>(object: &mut Ranged<S>, end: End) -> Result<Self, Unreadable<S::Error>> {
        /// The zip64 end of central directory record (4.3.14), without its extensible data.
        const ZIP64_BYTES: u64 = 56;
        if end.disk != 0 && end.disk != IN_ZIP64_16 {
            return Err(broken("it is one part of a zip that is split into several"));
        }
        let End {
            mut entries,
            mut size,
            mut start,
            ..
        } = end;
        let mut counts_to = IN_ZIP64_16;
        let is_zip64 = entries == IN_ZIP64_16 || size == IN_ZIP64_32 || start == IN_ZIP64_32;
        if let Some(locator) = end.locator.filter(|_| is_zip64) {
            let at = number::<8>(object.tail(), locator + 8);
            let record = object.read(at, at.saturating_add(ZIP64_BYTES))?;
            if !record.starts_with(b"PK\x06\x06") || record.len() < 56 {
                return Err(broken("its zip64 end record is not where it should be"));
            }
            if entries == IN_ZIP64_16 {
                entries = number::<8>(&record, 32);
                counts_to = u64::MAX;
            }
            if size == IN_ZIP64_32 {
                size = number::<8>(&record, 40);
            }
            if start == IN_ZIP64_32 {
                start = number::<8>(&record, 48);
            }
        }
        let end_at = object
            .tail_start()
            .saturating_add(u64::try_from(end.at).unwrap_or(u64::MAX));
        let directory = Self {
            start,
            end: start.saturating_add(size),
            entries,
            counts_to,
        };
        if directory.end > end_at {
            return Err(broken("its end record points outside of it"));
        }
        if size > DIRECTORY_LIMIT_BYTES {
            return Err(Unreadable::DirectoryTooLarge(entries));
        }
        Ok(directory)
    }
}

/// Goes through the directory once, with no more than a part of it in memory.
fn go_through<S: Source>(
    object: &mut Ranged<S>,
    directory: Directory,
    bounds: Bounds,
    search: &mut Search<'_>,
) -> Result<(), Unreadable<S::Error>> {
    let Directory { start, end, .. } = directory;
    let tail_start = object.tail_start();
    let mut at = start;
    // What a part ends with that has its other half in the tail.
    let mut half = Vec::new();
    while at < tail_start.min(end) {
        let part_end = at.saturating_add(bounds.part).min(tail_start).min(end);
        let part = object.read(at, part_end)?;
        let read = search.take(&part).map_err(broken_directory)?;
        let rest = part.get(read..).unwrap_or_default();
        if part_end == tail_start.min(end) {
            half = rest.to_vec();
            at = part_end;
        } else if read == 0 {
            return Err(broken("its list of files cannot be read"));
        } else {
            at = at.saturating_add(u64::try_from(read).unwrap_or(u64::MAX));
        }
    }
    let in_tail = object.read(at, end)?;
    let last = if half.is_empty() {
        in_tail
    } else {
        half.extend_from_slice(&in_tail);
        half.into()
    };
    let read = search.take(&last).map_err(broken_directory)?;
    if read != last.len() {
        return Err(broken("its list of files breaks off"));
    }
    // A zip with more than 65,535 entries and no zip64 record counts on from 0.
    let is_open = directory.counts_to == IN_ZIP64_16 && directory.entries == IN_ZIP64_16;
    let is_counted = is_open || (search.entries ^ directory.entries) & directory.counts_to == 0;
    if !is_counted {
        return Err(Unreadable::NotZip(format!(
            "its list has {} files and its end record counts {}",
            search.entries, directory.entries
        )));
    }
    Ok(())
}

fn broken_directory<E>(NotAnEntry: NotAnEntry) -> Unreadable<E> {
    broken("its list of files is damaged")
}

/// Something else than an entry stands in the directory.
struct NotAnEntry;

/// A file header of the central directory (4.3.12).
#[derive(Debug, Clone, Copy)]
struct Header<'a> {
    bytes: &'a [u8],
    name: &'a [u8],
    extra: &'a [u8],
}

impl<'a> Header<'a> {
    const BYTES: usize = 46;

    /// The header at the beginning of `bytes` and its length; `None` if they break off before its
    /// end.
    fn parse(bytes: &'a [u8]) -> Result<Option<(Self, usize)>, NotAnEntry> {
        const SIGNATURE: &[u8] = b"PK\x01\x02";
        let signature = &bytes[..bytes.len().min(SIGNATURE.len())];
        if !SIGNATURE.starts_with(signature) {
            return Err(NotAnEntry);
        }
        if bytes.len() < Self::BYTES {
            return Ok(None);
        }
        let length = |at| usize::try_from(u16_at(bytes, at)).unwrap_or(0);
        let name_end = Self::BYTES + length(28);
        let extra_end = name_end + length(30);
        let end = extra_end + length(32);
        Ok((bytes.len() >= end).then(|| {
            let header = Self {
                bytes: &bytes[..Self::BYTES],
                name: &bytes[Self::BYTES..name_end],
                extra: &bytes[name_end..extra_end],
            };
            (header, end)
        }))
    }

    fn is_folder(&self) -> bool {
        self.name.ends_with(b"/") || self.name.ends_with(b"\\")
    }

    /// Why it is no ordinary file, if its maker says which kind it is: the upper half of the
    /// external attributes of Unix (3) and macOS (19) is a file's mode (4.4.2, 4.4.15).
    fn no_file(&self) -> Option<&'static str> {
        const TYPE: u64 = 0o170_000;
        let maker = self.bytes[5];
        if maker != 3 && maker != 19 {
            return None;
        }
        match (u32_at(self.bytes, 38) >> 16) & TYPE {
            0 | 0o100_000 => None,
            0o120_000 => Some("a symbolic link"),
            0o040_000 => Some("a folder"),
            _ => Some("a device, pipe or socket"),
        }
    }
}

/// An entry that was asked for.
#[derive(Debug, Clone, Copy)]
struct Found {
    no_file: Option<&'static str>,
    is_encrypted: bool,
    method: u16,
    checksum: u32,
    packed: u64,
    size: u64,
    /// Where its local header is.
    start: u64,
    name_length: u64,
}

impl Found {
    fn of(header: &Header<'_>) -> Self {
        /// Encrypted; the directory's values are masked (4.4.4).
        const ENCRYPTED: u64 = 1 | 1 << 13;
        let Header { bytes, name, extra } = header;
        let mut zip64 = zip64_in(extra);
        // All ones without such a field are a number as any.
        let mut value = |at| match (u32_at(bytes, at), zip64.split_at_checked(8)) {
            (IN_ZIP64_32, Some((first, rest))) => {
                zip64 = rest;
                number::<8>(first, 0)
            }
            (known, _) => known,
        };
        // In the order of the extra field (4.5.3).
        let size = value(24);
        let packed = value(20);
        let start = value(42);
        Self {
            no_file: header.no_file(),
            is_encrypted: u16_at(bytes, 8) & ENCRYPTED != 0,
            method: u16::try_from(u16_at(bytes, 10)).unwrap_or(u16::MAX),
            checksum: u32::try_from(u32_at(bytes, 16)).unwrap_or(0),
            packed,
            size,
            start,
            name_length: u64::try_from(name.len()).unwrap_or(u64::MAX),
        }
    }
}

/// The zip64 extended information (4.5.3) among the extra fields; empty if there is none before
/// the first that is malformed.
fn zip64_in(mut extra: &[u8]) -> &[u8] {
    const ZIP64: u64 = 1;
    while extra.len() >= 4 {
        let (head, rest) = extra.split_at(4);
        let length = usize::try_from(u16_at(head, 2)).unwrap_or(usize::MAX);
        let Some((field, rest)) = rest.split_at_checked(length) else {
            break;
        };
        if u16_at(head, 0) == ZIP64 {
            return field;
        }
        extra = rest;
    }
    &[]
}

/// What is looked for, and what was found so far.
struct Search<'a> {
    places: Vec<Place<'a>>,
    entries: u64,
    files: u64,
    image_detail: Option<String>,
    /// The first files.
    first: Vec<String>,
}

/// What is known of one wanted file.
struct Place<'a> {
    /// The parts of its path, and the same as old tools for Windows write them.
    paths: [Vec<Vec<u8>>; 2],
    /// The last part.
    name: &'a str,
    /// The first entry of its name.
    found: Option<Found>,
    times: usize,
    same_name: Vec<String>,
    like_it: Vec<String>,
    tries: usize,
}

impl<'a> Search<'a> {
    fn new(wanted: &[Wanted<'a>]) -> Self {
        let places = wanted.iter().map(|wanted| Place {
            paths: [wanted.name.as_bytes().to_vec(), in_cp437(wanted.name)]
                .map(|name| parts(&name).map(<[u8]>::to_vec).collect()),
            name: text::last_part(wanted.name),
            found: None,
            times: 0,
            same_name: Vec::new(),
            like_it: Vec::new(),
            tries: 0,
        });
        Self {
            places: places.collect(),
            entries: 0,
            files: 0,
            image_detail: None,
            first: Vec::new(),
        }
    }

    /// Takes the whole headers at the beginning of `bytes`; returns how many bytes those are.
    fn take(&mut self, bytes: &[u8]) -> Result<usize, NotAnEntry> {
        let mut read = 0;
        while let Some(rest) = bytes.get(read..).filter(|rest| !rest.is_empty()) {
            // A digital signature may stand behind the last entry (4.3.13).
            if rest.starts_with(b"PK\x05\x05") {
                return Ok(bytes.len());
            }
            let Some((header, length)) = Header::parse(rest)? else {
                break;
            };
            read += length;
            self.entries += 1;
            if !header.is_folder() {
                self.files += 1;
                self.consider(&header);
            }
        }
        Ok(read)
    }

    fn consider(&mut self, header: &Header<'_>) {
        let last = parts(header.name).last().unwrap_or_default();
        if self.image_detail.is_none() && last.eq_ignore_ascii_case(IMAGE_DETAIL_FILE.as_bytes()) {
            self.image_detail = Some(shown(header.name));
        }
        if self.first.len() < FIRST_LIMIT {
            let name = shown(header.name);
            self.first.push(text::cut(&name, FIRST_NAME_LIMIT_CHARS));
        }
        for place in &mut self.places {
            if place.paths.iter().any(|path| parts(header.name).eq(path)) {
                place.times += 1;
                if place.found.is_none() {
                    place.found = Some(Found::of(header));
                }
            } else if place.found.is_none() {
                place.compare(header.name, last);
            }
        }
    }

    fn finish<E>(self) -> Vec<Result<Found, Unreadable<E>>> {
        let Self {
            places,
            files,
            image_detail,
            first,
            ..
        } = self;
        let found = places.into_iter().map(|place| match place.found {
            None => Err(Unreadable::Absent {
                count: files,
                near: if place.same_name.is_empty() {
                    place.like_it
                } else {
                    place.same_name
                },
                first: first.clone(),
                image_detail: image_detail.clone(),
            }),
            Some(_) if place.times > 1 => Err(Unreadable::Twice(place.times)),
            Some(found) => Ok(found),
        });
        found.collect()
    }
}

impl Place<'_> {
    /// Notes a file that may be meant: the same name in another folder or case, or one that is
    /// nearly it.
    fn compare(&mut self, name: &[u8], last: &[u8]) {
        if last.len().abs_diff(self.name.len()) > self.name.len() / 3 {
            return;
        }
        if last.eq_ignore_ascii_case(self.name.as_bytes()) {
            if self.same_name.len() < NEAR_LIMIT {
                self.same_name.push(shown(name));
            }
        } else if self.like_it.len() < NEAR_LIMIT && self.tries < NEAR_TRIES {
            self.tries += 1;
            let last = String::from_utf8_lossy(last);
            if text::nearest(&last, [self.name]).is_some() {
                self.like_it.push(shown(name));
            }
        }
    }
}

/// The parts of a path, whether it is written with `/` or `\`: a leading `/` or `./` adds none.
fn parts(path: &[u8]) -> impl DoubleEndedIterator<Item = &[u8]> {
    path.split(|byte| *byte == b'/' || *byte == b'\\')
        .filter(|part| !part.is_empty() && *part != b".")
}

/// A path as messages show it and as `FileName` may be set to it.
fn shown(path: &[u8]) -> String {
    let path: Vec<&[u8]> = parts(path).collect();
    let path = outside::shown(&String::from_utf8_lossy(&path.join(&b'/')));
    text::cut(&path, NAME_LIMIT_CHARS)
}

/// The upper half of code page 437, in which names stand that are not marked as UTF-8 (appendix D).
const CP437: &str = "ÇüéâäàåçêëèïîìÄÅÉæÆôöòûùÿÖÜ¢£¥₧ƒáíóúñÑªº¿⌐¬½¼¡«»░▒▓│┤╡╢╖╕╣║╗╝╜╛┐└┴┬├─┼╞╟╚╔╩╦╠═╬╧╨╤╥╙╘╒╓╫╪┘┌█▄▌▐▀αßΓπΣσµτΦΘΩδ∞φε∩≡±≥≤⌠⌡÷≈°∙·√ⁿ²■\u{a0}";

/// The name in code page 437; with `?` for what that does not have.
fn cp437(name: &str) -> Option<Vec<u8>> {
    let byte = |letter: char| {
        let upper = || {
            let place = CP437.chars().position(|known| known == letter)?;
            u8::try_from(place + 0x80).ok()
        };
        let ascii = u8::try_from(letter).ok().filter(u8::is_ascii);
        ascii.or_else(upper)
    };
    name.chars().map(byte).collect()
}

/// The bytes of `name` as an old tool writes it; those of UTF-8, if it has a letter that is not in
/// that code page.
fn in_cp437(name: &str) -> Vec<u8> {
    cp437(name).unwrap_or_else(|| name.as_bytes().to_vec())
}

/// The content of an entry, checked against its checksum.
fn content<S: Source>(
    object: &mut Ranged<S>,
    directory: Directory,
    found: Found,
    limit: u64,
) -> Content<S::Error> {
    /// A local header before its name (4.3.7).
    const LOCAL_BYTES: u64 = 30;
    const STORED: u16 = 0;
    const DEFLATED: u16 = 8;
    if let Some(what) = found.no_file {
        return Err(Unreadable::NoFile(what));
    }
    if found.is_encrypted {
        return Err(Unreadable::Encrypted);
    }
    if found.method != STORED && found.method != DEFLATED {
        return Err(Unreadable::Method(found.method));
    }
    // Deflate makes nothing longer by more than a few bytes in 64 KiB.
    if found.size > limit || found.packed > limit + limit / 8 + EXTRA_FIELD_ROOM_BYTES {
        return Err(Unreadable::FileTooLarge { limit });
    }
    let start = found.start;
    let room = LOCAL_BYTES + found.name_length + EXTRA_FIELD_ROOM_BYTES + found.packed;
    let most = start.saturating_add(room).min(directory.start);
    let local = object.read(start, most)?;
    if !local.starts_with(b"PK\x03\x04") || local.len() < 30 {
        return Err(broken("its list points to where the file is not"));
    }
    let data_start = LOCAL_BYTES + u16_at(&local, 26) + u16_at(&local, 28);
    let data_end = data_start + found.packed;
    if start.saturating_add(data_end) > directory.start {
        return Err(broken("the file reaches into the list of files"));
    }
    let range =
        |start: u64, end: u64| Some(usize::try_from(start).ok()?..usize::try_from(end).ok()?);
    let data = match range(data_start, data_end).and_then(|range| local.get(range)) {
        Some(data) => data.to_vec(),
        // A longer extra field than there was room for.
        None => object
            .read(start + data_start, start + data_end)?
            .into_owned(),
    };
    unpacked(&data, found, limit, found.method == DEFLATED)
}

fn unpacked<E>(data: &[u8], found: Found, limit: u64, is_deflated: bool) -> Content<E> {
    let mut content = Vec::new();
    let read = if is_deflated {
        let inflated = flate2::bufread::DeflateDecoder::new(data);
        inflated.take(limit + 1).read_to_end(&mut content)
    } else {
        data.take(limit + 1).read_to_end(&mut content)
    };
    if let Err(error) = read {
        return Err(Unreadable::NotZip(format!(
            "the file cannot be unpacked: {error}"
        )));
    }
    let length = u64::try_from(content.len()).unwrap_or(u64::MAX);
    if length > limit {
        return Err(Unreadable::FileTooLarge { limit });
    }
    let mut checksum = flate2::Crc::new();
    checksum.update(&content);
    if length != found.size || checksum.sum() != found.checksum {
        return Err(broken("the file's length or checksum is wrong"));
    }
    Ok(content)
}

#[cfg(test)]
mod tests {
    use super::super::ranged::tests::Memory;
    use super::*;
    use proptest::prelude::*;
    use std::io::{Cursor, Write};
    use zip::write::SimpleFileOptions;
    use zip::{CompressionMethod, ZipWriter};

    const NAME: &str = "imagedefinitions.json";
    const CONTENT: &[u8] = br#"[{"name": "app", "imageUri": "repo/app:v2"}]"#;
    const LIMIT: u64 = 100 * 1024;
    const PLENTY: Bounds = Bounds {
        part: DIRECTORY_LIMIT_BYTES,
    };

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
        let message = |files: &[(&str, &[u8])]| {
            read_from(zip_of(files, stored()), NAME)
                .0
                .unwrap_err()
                .to_string()
        };
        assert_eq!(
            message(&[("out/imagedefinitions.json", b""), ("x", b"")]),
            "it has no such file among its 2; it has 'out/imagedefinitions.json'"
        );
        assert_eq!(
            message(&[("imageDefinition.json", b"")]),
            "it has no such file among its 1; it has 'imageDefinition.json'"
        );
        assert_eq!(
            message(&[("a.txt", b""), ("imageDetail.json", b"")]),
            "it has no such file among its 2"
        );
    }

    #[test]
    fn where_no_file_may_be_meant_the_first_ten_are_named_each_cut_and_without_what_steers() {
        let message = |files: &[(&str, &[u8])]| {
            let outcome = read_from(zip_of(files, stored()), NAME).0;
            outcome.unwrap_err().to_string()
        };
        assert_eq!(
            message(&[("README", b""), ("src/a\u{1b}[2J.txt", b"")]),
            "it has no such file among its 2; it has 'README' and 'src/a.txt'"
        );
        let long = "x".repeat(300);
        let names: Vec<String> = (0..12).map(|number| format!("{number}{long}")).collect();
        let files: Vec<(&str, &[u8])> = names
            .iter()
            .map(|name| (name.as_str(), b"".as_slice()))
            .collect();
        let message = message(&files);
        assert!(message.ends_with("x…' and 2 more"), "{message}");
        assert!(message.chars().count() < 1000, "{message}");
    }

    #[test]
    fn an_empty_object_and_one_that_is_no_zip_are_distinguished() {
        assert_eq!(read_from(Vec::new(), NAME), (Err(Unreadable::Empty), 1));
        for not_zip in [vec![b'x'], noise(1000), noise(1_000_000)] {
            let (outcome, requests) = read_from(not_zip, NAME);
            assert!(matches!(outcome, Err(Unreadable::Other(_))), "{outcome:?}");
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
    fn a_function_with_less_memory_holds_less_of_a_directory_and_several_artifacts_share_it() {
        let part = |memory| Bounds::for_memory(memory).part;
        assert_eq!(part(Some(128)), 16 * MIB);
        assert_eq!(part(Some(256)), 41 * MIB);
        assert_eq!(part(Some(1024)), DIRECTORY_LIMIT_BYTES);
        assert_eq!(part(None), DIRECTORY_LIMIT_BYTES);
        assert_eq!(part(Some(0)), MIB);
        let of_five = Bounds::for_memory(Some(128)).shared_by(5).part;
        assert_eq!(of_five, 16 * MIB / 5);
        assert_eq!(Bounds::for_memory(None).shared_by(0), PLENTY);
    }

    #[test]
    fn a_directory_is_the_same_in_whatever_parts_it_is_read() {
        let long = "n".repeat(60_000);
        let names: Vec<String> = (0..60).map(|n| format!("{n}/{long}")).collect();
        let mut files: Vec<(&str, &[u8])> =
            names.iter().map(|name| (name.as_str(), &b""[..])).collect();
        files.insert(30, (NAME, CONTENT));
        let zip = zip_of(&files, stored());
        for part in [MIB, MIB + 1, MIB + 77_777, 2 * MIB, DIRECTORY_LIMIT_BYTES] {
            let memory = Memory::new(zip.clone());
            let read = read(memory.clone(), NAME, LIMIT, Bounds { part });
            assert_eq!(read.unwrap(), CONTENT, "{part}");
            let asked = memory.asked.lock().unwrap();
            assert!(
                asked.iter().all(|(start, end)| end - start <= part),
                "{part}"
            );
            let requests = asked.len();
            assert!(requests <= 3 + 4, "{part}: {requests}");
        }
    }

    #[test]
    fn a_directory_over_its_bound_is_refused_before_it_is_read() {
        // The end record of a zip64 whose directory has 65 MiB.
        let mut zip = vec![0; usize::try_from(66 * MIB).unwrap()];
        let size = 65 * MIB;
        let at = u64::try_from(zip.len()).unwrap();
        zip.extend(b"PK\x06\x06");
        zip.extend([0; 28]);
        for number in [1_000_000, size, at - size] {
            zip.extend(number.to_le_bytes());
        }
        zip.extend(b"PK\x06\x07\0\0\0\0");
        zip.extend(at.to_le_bytes());
        zip.extend(b"\x01\0\0\0PK\x05\x06\0\0\0\0");
        zip.extend([0xff; 12]);
        zip.extend([0; 2]);
        assert_eq!(
            read_from(zip, NAME),
            (Err(Unreadable::DirectoryTooLarge(1_000_000)), 1)
        );
    }

    /// A zip whose zip64 end record stands so many bytes before its locator, and says so.
    fn with_extensible_data(files: &[(&str, &[u8])], length: usize) -> Vec<u8> {
        let mut zip = zip_of(files, stored());
        let end = zip.len() - 22;
        let record = zip.split_off(end);
        let numbers = [
            u16_at(&record, 10),
            u32_at(&record, 12),
            u32_at(&record, 16),
        ];
        let at = u64::try_from(end).unwrap();
        zip.extend(b"PK\x06\x06");
        zip.extend((44 + u64::try_from(length).unwrap()).to_le_bytes());
        zip.extend([45, 0, 45, 0, 0, 0, 0, 0, 0, 0, 0, 0]);
        for number in [numbers[0], numbers[0], numbers[1], numbers[2]] {
            zip.extend(number.to_le_bytes());
        }
        zip.extend(vec![b'x'; length]);
        zip.extend(b"PK\x06\x07\0\0\0\0");
        zip.extend(at.to_le_bytes());
        zip.extend(b"\x01\0\0\0PK\x05\x06\0\0\0\0");
        zip.extend([0xff; 12]);
        zip.extend([0; 2]);
        zip
    }

    #[test]
    fn a_zip64_end_record_far_before_its_locator_is_found() {
        let files: [(&str, &[u8]); 2] = [("a", b"a"), (NAME, CONTENT)];
        for length in [0, 100, 200_000] {
            let zip = with_extensible_data(&files, length);
            let (outcome, requests) = read_from(zip, NAME);
            assert_eq!(outcome.unwrap(), CONTENT, "{length}");
            assert!(requests <= 4, "{length}: {requests}");
        }
    }

    #[test]
    fn a_comment_and_what_follows_the_end_do_no_harm() {
        for comment in [&b"hello"[..], &vec![b'x'; 65_535], b"PK\x05\x06 as a joke"] {
            let mut zip = zip_of(&[(NAME, CONTENT)], stored());
            let at = zip.len() - 2;
            zip.truncate(at);
            zip.extend(u16::try_from(comment.len()).unwrap().to_le_bytes());
            zip.extend(comment);
            assert_eq!(read_from(zip.clone(), NAME).0.unwrap(), CONTENT);
            zip.extend(b"\r\n");
            assert_eq!(read_from(zip, NAME).0.unwrap(), CONTENT);
        }
    }

    /// The zip with these bytes as extra field of each entry of its directory.
    fn with_extra(zip: &[u8], extra: &[u8]) -> Vec<u8> {
        let end = zip.len() - 22;
        let start = usize::try_from(u32_at(zip, end + 16)).unwrap();
        let mut made = zip[..start].to_vec();
        let mut at = start;
        while at < end {
            let length = usize::try_from(u16_at(zip, at + 28)).unwrap();
            assert_eq!(u16_at(zip, at + 30), 0, "it has one");
            let mut header = zip[at..at + 46 + length].to_vec();
            header[30..32].copy_from_slice(&u16::try_from(extra.len()).unwrap().to_le_bytes());
            made.extend(header);
            made.extend(extra);
            at += 46 + length;
        }
        let size = u32::try_from(made.len() - start).unwrap();
        made.extend(&zip[end..]);
        let end = made.len() - 22;
        made[end + 12..end + 16].copy_from_slice(&size.to_le_bytes());
        made
    }

    #[test]
    fn a_malformed_extra_field_does_no_harm() {
        let zip = zip_of(&[("a", b"a"), (NAME, CONTENT), ("b", b"b")], stored());
        for extra in [
            &b"\x55\x54\x05\0\x01"[..],
            b"\x55\x54\x00\0",
            b"\x55",
            b"\x01\0\xff\xff",
            b"\x01\0\x00\0",
            b"\x75\x70\x02\0\x01\x02",
            b"\x0a\0\x04\0\0\0\0\0",
            b"\x01\x99\x07\0\x02\0AE\x01\0\0",
            b"\0\0\0\0\0\0",
        ] {
            let outcome = read_from(with_extra(&zip, extra), NAME).0;
            assert_eq!(outcome.unwrap(), CONTENT, "{extra:?}");
        }
    }

    #[test]
    fn what_is_no_zip_is_reported_with_what_it_is() {
        let message = |bytes: &[u8]| read_from(bytes.to_vec(), NAME).0.unwrap_err().to_string();
        assert_eq!(message(b"\x1f\x8b\x08\0"), "it is a gzip file, not a zip");
        assert!(message(b"{\"a\": 1}").starts_with("it is JSON "));
        let mut long = b"7z\xbc\xaf\x27\x1c".to_vec();
        long.extend(noise(1_000_000));
        assert_eq!(message(&long), "it is a 7z file, not a zip");
        let zip = zip_of(&[(NAME, CONTENT)], stored());
        assert_eq!(
            message(&zip[..zip.len() - 1]),
            "it is not a readable zip (its end is missing: it was cut off)"
        );
    }

    #[test]
    fn the_same_name_twice_is_reported_however_it_is_written() {
        for other in [
            "/imagedefinitions.json",
            "./imagedefinitions.json",
            ".\\imagedefinitions.json",
        ] {
            let zip = zip_of(&[(NAME, b"[]"), (other, CONTENT)], stored());
            assert_eq!(read_from(zip, NAME).0, Err(Unreadable::Twice(2)), "{other}");
        }
    }

    #[test]
    fn what_is_no_file_is_reported() {
        for (mode, what) in [
            (0o120_777_u32, "a symbolic link"),
            (0o040_755, "a folder"),
            (0o010_644, "a device, pipe or socket"),
        ] {
            let mut zip = zip_of(&[(NAME, CONTENT)], stored());
            let at = zip
                .windows(4)
                .position(|bytes| bytes == b"PK\x01\x02")
                .unwrap();
            zip[at + 5] = 3;
            zip[at + 38..at + 42].copy_from_slice(&(mode << 16).to_le_bytes());
            assert_eq!(read_from(zip, NAME).0, Err(Unreadable::NoFile(what)));
        }
    }

    #[test]
    fn names_of_old_tools_for_windows_are_read() {
        let mut zip = zip_of(&[("gr__e.json", CONTENT)], stored());
        for at in 0..zip.len() - 4 {
            if zip[at..].starts_with(b"gr__e") {
                zip[at + 2..at + 4].copy_from_slice(&[0x81, 0xe1]);
            }
        }
        assert_eq!(read_from(zip, "grüße.json").0.unwrap(), CONTENT);
        let zip = zip_of(&[("grüße.json", CONTENT)], stored());
        assert_eq!(read_from(zip, "grüße.json").0.unwrap(), CONTENT);
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
    fn dots_in_names_lead_nowhere() {
        let zip = zip_of(&[("../../etc/imagedefinitions.json", CONTENT)], stored());
        let outcome = read_from(zip, NAME).0;
        assert!(
            matches!(outcome, Err(Unreadable::Absent { .. })),
            "{outcome:?}"
        );
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(200))]

        /// Whatever a usual zip holds, we read of it what the `zip` crate does.
        #[test]
        fn any_zip_is_read_as_the_zip_crate_reads_it(
            files in prop::collection::vec(("[a-c]{1,2}(/[a-c])?", prop::collection::vec(any::<u8>(), 0..3000)), 0..20),
            is_deflated in any::<bool>(),
            is_large in any::<bool>(),
            is_streamed in any::<bool>(),
            wanted in "[a-c]{1,2}(/[a-c])?",
        ) {
            let method = if is_deflated { CompressionMethod::Deflated } else { CompressionMethod::Stored };
            let options = SimpleFileOptions::default().compression_method(method).large_file(is_large);
            let names: std::collections::BTreeMap<&String, &Vec<u8>> =
                files.iter().map(|(name, content)| (name, content)).collect();
            let fill = |writer: &mut dyn FnMut(&str, &[u8])| {
                for (name, content) in &names {
                    writer(name, content);
                }
            };
            let zip = if is_streamed {
                let mut writer = ZipWriter::new_stream(Vec::new());
                fill(&mut |name, content| {
                    writer.start_file(name, options).unwrap();
                    writer.write_all(content).unwrap();
                });
                writer.finish().unwrap().into_inner()
            } else {
                let mut writer = ZipWriter::new(Cursor::new(Vec::new()));
                fill(&mut |name, content| {
                    writer.start_file(name, options).unwrap();
                    writer.write_all(content).unwrap();
                });
                writer.finish().unwrap().into_inner()
            };
            let mut archive = zip::ZipArchive::new(Cursor::new(&zip)).unwrap();
            let theirs = archive.by_name(&wanted).ok().map(|mut file| {
                let mut content = Vec::new();
                file.read_to_end(&mut content).unwrap();
                content
            });
            match read_from(zip, &wanted).0 {
                Ok(content) => prop_assert_eq!(Some(content), theirs),
                Err(Unreadable::Absent { count, .. }) => {
                    prop_assert_eq!(theirs, None);
                    prop_assert_eq!(usize::try_from(count).unwrap(), names.len());
                }
                Err(other) => prop_assert!(false, "{other:?}"),
            }
        }

        /// A zip with bytes changed is read as it was, or reported as broken; never as another.
        #[test]
        fn a_damaged_zip_is_never_read_as_something_else(
            damage in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..4),
            is_deflated in any::<bool>(),
        ) {
            let options = if is_deflated { deflated() } else { stored() };
            let mut zip = zip_of(&[("other.json", b"[]"), (NAME, CONTENT)], options);
            for (at, byte) in damage {
                let at = at.index(zip.len());
                zip[at] = byte;
            }
            let (outcome, requests) = read_from(zip, NAME);
            prop_assert_eq!(requests, 1);
            if let Ok(content) = outcome {
                prop_assert_eq!(content, CONTENT);
            }
        }
    }
}
