//! The first step: check everything, register the revision, update the service.

use std::time::Duration;

use serde_json::Value;
use tokio::task::JoinSet;

use super::{Stage, Step, fingerprint};
use crate::aws::ecs::{Listed, ServiceDescribed};
use crate::aws::error::{CallError, Class};
use crate::deploy::diff::{self, Change};
use crate::deploy::failure::{Failure, FailureKind};
use crate::deploy::phase::{Phase, ServiceRollout};
use crate::deploy::revision::Revision;
use crate::deploy::rollout::{DeploymentSeen, ServiceSeen};
use crate::deploy::task_definition::{self, Described, Registration};
use crate::deploy::text;
use crate::deploy::time::Timestamp;
use crate::deploy::token;
use crate::explain::{self, Caller};
use crate::parameters::{BaseRevision, Target};
use crate::report::{Outcome, Report, ServiceReport};

/// So many of the family's newest revisions are looked at for one that this job registered:
/// another pipeline may have registered some since.
const NEWEST_REVISIONS: i32 = 5;

/// So many of the service's newest service deployments are looked at for ours.
pub(super) const NEWEST_SERVICE_DEPLOYMENTS: i32 = 20;

/// A call that makes something is tried this often in all.
const MAKING_ATTEMPTS: u32 = 5;

/// Before a call that makes something is tried again; twice as long each time. Long enough for
/// what an unanswered call has made to be seen.
const MAKING_PAUSE: Duration = Duration::from_secs(2);

/// What the start led to.
pub(super) enum Begun {
    /// The service is updated.
    Phase(Phase),
    /// Nothing was to be changed.
    DryRun(Report),
}

/// Everything that was checked before anything is changed.
struct Plan {
    target: Target,
    service: ServiceDescribed,
    base: Described,
    registration: Registration,
    /// The revision that an earlier delivery of this job registered.
    own: Option<String>,
    /// The family's newest revision at that time.
    newest: String,
}

impl Step<'_> {
    /// Checks, registers, updates.
    ///
    /// # Replay
    /// Each of the two changes is looked for before it is made.
    pub(super) async fn start(&mut self) -> Result<Begun, Failure> {
        let plan = self.plan().await?;
        self.check_token_fits(&plan)?;
        if self.spec.dry_run {
            return Ok(Begun::DryRun(dry_run(&plan)));
        }
        self.reached.set(Stage::Changing);
        self.change(&plan).await.map(Begun::Phase)
    }

    async fn plan(&mut self) -> Result<Plan, Failure> {
        let Some(target) = self.spec.targets.first().cloned() else {
            return Err(Failure::new(
                FailureKind::Configuration,
                "The parameters name no service.",
            ));
        };
        let (service, images) =
            tokio::join!(self.checked_service(&target), Box::pin(self.images()));
        let (service, images) = match (service, images) {
            (Ok(service), Ok(images)) => (service, images),
            (service, images) => {
                let failures: Vec<Failure> = [service.err(), images.err()]
                    .into_iter()
                    .flatten()
                    .collect();
                return Err(explain::together(&failures).unwrap_or_else(|| {
                    Failure::new(FailureKind::Job, "The start failed without a reason.")
                }));
            }
        };
        let current = &service.seen.task_definition;
        let about = target.to_string();
        let call_failed =
            |error: CallError| explain::of_call(&about, &error, Caller::Function, false);
        let family = Revision::parse(current)
            .map_err(|wrong| Failure::new(FailureKind::Job, format!("{target}: {wrong}.")))?
            .family()
            .to_owned();
        let base = match self.spec.base {
            BaseRevision::Service => current,
            BaseRevision::Latest => &family,
        };
        let (base, newest) = tokio::join!(
            self.ecs.describe_task_definition(base),
            self.ecs.newest_revisions(&family, NEWEST_REVISIONS)
        );
        let base = base.map_err(call_failed)?;
        let registration =
            task_definition::registration(&base, &images, self.job).map_err(|misfits| {
                Failure::of_problems(FailureKind::Configuration, &format!("{target}: "), &misfits)
            })?;
        let candidates = newest.map_err(call_failed)?;
        let newest = candidates
            .first()
            .cloned()
            .unwrap_or_else(|| base.arn().to_owned());
        let (own, verified) = tokio::join!(
            self.own_among(&base, candidates, &registration),
            self.verify_images(&registration)
        );
        if !verified.wrong.is_empty() {
            let about = format!("{target}: ");
            let kind = FailureKind::Configuration;
            return Err(Failure::of_problems(kind, &about, &verified.wrong));
        }
        let own = own.map_err(call_failed)?;
        for warning in verified.unknown {
            self.warn(warning);
        }
        if !service.seen.is_told_by_rollout_state() {
            // Their end is told by service deployments alone: better refused now than not seen.
            self.ecs
                .newest_service_deployments(&target, 1)
                .await
                .map_err(call_failed)?;
        }
        Ok(Plan {
            target,
            service,
            base,
            registration,
            own,
            newest,
        })
    }

    async fn checked_service(&self, target: &Target) -> Result<ServiceDescribed, Failure> {
        let region = self.spec.region.as_deref().or(self.engine.aws.region());
        let service = self
            .ecs
            .describe_service(target)
            .await
            .map_err(|error| explain::of_describing(target, region, &error))?
            .ok_or_else(|| explain::of_missing_service(target, region))?;
        match unsupported(&service) {
            Some(why) => Err(Failure::new(
                FailureKind::Configuration,
                format!("{target}: {why}"),
            )),
            None => Ok(service),
        }
    }

    /// The revision with this job's tag and images, among `base` and the family's newest.
    async fn own_among(
        &self,
        base: &Described,
        newest: Vec<String>,
        registration: &Registration,
    ) -> Result<Option<String>, CallError> {
        let is_own = |described: &Described| {
            described.registered_by_job() == Some(self.job) && described.runs_what(registration)
        };
        if is_own(base) {
            return Ok(Some(base.arn().to_owned()));
        }
        let mut looking = JoinSet::new();
        for arn in newest.into_iter().filter(|arn| arn != base.arn()) {
            let ecs = self.ecs.clone();
            looking.spawn(async move { ecs.describe_task_definition(&arn).await });
        }
        let mut own: Option<String> = None;
        while let Some(described) = looking.join_next().await {
            let described = match described {
                Ok(described) => described,
                // Not looked at is not "not there": stop before a second one is made.
                Err(stopped) => Err(CallError::unusable(
                    "ecs:DescribeTaskDefinition",
                    "the family's newest revisions",
                    Class::Unavailable,
                    stopped.to_string(),
                )),
            };
            match described {
                Ok(described) if is_own(&described) => {
                    let found = described.arn().to_owned();
                    let is_first = own
                        .as_deref()
                        .is_none_or(|known| number(&found) < number(known));
                    own = if is_first { Some(found) } else { own };
                }
                Ok(_) => {}
                // Deregistered and deleted since it was listed.
                Err(error) if error.class == Class::Missing => {}
                Err(error) => return Err(error),
            }
        }
        Ok(own)
    }

    /// Refuses before anything is changed what could not be remembered between invocations.
    fn check_token_fits(&self, plan: &Plan) -> Result<(), Failure> {
        // As long as ECS makes them: family's next numbers, 20 digits, 32 characters.
        let family = Revision::parse(plan.base.arn()).map_err(|wrong| {
            Failure::new(FailureKind::Job, format!("{}: {wrong}.", plan.target))
        })?;
        let longest = Revision::parse(&format!("{}:9999999", family.family())).unwrap_or(family);
        let phase = Phase::RollingOut {
            job: self.job.to_owned(),
            started: self.now(),
            services: vec![
                ServiceRollout {
                    revision: longest.clone(),
                    previous: longest,
                    deployment: format!("ecs-svc/{}", u64::MAX),
                    service_deployment: Some("x".repeat(32)),
                };
                self.spec.targets.len()
            ],
        };
        token::encode(&phase, &fingerprint(self.spec))
            .map(drop)
            .map_err(|large| {
                Failure::new(
                    FailureKind::Configuration,
                    format!("{}: {large}. Nothing was changed.", plan.target),
                )
            })
    }

    /// Registers and updates, as far as an earlier delivery of this job has not.
    async fn change(&mut self, plan: &Plan) -> Result<Phase, Failure> {
        let target = &plan.target;
        let own = if let Some(own) = &plan.own {
            own.clone()
        } else {
            let registered = self.register(plan).await?;
            self.first_of_job(plan, registered).await
        };
        let revision = Revision::parse(&own).map_err(|wrong| {
            Failure::new(
                FailureKind::Job,
                format!("{target}: registered, but {wrong}. The service was not changed."),
            )
        })?;
        if plan.service.seen.task_definition == own {
            let service = plan.service.clone();
            return Ok(self.found(plan, revision, &own, service).await);
        }
        if plan.own.is_some() {
            // An earlier delivery registered it. Did it come to update the service, too? Who
            // cannot tell must not deploy, for it might be for the second time.
            match self.deployed_before(target, &own).await {
                Ok(Some(earlier)) => {
                    return Ok(self.followed(plan, revision, &own, &earlier).await);
                }
                Ok(None) => {}
                Err(error) => {
                    let about = format!(
                        "{target}: an earlier delivery of this job has registered {revision}, and whether it has deployed it cannot be seen"
                    );
                    return Err(explain::of_call(&about, &error, Caller::Function, true));
                }
            }
        }
        let from = &plan.service.seen.task_definition;
        match self.set_service(target, from, &own).await {
            Ok(service) => Ok(self.found(plan, revision, &own, service).await),
            Err(error) => Err(self.not_updated(plan, &revision, &own, &error)),
        }
    }

    /// The service could not be set to our revision. If that is certain, the revision is of no use
    /// to anybody.
    fn not_updated(
        &mut self,
        plan: &Plan,
        revision: &Revision,
        own: &str,
        error: &CallError,
    ) -> Failure {
        let target = plan.target.to_string();
        let is_unknown = error.class == Class::Unavailable;
        let failure = explain::of_call(&target, error, Caller::Function, is_unknown);
        let after = if is_unknown {
            format!("{revision} is registered; look whether the service was set to it.")
        } else {
            self.unused = Some(own.to_owned());
            format!(
                "The service was not changed: it is set to {}. {revision}, registered for this job, is being deregistered.",
                text::last_part(&plan.service.seen.task_definition)
            )
        };
        Failure::new(failure.kind, format!("{} {after}", failure.message))
    }

    /// Registers the new revision; returns its ARN.
    ///
    /// # Replay
    /// An attempt whose outcome is unknown is looked for by the job's tag before the next.
    async fn register(&self, plan: &Plan) -> Result<String, Failure> {
        let about = plan.target.to_string();
        let mut pause = MAKING_PAUSE;
        let mut attempt = 1;
        // An earlier attempt may have made one, whatever becomes of the later ones.
        let mut may_be_made = false;
        loop {
            let error = match self.ecs.register(&plan.registration.body).await {
                Ok(arn) => return Ok(arn),
                Err(error) => error,
            };
            let is_unknown = error.class == Class::Unavailable;
            may_be_made |= is_unknown;
            let last =
                |error: &CallError| explain::of_call(&about, error, Caller::Function, may_be_made);
            if !(is_unknown || error.class == Class::Throttled) || attempt == MAKING_ATTEMPTS {
                return Err(last(&error));
            }
            self.engine.clock.sleep(pause).await;
            pause *= 2;
            attempt += 1;
            if is_unknown {
                match self.registered_meanwhile(plan).await {
                    Ok(Some(arn)) => return Ok(arn),
                    Ok(None) => {}
                    Err(error) => return Err(last(&error)),
                }
            }
        }
    }

    /// Of several revisions of this job the first: two deliveries at once have each registered one
    /// before they could see the other's. `own` is deregistered if it is not that one.
    ///
    /// # Replay
    /// ECS numbers revisions in the order of their registration, so all deliveries choose the same.
    async fn first_of_job(&mut self, plan: &Plan, own: String) -> String {
        let (Ok(revision), Ok(before)) = (Revision::parse(&own), Revision::parse(&plan.newest))
        else {
            return own;
        };
        let listed = match self
            .ecs
            .newest_revisions(revision.family(), NEWEST_REVISIONS)
            .await
        {
            Ok(listed) => listed,
            Err(error) => {
                self.warn(format!(
                    "whether this job was delivered twice at once could not be seen: {}",
                    explain::words(&error)
                ));
                return own;
            }
        };
        let between: Vec<String> = listed
            .into_iter()
            .filter(|arn| {
                Revision::parse(arn).is_ok_and(|one| {
                    (before.number() + 1..revision.number()).contains(&one.number())
                })
            })
            .collect();
        if between.is_empty() {
            return own;
        }
        match self
            .own_among(&plan.base, between, &plan.registration)
            .await
        {
            Ok(Some(first)) => {
                self.unused = Some(own);
                first
            }
            _ => own,
        }
    }

    async fn registered_meanwhile(&self, plan: &Plan) -> Result<Option<String>, CallError> {
        let family = plan.registration.body.get("family").and_then(Value::as_str);
        let newest = self
            .ecs
            .newest_revisions(family.unwrap_or_default(), NEWEST_REVISIONS)
            .await?;
        self.own_among(&plan.base, newest, &plan.registration).await
    }

    /// Points the service, which is set to `from`, at the revision `wanted`.
    ///
    /// # Replay
    /// An attempt whose outcome is unknown is looked for at the service before the next, and if the
    /// service is set to something else by then, somebody has decided and it is left alone.
    ///
    /// # Errors
    /// [`Class::Unavailable`] whenever an attempt may have been carried out.
    pub(super) async fn set_service(
        &self,
        target: &Target,
        from: &str,
        wanted: &str,
    ) -> Result<ServiceDescribed, CallError> {
        let mut pause = MAKING_PAUSE;
        let mut attempt = 1;
        let mut may_be_done = false;
        loop {
            let mut error = match self.ecs.update_service(target, wanted).await {
                Ok(service) => return Ok(service),
                Err(error) => error,
            };
            may_be_done |= error.class == Class::Unavailable;
            let is_worth_another = matches!(error.class, Class::Unavailable | Class::Throttled);
            if may_be_done {
                error.class = Class::Unavailable;
            }
            if !is_worth_another || attempt == MAKING_ATTEMPTS {
                return Err(error);
            }
            self.engine.clock.sleep(pause).await;
            pause *= 2;
            attempt += 1;
            if !may_be_done {
                continue;
            }
            match self.ecs.describe_service(target).await {
                Ok(Some(service)) if service.seen.task_definition == wanted => return Ok(service),
                Ok(Some(service)) if service.seen.task_definition == from => {}
                Ok(_) => return Err(error),
                Err(unseen) => {
                    error.detail = format!("{}, and then {unseen}", error.detail);
                    return Err(error);
                }
            }
        }
    }

    /// The phase for a service that is set to `own`.
    async fn found(
        &self,
        plan: &Plan,
        revision: Revision,
        own: &str,
        service: ServiceDescribed,
    ) -> Phase {
        let deployment = own_deployment(&service.seen, own);
        let started = match (&plan.own, deployment) {
            // An earlier delivery started it: its time counts from there.
            (Some(_), Some(deployment)) => deployment.created_at,
            _ => None,
        };
        let was_set_to = Revision::parse(&plan.service.seen.task_definition);
        let previous = match was_set_to {
            Ok(before) if before != revision => before,
            // Set to ours when we came: what was before must be asked.
            _ => self
                .previous_of(plan, &service, own)
                .await
                .unwrap_or_else(|| revision.clone()),
        };
        let deployment = deployment.map_or_else(
            // ECS names it in the next look; until then the service deployment's id stands for it.
            || {
                text::last_part(
                    service
                        .current_service_deployment
                        .as_deref()
                        .unwrap_or("unknown"),
                )
                .to_owned()
            },
            |deployment| deployment.id.clone(),
        );
        self.rolling_out(revision, previous, deployment, None, started)
    }

    /// The phase for a service that was set to `own` once, by the service deployment `earlier`, and
    /// is not any more: ECS went back, or another deployment took its place.
    async fn followed(
        &self,
        plan: &Plan,
        revision: Revision,
        own: &str,
        earlier: &Listed,
    ) -> Phase {
        let seen = &plan.service.seen;
        let listed = own_deployment(seen, own);
        let id = text::last_part(&earlier.arn).to_owned();
        let deployment = listed.map_or_else(|| id.clone(), |deployment| deployment.id.clone());
        let previous = match self.source_of(&earlier.arn).await {
            Some(previous) => previous,
            // Not known. What the service is set to now may be somebody else's.
            None => revision.clone(),
        };
        self.rolling_out(revision, previous, deployment, Some(id), earlier.created_at)
    }

    fn rolling_out(
        &self,
        revision: Revision,
        previous: Revision,
        deployment: String,
        service_deployment: Option<String>,
        started: Option<Timestamp>,
    ) -> Phase {
        let started = started.unwrap_or_else(|| self.now());
        tracing::info!(
            job = self.job,
            service = self.spec.targets.first().map_or("", Target::service_name),
            phase = "RollingOut",
            deployment,
            revision = %revision,
            previous = %previous,
            "the service is set to the new revision"
        );
        Phase::RollingOut {
            job: self.job.to_owned(),
            started,
            services: vec![ServiceRollout {
                revision,
                previous,
                deployment,
                service_deployment,
            }],
        }
    }

    /// The service deployment that brought `own`, if there ever was one: the first of them.
    pub(super) async fn deployed_before(
        &self,
        target: &Target,
        own: &str,
    ) -> Result<Option<Listed>, CallError> {
        let listed = self
            .ecs
            .newest_service_deployments(target, NEWEST_SERVICE_DEPLOYMENTS)
            .await?;
        let revisions: Vec<String> = listed
            .iter()
            .filter_map(|one| one.target_revision.clone())
            .collect();
        let known = self.ecs.task_definitions_of(&revisions).await?;
        let brings_own = |one: &Listed| {
            known.iter().any(|(revision, task_definition)| {
                one.target_revision.as_ref() == Some(revision) && task_definition == own
            })
        };
        Ok(listed.into_iter().rfind(|one| brings_own(one)))
    }

    /// What the service ran before it was set to `own`: still listed, or told by the service
    /// deployment.
    async fn previous_of(
        &self,
        plan: &Plan,
        service: &ServiceDescribed,
        own: &str,
    ) -> Option<Revision> {
        let deployments = service.seen.deployments.iter();
        let other = deployments
            .filter(|one| one.task_definition != own)
            .find_map(|one| Revision::parse(&one.task_definition).ok());
        if other.is_some() {
            return other;
        }
        let earlier = self.deployed_before(&plan.target, own).await.ok()??;
        self.source_of(&earlier.arn).await
    }

    async fn source_of(&self, service_deployment: &str) -> Option<Revision> {
        let described = self
            .ecs
            .describe_service_deployment(service_deployment)
            .await;
        let sources = described.ok()??.source_revisions;
        let known = self.ecs.task_definitions_of(&sources).await.ok()?;
        known
            .iter()
            .find_map(|(_, task_definition)| Revision::parse(task_definition).ok())
    }
}

/// The number of a revision's ARN; 0 if it has none.
fn number(arn: &str) -> u64 {
    Revision::parse(arn).map_or(0, |revision| revision.number())
}

/// The APIs of service deployments are not allowed or not there: a rolling update can be judged
/// without them.
pub(super) fn cannot_be_asked(error: &CallError) -> bool {
    matches!(error.class, Class::Denied | Class::Unsupported)
}

/// The deployment of `own` that is PRIMARY, or any of it.
pub(super) fn own_deployment<'a>(
    service: &'a ServiceSeen,
    own: &str,
) -> Option<&'a DeploymentSeen> {
    let of_own = || {
        service
            .deployments
            .iter()
            .filter(|one| one.task_definition == own)
    };
    of_own()
        .find(|one| one.status == "PRIMARY")
        .or_else(|| of_own().next())
}

/// Why this service cannot be deployed to by us, with what to use instead.
fn unsupported(service: &ServiceDescribed) -> Option<String> {
    if service.seen.status != "ACTIVE" {
        return Some(format!(
            "the service is {}, not ACTIVE: nothing can be deployed to it.",
            service.seen.status
        ));
    }
    match service.controller.as_deref() {
        None | Some("ECS") => {}
        Some("CODE_DEPLOY") => {
            return Some(
                "the service uses the CODE_DEPLOY deployment controller: use CodePipeline's 'Amazon ECS (Blue/Green)' action (CodeDeployToECS), or change the service to the ECS controller with the BLUE_GREEN strategy."
                    .to_owned(),
            );
        }
        Some("EXTERNAL") => {
            return Some(
                "the service uses the EXTERNAL deployment controller: its task sets are made by another program (CreateTaskSet), which has to deploy it."
                    .to_owned(),
            );
        }
        Some(other) => {
            return Some(format!(
                "the service uses the {other} deployment controller, which this version does not know."
            ));
        }
    }
    (service.resource_management.as_deref() == Some("ECS")).then(|| {
        "this is an Express Mode service: use UpdateExpressGatewayService (aws ecs update-express-gateway-service), which manages its task definition."
            .to_owned()
    })
}

fn dry_run(plan: &Plan) -> Report {
    let changes = changes_of(plan);
    let base = text::last_part(plan.base.arn());
    let images: Vec<String> = plan
        .registration
        .changes
        .iter()
        .map(|change| format!("{} from {} to {}", change.container, change.from, change.to))
        .collect();
    Report {
        outcome: Outcome::Succeeded {
            message: format!(
                "{}: dry run, nothing was changed. A new revision would be made from {base}: {}.{}",
                plan.target,
                text::listed(&images),
                roles_told(&plan.registration)
            ),
            variables: std::collections::BTreeMap::new(),
            external_execution_id: None,
        },
        services: vec![ServiceReport {
            target: plan.target.clone(),
            rollout: None,
            changes,
        }],
        warnings: Vec::new(),
        unused_revision: None,
    }
}

/// The roles that ECS is handed, which the function must be allowed to pass on.
fn roles_told(registration: &Registration) -> String {
    let roles = registration.roles();
    if roles.is_empty() {
        return String::new();
    }
    let named: Vec<String> = roles
        .iter()
        .map(|(member, arn)| format!("{} ({member})", text::last_part(arn)))
        .collect();
    format!(" It passes on the roles {}.", text::listed(&named))
}

fn changes_of(plan: &Plan) -> Vec<Change> {
    let mut old = plan.base.registrable();
    old.insert("tags".to_owned(), Value::Array(plan.base.tags.clone()));
    diff::changes(&old, &plan.registration.body)
}
