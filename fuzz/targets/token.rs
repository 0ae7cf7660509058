//! Any text as a continuation token: refused, or a state that is written down as it was read, in no
//! more bytes than CodePipeline takes.
#![no_main]

use deploy::token::{TOKEN_LIMIT_BYTES, decode, encode, shortest};
use libfuzzer_sys::fuzz_target;

const FINGERPRINT: &str = "0a0b0c0d";

fuzz_target!(|text: &str| {
    let Ok(left_off) = decode(text, FINGERPRINT) else {
        return;
    };
    let Ok(written) = encode(&left_off, FINGERPRINT) else {
        return;
    };
    assert!(written.len() <= TOKEN_LIMIT_BYTES);
    for token in [shortest(&written), Some(written)].into_iter().flatten() {
        let read = decode(&token, FINGERPRINT).expect("what we write can be read");
        assert_eq!(read.phase.services(), left_off.phase.services());
        assert_eq!(read.phase.started(), left_off.phase.started());
        assert_eq!(read.phase.name(), left_off.phase.name());
    }
});
