//! A 403 or an authentication code is not always a missing permission: what it is, and no statement
//! where none would help.

use serde_json::json;

use crate::support::{World, failure};

const ROLE: &str = "arn:aws:iam::444455556666:role/deploy";
const EXPIRED: &str = "Signature expired: 20260921T100000Z is now earlier than 20260921T110000Z";

/// Codes with their text and status, and what the message says.
const REFUSALS: [(&str, &str, u16, &str); 9] = [
    (
        "UnrecognizedClientException",
        "The security token included in the request is invalid.",
        400,
        "the Region eu-west-1 does not know the credentials",
    ),
    (
        "InvalidClientTokenId",
        "Invalid.",
        403,
        "the Region eu-west-1 does not know",
    ),
    (
        "OptInRequired",
        "You are not subscribed.",
        403,
        "AWS refuses the account",
    ),
    (
        "AccountProblem",
        "There is a problem.",
        403,
        "AWS refuses the account",
    ),
    (
        "AllAccessDisabled",
        "Disabled.",
        403,
        "AWS refuses the account",
    ),
    (
        "InvalidSignatureException",
        EXPIRED,
        403,
        "the clock of the machine",
    ),
    (
        "SignatureDoesNotMatch",
        EXPIRED,
        403,
        "the clock of the machine",
    ),
    (
        "RequestTimeTooSkewed",
        "The difference is too large.",
        403,
        "the clock of the machine",
    ),
    (
        "IncompleteSignature",
        "Incomplete.",
        403,
        "does not accept the signature",
    ),
];

#[track_caller]
fn assert_no_statement(message: &str, expected: &str) {
    assert!(message.contains(expected), "{expected}: {message}");
    assert!(message.contains("No permission is missing"), "{message}");
    assert!(
        !message.contains("\"Effect\"") && !message.contains(" statement "),
        "{message}"
    );
}

#[tokio::test]
async fn what_is_no_missing_permission_is_reported_as_what_it_is_by_each_call_to_ecs() {
    for operation in [
        "DescribeServices",
        "DescribeTaskDefinition",
        "RegisterTaskDefinition",
        "UpdateService",
    ] {
        for (code, text, status, expected) in REFUSALS {
            let world = World::new();
            let faults = world.simulator.faults();
            faults.fail(operation, usize::MAX, status, code, text);
            let answer = world.deploy(json!({"Region": "eu-west-1"})).await;
            let (kind, message) = failure(&answer);
            assert_eq!(kind, "PermissionError", "{message}");
            assert_no_statement(message, expected);
            assert!(message.contains(code), "{message}");
            assert_eq!(world.done("UpdateService"), 0);
        }
    }
}

#[tokio::test]
async fn so_it_is_when_a_role_is_assumed() {
    for (code, text, status, expected) in REFUSALS {
        let world = World::new();
        world.simulator.sts().allow(ROLE, None);
        let faults = world.simulator.faults();
        faults.fail("AssumeRole", usize::MAX, status, code, text);
        let parameters = json!({"Region": "eu-west-1", "RoleArn": ROLE});
        let answer = world.deploy(parameters).await;
        let (kind, message) = failure(&answer);
        assert_eq!(kind, "PermissionError", "{message}");
        // It is the function's own Region whose STS is asked, and with its own credentials.
        let expected = expected.replace("eu-west-1", simulator::REGION);
        assert_no_statement(message, &expected);
        assert!(!message.contains("the role of RoleArn"), "{message}");
    }
}

#[tokio::test]
async fn an_answer_that_codepipeline_refuses_for_another_reason_asks_for_no_statement() {
    for (code, text, status, _) in REFUSALS {
        let world = World::new();
        let faults = world.simulator.faults();
        for operation in ["PutJobSuccessResult", "PutJobFailureResult"] {
            faults.fail(operation, usize::MAX, status, code, text);
        }
        let start = world.start(json!({}));
        let invocation = world.invocation();
        let error = world.handler.handle(&start, &invocation).await.unwrap_err();
        assert_no_statement(&error.to_string(), code);
    }
}

#[tokio::test]
async fn a_registry_in_a_region_that_is_not_enabled_is_named_by_that_region() {
    let image = "111122223333.dkr.ecr.ap-east-1.amazonaws.com/app:v2";
    for pins in [false, true] {
        let world = World::new();
        world.put_images(&json!([{"name": "app", "imageUri": image}]).to_string());
        let (code, text, status, _) = REFUSALS[0];
        let faults = world.simulator.faults();
        faults.fail("BatchGetImage", usize::MAX, status, code, text);
        let start = world.start(json!({"PinDigests": pins}));
        let report = world.invoke(&start).await;
        let expected = "the Region ap-east-1 does not know the credentials";
        if pins {
            assert_eq!(report["outcome"], "Failed", "{report}");
            assert_no_statement(report["message"].as_str().unwrap(), expected);
        } else {
            assert_eq!(report["outcome"], "Succeeded", "{report}");
            assert_no_statement(report["warnings"][0].as_str().unwrap(), expected);
        }
    }
}

#[tokio::test]
async fn an_artifact_that_is_archived_or_whose_key_is_disabled_is_an_unavailable_revision() {
    for (code, text, status, expected) in [
        (
            "InvalidObjectState",
            "The operation is not valid for the object's storage class",
            403,
            "in an archive of S3's (Glacier)",
        ),
        (
            "KMS.DisabledException",
            "arn:aws:kms:eu-central-1:111122223333:key/k is disabled.",
            400,
            "the KMS key of s3://artifacts/pipeline/build/1.zip cannot be used",
        ),
        (
            "KMS.KMSInvalidStateException",
            "arn:aws:kms:eu-central-1:111122223333:key/k is pending deletion.",
            400,
            "cannot be used",
        ),
    ] {
        let world = World::new();
        let faults = world.simulator.faults();
        faults.fail("GetObject", usize::MAX, status, code, text);
        let answer = world.deploy(json!({})).await;
        let (kind, message) = failure(&answer);
        assert_eq!(kind, "RevisionUnavailable", "{message}");
        assert!(message.contains(expected), "{message}");
        assert!(!message.contains("Effect"), "{message}");
    }
}

#[tokio::test]
async fn a_policy_that_is_not_the_roles_own_is_named_instead_of_a_statement() {
    for policy in [
        "service control policy",
        "permissions boundary",
        "session policy",
    ] {
        let text = format!(
            "User: arn:aws:sts::1:assumed-role/f/s is not authorized to perform: ecs:UpdateService on resource: arn:aws:ecs:r:1:service/prod/web because no {policy} allows the ecs:UpdateService action"
        );
        let world = World::new();
        let faults = world.simulator.faults();
        faults.fail(
            "UpdateService",
            usize::MAX,
            400,
            "AccessDeniedException",
            &text,
        );
        let answer = world.deploy(json!({})).await;
        let (kind, message) = failure(&answer);
        assert_eq!(kind, "PermissionError");
        assert!(
            message.contains(&format!("It is the {policy} that does not allow it")),
            "{message}"
        );
        assert!(!message.contains("Effect"), "{message}");
    }
}
