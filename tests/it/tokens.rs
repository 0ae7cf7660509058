//! A token is input: whoever may invoke the function can write one. What it names is compared with
//! what ECS shows before anything is changed.

use std::time::Duration;

use serde_json::{Value, json};
use simulator::Answer;
use simulator::ecs::{Behaviour, Intervention, ServiceSetup};

use crate::pre_deploy::{self, ends_with};
use crate::support::{World, app, failure, id_of, success};

/// The answer's token, taken apart: its version and its body.
fn token_of(answer: &Answer) -> Value {
    let Answer::Success {
        continuation_token: Some(token),
        ..
    } = answer
    else {
        unreachable!("{answer:?}")
    };
    serde_json::from_str(token.split_once(' ').unwrap().1).unwrap()
}

/// The event that follows `start`, with its token changed.
async fn next_with(world: &World, start: &Value, change: impl Fn(&mut Value)) -> Value {
    world.invoke(start).await;
    let pipeline = world.simulator.codepipeline();
    let answer = pipeline.answer(&id_of(start)).unwrap();
    let mut token = token_of(&answer);
    change(&mut token);
    let mut next = pipeline.next_event(&id_of(start)).unwrap();
    next["CodePipeline.job"]["data"]["continuationToken"] = json!(format!("1 {token}"));
    next
}

fn long_task() -> Behaviour {
    Behaviour::Crash {
        exit_code: 0,
        after_seconds: 200,
        log_lines: Vec::new(),
    }
}

/// The id of a running task of `web`.
async fn task_of_web(world: &World) -> String {
    let aws = ecs_deploy_action::aws::Aws::new(world.simulator.client_config());
    let target = ecs_deploy_action::deploy::spec::Target {
        cluster: "prod".to_owned(),
        service: "web".to_owned(),
    };
    let _ = aws.ecs(None).running_digests(&target, "none").await;
    let described = world.simulator.calls_of("DescribeTasks");
    let arn = described.last().unwrap().request["tasks"][0].clone();
    arn.as_str().unwrap().rsplit('/').next().unwrap().to_owned()
}

#[tokio::test]
async fn a_made_up_token_stops_no_task_that_its_job_did_not_start() {
    for (late, unseen) in [(false, false), (true, false), (true, true)] {
        let world = pre_deploy::world_with(ServiceSetup::default(), long_task());
        let task = task_of_web(&world).await;
        let start = world.start(pre_deploy::parameters());
        let next = next_with(&world, &start, |token| {
            token["p"]["k"] = json!(task);
            if late {
                token["t"] = json!(token["t"].as_i64().unwrap() - 3600);
            }
        })
        .await;
        if unseen {
            world.simulator.faults().server_error("DescribeTasks", 1000);
        }
        let answers = world.run(next).await;
        let (_, message) = failure(answers.last().unwrap());
        assert_eq!(world.count("StopTask"), 0, "{message}");
        assert_eq!(world.count("UpdateService"), 0, "{message}");
        if unseen {
            assert!(
                message.contains("was not stopped and may still run"),
                "{message}"
            );
        } else {
            assert!(message.contains(&format!("the task {task} that the continuation token names was not started by the token's job on app:3")), "{message}");
            assert!(
                message.contains("runs app:1, started by ecs-svc/"),
                "{message}"
            );
        }
        // What the job itself has registered is given up with it, whatever the token names beside.
        let revisions = world.simulator.ecs().active_revisions("app");
        assert_eq!(revisions.len(), if unseen { 2 } else { 3 }, "{revisions:?}");
    }
}

#[tokio::test]
async fn a_made_up_token_has_no_revision_deregistered_that_a_service_uses() {
    let world = pre_deploy::world_with(ServiceSetup::default(), ends_with(0));
    let start = world.start(pre_deploy::parameters());
    world.run(start.clone()).await;
    let serving = world.simulator.ecs().active_revisions("app");
    // The job is long over: a token that has its task under way, which nobody sees any more.
    world.simulator.clock().advance(Duration::from_hours(3));
    world.simulator.ecs().command("migrate up", long_task());
    let other = world.start(pre_deploy::parameters());
    let forged = next_with(&world, &other, |token| {
        token["j"] = json!(id_of(&start));
        token["t"] = json!(token["t"].as_i64().unwrap() - 7200);
        token["s"][0][0] = json!("app:3");
    })
    .await;
    world.simulator.faults().server_error("DescribeTasks", 1000);
    let answer = world.run(forged).await.pop().unwrap();
    failure(&answer);
    let after = world.simulator.ecs().active_revisions("app");
    for revision in serving {
        assert!(after.contains(&revision), "{revision}: {answer:?}");
    }
}

#[tokio::test]
async fn a_task_of_another_job_or_of_another_revision_is_not_believed() {
    for revision in [false, true] {
        let world = pre_deploy::world_with(ServiceSetup::default(), ends_with(0));
        let start = world.start(pre_deploy::parameters());
        world.simulator.ecs().command("migrate up", long_task());
        let next = next_with(&world, &start, |token| {
            if revision {
                token["s"][0][0] = json!("app:1");
            } else {
                token["j"] = json!("another-job");
            }
        })
        .await;
        world.simulator.clock().advance(Duration::from_mins(4));
        let answers = world.run(next).await;
        let (_, message) = failure(answers.last().unwrap());
        assert!(
            message.contains("was not started by the token's job"),
            "{message}"
        );
        assert_eq!(world.count("StopTask"), 0);
        assert_eq!(world.count("UpdateService"), 0);
        assert_eq!(world.count("DeregisterTaskDefinition"), 0);
    }
}

/// Another family, with a revision that this function's `job` registered.
fn other_family(world: &World, job: &str) {
    let mut other = app("repo/other:v1");
    other["family"] = json!("other");
    other["tags"] = json!([{"key": "ecs-deploy-action:job", "value": job}]);
    world.simulator.ecs().register(other);
}

#[tokio::test]
async fn a_made_up_token_sets_no_service_to_what_its_job_did_not_register() {
    // The second service's revision: another family's, and one that nobody made for this job.
    for (named, expected) in [
        ("other:1", "of another family"),
        (
            "app:1",
            "the continuation token names app:1, which the job that it names has not registered",
        ),
        (
            "app:99",
            "the continuation token names app:99, which the job that it names has not registered",
        ),
    ] {
        let world = pre_deploy::world_with(ServiceSetup::default(), long_task());
        let mut parameters = pre_deploy::parameters();
        parameters["ServiceName"] = Value::Null;
        parameters["Services"] = json!(["shop", "web"]);
        parameters["BaseRevision"] = json!("latest");
        let start = world.start(parameters);
        other_family(&world, &id_of(&start));
        let next = next_with(&world, &start, |token| token["s"][1][0] = json!(named)).await;
        world.simulator.clock().advance(Duration::from_mins(3));
        let answers = world.run(next).await;
        let (_, message) = failure(answers.last().unwrap());
        assert!(message.contains(expected), "{named}: {message}");
        assert_eq!(world.count("UpdateService"), 0, "{named}");
        let ecs = world.simulator.ecs();
        let left = ecs.active_revisions("app");
        assert_eq!(
            left.len(),
            2,
            "only its own is taken away, {named}: {left:?}"
        );
    }
}

#[tokio::test]
async fn of_a_task_that_failed_only_revisions_of_its_job_are_deregistered() {
    let world = pre_deploy::world_with(
        ServiceSetup::default(),
        Behaviour::Crash {
            exit_code: 3,
            after_seconds: 200,
            log_lines: Vec::new(),
        },
    );
    let mut parameters = pre_deploy::parameters();
    parameters["ServiceName"] = Value::Null;
    parameters["Services"] = json!(["shop", "web"]);
    parameters["BaseRevision"] = json!("latest");
    let start = world.start(parameters);
    let next = next_with(&world, &start, |token| token["s"][1][0] = json!("app:1")).await;
    world.simulator.clock().advance(Duration::from_mins(3));
    let answers = world.run(next).await;
    failure(answers.last().unwrap());
    let active = world.simulator.ecs().active_revisions("app");
    let names: Vec<&str> = active
        .iter()
        .map(|arn| arn.rsplit('/').next().unwrap())
        .collect();
    assert_eq!(names, ["app:1", "app:2"]);
}

/// `web` runs what this job deployed, which never becomes healthy.
fn stuck(parameters: Value) -> (World, Value) {
    let world = World::new();
    world.simulator.ecs().image("v2", Behaviour::StuckPending);
    let mut all = json!({"DeploymentTimeout": 3});
    for (name, value) in parameters.as_object().unwrap() {
        all[name] = value.clone();
    }
    let start = world.start(all);
    (world, start)
}

#[tokio::test]
async fn a_made_up_token_sets_no_service_back_to_another_family() {
    for known in [true, false] {
        let (world, start) = stuck(json!({}));
        world.simulator.ecs().set_service_deployments_known(known);
        other_family(&world, "x");
        let next = next_with(&world, &start, |token| token["s"][0][1] = json!("other:1")).await;
        // Were it not for this it would be stopped, which asks for no revision.
        if known {
            world.simulator.faults().deny("StopServiceDeployment");
        }
        let updates = world.count("UpdateService");
        let answers = world.run(next).await;
        let (_, message) = failure(answers.last().unwrap());
        assert_eq!(world.count("UpdateService"), updates, "{message}");
        assert!(
            message.contains("the continuation token names other:1 as what ran before, which was never deployed to it"),
            "{message}"
        );
    }
}

#[tokio::test]
async fn a_made_up_token_tidies_no_other_family() {
    let world = World::new();
    world
        .simulator
        .ecs()
        .image("v2", Behaviour::Healthy { start_seconds: 100 });
    for _ in 0..5 {
        other_family(&world, "x");
    }
    let start = world.start(json!({"KeepRevisions": 2}));
    let next = next_with(&world, &start, |token| token["s"][0][1] = json!("other:5")).await;
    success(world.run(next).await.last().unwrap());
    assert_eq!(world.simulator.ecs().active_revisions("other").len(), 5);
}

/// What tokens for `web` on `prod` begin with: it tells nothing that is secret.
async fn fingerprint() -> Value {
    let (other, start) = stuck(json!({}));
    other.invoke(&start).await;
    let pipeline = other.simulator.codepipeline();
    token_of(&pipeline.answer(&id_of(&start)).unwrap())["f"].clone()
}

#[tokio::test]
async fn a_made_up_rollback_sets_no_service_to_another_family() {
    for is_ours in [true, false] {
        let world = World::new();
        let start = world.start(json!({}));
        other_family(&world, &id_of(&start));
        let service = world.service();
        let deployment = service["deployments"][0]["id"].as_str().unwrap();
        let now = world.simulator.clock().now_ms() / 1000;
        let token = json!({"f": fingerprint().await, "j": id_of(&start), "t": now,
            "b": {"t": now, "o": is_ours, "n": 0, "c": "it failed"},
            "s": [["app:1", "other:1", deployment.trim_start_matches("ecs-svc/"), ""]]});
        let mut event = start.clone();
        event["CodePipeline.job"]["data"]["continuationToken"] = json!(format!("1 {token}"));
        let answers = world.run(event).await;
        let (_, message) = failure(answers.last().unwrap());
        assert_eq!(world.count("UpdateService"), 0, "{message}");
        assert_eq!(world.count("StopServiceDeployment"), 0, "{message}");
    }
}

#[tokio::test]
async fn a_made_up_token_takes_back_nobody_elses_deployment() {
    // Somebody deploys by hand; a token claims that deployment, long after its time.
    let world = World::new();
    let ecs = world.simulator.ecs();
    let hand = ecs.register(app("repo/app:hand"));
    ecs.image("hand", Behaviour::StuckPending);
    ecs.intervene(
        "prod",
        "web",
        &Intervention::Deploy {
            task_definition: hand,
        },
    );
    let service = world.service();
    let deployment = service["deployments"][0]["id"].as_str().unwrap();
    let start = world.start(json!({"DeploymentTimeout": 2}));
    let fingerprint = fingerprint().await;
    let token = json!({"f": fingerprint, "j": id_of(&start), "t": 1_700_000_000,
        "s": [["app:2", "1", deployment.trim_start_matches("ecs-svc/"), ""]]});
    let mut event = start.clone();
    event["CodePipeline.job"]["data"]["continuationToken"] = json!(format!("1 {token}"));
    let answers = world.run(event).await;
    let (_, message) = failure(answers.last().unwrap());
    assert_eq!(world.count("StopServiceDeployment"), 0, "{message}");
    assert_eq!(world.count("UpdateService"), 0, "{message}");
    assert!(
        message.contains("which the job that it names has not registered"),
        "{message}"
    );
}

#[tokio::test]
async fn a_true_token_is_gone_on_with() {
    let world = pre_deploy::world_with(ServiceSetup::default(), long_task());
    let start = world.start(pre_deploy::parameters());
    let next = next_with(&world, &start, |_| {}).await;
    success(world.run(next).await.last().unwrap());
    // And one of a rollout that runs out of time.
    let (world, start) = stuck(json!({}));
    let next = next_with(&world, &start, |_| {}).await;
    let answers = world.run(next).await;
    let (_, message) = failure(answers.last().unwrap());
    assert!(
        message.contains("Rolled back: app:1 is serving"),
        "{message}"
    );
}

// --- tokens of the release before ---

/// Tokens as version 0.1.0 wrote them. Words in capitals stand for what is known only when a test runs; `dfb238ce` is the
/// fingerprint of `web` on `prod`, as in its `events/continuation.json`.
mod of_0_1_0 {
    pub(super) const ROLLING_OUT: &str = r#"1 {"f":"dfb238ce","j":"JOB","t":STARTED,"s":[["app:2","1","DEPLOYMENT","SERVICE_DEPLOYMENT"]],"l":"0.0.2","v":"e1"}"#;
    /// ECS had not named the service deployment.
    pub(super) const ROLLING_OUT_WITHOUT_SERVICE_DEPLOYMENT: &str =
        r#"1 {"f":"dfb238ce","j":"JOB","t":STARTED,"s":[["app:2","1","DEPLOYMENT",""]]}"#;
    /// The answer to the update was lost, and ECS had not named the deployment.
    pub(super) const ROLLING_OUT_UNNAMED: &str =
        r#"1 {"f":"dfb238ce","j":"JOB","t":STARTED,"s":[["app:2","1","/unknown",""]]}"#;
    /// The answer to the update was lost, and the service deployment was found.
    pub(super) const ROLLING_OUT_FOUND: &str = r#"1 {"f":"dfb238ce","j":"JOB","t":STARTED,"s":[["app:2","1","/SERVICE_DEPLOYMENT","SERVICE_DEPLOYMENT"]]}"#;
    pub(super) const PRE_DEPLOY: &str = r#"1 {"f":"dfb238ce","j":"JOB","t":STARTED,"p":{"k":"TASK","n":0},"s":[["app:2","1","",""]]}"#;
    /// Its own rollback, which it had asked for.
    pub(super) const ROLLING_BACK: &str = r#"1 {"f":"dfb238ce","j":"JOB","t":STARTED,"b":{"t":STARTED,"o":true,"n":0,"c":"container app exited with code 7"},"s":[["app:2","1","DEPLOYMENT","SERVICE_DEPLOYMENT"]],"l":"0.0.2,5.1.2"}"#;
    /// ECS's.
    pub(super) const ECS_ROLLS_BACK: &str = r#"1 {"f":"dfb238ce","j":"JOB","t":STARTED,"b":{"t":STARTED,"n":0,"c":"container app exited with code 7"},"s":[["app:2","1","DEPLOYMENT","SERVICE_DEPLOYMENT"]]}"#;
}

/// A world in which an earlier version has begun: `app:2` carries its job's id.
struct Begun {
    world: World,
    parameters: Value,
    job: String,
    started: i64,
    task: String,
}

impl Begun {
    fn with(setup: ServiceSetup, image: Behaviour, parameters: Value) -> Self {
        let world = World::with_service(setup);
        world.simulator.ecs().image("v2", image);
        let job = id_of(&world.start(parameters.clone()));
        let mut definition = app("repo/app:v2");
        definition["tags"] = json!([{"key": "team", "value": "web"}, {"key": "ecs-deploy-action:job", "value": job}]);
        world.simulator.ecs().register(definition);
        let started = world.simulator.clock().now_ms() / 1000;
        Self {
            world,
            parameters,
            job,
            started,
            task: String::new(),
        }
    }

    /// And has set the service to it.
    fn with_service_set(setup: ServiceSetup, image: Behaviour) -> Self {
        let begun = Self::with(setup, image, json!({}));
        begun.world.simulator.ecs().intervene(
            "prod",
            "web",
            &Intervention::Deploy {
                task_definition: "app:2".to_owned(),
            },
        );
        begun
    }

    fn ecs(&self) -> aws_sdk_ecs::Client {
        aws_sdk_ecs::Client::new(&self.world.simulator.client_config())
    }

    /// And has run its task, as version 0.1.0 did: with its name as `startedBy` and without a tag.
    async fn with_task(command: Behaviour) -> Self {
        use aws_sdk_ecs::types::{
            AwsVpcConfiguration, ContainerOverride, LaunchType, NetworkConfiguration, TaskOverride,
        };
        let begun = Self::with(
            ServiceSetup::default(),
            Behaviour::Healthy { start_seconds: 10 },
            json!({"PreDeployTask": {"Container": "app", "Command": ["migrate", "up"], "Timeout": 5}}),
        );
        begun.world.simulator.ecs().command("migrate up", command);
        let subnet = AwsVpcConfiguration::builder().subnets("subnet-1").build();
        let container = ContainerOverride::builder()
            .name("app")
            .command("migrate")
            .command("up");
        let ran = begun
            .ecs()
            .run_task()
            .cluster("prod")
            .task_definition("app:2")
            .launch_type(LaunchType::Fargate)
            .network_configuration(
                NetworkConfiguration::builder()
                    .awsvpc_configuration(subnet.unwrap())
                    .build(),
            )
            .overrides(
                TaskOverride::builder()
                    .container_overrides(container.build())
                    .build(),
            )
            .client_token(&begun.job)
            .started_by(format!("ecs-deploy-action/{}", begun.job))
            .send();
        let ran = ran.await.unwrap();
        let arn = ran.tasks()[0].task_arn().unwrap();
        let task = arn.rsplit('/').next().unwrap().to_owned();
        Self { task, ..begun }
    }

    fn service_deployment(&self) -> Option<String> {
        let all = self
            .world
            .simulator
            .ecs()
            .service_deployments("prod", "web");
        let arn = all.first()?["serviceDeploymentArn"].as_str()?;
        Some(arn.to_owned())
    }

    /// All answers to what follows on `token`, and what was called meanwhile.
    async fn go_on_with(&self, token: &str) -> Vec<Answer> {
        let service = self.world.service();
        let deployment = service["deployments"][0]["id"].as_str().unwrap();
        let found = self.service_deployment().unwrap_or_default();
        let token = token
            .replace("JOB", &self.job)
            .replace("STARTED", &self.started.to_string())
            .replace("TASK", &self.task)
            .replace("SERVICE_DEPLOYMENT", found.rsplit('/').next().unwrap())
            .replace("DEPLOYMENT", deployment.trim_start_matches("ecs-svc/"));
        let mut event = self.world.start(self.parameters.clone());
        event["CodePipeline.job"]["data"]["continuationToken"] = json!(token);
        self.world.simulator.clear_calls();
        self.world.run(event).await
    }

    /// How often this version made, set, stopped, ran or removed anything.
    fn changes(&self) -> [usize; 5] {
        [
            "RegisterTaskDefinition",
            "UpdateService",
            "StopServiceDeployment",
            "RunTask",
            "DeregisterTaskDefinition",
        ]
        .map(|operation| self.world.count(operation))
    }

    fn deployments(&self) -> usize {
        let ecs = self.world.simulator.ecs();
        ecs.deployments_of("prod", "web", "app:2")
    }
}

#[tokio::test]
async fn a_rollout_that_0_1_0_left_under_way_succeeds_and_nothing_is_deployed_twice() {
    for token in [
        of_0_1_0::ROLLING_OUT,
        of_0_1_0::ROLLING_OUT_WITHOUT_SERVICE_DEPLOYMENT,
        of_0_1_0::ROLLING_OUT_UNNAMED,
        of_0_1_0::ROLLING_OUT_FOUND,
    ] {
        let slow = Behaviour::Healthy { start_seconds: 120 };
        let begun = Begun::with_service_set(ServiceSetup::default(), slow);
        let answers = begun.go_on_with(token).await;
        let (summary, variables) = success(answers.last().unwrap());
        assert!(
            summary.starts_with("web on prod: app:2 is serving"),
            "{token}: {summary}"
        );
        assert!(variables["PreviousTaskDefinitionArn"].ends_with("/app:1"));
        assert!(answers.len() > 1, "it was under way: {token}");
        assert_eq!(begun.changes(), [0; 5], "{token}");
        assert_eq!(begun.deployments(), 1, "{token}");
    }
}

#[tokio::test]
async fn a_rollout_that_0_1_0_left_under_way_and_that_fails_is_rolled_back_once() {
    for token in [
        of_0_1_0::ROLLING_OUT,
        of_0_1_0::ROLLING_OUT_WITHOUT_SERVICE_DEPLOYMENT,
        of_0_1_0::ROLLING_OUT_UNNAMED,
        of_0_1_0::ROLLING_OUT_FOUND,
    ] {
        let crash = Behaviour::Crash {
            exit_code: 7,
            after_seconds: 5,
            log_lines: Vec::new(),
        };
        let begun = Begun::with_service_set(ServiceSetup::default(), crash);
        let answers = begun.go_on_with(token).await;
        let (kind, message) = failure(answers.last().unwrap());
        assert_eq!(kind, "JobFailed");
        assert!(
            message.starts_with("web on prod: app:2 failed: container app exited with code 7"),
            "{token}: {message}"
        );
        assert!(
            message.contains("Rolled back: app:1 is serving, 2 of 2 tasks."),
            "{token}: {message}"
        );
        let [registered, updated, stopped, ran, removed] = begun.changes();
        assert_eq!((registered, ran, removed), (0, 0, 0), "{token}");
        assert_eq!(updated + stopped, 1, "{token}");
        assert_eq!(begun.deployments(), 1, "{token}");
    }
}

#[tokio::test]
async fn a_rollback_that_0_1_0_left_under_way_ends_with_its_cause_and_is_not_asked_for_again() {
    use aws_sdk_ecs::types::StopServiceDeploymentStopType;
    // Its own.
    let begun = Begun::with_service_set(ServiceSetup::default(), Behaviour::StuckPending);
    let stop = begun
        .ecs()
        .stop_service_deployment()
        .service_deployment_arn(begun.service_deployment().unwrap())
        .stop_type(StopServiceDeploymentStopType::Rollback);
    stop.send().await.unwrap();
    let own = begun.go_on_with(of_0_1_0::ROLLING_BACK).await;
    assert_eq!(begun.changes(), [0; 5]);
    // ECS's.
    let begun = Begun::with_service_set(
        ServiceSetup {
            circuit_breaker: Some(true),
            ..ServiceSetup::default()
        },
        Behaviour::CannotPull,
    );
    let is_failed = |begun: &Begun| {
        let all = begun
            .world
            .simulator
            .ecs()
            .service_deployments("prod", "web");
        all[0]["status"]
            .as_str()
            .is_some_and(|status| status.starts_with("ROLLBACK"))
    };
    for _ in 0..100 {
        if is_failed(&begun) {
            break;
        }
        begun
            .world
            .simulator
            .clock()
            .advance(Duration::from_secs(5));
    }
    assert!(is_failed(&begun), "the circuit breaker has come");
    let of_ecs = begun.go_on_with(of_0_1_0::ECS_ROLLS_BACK).await;
    assert_eq!(begun.changes(), [0; 5]);
    for answers in [own, of_ecs] {
        let (kind, message) = failure(answers.last().unwrap());
        assert_eq!(kind, "JobFailed");
        assert!(
            message.starts_with("web on prod: app:2 failed: container app exited with code 7"),
            "{message}"
        );
        assert!(
            message.contains("Rolled back: app:1 is serving, 2 of 2 tasks."),
            "{message}"
        );
    }
}

#[tokio::test]
async fn a_task_that_0_1_0_left_under_way_decides_and_is_not_run_again() {
    for exit_code in [0, 3] {
        let command = Behaviour::Crash {
            exit_code,
            after_seconds: 100,
            log_lines: Vec::new(),
        };
        let begun = Begun::with_task(command).await;
        let answers = begun.go_on_with(of_0_1_0::PRE_DEPLOY).await;
        let last = answers.last().unwrap();
        if exit_code == 0 {
            let (summary, _) = success(last);
            assert!(summary.contains("app:2 is serving"), "{summary}");
            assert_eq!(begun.changes(), [0, 1, 0, 0, 0], "the service is set once");
            assert_eq!(begun.deployments(), 1);
        } else {
            let (_, message) = failure(last);
            assert!(
                message.contains("container app exited with code 3"),
                "{message}"
            );
            assert!(message.contains("No service was changed."), "{message}");
            let removed = 1;
            assert_eq!(begun.changes(), [0, 0, 0, 0, removed]);
        }
    }
}

/// The role of later versions may stop only tasks that carry a tag, which 0.1.0 gave to none.
#[tokio::test]
async fn a_task_of_0_1_0_that_is_late_and_may_not_be_stopped_is_a_failure_that_says_it_may_still_run()
 {
    let begun = Begun::with_task(Behaviour::Healthy { start_seconds: 1 }).await;
    begun.world.simulator.faults().deny("StopTask");
    let answers = begun.go_on_with(of_0_1_0::PRE_DEPLOY).await;
    let (_, message) = failure(answers.last().unwrap());
    assert!(
        message.contains(
            "was not complete within 5 min and could not be stopped, so it may still run"
        ),
        "{message}"
    );
    assert!(message.contains("No service was changed."), "{message}");
    assert_eq!(begun.world.count("UpdateService"), 0);
}

#[tokio::test]
async fn a_token_of_a_newer_version_is_a_failure_that_says_what_goes_on_unwatched_and_changes_nothing()
 {
    let of_another_version = "2 {\"anything\":\"JOB\"}".to_owned();
    // The same version of the token, with a member that a later release may add.
    let with_more = of_0_1_0::ROLLING_OUT.replace("\"t\":", "\"zz\":1,\"t\":");
    for (token, why) in [
        (
            of_another_version,
            "the continuation token is of another version of this function (this one writes version 1)",
        ),
        (
            with_more,
            "the continuation token is damaged: unknown field `zz`",
        ),
    ] {
        let slow = Behaviour::Healthy { start_seconds: 120 };
        let begun = Begun::with_service_set(ServiceSetup::default(), slow);
        let answers = begun.go_on_with(&token).await;
        let (kind, message) = failure(answers.last().unwrap());
        assert_eq!((answers.len(), kind), (1, "JobFailed"));
        assert!(
            message.starts_with(&format!("web on prod: {why}")),
            "{message}"
        );
        assert!(
            message.ends_with("Nothing was changed by this invocation; a deployment that was under way goes on without being followed."),
            "{message}"
        );
        assert_eq!(begun.changes(), [0; 5]);
        // So it does.
        begun
            .world
            .simulator
            .clock()
            .advance(Duration::from_mins(10));
        let service = begun.world.service();
        assert_eq!(service["deployments"][0]["rolloutState"], "COMPLETED");
        assert!(
            service["taskDefinition"]
                .as_str()
                .unwrap()
                .ends_with("/app:2")
        );
    }
}
