//! A remote object, fetched by range: its tail first, because a zip's directory is there.

use std::borrow::Cow;

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
    /// Why a range could not be read.
    type Error;

    /// The last `length` bytes, or all if there are fewer.
    ///
    /// # Errors
    /// If it could not be read.
    fn tail(&mut self, length: u64) -> Result<Tail, Self::Error>;

    /// The bytes from `start` to before `end`, both within the object.
    ///
    /// # Errors
    /// If they could not be read.
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

/// Why bytes could not be read.
#[derive(Debug)]
pub enum Stop<E> {
    /// The source failed.
    Source(E),
    /// The source answered with another length than asked for.
    WrongLength,
}

/// An object whose tail is known; whatever else is read of it is fetched, and not kept.
#[derive(Debug)]
pub struct Ranged<S> {
    source: S,
    total: u64,
    tail: Vec<u8>,
}

impl<S: Source> Ranged<S> {
    /// Fetches the last `tail` bytes.
    ///
    /// # Errors
    /// [`Stop`] if the tail could not be read.
    pub fn open(mut source: S, tail: u64) -> Result<Self, Stop<S::Error>> {
        let Tail { bytes, total } = source.tail(tail).map_err(Stop::Source)?;
        if length(&bytes) != total.min(tail) {
            return Err(Stop::WrongLength);
        }
        Ok(Self {
            source,
            total,
            tail: bytes,
        })
    }

    /// Length of the object, in bytes.
    pub fn total(&self) -> u64 {
        self.total
    }

    /// Where the tail begins.
    pub fn tail_start(&self) -> u64 {
        self.total - length(&self.tail)
    }

    /// The object's last bytes.
    pub fn tail(&self) -> &[u8] {
        &self.tail
    }

    /// The bytes from `start` to before `end`, as far as the object has them. Takes one request,
    /// or none if the tail has them all.
    ///
    /// # Errors
    /// [`Stop`] if they could not be read.
    pub fn read(&mut self, start: u64, end: u64) -> Result<Cow<'_, [u8]>, Stop<S::Error>> {
        let end = end.min(self.total);
        let start = start.min(end);
        if start == end {
            return Ok(Cow::Borrowed(&[]));
        }
        let tail_start = self.tail_start();
        let in_tail =
            |at: u64| usize::try_from(at.saturating_sub(tail_start)).unwrap_or(usize::MAX);
        if start >= tail_start {
            let known = self.tail.get(in_tail(start)..in_tail(end));
            return Ok(Cow::Borrowed(known.unwrap_or_default()));
        }
        let fetched_end = end.min(tail_start);
        let mut bytes = self
            .source
            .range(start, fetched_end)
            .map_err(Stop::Source)?;
        if length(&bytes) != fetched_end - start {
            return Err(Stop::WrongLength);
        }
        let known = self.tail.get(..in_tail(end)).unwrap_or_default();
        bytes.extend_from_slice(known);
        Ok(Cow::Owned(bytes))
    }
}

fn length(bytes: &[u8]) -> u64 {
    u64::try_from(bytes.len()).unwrap_or(u64::MAX)
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
    fn any_range_is_what_the_object_has_there_and_what_the_tail_has_is_not_fetched_again() {
        let memory = Memory::new(bytes(1000));
        let mut object = Ranged::open(memory.clone(), 100).unwrap();
        for start in (0..1000).step_by(50) {
            for end in (start..1100).step_by(50) {
                let read = object.read(start, end).unwrap();
                let range =
                    usize::try_from(start).unwrap()..usize::try_from(end.min(1000)).unwrap();
                assert_eq!(*read, memory.bytes[range], "{start} to {end}");
            }
        }
        assert!(object.read(2000, 3000).unwrap().is_empty());
        let asked = memory.asked.lock().unwrap();
        assert_eq!(asked[0], (900, 1000));
        assert!(asked[1..].iter().all(|(_, end)| *end <= 900), "{asked:?}");
    }

    #[test]
    fn an_answer_of_another_length_is_not_used() {
        struct Lying;
        impl Source for Lying {
            type Error = String;

            fn tail(&mut self, _: u64) -> Result<Tail, String> {
                Ok(Tail {
                    bytes: vec![0; 10],
                    total: 1000,
                })
            }

            fn range(&mut self, _: u64, _: u64) -> Result<Vec<u8>, String> {
                Ok(vec![0; 7])
            }
        }
        assert!(matches!(Ranged::open(Lying, 20), Err(Stop::WrongLength)));
        let mut object = Ranged::open(Lying, 10).unwrap();
        assert!(matches!(object.read(0, 8), Err(Stop::WrongLength)));
    }
}
