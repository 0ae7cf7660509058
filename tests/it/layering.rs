//! The arrows of the design hold: what decides knows nothing of clocks, networks and SDKs.

use std::fs;
use std::path::{Path, PathBuf};

fn rust_files(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            rust_files(&path, found);
        } else if path.extension().is_some_and(|extension| extension == "rs")
            && path.file_name().is_none_or(|name| name != "tests.rs")
        {
            found.push(path);
        }
    }
}

/// The files below `root` whose path begins with one of `parts`, without their tests.
fn sources(root: &Path, parts: &[&str]) -> Vec<(String, String)> {
    let mut files = Vec::new();
    rust_files(root, &mut files);
    let named = files.into_iter().map(|path| {
        let name = path
            .strip_prefix(root)
            .unwrap()
            .to_string_lossy()
            .into_owned();
        let text = fs::read_to_string(&path).unwrap();
        let code = text
            .split("cfg(test)]")
            .next()
            .unwrap_or_default()
            .to_owned();
        (name, code)
    });
    let found: Vec<(String, String)> = named
        .filter(|(name, _)| parts.iter().any(|part| name.starts_with(part)))
        .collect();
    assert!(!found.is_empty(), "{parts:?} name files that exist");
    found
}

#[track_caller]
fn assert_none_has(parts: &[&str], forbidden: &[&str]) {
    let root = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("src");
    assert_none_of(&root, parts, forbidden);
}

#[track_caller]
fn assert_none_of(root: &Path, parts: &[&str], forbidden: &[&str]) {
    for (name, code) in sources(root, parts) {
        for (index, line) in code.lines().enumerate() {
            let is_comment = line.trim_start().starts_with("//");
            for word in forbidden {
                let has = !is_comment && line.contains(word);
                assert!(!has, "{}/{name}:{}: {word}", root.display(), index + 1);
            }
        }
    }
}

#[test]
fn what_parses_parameters_and_image_definitions_knows_nothing_of_what_acts() {
    let deciding = ["parameters", "artifact/image_definitions.rs"];
    assert_none_has(
        &deciding,
        &[
            "aws_",
            "tokio",
            "tracing",
            "lambda_runtime",
            "async ",
            ".await",
            "SystemTime",
            "Instant",
            "std::env",
            "std::fs",
            "std::net",
            "crate::aws",
            "crate::engine",
            "crate::clock",
            "crate::event",
            "crate::handler",
            "crate::report",
            "crate::explain",
        ],
    );
}

/// The compiler keeps it from calling anything; this keeps it from what needs no crate.
#[track_caller]
fn assert_only_computes(package: &str, dependencies: &[&str]) {
    let root = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join(package);
    let manifest = fs::read_to_string(root.join("Cargo.toml")).unwrap();
    let (_, listed) = manifest.split_once("[dependencies]\n").unwrap();
    let (listed, _) = listed.split_once("\n[").unwrap();
    let names: Vec<&str> = listed
        .lines()
        .filter_map(|line| Some(line.split_once(" = ")?.0))
        .collect();
    assert_eq!(names, dependencies);
    assert_none_of(
        &root.join("src"),
        &[""],
        &[
            "async ",
            ".await",
            "SystemTime",
            "Instant",
            "std::env",
            "std::fs",
            "std::net",
            "std::io",
            "std::thread",
            "println!(",
        ],
    );
}

#[test]
fn the_core_has_three_dependencies_and_neither_waits_nor_looks_at_clock_disk_or_environment() {
    assert_only_computes("deploy", &["serde", "serde_json", "thiserror"]);
}

#[test]
fn the_record_is_made_of_the_core_and_what_writes_text_and_looks_at_nothing_else() {
    assert_only_computes("record", &["deploy", "maud", "serde_json"]);
}

#[test]
fn what_acts_knows_nothing_of_what_drives_it() {
    assert_none_has(
        &["aws/"],
        &[
            "crate::engine",
            "crate::handler",
            "crate::report",
            "crate::clock",
        ],
    );
    assert_none_has(
        &["artifact/"],
        &[
            "crate::aws",
            "crate::engine",
            "crate::handler",
            "aws_",
            "tokio",
        ],
    );
    assert_none_has(
        &["engine/"],
        &["crate::handler", "aws_sdk_", "lambda_runtime"],
    );
    assert_none_has(&["handler.rs"], &["aws_sdk_", "lambda_runtime"]);
}

#[test]
fn an_sdk_error_is_classified_in_one_place() {
    let elsewhere = [
        "aws/ecs.rs",
        "aws/s3.rs",
        "aws/codepipeline.rs",
        "aws/mod.rs",
        "engine/",
        "handler.rs",
    ];
    assert_none_has(
        &elsewhere,
        &[
            "SdkError",
            ".code()",
            "as_service_error",
            "into_service_error",
        ],
    );
}

#[test]
fn nothing_in_the_function_panics_on_purpose() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    for folder in ["src", "deploy/src", "record/src"] {
        assert_none_of(
            &root.join(folder),
            &[""],
            &[
                ".unwrap()",
                ".expect(",
                "panic!(",
                "unreachable!(",
                "todo!(",
                "unimplemented!(",
            ],
        );
    }
}
