//! Any text as a continuation token: refused, or a phase that is written down as it was read.
#![no_main]

use ecs_deploy_action::deploy::token::{decode, encode};
use libfuzzer_sys::fuzz_target;

const FINGERPRINT: &str = "0a0b0c0d";

fuzz_target!(|text: &str| {
    let Ok(phase) = decode(text, FINGERPRINT) else {
        return;
    };
    if let Ok(written) = encode(&phase, FINGERPRINT) {
        let read = decode(&written, FINGERPRINT).expect("what we write can be read");
        assert_eq!(read.services(), phase.services());
        assert_eq!(read.started(), phase.started());
        assert_eq!(read.name(), phase.name());
    }
});
