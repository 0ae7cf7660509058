//! Plays CodePipeline: invokes the real handler, hands its continuation tokens back.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use ecs_deploy_action::artifact::entry::Bounds;
use ecs_deploy_action::aws::Aws;
use ecs_deploy_action::clock::{Clock, Sleep, SystemClock};
use ecs_deploy_action::deploy::diff;
use ecs_deploy_action::deploy::images::Images;
use ecs_deploy_action::deploy::seen::Look;
use ecs_deploy_action::deploy::spec::Target;
use ecs_deploy_action::deploy::text;
use ecs_deploy_action::deploy::time::Timestamp;
use ecs_deploy_action::engine::Engine;
use ecs_deploy_action::handler::{Handler, Invocation};
use ecs_deploy_action::observer::Observer;
use ecs_deploy_action::record::Record;
use ecs_deploy_action::settings::Settings;
use serde_json::{Value, json};
use simulator::{Answer, Simulator, StartAction};

use crate::arguments::Arguments;
use crate::artifact::Artifact;
use crate::scenarios::{CLUSTER, SERVICE, WORKER, create_worker, in_ecr};
use crate::show::{Beginning, Show};
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

/// The new image of the second service.
const WORKER_IMAGE: &str = "111122223333.dkr.ecr.eu-central-1.amazonaws.com/worker:v2";

/// The revision's tag that is the function's own.
const OWN_TAG_PATH: &str = "/tags/ecs-deploy-action:job";

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
    show: Arc<Show>,
) -> Result<bool, String> {
    let scenario = arguments.scenario;
    let containers = containers(arguments, &artifact.images);
    let named: Vec<&str> = names(&artifact.images);
    let files = scenario.files(if named.is_empty() { &["app"] } else { &named });
    artifact.add(&files)?;
    // An artifact whose file is wrong names none, and the job ends with that.
    let first = artifact.images.first().or(containers.first()).cloned();
    let (new_container, new_image) = first.unwrap_or_default();
    if scenario.needs_ecr && in_ecr(&new_image).is_none() && !artifact.images.is_empty() {
        return Err(format!(
            "The scenario {} needs an image in Amazon ECR, and the first of the artifact is {new_image}. Nothing was done.",
            scenario.name
        ));
    }
    if scenario.has_worker {
        artifact.name(WORKER, WORKER_IMAGE)?;
    }
    let simulator = Simulator::start();
    let ecs = simulator.ecs();
    let are_own = arguments.has_own_artifact || !arguments.containers.is_empty();
    let before = ecs.register(running_now(&containers, are_own));
    ecs.create_service(scenario.service(&before));
    if scenario.has_worker {
        create_worker(&simulator, &running_image(WORKER_IMAGE));
    }
    put_images(&simulator, &artifact);
    put_old_images(&simulator, &artifact);
    scenario.arrange(&simulator, &new_image);
    let event = start_event(scenario.event, &scenario.parameters(&new_container))?;
    put_artifact(
        &simulator,
        &event,
        scenario.has_artifact.then_some(artifact.zip),
    );
    simulator.codepipeline().open_job(&event);

    let clock = Arc::new(Passing {
        simulated: simulator.clock(),
        is_fast: arguments.is_fast,
    });
    let no_images = Images::new();
    let is_checked_alone = arguments.has_own_artifact
        && arguments.containers.is_empty()
        && scenario.containers.is_empty()
        && !artifact.images.is_empty();
    show.begin(
        &Beginning {
            scenario,
            artifact: arguments.has_own_artifact.then_some(&arguments.artifact),
            images: if scenario.has_artifact {
                &artifact.images
            } else {
                &no_images
            },
            containers: &containers,
            files: &files,
            is_checked_alone,
            user_parameters: user_parameters(&event),
            is_fast: arguments.is_fast,
            has_log: arguments.log.is_some(),
        },
        clock.now(),
    );
    let watching = Arc::new(Watching {
        show: show.clone(),
        simulator: simulator.clone(),
        services: deployed(&simulator, scenario.has_worker),
        shown: Mutex::default(),
    });
    let handler = Handler::new(
        Engine {
            aws: Aws::new(simulator.client_config()),
            clock: clock.clone(),
            observer: watching.clone(),
            bounds: Bounds::for_memory(None),
        },
        Settings::default(),
    );
    let mut stage = Stage {
        handler,
        simulator: &simulator,
        clock: clock.clone(),
        watching: &watching,
        seen: &|| scenario.seen(&simulator),
        invocations: 0,
    };
    let next = then::then(scenario.name);
    let mut answer = stage.action(event.clone(), next.is_none()).await?;
    if let (
        Some(next),
        Answer::Success {
            output_variables, ..
        },
    ) = (next, &answer)
    {
        clock.sleep(PEOPLE_TAKE).await;
        let parameters = (next.parameters)(output_variables);
        let is_another = parameters["ContinueDeployment"].is_null();
        let following = following(&simulator, &event, &next, &parameters);
        let user_parameters = user_parameters(&following);
        show.between(next.between, user_parameters, is_another, clock.now());
        answer = stage.action(following, true).await?;
    }
    show.tell_report();
    Ok(matches!(answer, Answer::Success { .. }))
}

/// The containers of the service, each with the image that the artifact has for it: those of the
/// command line, else the scenario's, else the artifact's.
fn containers(arguments: &Arguments, images: &Images) -> Images {
    let given = arguments.containers.iter().map(String::as_str);
    let given: Vec<&str> = given.collect();
    let names: &[&str] = match (given.as_slice(), arguments.scenario.containers) {
        ([], []) if images.is_empty() => &["app"],
        ([], []) => return images.clone(),
        ([], scenarios) => return scenarios.iter().map(|name| unnamed(name, images)).collect(),
        (given, _) => given,
    };
    let mut containers = Images::new();
    for name in names {
        if containers.iter().all(|(known, _)| known != name) {
            let image = images.iter().find(|(known, _)| known == name);
            let image = image.map_or_else(|| format!("repo/{name}:v2"), |(_, image)| image.clone());
            containers.push(((*name).to_owned(), image));
        }
    }
    containers
}

/// A container of about this name that the artifact does not name, with an image.
fn unnamed(name: &str, images: &Images) -> (String, String) {
    let mut name = name.to_owned();
    while images.iter().any(|(known, _)| *known == name) {
        name.push_str("-old");
    }
    let image = format!("repo/{name}:v2");
    (name, image)
}

/// Those of the containers.
pub(crate) fn names(images: &Images) -> Vec<&str> {
    images.iter().map(|(name, _)| name.as_str()).collect()
}

/// A service that is to be deployed, before that.
struct Deployed {
    service: &'static str,
    /// The revision that it runs.
    old: String,
    /// Its family.
    family: String,
    /// So many revisions that has.
    known: usize,
}

fn deployed(simulator: &Simulator, has_worker: bool) -> Vec<Deployed> {
    let ecs = simulator.ecs();
    let services = [SERVICE, WORKER];
    let services = services.into_iter().take(if has_worker { 2 } else { 1 });
    let deployed = services.filter_map(|service| {
        let old = ecs.service(CLUSTER, service)?;
        let old = old["taskDefinition"].as_str()?.to_owned();
        let family = text::last_part(&old).split(':').next()?.to_owned();
        let known = ecs.revisions(&family).len();
        Some(Deployed {
            service,
            old,
            family,
            known,
        })
    });
    deployed.collect()
}

/// Shows the looks, and what is new in a revision as soon as it is registered.
struct Watching {
    show: Arc<Show>,
    simulator: Simulator,
    services: Vec<Deployed>,
    /// The services whose new revision was shown.
    shown: Mutex<BTreeSet<&'static str>>,
}

impl Watching {
    fn show_differences(&self) {
        let ecs = self.simulator.ecs();
        for service in &self.services {
            let Some(new) = ecs.revisions(&service.family).get(service.known).cloned() else {
                continue;
            };
            let mut shown = self.shown.lock().unwrap_or_else(PoisonError::into_inner);
            if shown.insert(service.service) {
                let changes = changes(&self.simulator, &service.old, &new);
                self.show
                    .difference(service.service, &service.old, &new, &changes);
            }
        }
    }
}

impl Observer for Watching {
    fn wants_record(&self) -> bool {
        self.show.wants_record()
    }

    fn recorded(&self, record: &Record) {
        self.show.recorded(record);
    }

    fn looked(&self, target: &Target, look: &Look, now: Timestamp) {
        self.show_differences();
        self.show.looked(target, look, now);
    }
}

/// What plays an action.
struct Stage<'a> {
    handler: Handler,
    simulator: &'a Simulator,
    clock: Arc<Passing>,
    watching: &'a Watching,
    /// What is to be seen of the scenario besides.
    seen: &'a dyn Fn() -> Vec<String>,
    /// So many were there.
    invocations: u32,
}

impl Stage<'_> {
    /// Plays an action from its first event to its end.
    async fn action(&mut self, mut event: Value, is_last: bool) -> Result<Answer, String> {
        let show = &self.watching.show;
        let mut check = 0;
        loop {
            check += 1;
            self.invocations += 1;
            let number = self.invocations;
            show.invocation(number, check, self.clock.now());
            let invocation = Invocation {
                request_id: format!("local-{number}"),
                deadline: self.clock.now() + FUNCTION_TIMEOUT,
            };
            let report = self
                .handler
                .handle(&event, &invocation)
                .await
                .map_err(|error| error.to_string())?;
            self.watching.show_differences();
            show.warnings(&report);
            show.plan(&report);
            let job = event["CodePipeline.job"]["id"].as_str().unwrap_or_default();
            let pipeline = self.simulator.codepipeline();
            let answer = pipeline
                .answer(job)
                .ok_or("the job was not answered, which is a defect")?;
            // A failure is the end, whatever would have followed.
            let is_end = is_last || matches!(answer, Answer::Failure { .. });
            let next = pipeline.next_event(job);
            if is_end && next.is_none() {
                for seen in (self.seen)() {
                    show.note(&seen);
                }
                show.note_report();
            }
            show.answer(&answer, is_end, self.clock.now());
            match next {
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
    let mut changes = diff::changes(&registered(old), &registered(new));
    changes.listed.retain(|change| change.path != OWN_TAG_PATH);
    changes
}

/// A task definition with these containers, and with a sidecar unless they are somebody's own.
fn running_now(containers: &Images, are_own: bool) -> Value {
    let mut definitions: Vec<Value> = containers
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
    if !are_own {
        let image = "public.ecr.aws/docker/library/nginx:1.29";
        definitions.push(json!({"name": "proxy", "image": image}));
    }
    json!({
        "family": "app",
        "containerDefinitions": definitions,
        "cpu": "256", "memory": "512", "networkMode": "awsvpc",
        "requiresCompatibilities": ["FARGATE"],
        "executionRoleArn": "arn:aws:iam::111122223333:role/app-execution",
        "tags": [{"key": "team", "value": "web"}],
    })
}

/// A sample event, with more parameters.
fn start_event(sample: &str, more: &Value) -> Result<Value, String> {
    let wrong = |error: serde_json::Error| format!("the event: {error}");
    let mut event: Value = serde_json::from_str(sample).map_err(wrong)?;
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

/// What the action is configured with.
fn user_parameters(event: &Value) -> &str {
    let configuration = &event["CodePipeline.job"]["data"]["actionConfiguration"]["configuration"];
    configuration["UserParameters"].as_str().unwrap_or_default()
}

/// Puts the artifact where the event says that it is; without one there is its bucket.
fn put_artifact(simulator: &Simulator, event: &Value, zip: Option<Vec<u8>>) {
    let location = &event["CodePipeline.job"]["data"]["inputArtifacts"][0]["location"];
    let text = |member: &str| location["s3Location"][member].as_str().unwrap_or_default();
    let (bucket, key) = (text("bucketName"), text("objectKey"));
    let s3 = simulator.s3();
    s3.create_bucket(bucket);
    if let Some(zip) = zip {
        s3.put(bucket, key, zip);
    }
}

/// The service that the scenarios deploy to.
pub(crate) fn simulated_service() -> String {
    format!("{SERVICE} on {CLUSTER}")
}
