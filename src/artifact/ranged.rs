//! A remote object as something that can be read and sought, fetched by range.
//!
//! What has been fetched is kept. The tail of the object comes first, because a zip's directory is
//! there; whoever knows what comes next announces it, so that it takes one request.

use std::io::{self, Read, Seek, SeekFrom};

/// The end of an object, and how long the whole is.
#[derive(Debug)]
pub struct Tail {
    /// The last bytes.
    pub bytes: Vec<u8>,
    /// Length of the object, in bytes.
    pub total: u64,
}

/// Where ranges come from. Every answer must be of the same version of the object.
pub trait Source {
    /// Why a range could not be had.
    type Error;

    /// The last `length` bytes, or all if there are fewer.
    ///
    /// # Errors
    /// If it could not be had.
    fn tail(&mut self, length: u64) -> Result<Tail, Self::Error>;

    /// The bytes from `start` to before `end`, both within the object.
    ///
    /// # Errors
    /// If they could not be had.
    fn range(&mut self, start: u64, end: u64) -> Result<Vec<u8>, Self::Error>;
}

impl<S: Source> Source for &mut S {
    type Error = S::Error;

    fn tail(&mut self, length: u64) -> Result<Tail, Self::Error> {
        (**self).tail(length)
    }

    fn range(&mut self, start: u64, end: u64) -> Result<Vec<u8>, Self::Error> {
        (**self).range(start, end)
    }
}

/// More than this is never fetched at a time, whatever memory there is: the bound on a central
/// directory.
pub const FETCH_LIMIT_BYTES: u64 = 64 * 1024 * 1024;

/// Nor is more than this many times asked. A sound zip takes at most four requests; a broken one
/// that would send us to and fro ends here.
pub const REQUEST_LIMIT: usize = 8;

/// Why reading stopped.
#[derive(Debug)]
pub enum Stop<E> {
    /// The source failed.
    Source(E),
    /// A single read would exceed what may be fetched at a time.
    TooMuch,
    /// More than [`REQUEST_LIMIT`] requests.
    TooOften,
    /// The source answered with another length than asked for.
    WrongLength,
}

/// A reader over a [`Source`].
#[derive(Debug)]
pub struct Ranged<S: Source> {
    source: S,
    total: u64,
    position: u64,
    /// Fetched parts, in no order, without overlap.
    parts: Vec<(u64, Vec<u8>)>,
    announced: Option<(u64, u64)>,
    fetch_limit: u64,
    requests: usize,
    stop: Option<Stop<S::Error>>,
}

impl<S: Source> Ranged<S> {
    /// Fetches the last `tail` bytes and is ready to read anywhere.
    ///
    /// # Errors
    /// If the tail could not be had.
    pub fn open(mut source: S, tail: u64) -> Result<Self, Stop<S::Error>> {
        let Tail { bytes, total } = source.tail(tail).map_err(Stop::Source)?;
        let length = u64::try_from(bytes.len()).unwrap_or(u64::MAX);
        if length != total.min(tail) {
            return Err(Stop::WrongLength);
        }
        Ok(Self {
            source,
            total,
            position: 0,
            parts: vec![(total - length, bytes)],
            announced: None,
            fetch_limit: FETCH_LIMIT_BYTES,
            requests: 1,
            stop: None,
        })
    }

    /// From now on no more than this is fetched at a time.
    pub fn limit_fetches(&mut self, bytes: u64) {
        self.fetch_limit = bytes.min(FETCH_LIMIT_BYTES);
    }

    /// The object's last bytes, as they were fetched first.
    pub fn tail(&self) -> &[u8] {
        self.parts.first().map_or(&[], |(_, bytes)| bytes)
    }

    /// Length of the object, in bytes.
    pub fn total(&self) -> u64 {
        self.total
    }

    /// Says that the bytes from `start` to before `end` will be wanted, so that the next read in
    /// there fetches them at once.
    pub fn announce(&mut self, start: u64, end: u64) {
        self.announced = Some((start, end.min(self.total)));
    }

    /// Why the last read failed, if it was for the source or a bound, and not for the content.
    pub fn take_stop(&mut self) -> Option<Stop<S::Error>> {
        self.stop.take()
    }

    /// The fetched bytes from the position on.
    fn known(&self) -> Option<&[u8]> {
        self.parts.iter().find_map(|(start, bytes)| {
            let offset = usize::try_from(self.position.checked_sub(*start)?).ok()?;
            bytes.get(offset..).filter(|rest| !rest.is_empty())
        })
    }

    fn fetch(&mut self) -> Result<(), Stop<S::Error>> {
        let start = self.position;
        // Up to what is known already: that is the rest of a directory that the tail began.
        let next_known = self
            .parts
            .iter()
            .map(|(start, _)| *start)
            .filter(|known| *known > start)
            .min()
            .unwrap_or(self.total);
        let end = match self.announced {
            Some((from, to)) if (from..to).contains(&start) => to.min(next_known),
            _ => next_known,
        };
        if end - start > self.fetch_limit {
            return Err(Stop::TooMuch);
        }
        if self.requests >= REQUEST_LIMIT {
            return Err(Stop::TooOften);
        }
        self.requests += 1;
        let bytes = self.source.range(start, end).map_err(Stop::Source)?;
        if u64::try_from(bytes.len()).ok() != Some(end - start) {
            return Err(Stop::WrongLength);
        }
        self.parts.push((start, bytes));
        Ok(())
    }
}

impl<S: Source> Read for Ranged<S> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if self.position >= self.total || buffer.is_empty() {
            return Ok(0);
        }
        if self.known().is_none()
            && let Err(stop) = self.fetch()
        {
            self.stop = Some(stop);
            return Err(io::Error::other("the object could not be read on"));
        }
        let known = self.known().unwrap_or_default();
        let length = known.len().min(buffer.len());
        buffer[..length].copy_from_slice(&known[..length]);
        self.position += u64::try_from(length).unwrap_or(0);
        Ok(length)
    }
}

impl<S: Source> Seek for Ranged<S> {
    fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
        let target = match to {
            SeekFrom::Start(offset) => Some(offset),
            SeekFrom::End(offset) => self.total.checked_add_signed(offset),
            SeekFrom::Current(offset) => self.position.checked_add_signed(offset),
        };
        self.position = target.ok_or(io::ErrorKind::InvalidInput)?;
        Ok(self.position)
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use std::sync::{Arc, Mutex};

    /// An object in memory that remembers what was asked of it.
    #[derive(Debug, Clone, Default)]
    pub(crate) struct Memory {
        pub(crate) bytes: Arc<Vec<u8>>,
        pub(crate) asked: Arc<Mutex<Vec<(u64, u64)>>>,
    }

    impl Memory {
        pub(crate) fn new(bytes: Vec<u8>) -> Self {
            Self {
                bytes: Arc::new(bytes),
                asked: Arc::default(),
            }
        }

        pub(crate) fn requests(&self) -> usize {
            self.asked.lock().unwrap().len()
        }
    }

    impl Source for Memory {
        type Error = String;

        fn tail(&mut self, length: u64) -> Result<Tail, String> {
            let total = self.bytes.len() as u64;
            let start = total.saturating_sub(length);
            Ok(Tail {
                bytes: self.range(start, total)?,
                total,
            })
        }

        fn range(&mut self, start: u64, end: u64) -> Result<Vec<u8>, String> {
            self.asked.lock().unwrap().push((start, end));
            let (start, end) = (
                usize::try_from(start).unwrap(),
                usize::try_from(end).unwrap(),
            );
            Ok(self.bytes[start..end].to_vec())
        }
    }

    fn bytes(length: usize) -> Vec<u8> {
        (0..length)
            .map(|n| u8::try_from(n % 251).unwrap())
            .collect()
    }

    #[test]
    fn any_sequence_of_reads_and_seeks_sees_the_object_as_it_is() {
        let memory = Memory::new(bytes(1000));
        let mut reader = Ranged::open(memory.clone(), 100).unwrap();
        let mut all = Vec::new();
        reader.seek(SeekFrom::Start(500)).unwrap();
        reader.read_to_end(&mut all).unwrap();
        assert_eq!(all, memory.bytes[500..]);
        all.clear();
        reader.seek(SeekFrom::End(-1000)).unwrap();
        reader.read_to_end(&mut all).unwrap();
        assert_eq!(all, **memory.bytes);
        assert_eq!(memory.requests(), 3, "tail, 500 to 900, 0 to 500");
        assert!(reader.seek(SeekFrom::Current(-1001)).is_err());
    }

    #[test]
    fn what_is_announced_is_fetched_at_once_and_no_more() {
        let memory = Memory::new(bytes(1000));
        let mut reader = Ranged::open(memory.clone(), 100).unwrap();
        reader.announce(200, 300);
        reader.seek(SeekFrom::Start(200)).unwrap();
        let mut part = [0; 100];
        reader.read_exact(&mut part).unwrap();
        assert_eq!(part, memory.bytes[200..300]);
        assert_eq!(*memory.asked.lock().unwrap(), [(900, 1000), (200, 300)]);
    }

    #[test]
    fn a_reader_sent_to_and_fro_ends_at_a_bound() {
        let mut reader = Ranged::open(Memory::new(bytes(1000)), 1).unwrap();
        let mut outcome = Ok(0);
        for start in (0..900).rev().step_by(10) {
            reader.announce(start, start + 1);
            reader.seek(SeekFrom::Start(start)).unwrap();
            outcome = reader.read(&mut [0]);
            if outcome.is_err() {
                break;
            }
        }
        assert!(outcome.is_err());
        assert!(matches!(reader.take_stop(), Some(Stop::TooOften)));
    }

    /// Claims to be huge.
    struct Huge;

    impl Source for Huge {
        type Error = String;

        fn tail(&mut self, length: u64) -> Result<Tail, String> {
            Ok(Tail {
                bytes: vec![0; usize::try_from(length).unwrap()],
                total: 1 << 40,
            })
        }

        fn range(&mut self, _: u64, _: u64) -> Result<Vec<u8>, String> {
            unreachable!("nothing of this size may be asked for")
        }
    }

    #[test]
    fn more_than_the_bound_is_never_asked_for() {
        for limit in [1000, u64::MAX] {
            let mut reader = Ranged::open(Huge, 10).unwrap();
            reader.limit_fetches(limit);
            assert!(reader.read(&mut [0]).is_err());
            assert!(matches!(reader.take_stop(), Some(Stop::TooMuch)));
        }
    }
}
