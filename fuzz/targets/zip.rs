//! Any bytes as an artifact: an answer, few requests, no more than the file may have.
#![no_main]

use std::cell::Cell;

use ecs_deploy_action::artifact::entry::{self, Bounds};
use ecs_deploy_action::artifact::ranged::{Source, Tail};
use libfuzzer_sys::fuzz_target;

const LIMIT: u64 = 100 * 1024;
const MEMORY_MIB: u64 = 128;
/// Tail, zip64 end record, directory, file, and the rest of the file.
const REQUESTS: usize = 5;

struct Object<'a> {
    bytes: &'a [u8],
    requests: &'a Cell<usize>,
}

impl Source for Object<'_> {
    type Error = String;

    fn tail(&mut self, length: u64) -> Result<Tail, String> {
        let total = self.bytes.len() as u64;
        let bytes = self.range(total.saturating_sub(length), total)?;
        Ok(Tail { bytes, total })
    }

    fn range(&mut self, start: u64, end: u64) -> Result<Vec<u8>, String> {
        self.requests.set(self.requests.get() + 1);
        let range = usize::try_from(start).unwrap()..usize::try_from(end).unwrap();
        Ok(self.bytes[range].to_vec())
    }
}

fuzz_target!(|bytes: &[u8]| {
    let requests = Cell::new(0);
    let object = Object {
        bytes,
        requests: &requests,
    };
    let bounds = Bounds::for_memory(Some(MEMORY_MIB));
    if let Ok(content) = entry::read(object, "imagedefinitions.json", LIMIT, bounds) {
        assert!(content.len() as u64 <= LIMIT);
    }
    assert!(requests.get() <= REQUESTS);
});
