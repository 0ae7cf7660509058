//! Plays CodePipeline: invokes the real handler, hands its continuation tokens back.

use std::sync::Arc;
use std::time::Duration;

use ecs_deploy_action::artifact::entry::Bounds;
use ecs_deploy_action::aws::Aws;
use ecs_deploy_action::clock::{Clock, Sleep, SystemClock};
use ecs_deploy_action::deploy::diff;
use ecs_deploy_action::deploy::time::Timestamp;
use ecs_deploy_action::engine::Engine;
use ecs_deploy_action::handler::{Handler, Invocation};
use ecs_deploy_action::settings::Settings;
use serde_json::{Value, json};
use simulator::{Answer, Simulator, StartAction};

use crate::arguments::Arguments;
use crate::artifact::Artifact;
use crate::scenarios::{CLUSTER, SERVICE, in_ecr};
use crate::show::Show;
use crate::then::{self, Then};

/// Simulated time runs so much faster than the machine's.
pub(crate) const SPEED: u32 = 10;

/// How long CodePipeline waits before it comes back with a token; not documented, so any will do.
pub(crate) const BETWEEN_INVOCATIONS: Duration = Duration::from_secs(30);

/// What the function of `template.yaml` may take.
pub(crate) const FUNCTION_TIMEOUT: Duration = Duration::from_mins(5);

/// Between two actions.
const PEOPLE_TAKE: Duration = Duration::from_mins(4);

/// The tag of the images that run before a deployment.
const RUNNING_NOW: &str = "running-now";

/// What a tag in the simulated ECR means.
const SAMPLE_DIGEST: &str =
    "sha256:5f70bf18a086007016e948b04aed3b82103a36bea41755b6cddfaf10ace3c6ef";

const START_EVENT: &str = include_str!("../../events/start.json");

/// The simulator's clock: waiting lets its time pass, slowly enough to watch unless in a hurry.
struct Passing {
    simulated: simulator::Clock,
    is_fast: bool,
}

impl Clock for Passing {
    fn now(&self) -> Timestamp {
        Timestamp::from_millis(self.simulated.now_ms())
    }

    fn sleep(&self, duration: Duration) -> Sleep<'_> {
        Box::pin(async move {
            if !self.is_fast {
                SystemClock.sleep(duration / SPEED).await;
            }
            self.simulated.advance(duration);
        })
    }
}

/// A deployment on the simulator. Whether the job succeeded.
pub(crate) async fn simulated(
    arguments: &Arguments,
    mut artifact: Artifact,
    show: Show,
) -> Result<bool, String> {
    artifact.add(&arguments.scenario.files())?;
    let simulator = Simulator::start();
    let ecs = simulator.ecs();
    let before = ecs.register(running_now(&artifact));
    ecs.create_service(arguments.scenario.service(&before));
    let new_image = artifact
        .images
        .first()
        .map_or("", |(_, image)| image.as_str());
    put_images(&simulator, &artifact);
    put_old_images(&simulator, &artifact);
    arguments.scenario.arrange(&simulator, new_image);
    let event = start_event(&arguments.scenario.parameters())?;
    put_artifact(&simulator, &event, artifact.zip);
    simulator.codepipeline().open_job(&event);

    let clock = Arc::new(Passing {
        simulated: simulator.clock(),
        is_fast: arguments.is_fast,
    });
    let show = Arc::new(show);
    show.begin(
        arguments.scenario,
        &artifact.images,
        arguments.is_fast,
        clock.now(),
    );
    let handler = Handler::new(
        Engine {
            aws: Aws::new(simulator.client_config()),
            clock: clock.clone(),
            observer: show.clone(),
            bounds: Bounds::for_memory(None),
        },
        Settings::default(),
    );
    let mut stage = Stage {
        handler,
        simulator: &simulator,
        clock: clock.clone(),
        show: &show,
        invocations: 0,
    };
    let next = then::then(arguments.scenario.name);
    let mut answer = stage.action(event.clone(), next.is_none()).await?;
    if let (
        Some(next),
        Answer::Success {
            output_variables, ..
        },
    ) = (next, &answer)
    {
        clock.sleep(PEOPLE_TAKE).await;
        show.between(next.between, clock.now());
        let parameters = (next.parameters)(output_variables);
        let following = following(&simulator, &event, &next, &parameters);
        answer = stage.action(following, true).await?;
    }
    let succeeded = matches!(answer, Answer::Success { .. });
    show.tell_report();
    let family = ecs.revisions("app");
    if let [old, .., new] = family.as_slice() {
        show.difference(old, new, &changes(&simulator, old, new));
    }
    Ok(succeeded)
}

/// What plays an action.
struct Stage<'a> {
    handler: Handler,
    simulator: &'a Simulator,
    clock: Arc<Passing>,
    show: &'a Show,
    /// So many were there.
    invocations: u32,
}

impl Stage<'_> {
    /// Plays an action from its first event to its end.
    async fn action(&mut self, mut event: Value, is_last: bool) -> Result<Answer, String> {
        loop {
            self.invocations += 1;
            let number = self.invocations;
            self.show.invocation(number, self.clock.now());
            let invocation = Invocation {
                request_id: format!("local-{number}"),
                deadline: self.clock.now() + FUNCTION_TIMEOUT,
            };
            let report = self
                .handler
                .handle(&event, &invocation)
                .await
                .map_err(|error| error.to_string())?;
            self.show.warnings(&report);
            self.show.plan(&report);
            let job = event["CodePipeline.job"]["id"].as_str().unwrap_or_default();
            let pipeline = self.simulator.codepipeline();
            let answer = pipeline
                .answer(job)
                .ok_or("the job was not answered, which is a defect")?;
            // A failure is the end, whatever would have followed.
            let is_end = is_last || matches!(answer, Answer::Failure { .. });
            self.show.answer(&answer, is_end, self.clock.now());
            match pipeline.next_event(job) {
                Some(next) => event = next,
                None => return Ok(answer),
            }
            self.clock.sleep(BETWEEN_INVOCATIONS).await;
        }
    }
}

/// The event that starts the action which follows on that of `first`.
fn following(simulator: &Simulator, first: &Value, next: &Then, parameters: &Value) -> Value {
    let mut all = json!({"ClusterName": CLUSTER, "ServiceName": SERVICE});
    for (name, value) in parameters.as_object().into_iter().flatten() {
        all[name] = value.clone();
    }
    let location = &first["CodePipeline.job"]["data"]["inputArtifacts"][0]["location"];
    let text = |member: &str| location["s3Location"][member].as_str().unwrap_or_default();
    let input = (
        "BuildOutput".to_owned(),
        text("bucketName").to_owned(),
        text("objectKey").to_owned(),
    );
    simulator.codepipeline().start(&StartAction {
        configuration: json!({"FunctionName": "ecs-deploy-action", "UserParameters": all.to_string()}),
        inputs: next.has_artifact.then_some(input).into_iter().collect(),
        ..StartAction::default()
    })
}

/// The images that the artifact names are in ECR.
pub(crate) fn put_images(simulator: &Simulator, artifact: &Artifact) {
    for (_, image) in &artifact.images {
        if let Some((repository, tag)) = in_ecr(image) {
            let platforms = ["linux/amd64", "linux/arm64"];
            let digest = if tag.starts_with("sha256:") {
                tag.clone()
            } else {
                SAMPLE_DIGEST.to_owned()
            };
            simulator
                .ecr()
                .put_index(&repository, &tag, &digest, &platforms);
        }
    }
}

/// The images that run now are there, too: who goes back to them pulls them again.
fn put_old_images(simulator: &Simulator, artifact: &Artifact) {
    for (_, image) in &artifact.images {
        if let Some((repository, _)) = in_ecr(&running_image(image)) {
            let platforms = ["linux/amd64", "linux/arm64"];
            let ecr = simulator.ecr();
            ecr.put_index(&repository, RUNNING_NOW, SAMPLE_DIGEST, &platforms);
        }
    }
}

/// What runs before `image` is deployed.
fn running_image(image: &str) -> String {
    let end = image.rfind(['@', ':']).unwrap_or(image.len());
    format!("{}:{RUNNING_NOW}", &image[..end])
}

fn changes(simulator: &Simulator, old: &str, new: &str) -> diff::Changes {
    let registered = |name| match simulator.ecs().task_definition(name) {
        Some(Value::Object(fields)) => fields,
        _ => serde_json::Map::new(),
    };
    diff::changes(&registered(old), &registered(new))
}

/// A task definition with the containers that the artifact names, and a sidecar that it does not.
fn running_now(artifact: &Artifact) -> Value {
    let sample = vec![("app".to_owned(), "repo/app:v2".to_owned())];
    let images = if artifact.images.is_empty() {
        &sample
    } else {
        &artifact.images
    };
    let mut containers: Vec<Value> = images
        .iter()
        .map(|(name, image)| {
            json!({
                "name": name,
                "image": running_image(image),
                "essential": true,
                "portMappings": [{"containerPort": 8080}],
                "environment": [{"name": "STAGE", "value": "prod"}],
                "healthCheck": {"command":
                    ["CMD-SHELL", "curl -f http://localhost:8080/health || exit 1"]},
                "logConfiguration": {"logDriver": "awslogs", "options": {
                    "awslogs-group": "/ecs/app", "awslogs-region": simulator::REGION,
                    "awslogs-stream-prefix": "ecs"}},
            })
        })
        .collect();
    containers.push(json!({"name": "proxy", "image": "public.ecr.aws/docker/library/nginx:1.29"}));
    json!({
        "family": "app",
        "containerDefinitions": containers,
        "cpu": "256", "memory": "512", "networkMode": "awsvpc",
        "requiresCompatibilities": ["FARGATE"],
        "executionRoleArn": "arn:aws:iam::111122223333:role/app-execution",
        "tags": [{"key": "team", "value": "web"}],
    })
}

/// The sample event, with more parameters.
fn start_event(more: &Value) -> Result<Value, String> {
    let wrong = |error: serde_json::Error| format!("events/start.json: {error}");
    let mut event: Value = serde_json::from_str(START_EVENT).map_err(wrong)?;
    let configuration =
        &mut event["CodePipeline.job"]["data"]["actionConfiguration"]["configuration"];
    let written = configuration["UserParameters"].as_str().unwrap_or("{}");
    let mut parameters: Value = serde_json::from_str(written).map_err(wrong)?;
    for (name, value) in more.as_object().into_iter().flatten() {
        parameters[name] = value.clone();
    }
    if let Some(parameters) = parameters.as_object_mut() {
        parameters.retain(|_, value| !value.is_null());
    }
    configuration["UserParameters"] = json!(parameters.to_string());
    Ok(event)
}

/// Puts the artifact where the event says that it is.
fn put_artifact(simulator: &Simulator, event: &Value, zip: Vec<u8>) {
    let location = &event["CodePipeline.job"]["data"]["inputArtifacts"][0]["location"];
    let text = |member: &str| location["s3Location"][member].as_str().unwrap_or_default();
    simulator
        .s3()
        .put(text("bucketName"), text("objectKey"), zip);
}

/// The service that the scenarios deploy to.
pub(crate) fn simulated_service() -> String {
    format!("{SERVICE} on {CLUSTER}")
}
