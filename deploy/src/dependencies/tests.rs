#![cfg(test)]
//! What is needed, and what each look comes to.

use serde_json::{Value, json};

use super::*;
use crate::call::{CallError, Class};
use crate::spec::Target;
use crate::task_definition::{Base, Described, Registration};
use crate::testing::target;
use crate::words::Caller;

const SECRET: &str = "arn:aws:secretsmanager:eu-west-1:111122223333:secret:prod/db-AbCdEf";
const SERVICE: &str = "arn:aws:ecs:eu-central-1:111122223333:service/prod/s0";
const ROLE: &str = "arn:aws:iam::111122223333:role/path/app";
const GROUP: &str =
    "arn:aws:elasticloadbalancing:eu-central-1:111122223333:targetgroup/web/0123456789abcdef";

fn registration(fields: Value) -> Registration {
    Registration::as_it_is(&Base::of_revision(Described {
        task_definition: fields.as_object().unwrap().clone(),
        tags: Vec::new(),
    }))
}

fn of(fields: Value, depends: &Depends) -> Needed {
    let target = target(0);
    needed(
        &[registration(fields)],
        &[OfService {
            target: &target,
            arn: SERVICE,
            depends,
            place: 0,
        }],
    )
}

fn container(members: Value) -> Needed {
    let mut container = json!({"name": "app"});
    for (name, value) in members.as_object().unwrap() {
        container[name] = value.clone();
    }
    of(
        json!({"containerDefinitions": [container]}),
        &Depends::default(),
    )
}

fn value_from(value_from: &str) -> Needed {
    container(json!({"secrets": [{"name": "DB", "valueFrom": value_from}]}))
}

fn call_error(operation: &'static str, class: Class) -> CallError {
    CallError::unusable(operation, "it", class, "no").in_region(Some("eu-central-1"))
}

#[test]
fn a_value_from_is_read_by_its_grammar() {
    let secret = |text: &str| {
        let needed = value_from(text);
        assert_eq!(needed.secrets.len(), 1, "{text}: {needed:?}");
        let secret = needed.secrets[0].clone();
        assert_eq!(secret.by, ["container app (DB)"]);
        (secret.id, secret.stage, secret.version)
    };
    let some = |text: &str| Some(text.to_owned());
    assert_eq!(secret(SECRET), (SECRET.to_owned(), None, None));
    assert_eq!(
        secret(&format!("{SECRET}:password::")),
        (SECRET.to_owned(), None, None)
    );
    assert_eq!(
        secret(&format!("{SECRET}::AWSPREVIOUS:")),
        (SECRET.to_owned(), some("AWSPREVIOUS"), None)
    );
    assert_eq!(
        secret(&format!("{SECRET}:k::v-1")),
        (SECRET.to_owned(), None, some("v-1"))
    );
    for (text, region) in [
        ("/prod/db", None),
        ("db_1.x-y", None),
        ("db:3", None),
        (
            "arn:aws:ssm:eu-west-1:111122223333:parameter/prod/db",
            Some("eu-west-1"),
        ),
    ] {
        let needed = value_from(text);
        assert_eq!(needed.parameters.len(), 1, "{text}: {needed:?}");
        assert_eq!(needed.parameters[0].name, text);
        let found = needed.parameters[0].region.as_ref();
        assert_eq!(found.map(crate::region::Region::name), region);
    }
}

#[test]
fn what_is_no_value_from_is_refused_and_its_text_not_shown() {
    for text in [
        "hunter2 the password",
        "postgres://u:hunter2@db/x",
        "",
        "arn:aws:s3:::bucket/hunter2",
        "arn:aws:secretsmanager:evil.example/:1:secret:hunter2",
        "arn:aws:secretsmanager:eu-west-1:1:secret:hunter2:a:b:c:d",
        "arn:aws:secretsmanager:eu-west-1:1:hunter2",
        "arn:aws:ssm:eu-west-1:1:document/hunter2",
        "arn:aws:ssm:eu-west-1:1:parameter/hunter2 x",
        "arn:hunter2",
    ] {
        let needed = value_from(text);
        assert_eq!(
            needed.broken,
            [Missing::NotASecret("container app (DB)".to_owned())],
            "{text}"
        );
        assert!(!needed.broken[0].to_string().contains("hunter2"));
        assert!(needed.secrets.is_empty() && needed.parameters.is_empty());
    }
}

#[test]
fn each_thing_is_needed_once_whoever_needs_it() {
    let log = json!({"logDriver": "awslogs", "options": {
        "awslogs-group": "/ecs/app", "awslogs-region": "eu-west-1"},
        "secretOptions": [{"name": "token", "valueFrom": SECRET}]});
    let one = |name: &str| {
        json!({"name": name, "logConfiguration": log,
            "secrets": [{"name": "A", "valueFrom": format!("{SECRET}:a::")},
                        {"name": "B", "valueFrom": "/b"}],
            "repositoryCredentials": {"credentialsParameter": "hub"}})
    };
    let needed = of(
        json!({"executionRoleArn": ROLE, "taskRoleArn": ROLE,
            "containerDefinitions": [one("app"), one("sidecar")]}),
        &Depends::default(),
    );
    let ids: Vec<&str> = needed.secrets.iter().map(|one| one.id.as_str()).collect();
    assert_eq!(ids, [SECRET, "hub"]);
    assert_eq!(
        needed.secrets[0].by,
        [
            "container app (A)",
            "container app (token)",
            "container sidecar (A)",
            "container sidecar (token)"
        ]
    );
    assert_eq!(
        needed.parameters[0].by,
        ["container app (B)", "container sidecar (B)"]
    );
    assert_eq!(needed.log_groups.len(), 1);
    assert_eq!(needed.log_groups[0].by, ["app", "sidecar"]);
    assert_eq!(
        needed.roles,
        [RoleNeeded {
            arn: Some(ROLE.to_owned()),
            name: "app".to_owned(),
            members: vec!["executionRoleArn".to_owned(), "taskRoleArn".to_owned()],
        }]
    );
}

#[test]
fn what_has_nothing_of_the_kind_needs_no_look() {
    assert!(container(json!({"image": "repo/app:v1"})).is_empty());
    let made = json!({"logDriver": "awslogs",
        "options": {"awslogs-group": "/ecs/app", "awslogs-create-group": "true"}});
    for log in [
        made,
        json!({"logDriver": "splunk", "options": {"awslogs-group": "/ecs/app"}}),
        json!({"logDriver": "awslogs", "options": {}}),
        json!({"logDriver": "awslogs", "options": {"awslogs-group": "a b"}}),
        json!({"logDriver": "awslogs",
            "options": {"awslogs-group": "a", "awslogs-region": "evil.example"}}),
    ] {
        let needed = container(json!({ "logConfiguration": log }));
        assert!(needed.is_empty(), "{needed:?}");
    }
    // The account is another's, which ECS refuses by itself, or it is no role.
    for role in ["arn:aws:iam::444455556666:role/app", "", "a role"] {
        let fields = json!({"executionRoleArn": role, "containerDefinitions": []});
        assert!(of(fields, &Depends::default()).is_empty(), "{role}");
    }
}

fn secret_of(id: &str) -> SecretNeeded {
    value_from(id).secrets[0].clone()
}

fn sentence(finding: Option<Finding>) -> String {
    match finding {
        None => String::new(),
        Some(Finding::Missing(one)) => one.to_string(),
        Some(Finding::Warning(one)) => format!("warning: {one}"),
        Some(Finding::Unseen(one)) => format!("unseen: {}", one.what),
    }
}

fn versions(stages: &[&str]) -> SecretSeen {
    let stages = stages.iter().map(|one| (*one).to_owned()).collect();
    SecretSeen {
        is_deleted: false,
        versions: Some(vec![("v-1".to_owned(), stages)]),
    }
}

#[test]
fn a_secret_is_missing_when_it_is_gone_pending_deletion_or_has_not_the_version() {
    let whole = secret_of(SECRET);
    let current = versions(&["AWSCURRENT"]);
    assert_eq!(secret(&whole, Ok(current.clone())), None);
    for (end, seen, expected) in [
        (
            "",
            Err(call_error("secretsmanager:DescribeSecret", Class::Missing)),
            "the secret prod/db-AbCdEf in eu-west-1 does not exist; container app (DB) needs it",
        ),
        (
            "",
            Ok(SecretSeen {
                is_deleted: true,
                ..current.clone()
            }),
            "the secret prod/db-AbCdEf is pending deletion, and container app (DB) needs it: restore it (aws secretsmanager restore-secret), or name another",
        ),
        (
            "",
            Ok(SecretSeen {
                versions: Some(Vec::new()),
                ..SecretSeen::default()
            }),
            "the secret prod/db-AbCdEf has no version with the stage AWSCURRENT, and container app (DB) needs it: it has no value yet; give it one (aws secretsmanager put-secret-value)",
        ),
        (
            "::AWSPREVIOUS:",
            Ok(current.clone()),
            "the secret prod/db-AbCdEf has no version with the stage AWSPREVIOUS, and container app (DB) needs it: correct the end of its valueFrom",
        ),
        (
            "::AWSCURRENT:v-2",
            Ok(current.clone()),
            "the secret prod/db-AbCdEf has no version with the id v-2 and the stage AWSCURRENT, and container app (DB) needs it: correct the end of its valueFrom",
        ),
    ] {
        let needed = secret_of(&format!("{SECRET}{end}"));
        assert_eq!(sentence(secret(&needed, seen)), expected);
    }
    let by_id = secret_of(&format!("{SECRET}:::v-1"));
    assert_eq!(secret(&by_id, Ok(versions(&["OLD"]))), None);
    // Versions without a stage are not shown, and can be read.
    let unlabelled = secret_of(&format!("{SECRET}:::v-0"));
    let Some(Finding::Warning(warning)) = secret(&unlabelled, Ok(current)) else {
        unreachable!("a version whose stage has moved on is refused")
    };
    assert!(
        warning.starts_with("the version with the id v-0 of the secret prod/db-AbCdEf, which container app (DB) needs, has no stage"),
        "{warning}"
    );
    // Not shown is not "none".
    assert_eq!(secret(&whole, Ok(SecretSeen::default())), None);
}

#[test]
fn what_cannot_be_seen_is_never_missing() {
    for class in [
        Class::Denied,
        Class::Throttled,
        Class::Unavailable,
        Class::Refused,
        Class::Account,
        Class::Unsupported,
    ] {
        let unseen = |finding: Option<Finding>| {
            assert!(matches!(finding, Some(Finding::Unseen(_))), "{finding:?}");
        };
        let error = |operation| call_error(operation, class);
        let needed = of(
            json!({"executionRoleArn": ROLE, "networkMode": "awsvpc",
                "containerDefinitions": [{"name": "app",
                    "secrets": [{"name": "A", "valueFrom": SECRET}, {"name": "B", "valueFrom": "/b"}],
                    "logConfiguration": {"logDriver": "awslogs", "options": {"awslogs-group": "g"}}}]}),
            &Depends {
                target_groups: vec![(GROUP.to_owned(), "app".to_owned(), 80)],
                alarms: vec!["errors".to_owned()],
            },
        );
        unseen(secret(&needed.secrets[0], Err(error("a:A"))));
        unseen(parameter(&needed.parameters[0], Err(error("a:A"))));
        unseen(log_group(&needed.log_groups[0], Err(error("a:A"))));
        unseen(role(&needed.roles[0], Err(error("a:A"))));
        unseen(target_group(&needed.target_groups[0], Err(error("a:A"))));
        let mut of_alarms = alarms(&needed.alarms[0], Err(error("a:A")));
        unseen(of_alarms.pop());
    }
}

fn group_needed(mapped: &[i64], is_awsvpc: bool) -> TargetGroupNeeded {
    TargetGroupNeeded {
        arn: GROUP.to_owned(),
        target: target(0),
        container: "app".to_owned(),
        port: 8080,
        mapped: mapped.to_vec(),
        has_range: false,
        is_awsvpc,
    }
}

#[test]
fn a_target_group_must_be_there_take_tasks_and_ask_a_port_that_is_mapped() {
    let seen = |kind: &str, port: &str| {
        Ok(TargetGroupSeen {
            kind: Some(kind.to_owned()),
            check_port: Some(port.to_owned()),
        })
    };
    let needed = group_needed(&[8080, 9000], true);
    for port in ["traffic-port", "8080", "9000", "odd"] {
        assert_eq!(target_group(&needed, seen("ip", port)), None, "{port}");
    }
    assert_eq!(
        sentence(target_group(&needed, seen("ip", "9001"))),
        "warning: s0 on prod: the health check of the target group web asks the port 9001, which no container of the new revision maps (they map 8080 and 9000): unless one listens there all the same, its tasks become unhealthy"
    );
    assert_eq!(
        sentence(target_group(&needed, seen("instance", "traffic-port"))),
        "the target group web of s0 on prod has targets of the type instance, and tasks with the networkMode awsvpc need the type ip"
    );
    let gone = call_error("elasticloadbalancing:DescribeTargetGroups", Class::Missing);
    assert_eq!(
        sentence(target_group(&needed, Err(gone))),
        "the target group web, with which s0 on prod registers its tasks, does not exist"
    );
    let on_instances = group_needed(&[], false);
    assert_eq!(target_group(&on_instances, seen("instance", "9001")), None);
    assert!(
        sentence(target_group(&on_instances, seen("ip", "80"))).contains("need the type instance")
    );
    let ranged = TargetGroupNeeded {
        has_range: true,
        ..group_needed(&[], true)
    };
    assert_eq!(target_group(&ranged, seen("ip", "9001")), None);
}

#[test]
fn alarms_that_are_on_or_gone_are_warnings() {
    let needed = AlarmsNeeded {
        target: Target {
            cluster: "prod".to_owned(),
            service: "s0".to_owned(),
        },
        names: ["a", "b", "c", "d"].map(str::to_owned).to_vec(),
    };
    let alarm = |name: &str, state: &str| AlarmSeen {
        name: name.to_owned(),
        state: state.to_owned(),
    };
    let seen = vec![
        alarm("a", "OK"),
        alarm("b", "ALARM"),
        alarm("d", "INSUFFICIENT_DATA"),
    ];
    let findings = alarms(&needed, Ok(seen));
    let said: Vec<String> = findings
        .into_iter()
        .map(|one| sentence(Some(one)))
        .collect();
    assert_eq!(
        said,
        [
            "warning: s0 on prod: b is in ALARM already, so that ECS watches no alarm during this deployment",
            "warning: s0 on prod: there is no alarm c, which ECS is to watch during its deployments"
        ]
    );
    let all_well = ["a", "b", "c", "d"].map(|name| alarm(name, "OK"));
    assert_eq!(alarms(&needed, Ok(all_well.to_vec())), []);
}

#[test]
fn what_may_not_be_seen_is_one_warning_for_each_call_with_one_statement() {
    let denied = |name: &str| {
        let text = format!(
            "AccessDeniedException: User: arn:aws:sts::1:assumed-role/f/s is not authorized to perform: secretsmanager:DescribeSecret on resource: arn:aws:secretsmanager:r:1:secret:{name} because no identity-based policy allows the secretsmanager:DescribeSecret action"
        );
        Unseen {
            what: format!("the secret {name}"),
            error: CallError::unusable("secretsmanager:DescribeSecret", "s", Class::Denied, text),
        }
    };
    let throttled = Unseen {
        what: "the role app".to_owned(),
        error: CallError::unusable("iam:GetRole", "role app", Class::Throttled, "Rate exceeded"),
    };
    let names = ["a", "b", "c", "d", "e", "f", "g"];
    let mut all: Vec<Unseen> = names.map(denied).to_vec();
    all.push(throttled);
    let warnings = unseen(all, Caller::Function);
    assert_eq!(warnings.len(), 2);
    let first = &warnings[0];
    assert!(
        first.starts_with("the secret a, the secret b, the secret c, the secret d, the secret e and 2 more were not checked before the deployment (VerifyDependencies): the function's role (arn:aws:sts::1:assumed-role/f/s) is not allowed to perform secretsmanager:DescribeSecret. If the function's stack is template.yaml, set its parameter AllowVerifyDependencies to true. Otherwise add this statement to the role f: {\"Effect\":\"Allow\",\"Action\":\"secretsmanager:DescribeSecret\",\"Resource\":[\"arn:aws:secretsmanager:r:1:secret:a\","),
        "{first}"
    );
    assert_eq!(first.matches("\"Effect\"").count(), 1);
    assert!(first.contains("secret:g\"]}"), "{first}");
    assert!(first.contains("AllowVerifyDependencies"), "{first}");
    assert_eq!(
        warnings[1],
        "the role app was not checked before the deployment (VerifyDependencies): iam:GetRole (role app): Rate exceeded"
    );
    let alone = unseen(vec![denied("a")], Caller::Assumed);
    assert!(
        alone[0].contains("is not allowed to perform secretsmanager:DescribeSecret on s."),
        "{alone:?}"
    );
}

#[test]
fn what_may_be_a_secret_that_somebody_wrote_for_its_name_is_not_shown() {
    let needed = of(
        json!({"containerDefinitions": [{"name": "app",
        "secrets": [{"name": "DB", "valueFrom": "hunter2"}]}]}),
        &Depends::default(),
    );
    let [named] = &needed.parameters[..] else {
        unreachable!("{needed:?}")
    };
    assert_eq!(
        sentence(parameter(named, Ok(true))),
        "the parameter that its valueFrom names does not exist; container app (DB) needs it"
    );
}
