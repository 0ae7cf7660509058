//! Any text as a continuation token: refused, or a deployment that is written down as it was read, in
//! no more bytes than CodePipeline takes.
#![no_main]

use deploy::deployment::Service;
use deploy::spec::Target;
use deploy::token::{TOKEN_LIMIT_BYTES, decode, encode, shortest};
use libfuzzer_sys::fuzz_target;

/// What a token has of a service besides what gives way.
fn kept(service: &Service) -> impl PartialEq + std::fmt::Debug + use<> {
    (
        service.revision.clone(),
        service.previous.clone(),
        service.overwrote,
        service.ours.clone(),
    )
}

fuzz_target!(|text: &str| {
    // Their fingerprint is that of the seeds.
    let targets = [Target {
        cluster: "prod".to_owned(),
        service: "web".to_owned(),
    }];
    let Ok(deployment) = decode(text, &targets) else {
        return;
    };
    let Ok(written) = encode(&deployment) else {
        return;
    };
    assert!(written.len() <= TOKEN_LIMIT_BYTES);
    for token in [shortest(&written), Some(written)].into_iter().flatten() {
        let read = decode(&token, &targets).expect("what we write can be read");
        let services = read.services.iter().zip(&deployment.services);
        for (read, written) in services {
            assert_eq!(kept(read), kept(written));
        }
        assert_eq!(read.services.len(), deployment.services.len());
        assert_eq!(read.started, deployment.started);
        assert_eq!(read.stage.name(), deployment.stage.name());
    }
});
