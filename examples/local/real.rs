//! `--aws`: a deployment to a real account, as a manual one. What it would change is shown first, and
//! nothing is changed before somebody has answered yes.

use std::future::Future;
use std::io::{IsTerminal as _, Write as _};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use ecs_deploy_action::artifact::entry::Bounds;
use ecs_deploy_action::aws::Aws;
use ecs_deploy_action::clock::{Clock as _, SystemClock};
use ecs_deploy_action::deploy::seen::Look;
use ecs_deploy_action::deploy::spec::Target;
use ecs_deploy_action::deploy::time::Timestamp;
use ecs_deploy_action::engine::Engine;
use ecs_deploy_action::handler::{Handler, Invocation};
use ecs_deploy_action::observer::Observer;
use ecs_deploy_action::record::Record;
use ecs_deploy_action::settings::Settings;
use serde_json::{Value, json};

use crate::account::{self, Account, Limits};
use crate::arguments::RealService;
use crate::artifact::Artifact;
use crate::play::FUNCTION_TIMEOUT;
use crate::screen;
use crate::show::Show;

/// Before anything is known of the account.
const ASKING: &str = "Asking AWS whose credentials these are.";

/// The outcome of a deployment to a real account.
pub(crate) enum Finished {
    Succeeded,
    Failed,
    /// Somebody pressed Ctrl-C; what goes on has been reported.
    Interrupted,
}

impl Finished {
    /// Of a deployment that was followed to its end.
    pub(crate) fn of(succeeded: bool) -> Self {
        if succeeded {
            Self::Succeeded
        } else {
            Self::Failed
        }
    }
}

/// Deploys the artifact's images to `service`.
///
/// # Errors
/// A sentence, if nothing was changed because something is missing.
pub(crate) async fn deploy(
    service: &RealService,
    artifact: &Artifact,
    show: Arc<Show>,
) -> Result<Finished, String> {
    let images = match (&artifact.problem, artifact.images.is_empty()) {
        (Some(problem), _) => return Err(problem.clone()),
        (None, true) => return Err("the artifact names no image".to_owned()),
        (None, false) => artifact.images.iter(),
    };
    let images: Vec<Value> = images
        .map(|(name, image)| json!({"name": name, "imageUri": image}))
        .collect();
    let preparing = Box::pin(prepared(service, &images, &show));
    let Some(prepared) = unless_interrupted(preparing).await else {
        show.end();
        let report = show.interrupted_report();
        screen::problem(&format!("Interrupted. Nothing was changed.{report}"));
        return Ok(Finished::Interrupted);
    };
    let account = match prepared? {
        Prepared::Deploy(account) => account,
        Prepared::DryRun => return Ok(Finished::Succeeded),
        Prepared::Refused => return Ok(Finished::Failed),
    };
    let watched = Arc::new(Watched {
        show: show.clone(),
        has_looked: AtomicBool::new(false),
    });
    let deploying = Box::pin(follow(service, &images, &account, watched.clone()));
    let Some(succeeded) = unless_interrupted(deploying).await else {
        let is_under_way = watched.has_looked.load(Ordering::Relaxed);
        show.end();
        let (goes_on, report) = (
            interrupted(service, is_under_way),
            show.interrupted_report(),
        );
        screen::problem(&format!("{goes_on}{report} See it with:"));
        screen::command(&to_see_it(service, &account));
        return Ok(Finished::Interrupted);
    };
    succeeded.map(Finished::of)
}

/// What came of looking before anything is changed.
enum Prepared {
    /// It may start.
    Deploy(Box<Account>),
    /// No more than that was wanted.
    DryRun,
    /// Something is wrong, and that was shown.
    Refused,
}

/// Account, Region, service, revision and images are shown, everything is checked, and somebody has
/// agreed.
async fn prepared(
    service: &RealService,
    images: &[Value],
    show: &Arc<Show>,
) -> Result<Prepared, String> {
    let limits = Limits::OF_THE_RUNNER;
    let config = account::configured(&limits).await?;
    // Where nothing answers, the screen would stay empty until the time limits have passed.
    screen::problem(ASKING);
    let account = account::identified(config, &limits).await?;
    let (id, principal, region) = (&account.id, &account.principal, &account.region);
    show.begin_on_aws(service, id, principal, region, SystemClock.now());
    let mut event = event(service, images);
    event["DryRun"] = json!(true);
    let handler = handler(&account, show.clone());
    let report = handled(&handler, &event, "local-dry-run").await?;
    if report["outcome"] != "Succeeded" {
        show.report(&report, SystemClock.now());
        show.note_report();
        show.tell_report();
        return Ok(Prepared::Refused);
    }
    show.rehearsed(&report);
    if service.is_dry_run {
        show.note_report();
        show.tell_report();
        return Ok(Prepared::DryRun);
    }
    if service.is_agreed {
        return Ok(Prepared::Deploy(Box::new(account)));
    }
    if !std::io::stdin().is_terminal() {
        return Err(
            "Nothing was changed: this would deploy to a real account, and there is no terminal to ask on. Add --yes to deploy, or --dry-run to check only."
                .to_owned(),
        );
    }
    if asked("Deploy this? [y/N] ").await {
        Ok(Prepared::Deploy(Box::new(account)))
    } else {
        Err("Nothing was changed.".to_owned())
    }
}

/// Deploys and follows. Whether it succeeded.
async fn follow(
    service: &RealService,
    images: &[Value],
    account: &Account,
    watched: Arc<Watched>,
) -> Result<bool, String> {
    let show = watched.show.clone();
    let handler = handler(account, watched);
    let mut event = event(service, images);
    // The same for all invocations: it ties the revision to this deployment.
    let request_id = format!("local-{}", SystemClock.now().as_millis());
    loop {
        let report = handled(&handler, &event, &request_id).await?;
        show.report(&report, SystemClock.now());
        match report["outcome"].as_str() {
            Some("InProgress") => event["ContinuationToken"] = report["continuationToken"].clone(),
            outcome => {
                show.note_report();
                show.tell_report();
                return Ok(outcome == Some("Succeeded"));
            }
        }
    }
}

/// What a manual deployment is asked for with.
fn event(service: &RealService, images: &[Value]) -> Value {
    json!({"ClusterName": service.cluster, "ServiceName": service.service,
        "ImageDefinitions": images})
}

fn handler(account: &Account, observer: Arc<dyn Observer>) -> Handler {
    let engine = Engine {
        aws: Aws::with(account.config.clone()),
        clock: Arc::new(SystemClock),
        observer,
        bounds: Bounds::for_memory(None),
    };
    Handler::new(engine, Settings::default())
}

async fn handled(handler: &Handler, event: &Value, request_id: &str) -> Result<Value, String> {
    let invocation = Invocation {
        request_id: request_id.to_owned(),
        deadline: SystemClock.now() + FUNCTION_TIMEOUT,
    };
    let handling = handler.handle(event, &invocation);
    handling.await.map_err(|error| error.to_string())
}

/// Asks on the terminal. Only a yes is one.
async fn asked(question: &str) -> bool {
    let mut out = std::io::stderr();
    drop(write!(out, "{question}"));
    drop(out.flush());
    // On a thread of its own, which Ctrl-C need not wait for.
    let (answer, answered) = tokio::sync::oneshot::channel();
    std::thread::spawn(move || {
        let mut line = String::new();
        let read = std::io::stdin().read_line(&mut line);
        drop(answer.send(read.map(|_| line)));
    });
    let line = match answered.await {
        Ok(Ok(line)) => line,
        Ok(Err(_)) | Err(_) => String::new(),
    };
    matches!(line.trim().to_lowercase().as_str(), "y" | "yes")
}

/// What the work gives, unless Ctrl-C comes first.
pub(crate) async fn unless_interrupted<T>(work: impl Future<Output = T>) -> Option<T> {
    tokio::select! {
        // Listened to before the work says anything.
        biased;
        // Where the signal cannot be listened to, it ends the process as ever.
        Ok(()) = tokio::signal::ctrl_c() => None,
        done = work => Some(done),
    }
}

/// What goes on when nobody watches any more.
fn interrupted(service: &RealService, is_under_way: bool) -> String {
    let (cluster, name) = (&service.cluster, &service.service);
    if is_under_way {
        format!(
            "Interrupted. The rollout of {name} on {cluster} goes on in ECS; nobody follows it here any more, and only a circuit breaker or alarms of the service would roll it back."
        )
    } else {
        format!(
            "Interrupted. A new revision may have been registered and the rollout of {name} on {cluster} started; if so, it goes on in ECS, and nobody follows it."
        )
    }
}

/// The command that shows the rollout.
fn to_see_it(service: &RealService, account: &Account) -> String {
    let (cluster, name) = (&service.cluster, &service.service);
    format!(
        "aws ecs describe-services --region {} --cluster {cluster} --services {name} --query 'services[0].deployments[].[status,rolloutState,taskDefinition,runningCount,desiredCount]' --output table",
        account.region
    )
}

/// Shows the looks, and knows whether there has been one: then the service was set.
struct Watched {
    show: Arc<Show>,
    has_looked: AtomicBool,
}

impl Observer for Watched {
    fn wants_record(&self) -> bool {
        self.show.wants_record()
    }

    fn recorded(&self, record: &Record) {
        self.show.recorded_in_account(record);
    }

    fn looked(&self, target: &Target, look: &Look, now: Timestamp) {
        self.has_looked.store(true, Ordering::Relaxed);
        self.show.looked(target, look, now);
    }
}
