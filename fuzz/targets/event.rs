//! Any JSON as an event: a job with an id is always recognised, whatever the rest is.
#![no_main]

use ecs_deploy_action::job;
use libfuzzer_sys::fuzz_target;
use serde_json::Value;

fuzz_target!(|bytes: &[u8]| {
    let Ok(event) = serde_json::from_slice::<Value>(bytes) else {
        return;
    };
    let incoming = job::read(&event);
    let id = event["CodePipeline.job"]["id"].as_str();
    if let Some(id) = id.filter(|id| !id.trim().is_empty()) {
        assert_eq!(incoming.job.as_deref(), Some(id));
    }
    match incoming.order {
        Ok(order) => {
            let _ = ecs_deploy_action::parameters::parse(order.parameters);
        }
        Err(problems) => assert!(!problems.is_empty()),
    }
});
