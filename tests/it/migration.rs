//! `cargo local -- --migrate`: what goes where, and how it ends. What becomes of documents is tested
//! in the crate `migrate`.

use std::io::Write as _;
use std::process::Stdio;

use crate::local::{local, run};

const PIPELINE: &str = "name: shop\nstages:\n- name: Deploy\n  actions:\n  - name: Web\n    actionTypeId: {category: Deploy, owner: AWS, provider: ECS, version: '1'}\n    configuration: {ClusterName: prod, ServiceName: web}\n";

/// Runs it with a document on standard input.
fn piped(document: &[u8], more: &[&str]) -> (Option<i32>, String, String) {
    let mut arguments = vec!["--migrate", "-"];
    arguments.extend(more);
    let mut command = local(&arguments);
    command.stdin(Stdio::piped());
    command.stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().unwrap();
    // Whoever refuses the arguments reads nothing.
    drop(child.stdin.take().unwrap().write_all(document));
    let output = child.wait_with_output().unwrap();
    (
        output.status.code(),
        String::from_utf8(output.stdout).unwrap(),
        String::from_utf8(output.stderr).unwrap(),
    )
}

#[test]
fn the_new_document_goes_to_standard_output_and_the_report_to_standard_error() {
    let (code, stdout, stderr) = piped(PIPELINE.as_bytes(), &["--function", "shop-deploy"]);
    assert_eq!(code, Some(0), "{stderr}");
    let expected = PIPELINE
        .replace("category: Deploy", "category: Invoke")
        .replace("provider: ECS", "provider: Lambda")
        .replace(
            "{ClusterName: prod, ServiceName: web}",
            "{FunctionName: shop-deploy, UserParameters: '{\"ClusterName\": \"prod\", \"ServiceName\": \"web\"}'}",
        );
    assert_eq!(stdout, expected);
    assert!(
        stderr.starts_with("Replaced (1):\n  lines 6 to 7: shop, Deploy/Web: "),
        "{stderr}"
    );
    // What was made of it is left as it is.
    let (code, again, stderr) = piped(stdout.as_bytes(), &[]);
    assert_eq!((code, again), (Some(1), stdout));
    assert!(
        stderr.starts_with("There is no ECS action to replace"),
        "{stderr}"
    );
}

#[test]
fn a_file_is_read_and_stays_as_it_is() {
    let path = std::env::temp_dir().join(format!("pipeline-{}.yaml", std::process::id()));
    std::fs::write(&path, PIPELINE).unwrap();
    let (code, stdout, _) = run(&["--migrate", path.to_str().unwrap()]);
    assert_eq!(code, Some(0));
    assert!(
        stdout.contains("FunctionName: ecs-deploy-action,"),
        "{stdout}"
    );
    assert_eq!(std::fs::read_to_string(&path).unwrap(), PIPELINE);
    std::fs::remove_file(&path).unwrap();
}

#[test]
fn an_action_that_is_left_ends_with_one_and_the_rest_is_done() {
    let other = PIPELINE.replace("name: Web", "name: Worker");
    let other = other.split_once("  actions:\n").unwrap().1;
    let other = other.replace("ServiceName", "Service");
    let (code, stdout, stderr) = piped(format!("{PIPELINE}{other}").as_bytes(), &[]);
    assert_eq!(code, Some(1));
    assert!(
        stdout.contains("provider: Lambda") && stdout.ends_with(&other),
        "{stdout}"
    );
    assert!(
        stderr.contains("line 10: Deploy/Worker: its configuration has Service,"),
        "{stderr}"
    );
}

#[test]
fn what_cannot_be_read_ends_with_two_and_one_line_that_says_where() {
    for (document, why) in [
        (&b"stages: [1"[..], "-: line 1, column 9: unclosed"),
        (
            b"\xff\xfeR\0",
            "-: line 1, column 1: the document is UTF-16",
        ),
        (
            b"a: b",
            "-: line 1, column 1: this is neither what get-pipeline prints",
        ),
    ] {
        let (code, stdout, stderr) = piped(document, &[]);
        assert_eq!((code, stdout.as_str()), (Some(2), ""));
        assert!(stderr.starts_with(why), "{stderr}");
        assert_eq!(stderr.matches('\n').count(), 1, "{stderr}");
    }
    let (code, _, stderr) = run(&["--migrate", "no/such/pipeline.json"]);
    assert_eq!(code, Some(2));
    assert!(stderr.starts_with("no/such/pipeline.json: ") && stderr.matches('\n').count() == 1);
}
