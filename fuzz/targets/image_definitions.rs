//! Any bytes as image definitions: sentences, or images that are sound.
#![no_main]

use ecs_deploy_action::artifact::image_definitions::parse;
use ecs_deploy_action::deploy::images::{EcrImage, ImageSource};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    for (file, container) in [
        ("imagedefinitions.json", None),
        ("imageDetail.json", None),
        ("images.json", Some("app")),
    ] {
        match parse(file, bytes, container) {
            Ok(ImageSource::Definitions { images, .. }) => {
                assert!(!images.is_empty());
                for (name, image) in images {
                    assert!(!name.is_empty() && !image.is_empty());
                    let _ = EcrImage::parse(&image);
                }
            }
            Ok(ImageSource::Detail { image, .. }) => assert!(!image.is_empty()),
            Err(mistakes) => {
                assert!(!mistakes.is_empty());
                for mistake in mistakes {
                    assert!(!mistake.to_string().is_empty());
                }
            }
        }
    }
});
