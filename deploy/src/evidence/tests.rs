use super::quote::plain;
use super::*;
use crate::seen::EventSeen;
use crate::verdict::Reason;

fn pull(image: &str) -> StoppedTask {
    StoppedTask {
        stop_code: "TaskFailedToStart".to_owned(),
        reason: format!("CannotPullContainerError: {image} not found"),
        containers: Vec::new(),
        ..StoppedTask::default()
    }
}

fn container(name: &str, exit_code: i32) -> StoppedContainer {
    StoppedContainer {
        name: name.to_owned(),
        exit_code: Some(exit_code),
        ..StoppedContainer::default()
    }
}

fn exited(code: i32) -> StoppedTask {
    StoppedTask {
        stop_code: "EssentialContainerExited".to_owned(),
        reason: "Essential container in task exited".to_owned(),
        containers: vec![container("web", code)],
        ..StoppedTask::default()
    }
}

fn scaled_in() -> StoppedTask {
    StoppedTask {
        stop_code: "ServiceSchedulerInitiated".to_owned(),
        reason: "Scaling activity initiated by (deployment ecs-svc/2)".to_owned(),
        containers: vec![container("web", 143)],
        ..StoppedTask::default()
    }
}

#[test]
fn what_stopped_most_tasks_is_the_cause_and_of_as_many_what_is_closest_to_the_root() {
    let mut stopped = vec![exited(1); 25];
    stopped.push(pull("a:1"));
    assert_eq!(
        root_of(&stopped).unwrap(),
        "container web exited with code 1 (25 tasks)"
    );
    assert_eq!(
        root_of(&[exited(1), pull("a:1")]).unwrap(),
        "CannotPullContainerError: a:1 not found (1 task)"
    );
    // One that was killed does not hide what the others died of.
    let stopped = [exited(137), exited(1), exited(1)];
    assert_eq!(
        root_of(&stopped).unwrap(),
        "container web exited with code 1 (2 tasks)"
    );
}

fn facts(name: &str, is_essential: bool) -> ContainerFacts {
    ContainerFacts {
        name: name.to_owned(),
        is_essential,
        ..ContainerFacts::default()
    }
}

fn with_reason(name: &str, exit_code: Option<i32>, reason: &str) -> StoppedContainer {
    StoppedContainer {
        name: name.to_owned(),
        exit_code,
        reason: Some(reason.to_owned()),
        ..StoppedContainer::default()
    }
}

fn not_started(containers: Vec<StoppedContainer>) -> StoppedTask {
    StoppedTask {
        stop_code: "TaskFailedToStart".to_owned(),
        reason: "Task failed to start".to_owned(),
        containers,
        ..StoppedTask::default()
    }
}

#[test]
fn a_cause_that_stands_at_the_container_is_reported_as_one_at_the_task_is() {
    for name in [
        "CannotPullImageManifestError",
        "CannotPullContainerError",
        "CannotStartContainerError",
        "CannotCreateVolumeError",
        "ContainerRuntimeError",
        "DockerTimeoutError",
    ] {
        let reason = format!("{name}: repo/app:v9 not found");
        let task = not_started(vec![with_reason("web", None, &reason)]);
        let cause = root_of(&[task]).unwrap();
        let expected = format!("container web: {name}: repo/app:v9 not found (1 task)");
        assert!(cause.starts_with(&expected), "{cause}");
    }
}

#[test]
fn only_containers_of_the_revision_that_can_end_the_task_are_blamed() {
    let agent = with_reason(
        "aws-guardduty-agent",
        None,
        "CannotPullContainerError: pull image manifest has been retried 1 time(s): denied",
    );
    let of_revision = [facts("web", true), facts("sidecar", false)];
    for agent_is_first in [true, false] {
        let mut task = exited(1);
        task.containers.push(container("sidecar", 2));
        let place = if agent_is_first { 0 } else { 2 };
        task.containers.insert(place, agent.clone());
        let evidence = Evidence {
            containers: of_revision.to_vec(),
            log: vec!["panic: no database".to_owned()],
            ..of(&[task])
        };
        assert_eq!(
            evidence.root_cause().unwrap(),
            "container web exited with code 1 (1 task); its log ends: panic: no database"
        );
        let (_, read) = evidence.task_to_read().unwrap();
        assert_eq!(read.name, "web");
    }
    // An OutOfMemory of the application is seen behind the agent, too.
    let killed = with_reason("web", Some(137), "OutOfMemoryError: killed");
    let mut task = exited(1);
    task.containers = vec![agent.clone(), killed];
    let evidence = Evidence {
        containers: of_revision.to_vec(),
        ..of(&[task])
    };
    assert!(
        evidence
            .root_cause()
            .unwrap()
            .starts_with("container web ran out of memory")
    );
    // Where nothing else explains it, the agent does.
    let mut task = not_started(vec![agent]);
    task.containers.push(StoppedContainer {
        name: "web".to_owned(),
        ..StoppedContainer::default()
    });
    let evidence = Evidence {
        containers: of_revision.to_vec(),
        ..of(&[task])
    };
    let cause = evidence.root_cause().unwrap();
    assert!(
        cause.starts_with("container aws-guardduty-agent: CannotPull"),
        "{cause}"
    );
}

#[test]
fn an_init_container_that_another_one_waits_for_is_the_cause() {
    let mut init = facts("init", false);
    init.is_waited_for = true;
    let mut task = exited(143);
    task.containers.insert(0, container("init", 3));
    let evidence = Evidence {
        containers: vec![facts("web", true), init],
        ..of(&[task])
    };
    assert_eq!(
        evidence.root_cause().unwrap(),
        "container init exited with code 3 (1 task)"
    );
}

#[test]
fn exit_codes_that_people_ask_about_are_explained_with_the_command_where_it_is_that() {
    let with_command = |code| Evidence {
        containers: vec![ContainerFacts {
            command: Some("sh -c start-server".to_owned()),
            ..facts("web", true)
        }],
        log: vec!["sh: start-server: not found".to_owned()],
        ..of(&[exited(code)])
    };
    assert_eq!(
        with_command(127).root_cause().unwrap(),
        "container web exited with code 127 (1 task); its command was not found in the image ('sh -c start-server'); its log ends: sh: start-server: not found"
    );
    let cause = with_command(139).root_cause().unwrap();
    assert!(cause.contains("segmentation fault"), "{cause}");
    let own = with_command(1).root_cause().unwrap();
    assert_eq!(
        own,
        "container web exited with code 1 (1 task); its log ends: sh: start-server: not found"
    );
}

#[test]
fn advice_on_a_health_check_fits_the_kind_of_check() {
    let failing = |reason: &str| {
        let task = StoppedTask {
            stop_code: "ServiceSchedulerInitiated".to_owned(),
            reason: reason.to_owned(),
            ..StoppedTask::default()
        };
        let evidence = Evidence {
            containers: vec![ContainerFacts {
                health_check: Some("curl -f http://localhost/".to_owned()),
                ..facts("web", true)
            }],
            ..of(&[task])
        };
        evidence.root_cause().unwrap()
    };
    let own = failing("Task failed container health checks");
    assert!(
        own.contains("a command that runs inside of it")
            && own.ends_with("container web runs 'curl -f http://localhost/'")
            && !own.contains("port"),
        "{own}"
    );
    let group = failing("Task failed ELB health checks in (target-group arn:x)");
    assert!(group.contains("port") && !group.contains("curl"), "{group}");
}

#[test]
fn any_event_that_reports_an_error_is_a_better_cause_than_counts() {
    for message in [
        "(service web) failed to launch a task with (error ECS was unable to assume the role 'arn:aws:iam::111122223333:role/x' that was provided for this task.)",
        "(service web) is unable to consistently start tasks successfully.",
        "(service web) was unable to register targets in a target group because the target group does not exist.",
    ] {
        let events = [
            event(
                "(service web) (deployment ecs-svc/2) deployment failed: tasks failed to start.",
                70,
            ),
            event("(service web) rolling back to deployment ecs-svc/1.", 65),
            event(message, 60),
        ];
        let evidence = Evidence {
            events: telling_events(&events, Timestamp::from_secs(50)),
            ..Evidence::default()
        };
        let cause = evidence.root_cause().unwrap();
        let said = message.trim_start_matches("(service web) ");
        let expected = format!("ECS {}; ", said.trim_end_matches('.'));
        // And it says what to do.
        assert!(
            cause.starts_with(&expected) && cause.len() > expected.len(),
            "{cause}"
        );
    }
    let only_consequences = Evidence {
        events: vec!["(service web) rolling back to deployment ecs-svc/1.".to_owned()],
        ..Evidence::default()
    };
    assert_eq!(only_consequences.root_cause(), None);
}

#[test]
fn tasks_that_ecs_itself_stopped_are_no_cause() {
    assert_eq!(root_of(&[scaled_in()]), None);
    let reason = Reason::of("tasks failed to start.");
    assert_eq!(
        cause(reason.as_ref(), &of(&[scaled_in()])),
        "tasks failed to start"
    );
    assert_eq!(cause(None, &Evidence::default()), "ECS gave no reason");
}

#[test]
fn a_failed_health_check_is_a_cause_although_ecs_stopped_the_task() {
    let unhealthy = StoppedTask {
        stop_code: "ServiceSchedulerInitiated".to_owned(),
        reason: "Task failed ELB health checks in (target-group arn:x)".to_owned(),
        containers: Vec::new(),
        ..StoppedTask::default()
    };
    assert!(
        root_of(&[unhealthy])
            .unwrap()
            .starts_with("Task failed ELB health checks")
    );
}

#[test]
fn an_alarm_is_the_cause_whatever_its_tasks_say() {
    let alarm = Reason::Alarms(vec!["5xx".to_owned()]);
    assert_eq!(cause(Some(&alarm), &of(&[exited(1)])), "alarm 5xx went off");
}

#[test]
fn memory_and_container_reasons_are_reported() {
    let mut task = exited(137);
    task.containers[0].reason =
        Some("OutOfMemoryError: Container killed due to memory usage".to_owned());
    assert_eq!(
        root_of(&[task]).unwrap(),
        "container web ran out of memory: OutOfMemoryError: Container killed due to memory usage (1 task)"
    );
}

#[test]
fn a_sidecar_that_ecs_stopped_along_is_not_blamed() {
    for (app, sidecar) in [(1, 143), (1, 137), (137, 143), (137, 0), (0, 143), (1, 0)] {
        for app_is_first in [true, false] {
            let mut task = exited(app);
            let place = usize::from(app_is_first);
            task.containers.insert(place, container("envoy", sidecar));
            let cause = root_of(&[task]).unwrap();
            let web = format!("container web exited with code {app} (1 task)");
            assert!(cause.starts_with(&web), "{cause}");
        }
    }
}

#[test]
fn a_container_that_simply_exits_is_reported_with_its_code() {
    let cause = root_of(&[exited(0)]).unwrap();
    assert!(
        cause.starts_with("container web exited with code 0 (1 task); it ended by itself"),
        "{cause}"
    );
}

fn of(stopped: &[StoppedTask]) -> Evidence {
    Evidence {
        stopped: stopped.to_vec(),
        ..Evidence::default()
    }
}

fn root_of(stopped: &[StoppedTask]) -> Option<String> {
    of(stopped).root_cause()
}

fn event(message: &str, at: i64) -> EventSeen {
    EventSeen {
        id: String::new(),
        at: Timestamp::from_secs(at),
        message: message.to_owned(),
    }
}

#[test]
fn what_only_aws_needs_is_left_out_of_a_missing_image() {
    let mut task = pull("x");
    "CannotPullContainerError: pull image manifest has been retried 1 time(s): failed to resolve ref 1.dkr.ecr.r.amazonaws.com/app:v9: 1.dkr.ecr.r.amazonaws.com/app:v9: not found".clone_into(&mut task.reason);
    assert_eq!(
        root_of(&[task]).unwrap(),
        "CannotPullContainerError: 1.dkr.ecr.r.amazonaws.com/app:v9 not found (1 task)"
    );
}

#[test]
fn an_image_for_another_cpu_says_what_does_not_fit() {
    let mut task = pull("x");
    "CannotPullContainerError: pull image manifest has been retried 7 time(s): image Manifest does not contain descriptor matching platform 'linux/amd64'".clone_into(&mut task.reason);
    let cause = root_of(&[task]).unwrap();
    assert!(cause.starts_with("CannotPullContainerError: image Manifest does not contain descriptor matching platform 'linux/amd64' (1 task); the image is for another CPU architecture"), "{cause}");
    let crashed = Evidence {
        log: vec!["exec /app: exec format error".to_owned()],
        ..of(&[exited(255)])
    };
    let cause = crashed.root_cause().unwrap();
    assert!(cause.contains("another CPU architecture"), "{cause}");
}

#[test]
fn an_exit_code_is_reported_with_the_last_line_of_the_log() {
    let evidence = Evidence {
        log: vec![
            "starting".to_owned(),
            "panic: no\tDATABASE_URL".to_owned(),
            "  ".to_owned(),
        ],
        ..of(&[exited(1), exited(1)])
    };
    assert_eq!(
        evidence.root_cause().unwrap(),
        "container web exited with code 1 (2 tasks); its log ends: panic: no DATABASE_URL"
    );
}

#[test]
fn memory_is_reported_with_what_the_task_has() {
    let mut task = exited(137);
    task.containers[0].reason = Some("OutOfMemoryError: killed".to_owned());
    let evidence = Evidence {
        task_memory: Some("512".to_owned()),
        ..of(&[task])
    };
    assert_eq!(
        evidence.root_cause().unwrap(),
        "container web ran out of memory: OutOfMemoryError: killed (1 task); the task definition gives the task 512 MiB"
    );
}

#[test]
fn a_target_group_is_reported_by_its_name() {
    let line = plain(
        "Task failed ELB health checks in (target-group arn:aws:elasticloadbalancing:r:1:targetgroup/web-blue/0123) again",
    );
    assert_eq!(
        line,
        "Task failed ELB health checks in target group web-blue again"
    );
    assert_eq!(plain("in (target-group arn:x"), "in (target-group arn:x");
}

#[test]
fn without_any_task_the_event_about_placement_is_the_cause() {
    let evidence = Evidence {
        events: vec!["(service web) was unable to place a task because x.".to_owned()],
        ..Evidence::default()
    };
    assert_eq!(
        evidence.root_cause().unwrap(),
        "ECS was unable to place a task because x"
    );
    assert_eq!(Evidence::default().root_cause(), None);
}

#[test]
fn the_log_to_read_is_of_the_newest_task_that_is_the_cause_and_ran() {
    let task = |id: &str, code: i32, at: i64| StoppedTask {
        id: id.to_owned(),
        stopped_at: Some(Timestamp::from_secs(at)),
        ..exited(code)
    };
    let stopped = [
        task("a", 1, 10),
        task("b", 1, 30),
        task("c", 1, 20),
        task("d", 2, 99),
    ];
    let evidence = of(&stopped);
    let (task, container) = evidence.task_to_read().unwrap();
    assert_eq!((task.id.as_str(), container.name.as_str()), ("b", "web"));
    assert_eq!(of(&[pull("a")]).task_to_read(), None);
    assert_eq!(of(&[scaled_in()]).task_to_read(), None);
}

#[test]
fn only_events_since_the_start_that_say_something_went_wrong_are_reported_and_each_once() {
    let events = [
        event("(service web) is unable to start task 2b1", 70),
        event("(service web) is unable to start task 1a9", 60),
        event("(service web) has reached a steady state.", 55),
        event("(service web) rolling back to deployment ecs-svc/1.", 50),
        event("(service web) deployment failed: old news", 10),
    ];
    assert_eq!(
        telling_events(&events, Timestamp::from_secs(50)),
        [
            "(service web) is unable to start task 2b1",
            "(service web) rolling back to deployment ecs-svc/1."
        ]
    );
}

#[test]
fn details_fit_whatever_their_length_and_keep_the_link_and_the_logs_end() {
    let evidence = Evidence {
        stopped: vec![exited(1), exited(1), pull("a:1")],
        events: vec!["event é".repeat(40); 3],
        deployment: vec!["ECS gave up.".to_owned()],
        log: (0..200).map(|n| format!("line {n}")).collect(),
        console: Some("https://console".to_owned()),
        ..Evidence::default()
    };
    for room in [0, 14, 15, 40, 200, 1000, 4000] {
        let details = evidence.details(room);
        // A link that does not fit at all is the only thing that may be longer.
        assert!(details.chars().count() <= room.max(16), "{room}: {details}");
        assert!(details.ends_with("https://console"), "{room}: {details}");
    }
    let details = evidence.details(4000);
    assert!(
        details.starts_with("\nStopped tasks: 2 × container web exited with code 1; 1 × Cannot"),
        "{details}"
    );
    assert!(
        details.contains("line 199\nhttps") && details.contains("ECS gave up."),
        "{details}"
    );
    assert_eq!(Evidence::default().details(1000), "");
    let stopped = "Stopped by a user.";
    let breaker = "ECS deployment circuit breaker: tasks failed to start.";
    for (job_rolls_back, report, of) in [
        (false, stopped, ""),
        (
            true,
            stopped,
            " of the rollback, which this action has asked for",
        ),
        // That is why the deployment failed, whoever rolls it back.
        (true, breaker, ""),
    ] {
        let evidence = Evidence {
            deployment: vec![report.to_owned()],
            job_rolls_back,
            ..Evidence::default()
        };
        let expected = format!("\nECS says{of}: {report}");
        assert_eq!(evidence.details(1000), expected);
    }
}

#[test]
fn the_console_is_the_partitions() {
    let link = |arn: &str| console::service(arn);
    assert_eq!(
        link("arn:aws:ecs:eu-central-1:1:service/prod/web").unwrap(),
        "https://eu-central-1.console.aws.amazon.com/ecs/v2/clusters/prod/services/web/deployments?region=eu-central-1"
    );
    assert!(
        link("arn:aws-cn:ecs:cn-north-1:1:service/p/w")
            .unwrap()
            .starts_with("https://cn-north-1.console.amazonaws.cn/")
    );
    assert!(
        link("arn:aws-us-gov:ecs:us-gov-west-1:1:service/p/w")
            .unwrap()
            .starts_with("https://us-gov-west-1.console.amazonaws-us-gov.com/")
    );
    assert!(
        link("arn:aws-eusc:ecs:eusc-de-east-1:1:service/p/w")
            .unwrap()
            .starts_with("https://eusc-de-east-1.console.amazonaws-eusc.eu/")
    );
    for none in [
        "arn:aws-iso:ecs:us-iso-east-1:1:service/p/w",
        "arn:aws:ecs:cn-north-1:1:service/p/w",
        "arn:aws:ecs:evil.example/:1:service/p/w",
        "arn:aws:ecs:eu-central-1:1:service/p/w?x=y#",
        "arn:aws:ecs:eu-central-1:1:service/w",
    ] {
        assert_eq!(link(none), None, "{none}");
    }
    assert_eq!(link("web"), None);
}

#[test]
fn the_query_of_a_url_is_left_out_for_it_may_be_a_signature() {
    let signed = r#"Get "https://bucket.s3.amazonaws.com/layer?X-Amz-Credential=AKIA&X-Amz-Signature=MARK": dial tcp, see http://x/y"#;
    let mut task = pull("x");
    task.reason = format!("CannotPullContainerError: {signed}");
    let evidence = Evidence {
        log: vec![signed.to_owned()],
        ..of(&[task, exited(1)])
    };
    let cause = evidence.root_cause().unwrap() + &evidence.details(4000);
    assert!(
        !cause.contains("MARK") && !cause.contains("AKIA"),
        "{cause}"
    );
    assert!(
        cause.contains(r#""https://bucket.s3.amazonaws.com/layer?…": dial tcp, see http://x/y"#),
        "{cause}"
    );
}
