//! Any bytes as an event: a job with an id is always recognised, whatever the rest is.
#![no_main]

use ecs_deploy_action::event;
use libfuzzer_sys::fuzz_target;
use serde_json::Value;

fuzz_target!(|bytes: &[u8]| {
    // As it comes, and as the rest of an event that starts well.
    let incoming = event::read_bytes(bytes);
    let started = [&br#"{"CodePipeline.job": {"id": "j-1", "data": "#[..], bytes].concat();
    let of_started = event::read_bytes(&started);
    let text = String::from_utf8_lossy(bytes);
    if !text.contains("id") && !text.contains('\\') && !text.contains("job") {
        assert_eq!(of_started.job.as_deref(), Some("j-1"));
    }
    if let Err(problems) = of_started.order {
        assert!(!problems.is_empty());
    }
    if let Ok(event) = serde_json::from_slice::<Value>(bytes) {
        let id = event["CodePipeline.job"]["id"].as_str();
        assert_eq!(incoming.job.as_deref(), id.filter(|id| !id.is_empty()));
    }
    match incoming.order {
        Ok(order) => {
            let _ = ecs_deploy_action::parameters::parse(order.parameters);
        }
        Err(problems) => assert!(!problems.is_empty()),
    }
});
