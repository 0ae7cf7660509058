//! The memory that reading an artifact takes: bounded, whatever its headers claim.
//!
//! One test, because the allocator counts for the whole process.

use std::io::{Cursor, Write};

use ecs_deploy_action::artifact::entry::{self, Bounds, Unreadable};
use ecs_deploy_action::artifact::ranged::{Source, Tail};
use peak_alloc::PeakAlloc;
use zip::ZipWriter;
use zip::write::SimpleFileOptions;

#[global_allocator]
static ALLOCATOR: PeakAlloc = PeakAlloc;

const NAME: &str = "imagedefinitions.json";
const LIMIT: u64 = 100 * 1024;
const MIB: usize = 1024 * 1024;

/// An object in memory.
struct Memory<'a>(&'a [u8]);

impl Source for Memory<'_> {
    type Error = String;

    fn tail(&mut self, length: u64) -> Result<Tail, String> {
        let total = u64::try_from(self.0.len()).unwrap();
        let start = total.saturating_sub(length);
        let bytes = self.range(start, total)?;
        Ok(Tail { bytes, total })
    }

    fn range(&mut self, start: u64, end: u64) -> Result<Vec<u8>, String> {
        let (start, end) = (
            usize::try_from(start).unwrap(),
            usize::try_from(end).unwrap(),
        );
        Ok(self.0[start..end].to_vec())
    }
}

/// What reading takes beyond what the object itself takes, in bytes, and what came of it.
fn read(object: &[u8], bounds: Bounds) -> (usize, Result<Vec<u8>, Unreadable<String>>) {
    let before = ALLOCATOR.current_usage();
    ALLOCATOR.reset_peak_usage();
    let outcome = entry::read(Memory(object), NAME, LIMIT, bounds);
    (ALLOCATOR.peak_usage().saturating_sub(before), outcome)
}

/// A zip whose directory has `entries` empty files with names of `name_length` characters, made by
/// hand, because a writer takes long; and `claims` that many. Its last file is the one wanted.
fn zip_with(entries: u32, name_length: usize, claims: u64) -> Vec<u8> {
    let mut writer = ZipWriter::new(Cursor::new(Vec::new()));
    writer
        .start_file(NAME, SimpleFileOptions::default())
        .unwrap();
    writer.write_all(b"[]").unwrap();
    let one = writer.finish().unwrap().into_inner();
    let directory = one
        .windows(4)
        .position(|bytes| bytes == b"PK\x01\x02")
        .unwrap();
    let end = one
        .windows(4)
        .position(|bytes| bytes == b"PK\x05\x06")
        .unwrap();
    let wanted = one[directory..end].to_vec();
    let mut zip = one[..directory].to_vec();
    let start = zip.len();
    for number in 1..entries {
        let mut entry = wanted[..46].to_vec();
        // An empty, stored file: method, times, checksum, sizes, then the lengths that follow.
        entry[10..28].fill(0);
        entry[28..30].copy_from_slice(&u16::try_from(name_length).unwrap().to_le_bytes());
        entry[30..34].fill(0);
        entry.extend(format!("{number:0name_length$}").bytes());
        zip.extend(entry);
    }
    zip.extend(&wanted);
    let size = u64::try_from(zip.len() - start).unwrap();
    let at = u64::try_from(zip.len()).unwrap();
    zip.extend(b"PK\x06\x06");
    zip.extend(44_u64.to_le_bytes());
    zip.extend([45, 0, 45, 0]);
    zip.extend([0; 8]);
    zip.extend(claims.to_le_bytes());
    zip.extend(claims.to_le_bytes());
    zip.extend(size.to_le_bytes());
    zip.extend(u64::try_from(start).unwrap().to_le_bytes());
    zip.extend(b"PK\x06\x07");
    zip.extend([0; 4]);
    zip.extend(at.to_le_bytes());
    zip.extend(1_u32.to_le_bytes());
    zip.extend(b"PK\x05\x06");
    zip.extend([0; 4]);
    zip.extend([0xff; 12]);
    zip.extend([0; 2]);
    zip
}

#[test]
fn the_memory_that_an_artifact_takes_is_bounded_whatever_it_claims() {
    const MEMORY_MIB: u64 = 128;
    /// A part of a directory, and a little.
    const MOST_MIB: usize = 18;
    let bounds = Bounds::for_memory(Some(MEMORY_MIB));

    // However many files, and however long their names.
    for (entries, name_length, most) in [
        (1, 42, 1),
        (10_000, 42, 2),
        (65_536, 42, 7),
        (100_000, 42, 10),
        (400_000, 42, MOST_MIB),
        (1_000_000, 20, MOST_MIB),
        (1_000, 65_000, MOST_MIB),
    ] {
        let zip = zip_with(entries, name_length, u64::from(entries));
        let (peak, outcome) = read(&zip, bounds);
        assert_eq!(outcome.unwrap(), b"[]", "{entries} entries");
        assert!(peak <= most * MIB, "{entries} entries: {} KiB", peak / 1024);
    }
    let zip = zip_with(1_400_000, 10, 1_400_000);
    let (peak, outcome) = read(&zip, bounds);
    assert_eq!(outcome, Err(Unreadable::DirectoryTooLarge(1_400_000)));
    assert!(peak <= MIB, "{} MiB", peak / MIB);
    // Five artifacts take together what one takes.
    let zip = zip_with(405_000, 42, 405_000);
    let share = bounds.shared_by(5);
    let before = ALLOCATOR.current_usage();
    ALLOCATOR.reset_peak_usage();
    std::thread::scope(|scope| {
        for _ in 0..5 {
            scope.spawn(|| {
                let read = entry::read(Memory(&zip), NAME, LIMIT, share);
                assert_eq!(read.unwrap(), b"[]");
            });
        }
    });
    let peak = ALLOCATOR.peak_usage().saturating_sub(before);
    assert!(peak <= MOST_MIB * MIB, "five: {} KiB", peak / 1024);
    // Claims that are not so.
    for claims in [2, 200_000, 1 << 40, u64::MAX] {
        let zip = zip_with(1000, 42, claims);
        let (peak, outcome) = read(&zip, bounds);
        assert!(outcome.is_err(), "{claims}");
        assert!(peak <= 2 * MIB, "{claims} claimed: {} MiB", peak / MIB);
    }
    // A bomb: more than its kind may have, whatever it is packed into.
    let mut writer = ZipWriter::new(Cursor::new(Vec::new()));
    writer
        .start_file(NAME, SimpleFileOptions::default())
        .unwrap();
    writer.write_all(&vec![b' '; 64 * MIB]).unwrap();
    let bomb = writer.finish().unwrap().into_inner();
    let (peak, outcome) = read(&bomb, bounds);
    assert_eq!(outcome, Err(Unreadable::FileTooLarge { limit: LIMIT }));
    assert!(peak <= 2 * MIB, "{} MiB", peak / MIB);
}
