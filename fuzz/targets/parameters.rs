//! Any text as UserParameters: sentences, or a specification that keeps its bounds.
#![no_main]

use std::time::Duration;

use ecs_deploy_action::parameters::{parse, written_in};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|text: &str| {
    let Ok(written) = written_in("UserParameters", text) else {
        return;
    };
    match parse(written) {
        Ok(spec) => {
            assert!(!spec.targets.is_empty());
            let minutes = Duration::from_secs(60)..=Duration::from_secs(60 * 1380);
            assert!(minutes.contains(&spec.timeout));
        }
        Err(problems) => assert!(!problems.is_empty()),
    }
});
