//! Approvals: an action that ends at a PAUSE hook, and one that answers it.

use std::time::Duration;

use serde_json::{Value, json};
use simulator::Answer;
use simulator::ecs::{Behaviour, Intervention, PauseHook, ServiceSetup, Strategy};

use crate::death::{Delivery, each_death, until_death};
use crate::support::{World, app, deliver, ends, failure, start_bare, success};

const STAGE: &str = "POST_TEST_TRAFFIC_SHIFT";

fn hook(stage: &str, timeout_minutes: u32) -> PauseHook {
    PauseHook {
        stage: stage.to_owned(),
        timeout_minutes,
    }
}

fn setup() -> ServiceSetup {
    ServiceSetup {
        strategy: Strategy::BlueGreen,
        pause_hook: Some(hook(STAGE, 1440)),
        ..ServiceSetup::default()
    }
}

/// `web`, whose deployment of `app:2` an action has left at its hook; that action's output variables.
async fn waiting(setup: ServiceSetup) -> (World, Value) {
    let world = World::with_service(setup);
    let answer = world.deploy(json!({"WaitFor": "Pause"})).await;
    let (_, variables) = success(&answer);
    let variables = json!(variables);
    world.simulator.clock().advance(Duration::from_mins(10));
    world.simulator.clear_calls();
    (world, variables)
}

fn continue_with(variables: &Value, action: &str) -> Value {
    json!({"ContinueDeployment": {"DeploymentId": variables["DeploymentId"],
        "HookId": variables["HookId"], "Action": action}})
}

async fn resumed(world: &World, parameters: &Value) -> Vec<Answer> {
    world.run(start_bare(world, parameters)).await
}

fn runs(world: &World) -> String {
    let service = world.service();
    let arn = service["taskDefinition"].as_str().unwrap();
    arn.rsplit('/').next().unwrap().to_owned()
}

#[tokio::test]
async fn an_action_ends_with_success_once_its_deployment_waits_at_a_hook_and_says_which() {
    for setup in [
        setup(),
        ServiceSetup {
            pause_hook: Some(hook("CLEAN_UP", 1440)),
            ..ServiceSetup::default()
        },
    ] {
        let stage = setup.pause_hook.as_ref().unwrap().stage.clone();
        let world = World::with_service(setup);
        let answer = world
            .deploy(json!({"WaitFor": "Pause", "KeepRevisions": 2, "ScheduledTasks": true}))
            .await;
        let (summary, variables) = success(&answer);
        assert!(
            summary.starts_with("web on prod: app:2 waits at hook hook-")
                && summary.matches("hook-").count() == 1
                && summary.contains(&format!(" at {stage} until "))
                && summary.contains(", then ROLLBACK, 2 of 2 new tasks running")
                && summary.contains("Answer it with ContinueDeployment"),
            "{summary}"
        );
        assert_eq!(variables["LifecycleStage"], stage);
        assert!(variables["HookId"].starts_with("hook-"));
        assert!(variables["HookExpiresAt"].contains('T'));
        assert!(variables["DeploymentId"].starts_with("ecs-svc/"));
        assert!(variables["ServiceDeploymentArn"].contains(":service-deployment/prod/web/"));
        // It does not serve yet.
        assert_eq!(world.count("DeregisterTaskDefinition"), 0);
        assert_eq!(world.count("PutTargets"), 0);
    }
}

#[tokio::test]
async fn without_a_hook_it_is_refused_and_a_deployment_that_does_not_stop_at_one_says_so() {
    let world = World::new();
    let answer = world.deploy(json!({"WaitFor": "Pause"})).await;
    let (kind, message) = failure(&answer);
    assert_eq!(kind, "ConfigurationError");
    assert!(
        message.contains("WaitFor is Pause, and the service's deploymentConfiguration has no lifecycle hook with targetType PAUSE"),
        "{message}"
    );
    assert_eq!(world.count("RegisterTaskDefinition"), 0);
    let world = World::with_service(ServiceSetup {
        pause_hook: Some(hook("NEVER", 60)),
        ..ServiceSetup::default()
    });
    let answer = world.deploy(json!({"WaitFor": "Pause"})).await;
    let (summary, _) = success(&answer);
    assert!(
        summary.contains("app:2 is serving, 2 tasks")
            && summary.contains("It did not wait at a PAUSE hook"),
        "{summary}"
    );
}

#[tokio::test]
async fn a_second_action_continues_the_deployment_and_follows_it_to_its_end() {
    for by in ["DeploymentId", "ServiceDeploymentArn"] {
        let (world, variables) = waiting(setup()).await;
        let parameters = json!({"ContinueDeployment": {"DeploymentId": variables[by],
            "HookId": variables["HookId"], "Action": "CONTINUE"}});
        let answers = resumed(&world, &parameters).await;
        let (summary, now) = success(answers.last().unwrap());
        assert!(summary.contains("app:2 is serving, 2 tasks"), "{summary}");
        assert_eq!(now["DeploymentId"], variables["DeploymentId"]);
        assert!(now["PreviousTaskDefinitionArn"].ends_with("app:1"));
        assert_eq!(world.done("ContinueServiceDeployment"), 1);
        assert_eq!(
            world.count("UpdateService")
                + world.count("RegisterTaskDefinition")
                + world.count("GetObject"),
            0
        );
    }
}

#[tokio::test]
async fn a_rollback_is_a_success_once_the_revision_before_serves_again() {
    let (world, variables) = waiting(setup()).await;
    let answers = resumed(&world, &continue_with(&variables, "ROLLBACK")).await;
    let (summary, now) = success(answers.last().unwrap());
    assert_eq!(
        summary,
        "web on prod: app:2 was rolled back as asked (ContinueDeployment): app:1 is serving, 2 of 2 tasks."
    );
    assert!(now["TaskDefinitionArn"].ends_with("app:1"));
    assert!(now["PreviousTaskDefinitionArn"].ends_with("app:2"));
    assert_eq!(runs(&world), "app:1");
    assert_eq!(world.count("DescribeTasks"), 0);
}

/// What somebody does meanwhile; none: time passes until the hook has expired.
type Meanwhile<'a> = &'a dyn Fn(&World) -> Option<Intervention>;

#[tokio::test]
async fn what_has_happened_meanwhile_is_followed_or_reported() {
    let answer = |rolls_back| Intervention::AnswerHook { rolls_back };
    let other = |world: &World| Intervention::Deploy {
        task_definition: world.simulator.ecs().register(app("repo/app:hotfix")),
    };
    // What happened, what is asked for, and what is answered: a kind of failure, or none.
    let rows: [(&str, Meanwhile<'_>, &str, Option<&str>, &str); 8] = [
        (
            "continued",
            &|_| Some(answer(false)),
            "CONTINUE",
            None,
            "app:2 is serving",
        ),
        (
            "continued",
            &|_| Some(answer(false)),
            "ROLLBACK",
            Some("JobFailed"),
            "app:2 is serving: its deployment was complete before it could be rolled back",
        ),
        (
            "rolled back",
            &|_| Some(answer(true)),
            "CONTINUE",
            Some("JobFailed"),
            "app:1 is serving, 2 of 2 tasks",
        ),
        (
            "rolled back",
            &|_| Some(answer(true)),
            "ROLLBACK",
            None,
            "was rolled back as asked",
        ),
        (
            "expired",
            &|_| None,
            "CONTINUE",
            Some("JobFailed"),
            "app:1 is serving, 2 of 2 tasks",
        ),
        (
            "expired",
            &|_| None,
            "ROLLBACK",
            None,
            "was rolled back as asked",
        ),
        (
            "replaced",
            &|world| Some(other(world)),
            "CONTINUE",
            Some("JobFailed"),
            "app:3",
        ),
        (
            "replaced",
            &|world| Some(other(world)),
            "ROLLBACK",
            Some("JobFailed"),
            "app:3",
        ),
    ];
    for (what, meanwhile, action, kind, said) in rows {
        for by in ["DeploymentId", "ServiceDeploymentArn"] {
            let (world, variables) = waiting(setup()).await;
            match meanwhile(&world) {
                Some(happens) => {
                    world.simulator.ecs().intervene("prod", "web", &happens);
                    world.simulator.clock().advance(Duration::from_secs(20));
                }
                None => world.simulator.clock().advance(Duration::from_hours(24)),
            }
            let parameters = json!({"ContinueDeployment": {"DeploymentId": variables[by],
                "HookId": variables["HookId"], "Action": action}});
            let answers = resumed(&world, &parameters).await;
            let context = format!("{what}, {action}, by {by}");
            match (answers.last().unwrap(), kind) {
                (Answer::Success { summary, .. }, None) => {
                    let summary = summary.as_deref().unwrap();
                    assert!(summary.contains(said), "{context}: {summary}");
                }
                // A deployment that was rolled back is not listed any more by its id: its ARN finds it.
                (Answer::Failure { kind, message, .. }, _)
                    if by == "DeploymentId" && message.contains("not among its deployments") =>
                {
                    let (runs, is_over) =
                        (runs(&world), ["rolled back", "expired"].contains(&what));
                    assert_eq!((kind.as_str(), is_over), ("JobFailed", true), "{context}");
                    assert!(
                        message.contains(&format!("set to {runs}, ecs-svc/")),
                        "{message}"
                    );
                }
                (Answer::Failure { kind, message, .. }, Some(wanted)) => {
                    assert_eq!(kind, wanted, "{context}: {message}");
                    assert!(message.contains(said), "{context}: {message}");
                }
                (answer, _) => unreachable!("{context}: {answer:?}"),
            }
            assert_eq!(world.done("ContinueServiceDeployment"), 0, "{context}");
            assert_eq!(world.count("UpdateService"), 0, "{context}");
        }
    }
}

#[tokio::test]
async fn the_action_that_continues_points_schedules_at_what_it_has_continued() {
    let (world, variables) = waiting(ServiceSetup {
        bake_minutes: 5,
        ..setup()
    })
    .await;
    let events = world.simulator.events();
    events.put_rule("default", "nightly");
    let arn = |what: &str| format!("arn:aws:ecs:eu-central-1:111122223333:{what}");
    let target = json!({"Id": "1", "Arn": arn("cluster/prod"),
        "RoleArn": "arn:aws:iam::111122223333:role/schedules",
        "EcsParameters": {"TaskDefinitionArn": arn("task-definition/app:1")}});
    events.put_target("default", "nightly", target);
    let mut parameters = continue_with(&variables, "CONTINUE");
    parameters["ScheduledTasks"] = json!(true);
    // Over several invocations: it goes on from its token.
    let answers = resumed(&world, &parameters).await;
    assert!(answers.len() > 1);
    let (summary, _) = success(answers.last().unwrap());
    assert!(
        summary.contains("1 target on a schedule now runs the new revision"),
        "{summary}"
    );
    let target = &events.targets("default", "nightly")[0];
    assert_eq!(
        target["EcsParameters"]["TaskDefinitionArn"],
        arn("task-definition/app:2")
    );
}

#[tokio::test]
async fn another_deployment_of_the_same_revision_is_neither_followed_nor_rolled_back() {
    for action in ["CONTINUE", "ROLLBACK"] {
        let (world, variables) = waiting(ServiceSetup {
            pause_hook: Some(hook("CLEAN_UP", 1440)),
            ..ServiceSetup::default()
        })
        .await;
        let ecs = world.simulator.ecs();
        let answer = Intervention::AnswerHook { rolls_back: false };
        ecs.intervene("prod", "web", &answer);
        world.simulator.clock().advance(Duration::from_mins(5));
        // Somebody deploys it anew, and its tasks fail.
        let crash = Behaviour::Crash {
            exit_code: 3,
            after_seconds: 2,
            log_lines: Vec::new(),
        };
        ecs.image("v2", crash);
        ecs.intervene("prod", "web", &Intervention::ForceNewDeployment);
        world.simulator.clock().advance(Duration::from_secs(30));
        let mut parameters = json!({"ContinueDeployment": {
            "DeploymentId": variables["ServiceDeploymentArn"], "Action": action}});
        parameters["DeploymentTimeout"] = json!(10);
        let answers = resumed(&world, &parameters).await;
        let (kind, message) = failure(answers.last().unwrap());
        assert_eq!(kind, "JobFailed", "{message}");
        assert_eq!(runs(&world), "app:2", "{message}");
        assert_eq!(
            world.count("UpdateService") + world.count("StopServiceDeployment"),
            0,
            "{action}: {message}"
        );
    }
}

#[tokio::test]
async fn a_rollback_that_others_have_deployed_over_is_no_success() {
    let (world, variables) = waiting(setup()).await;
    world.simulator.clock().advance(Duration::from_hours(24));
    let ecs = world.simulator.ecs();
    let task_definition = ecs.register(app("repo/app:v3"));
    ecs.intervene("prod", "web", &Intervention::Deploy { task_definition });
    world.simulator.clock().advance(Duration::from_secs(10));
    let parameters = json!({"ContinueDeployment": {"DeploymentId": variables["ServiceDeploymentArn"],
        "HookId": variables["HookId"], "Action": "ROLLBACK"}});
    let answers = resumed(&world, &parameters).await;
    let (kind, message) = failure(answers.last().unwrap());
    assert_eq!(kind, "JobFailed");
    assert!(
        message.contains("app:2 was rolled back (ContinueDeployment), and not to what was before: it is set to app:3"),
        "{message}"
    );
    assert_eq!(
        (runs(&world), world.count("UpdateService")),
        ("app:3".to_owned(), 0)
    );
}

#[tokio::test]
async fn a_late_answer_that_shows_the_answered_hook_is_no_pause() {
    let (world, variables) = waiting(ServiceSetup {
        more_pause_hooks: vec![hook("POST_PRODUCTION_TRAFFIC_SHIFT", 60)],
        ..setup()
    })
    .await;
    let mut parameters = continue_with(&variables, "CONTINUE");
    parameters["WaitFor"] = json!("Pause");
    world
        .simulator
        .faults()
        .after("ContinueServiceDeployment", 1, {
            let faults = world.simulator.faults();
            move || faults.stale("*", Duration::from_secs(20), 6)
        });
    let answers = resumed(&world, &parameters).await;
    let (summary, next) = success(answers.last().unwrap());
    assert!(
        summary.contains("POST_PRODUCTION_TRAFFIC_SHIFT"),
        "{summary}"
    );
    assert_ne!(json!(next["HookId"]), variables["HookId"]);
}

#[tokio::test]
async fn the_next_hook_is_the_next_actions() {
    let two = || ServiceSetup {
        more_pause_hooks: vec![hook("POST_PRODUCTION_TRAFFIC_SHIFT", 60)],
        ..setup()
    };
    let (world, variables) = waiting(two()).await;
    let mut parameters = continue_with(&variables, "CONTINUE");
    parameters["WaitFor"] = json!("Pause");
    let answers = resumed(&world, &parameters).await;
    let (summary, next) = success(answers.last().unwrap());
    assert!(
        summary.contains("waits at hook hook-")
            && summary.contains("POST_PRODUCTION_TRAFFIC_SHIFT"),
        "{summary}"
    );
    assert_ne!(json!(next["HookId"]), variables["HookId"]);
    assert_eq!(world.done("ContinueServiceDeployment"), 1);
    // An action for the first hook, once more, answers nothing.
    let answers = resumed(&world, &parameters).await;
    success(answers.last().unwrap());
    assert_eq!(world.done("ContinueServiceDeployment"), 1);
    let answers = resumed(&world, &continue_with(&json!(next), "CONTINUE")).await;
    let (summary, _) = success(answers.last().unwrap());
    assert!(summary.contains("app:2 is serving"), "{summary}");
}

#[tokio::test]
async fn without_a_hooks_name_the_one_that_waits_is_remembered_and_answered_once() {
    let two = ServiceSetup {
        more_pause_hooks: vec![hook("POST_PRODUCTION_TRAFFIC_SHIFT", 60)],
        ..setup()
    };
    let (world, variables) = waiting(two).await;
    let parameters = json!({"WaitFor": "Pause", "ContinueDeployment":
        {"DeploymentId": variables["DeploymentId"], "Action": "CONTINUE"}});
    let first = start_bare(&world, &parameters);
    let answers = world.run(first.clone()).await;
    let Answer::Success { summary, .. } = &answers[0] else {
        unreachable!("{answers:?}");
    };
    let summary = summary.as_deref().unwrap();
    assert!(
        summary.contains("which is answered next (ContinueDeployment)"),
        "{summary}"
    );
    assert_eq!(world.done("ContinueServiceDeployment"), 1);
    // Its event comes again, and the deployment waits at the next hook.
    world.invoke(&first).await;
    world.invoke(&first).await;
    assert_eq!(world.done("ContinueServiceDeployment"), 1);
}

#[tokio::test]
async fn a_deployment_that_is_continued_and_fails_is_explained_and_rolled_back() {
    let setup = ServiceSetup {
        pause_hook: Some(hook("SCALE_UP", 1440)),
        ..ServiceSetup::default()
    };
    let world = World::with_service(setup);
    world.simulator.ecs().image(
        "v2",
        Behaviour::Crash {
            exit_code: 3,
            after_seconds: 5,
            log_lines: Vec::new(),
        },
    );
    let pause = json!({"WaitFor": "Pause", "FailureThreshold": 0});
    let answer = world.deploy(pause).await;
    let variables = json!(success(&answer).1);
    let parameters = continue_with(&variables, "CONTINUE");
    let answers = resumed(&world, &parameters).await;
    let (kind, message) = failure(answers.last().unwrap());
    assert_eq!(kind, "JobFailed");
    assert!(
        message.contains("app:2 failed: container app exited with code 3")
            && message.contains("Rolled back: app:1 is serving"),
        "{message}"
    );
}

#[tokio::test]
async fn what_may_not_be_answered_names_the_statement_and_parameters_that_do_not_go_together_are_refused()
 {
    let (world, variables) = waiting(setup()).await;
    world.simulator.faults().deny("ContinueServiceDeployment");
    let answers = resumed(&world, &continue_with(&variables, "CONTINUE")).await;
    let (kind, message) = failure(answers.last().unwrap());
    assert_eq!(kind, "PermissionError", "{message}");
    assert!(
        message.contains("ecs:ContinueServiceDeployment"),
        "{message}"
    );
    for (parameters, expected) in [
        (
            json!({"ContinueDeployment": {"DeploymentId": "#{Deploy.DeploymentId}", "Action": "GO"}}),
            "ContinueDeployment.DeploymentId is \"#{Deploy.DeploymentId}\": expected the output variable DeploymentId or ServiceDeploymentArn of the action that has left it waiting, as ecs-svc/1234567890123456789; a variable in it was not resolved",
        ),
        (
            json!({"ContinueDeployment": {"DeploymentId": "ecs-svc/1", "Action": "GO"}}),
            "ContinueDeployment.Action is \"GO\": expected CONTINUE or ROLLBACK",
        ),
        (
            json!({"ContinueDeployment": {"DeploymentId": "ecs-svc/1", "Action": "CONTINUE"}, "TaskDefinition": "previous", "DryRun": true}),
            "ContinueDeployment continues what an earlier action has deployed, and DryRun and TaskDefinition are for one that deploys",
        ),
        (
            json!({"ContinueDeployment": {"DeploymentId": "ecs-svc/1", "Action": "ROLLBACK"}, "WaitFor": "Pause"}),
            "WaitFor is for a deployment that goes on, and ContinueDeployment's Action is ROLLBACK: remove WaitFor",
        ),
        (
            json!({"ContinueDeployment": {"DeploymentId": "arn:aws:ecs:eu-central-1:111122223333:service-deployment/prod/worker/a1", "Action": "CONTINUE"}}),
            "ContinueDeployment.DeploymentId is a deployment of another service than web on prod: make them agree",
        ),
        (
            json!({"ContinueDeployment": {"DeploymentId": "ecs-svc/1", "Action": "CONTINUE"}}),
            "ecs-svc/1 (ContinueDeployment) is not among its deployments any more: it was replaced or rolled back, and the service is set to app:2, ecs-svc/",
        ),
    ] {
        let answers = resumed(&world, &parameters).await;
        let (_, message) = failure(answers.last().unwrap());
        assert!(message.contains(expected), "{message}");
    }
}

/// How often a hook was answered: the last call before a death was made, though its answer was lost; what came after it
/// was not.
fn answered(world: &World, last_before_death: usize) -> usize {
    let calls = world.simulator.calls();
    let answering = calls.iter().enumerate().filter(|(place, call)| {
        call.operation == "ContinueServiceDeployment"
            && (call.status == 200 || *place + 1 == last_before_death)
    });
    answering.count()
}

#[tokio::test]
async fn wherever_an_approval_dies_its_hook_is_answered_once_and_it_ends_once() {
    for (action, has_name, end) in [
        ("CONTINUE", true, "app:2 is serving, 2 tasks"),
        ("CONTINUE", false, "app:2 is serving, 2 tasks"),
        ("ROLLBACK", true, "app:1 is serving, 2 of 2 tasks"),
    ] {
        let deliveries = [Delivery::Same, Delivery::Next, Delivery::Both];
        each_death(&deliveries, 6, async |calls, delivery| {
            let context = format!("{action}: died after call {calls}, then {delivery:?}");
            let (world, variables) = waiting(setup()).await;
            let mut parameters = continue_with(&variables, action);
            if !has_name {
                let asked = parameters["ContinueDeployment"].as_object_mut().unwrap();
                asked.remove("HookId");
            }
            let start = start_bare(&world, &parameters);
            let before = world.simulator.codepipeline().answers().len();
            let death = until_death(&world, &start, calls).await?;
            death.then(&world, delivery).await;
            let answers = world.simulator.codepipeline().answers();
            let ends = ends(&answers[before..]);
            assert_eq!(ends.len(), 1, "{context}: {ends:?}");
            let Answer::Success { summary, .. } = ends[0] else {
                unreachable!("{context}: {ends:?}");
            };
            let summary = summary.as_deref().unwrap();
            assert!(summary.contains(end), "{context}: {summary}");
            assert_eq!(answered(&world, calls), 1, "{context}");
            deliver(&world, &start).await;
            deliver(&world, &death.event).await;
            assert_eq!(answered(&world, calls), 1, "{context}");
            Some(death.was_answered())
        })
        .await;
    }
}
