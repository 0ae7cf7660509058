//! Any bytes as a task definition file: sentences, or a base from which a registration is made that
//! says nothing that the file does not say.
#![no_main]

use ecs_deploy_action::artifact::task_definition_file::parse;
use ecs_deploy_action::deploy::images::ImageSource;
use ecs_deploy_action::deploy::task_definition::{Base, Described, registrations};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let file = match parse(bytes) {
        Ok(file) => file,
        Err(mistakes) => {
            assert!(!mistakes.is_empty());
            return;
        }
    };
    let base = Base {
        described: Described {
            task_definition: file.fields.clone(),
            tags: file.tags.clone().unwrap_or_default(),
        },
        name: "taskdef.json".to_owned(),
        is_file: true,
    };
    let source = ImageSource::Definitions {
        file: "imagedefinitions.json".to_owned(),
        images: vec![("app".to_owned(), "repo/app:v2".to_owned())],
    };
    for source in [None, Some(&source)] {
        if let Ok(made) = registrations(&[&base], source, "job") {
            for (member, value) in &file.fields {
                if member != "containerDefinitions" && member != "tags" {
                    assert_eq!(made[0].body.get(member), Some(value));
                }
            }
        }
    }
});
