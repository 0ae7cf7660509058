//! The first step: check everything, register the revisions, then update the services or run the
//! task that comes before.

use std::time::Duration;

use serde_json::Value;

use super::Run;
use super::at_once::few_at_once;
use super::files::Files;
use super::once::{self, Attempt, Looked};
use super::refused::Refused;
use super::schedules::Scheduled;
use super::task::ToRun;
use crate::artifact::task_definition_file::TaskDefinitionFile;
use crate::aws::ecs::ServiceDescribed;
use crate::deploy::call::{CallError, Class};
use crate::deploy::cleanup::Cleanup;
use crate::deploy::deployment::{Deployment, Ours, Owner, Rollback, Service, Stage};
use crate::deploy::failure::{Failure, FailureKind};
use crate::deploy::fit;
use crate::deploy::plan::{self, FamilyPlan, ServicePlan};
use crate::deploy::prior::{self, Prior};
use crate::deploy::revision::Revision;
use crate::deploy::setting::TargetService;
use crate::deploy::spec::{BaseFrom, LONGEST_TIMEOUT, PreDeployTask, Target};
use crate::deploy::task_definition::{self, Base, Described, Registration};
use crate::deploy::text;
use crate::deploy::time::{Timestamp, human};
use crate::deploy::token;
use crate::deploy::words;
use crate::report::Report;

/// A task's id as ECS makes them, of a task that does not exist.
const NO_TASK: &str = "00000000000000000000000000000000";

/// The last part of a service deployment's and of a service revision's ARN, of ones that do not
/// exist.
const NO_SERVICE_DEPLOYMENT: &str = "AAAAAAAAAAAAAAAAAAAAA";
const NO_SERVICE_REVISION: &str = "1000000000000000000";

/// What the start led to.
pub(super) enum Started {
    /// Something is under way.
    Deployment(Box<Deployment>),
    /// Nothing was to be changed.
    DryRun(Box<Report>),
}

/// One task definition family of the deployment.
pub(super) struct Family {
    pub(super) name: String,
    /// What its first service runs, to tell what changes.
    pub(super) current: Described,
    pub(super) base: Base,
    pub(super) registration: Registration,
    /// The revision that an earlier delivery of this job registered.
    pub(super) own: Option<String>,
    /// The number of the family's newest revision at that time.
    newest: u64,
}

/// A family as far as it was seen, before its registration is made.
struct Seen {
    name: String,
    current: Vec<Described>,
    base: Base,
    newest: u64,
    /// The revisions of this job, ACTIVE and not, oldest first.
    own: Vec<Described>,
}

/// One service of the deployment.
pub(super) struct Planned {
    pub(super) target: Target,
    pub(super) service: ServiceDescribed,
    /// Its place among the families.
    pub(super) family: usize,
}

/// Everything that was checked before anything is changed.
pub(super) struct Plan {
    /// When the services were looked at.
    pub(super) seen_at: Timestamp,
    pub(super) services: Vec<Planned>,
    pub(super) families: Vec<Family>,
    /// What runs the families on a schedule, if that is to be changed.
    pub(super) scheduled: Vec<Scheduled>,
}

impl Run<'_> {
    /// Checks, registers, updates.
    ///
    /// # Replay
    /// Each change is looked for before it is made.
    pub(super) async fn start(&self) -> Result<Started, Refused> {
        let plan = Box::pin(self.plan()).await?;
        self.check_token_fits(&plan)?;
        if self.spec.dry_run {
            return Ok(Started::DryRun(Box::new(self.dry_run(&plan))));
        }
        self.changing();
        let deployment = Box::pin(self.perform(&plan)).await?;
        Ok(Started::Deployment(Box::new(Deployment {
            config_pin: self.config_pin.clone(),
            ..deployment
        })))
    }

    async fn plan(&self) -> Result<Plan, Failure> {
        let seen_at = self.now();
        let (services, files) = tokio::join!(self.checked_services(), Box::pin(self.files()));
        let (services, files) = match (services, files) {
            (Ok(services), Ok(files)) => (services, files),
            (services, files) => {
                let mut failures = services.err().unwrap_or_default();
                failures.extend(files.err());
                return Err(several(&failures));
            }
        };
        let (names, places) = families_of(&services)?;
        if let Some(file) = &files.task_definition {
            self.check_family(file, &names)?;
        }
        let looking = names.iter().enumerate().map(|(place, name)| {
            let of_family = services.iter().zip(&places);
            let of_family = of_family.filter(|(_, own)| **own == place);
            let of_family: Vec<&(Target, ServiceDescribed)> =
                of_family.map(|(service, _)| service).collect();
            self.seen(name, of_family, files.task_definition.as_ref())
        });
        let (seen, followable) =
            tokio::join!(few_at_once(looking), self.check_followable(&services));
        let seen = match (all(seen), followable) {
            (Ok(seen), Ok(())) => seen,
            (seen, followable) => {
                let failures: Vec<Failure> =
                    seen.err().into_iter().chain(followable.err()).collect();
                return Err(several(&failures));
            }
        };
        let bases: Vec<&Base> = seen.iter().map(|one| &one.base).collect();
        let about = format!("{}: ", self.spec.about());
        let registrations = task_definition::registrations(&bases, files.images.as_ref(), self.job)
            .map_err(|misfits| {
                Failure::of_problems(FailureKind::Configuration, &about, &misfits)
            })?;
        self.check_pre_deploy(&registrations)?;
        self.check_fit(&services, &places, &registrations)?;
        let ((families, warnings), visible) = tokio::join!(
            self.families(seen, registrations),
            self.check_task_visible(&services)
        );
        for warning in warnings {
            self.warn(warning);
        }
        let families = match (families, visible) {
            (Ok(families), Ok(())) => families,
            (families, visible) => {
                let failures: Vec<Failure> =
                    families.err().into_iter().chain(visible.err()).collect();
                return Err(several(&failures));
            }
        };
        let services: Vec<Planned> = services
            .into_iter()
            .zip(places)
            .map(|((target, service), family)| Planned {
                target,
                service,
                family,
            })
            .collect();
        let scheduled = if self.spec.scheduled_tasks {
            let about = format!("{}: what runs on a schedule", self.spec.about());
            let found = self
                .scheduled(&names)
                .await
                .map_err(|error| self.of_call(&about, &error, false))?;
            check_pointable(&about, &found)?;
            found
        } else {
            Vec::new()
        };
        self.note_dropped(&files);
        Ok(Plan {
            seen_at,
            services,
            families,
            scheduled,
        })
    }

    /// Each service with what ECS shows of it, or all that is wrong with them.
    async fn checked_services(&self) -> Result<Vec<(Target, ServiceDescribed)>, Vec<Failure>> {
        let looking = self
            .spec
            .targets
            .iter()
            .map(|target| self.checked_service(target));
        let mut services = Vec::new();
        let mut failures = Vec::new();
        for (target, seen) in self.spec.targets.iter().zip(few_at_once(looking).await) {
            match seen {
                Ok(service) => services.push((target.clone(), service)),
                Err(failure) => failures.push(failure),
            }
        }
        if failures.is_empty() {
            Ok(services)
        } else {
            Err(failures)
        }
    }

    async fn checked_service(&self, target: &Target) -> Result<ServiceDescribed, Failure> {
        let region = self.region();
        let service = self
            .ecs
            .describe_service(target)
            .await
            .map_err(|error| words::of_describing(target, region, &error, self.caller()))?
            .ok_or_else(|| words::of_missing_service(target, region))?;
        match unsupported(&service).or_else(|| self.too_long(&service)) {
            Some(why) => Err(Failure::new(
                FailureKind::Configuration,
                format!("{target}: {why}"),
            )),
            None => Ok(service),
        }
    }

    /// Why a deployment of the service can never end within its time.
    fn too_long(&self, service: &ServiceDescribed) -> Option<String> {
        let seen = &service.seen;
        let shortest = seen.shortest_rollout();
        let strategy = seen.strategy.as_deref().unwrap_or("ROLLING");
        let takes = format!(
            "each of its deployments takes {} at least, for its traffic is shifted in {} ({strategy}) and watched for {} after that",
            human(shortest),
            human(Duration::from_mins(
                u64::try_from(seen.shift_minutes).unwrap_or(0)
            )),
            human(Duration::from_mins(
                u64::try_from(seen.bake_minutes).unwrap_or(0)
            )),
        );
        if shortest >= LONGEST_TIMEOUT {
            Some(format!(
                "{takes}; CodePipeline gives an action 24 hours in all, of which {} are left for that: shorten the service's bake time.",
                human(LONGEST_TIMEOUT)
            ))
        } else if shortest >= self.spec.timeout {
            Some(format!(
                "{takes}; DeploymentTimeout is {} and must be more than that: raise it.",
                self.spec.timeout.as_secs() / 60
            ))
        } else {
            None
        }
    }

    fn check_family(&self, file: &TaskDefinitionFile, names: &[String]) -> Result<(), Failure> {
        let BaseFrom::File(path) = &self.spec.base else {
            return Ok(());
        };
        let wrong = |message: String| Err(Failure::new(FailureKind::Configuration, message));
        let about = self.spec.about();
        match (file.family(), names) {
            (_, [_, _, ..]) => wrong(format!(
                "{about}: {path} is one task definition, and the services run the families {}: deploy each family in an action of its own.",
                text::listed(names)
            )),
            (Some(family), [name]) if family != name => wrong(format!(
                "{about}: {path} is of the family {family}, and the service runs {name}: write \"family\": \"{name}\", or leave it out."
            )),
            _ => Ok(()),
        }
    }

    /// What is there of one family: what its services run, its newest revisions, the base.
    async fn seen(
        &self,
        name: &str,
        services: Vec<&(Target, ServiceDescribed)>,
        file: Option<&TaskDefinitionFile>,
    ) -> Result<Seen, Failure> {
        let about = services
            .first()
            .map_or_else(String::new, |(target, _)| target.to_string());
        let mut current: Vec<&str> = services
            .iter()
            .map(|(_, service)| service.seen.task_definition.as_str())
            .collect();
        let mut known: Vec<&str> = Vec::new();
        current.retain(|one| {
            let is_new = !known.contains(one);
            known.push(one);
            is_new
        });
        let latest = match self.spec.base {
            BaseFrom::Latest => Some(name),
            BaseFrom::Service | BaseFrom::File(_) => None,
        };
        // The newest is most often what the services run.
        let asked = latest.map_or_else(|| current.clone(), |name| vec![name]);
        let describing = asked
            .into_iter()
            .map(|asked| self.ecs.describe_task_definition(asked));
        // The oldest that a service runs.
        let set_to = current
            .iter()
            .filter_map(|arn| Revision::parse(arn).ok())
            .min_by_key(Revision::number);
        let (described, before, known) = tokio::join!(
            few_at_once(describing),
            self.predecessor(set_to.as_ref()),
            self.listed(name)
        );
        let wrong = |error: CallError| self.of_call(&about, &error, false);
        let described: Result<Vec<Described>, CallError> = described.into_iter().collect();
        let mut described = described.map_err(wrong)?;
        let mut known = known.map_err(wrong)?;
        known.add_looked(before.map_err(wrong)?);
        let latest = latest.and_then(|_| described.pop());
        if let Some(latest) = &latest {
            known.add(latest, self.job);
            let others = current.iter().map(|arn| async move {
                if *arn == latest.arn() {
                    Ok(latest.clone())
                } else {
                    self.ecs.describe_task_definition(arn).await
                }
            });
            let others: Result<Vec<Described>, CallError> =
                few_at_once(others).await.into_iter().collect();
            described = others.map_err(wrong)?;
        }
        for one in &described {
            known.add(one, self.job);
        }
        let newest = known.newest();
        let set_to = set_to.map_or(0, |revision| revision.number());
        let own = self.own_revisions(name, known, set_to).await;
        let own = own.map_err(wrong)?;
        let base = match (&self.spec.base, latest, file) {
            (BaseFrom::Latest, Some(latest), _) => Base::of_revision(latest),
            (BaseFrom::File(path), _, Some(file)) => {
                let tags = described
                    .first()
                    .map_or_else(Vec::new, |one| one.tags.clone());
                of_file(path, name, file, tags)
            }
            _ => Base::of_revision(self.run_by_all(&services, &described)?),
        };
        Ok(Seen {
            name: name.to_owned(),
            current: described,
            base,
            newest,
            own,
        })
    }

    /// The revision that the services of one family run: the base, unless this job has set some of
    /// them to its own already.
    fn run_by_all(
        &self,
        services: &[&(Target, ServiceDescribed)],
        described: &[Described],
    ) -> Result<Described, Failure> {
        let is_own = |one: &&Described| one.registered_by_job() == Some(self.job);
        let mut others = described.iter().filter(|one| !is_own(one));
        let base = others.next().or_else(|| described.first());
        let Some(base) = base.cloned() else {
            return Err(Failure::new(
                FailureKind::Job,
                format!("{}: what they run is not known.", self.spec.about()),
            ));
        };
        if others.next().is_none() {
            return Ok(base);
        }
        let run: Vec<String> = services
            .iter()
            .map(|(target, service)| {
                format!(
                    "{target} runs {}",
                    text::last_part(&service.seen.task_definition)
                )
            })
            .collect();
        Err(Failure::new(
            FailureKind::Configuration,
            format!(
                "{}: they share a family and are to get one new revision, made from what they run, but run different ones: set BaseRevision to latest, or deploy them one by one.",
                text::listed(&run)
            ),
        ))
    }

    /// The families with what is known only once their registrations are: what an earlier delivery
    /// has left, and whether the images exist. With them what should be known of it.
    async fn families(
        &self,
        seen: Vec<Seen>,
        registrations: Vec<Registration>,
    ) -> (Result<Vec<Family>, Failure>, Vec<String>) {
        let verifying = registrations.iter().map(|one| self.verify_images(one));
        let verified = few_at_once(verifying).await;
        let about = self.spec.about();
        let (mut wrong, mut failures, mut warnings) = (Vec::new(), Vec::new(), Vec::new());
        let mut families = Vec::new();
        for ((seen, mut registration), verified) in
            seen.into_iter().zip(registrations).zip(verified)
        {
            wrong.extend(verified.wrong);
            failures.extend(verified.failed);
            warnings.extend(verified.unknown);
            let own = match self.prior(&seen.own, &registration) {
                Prior::Nothing => None,
                Prior::Revision(own) => Some(own),
                Prior::Over(own) => {
                    failures.push(self.failed_before(&own));
                    continue;
                }
            };
            registration.pin(&verified.digests);
            families.push(Family {
                newest: seen.newest,
                current: seen
                    .current
                    .into_iter()
                    .next()
                    .unwrap_or_else(|| seen.base.described.clone()),
                name: seen.name,
                base: seen.base,
                registration,
                own,
            });
        }
        if !wrong.is_empty() {
            wrong.sort();
            wrong.dedup();
            let kind = FailureKind::Configuration;
            let failure = Failure::of_problems(kind, &format!("{about}: "), &wrong);
            return (Err(failure), warnings);
        }
        let families = if failures.is_empty() {
            Ok(families)
        } else {
            Err(several(&failures))
        };
        (families, warnings)
    }

    /// What the `own` revisions of this job, oldest first, mean for what is to be registered.
    fn prior(&self, own: &[Described], registration: &Registration) -> Prior {
        prior::prior(own, |described| {
            described.runs_what(registration, self.spec.pin_digests)
        })
    }

    /// A revision of this job that is not ACTIVE any more was registered by a delivery that failed.
    /// Its job is answered; to deploy now would be a deployment that nobody is told of.
    pub(super) fn failed_before(&self, own: &str) -> Failure {
        Failure::new(
            FailureKind::Job,
            format!(
                "{}: this job has failed before; {}, which it had registered, was deregistered. Nothing was changed by this invocation: start the action again.",
                self.spec.about(),
                text::last_part(own)
            ),
        )
    }

    /// Some ends are told by service deployments alone: better refused now than not seen.
    async fn check_followable(
        &self,
        services: &[(Target, ServiceDescribed)],
    ) -> Result<(), Failure> {
        // After the task before the deployment only they tell whether a service was set already.
        let needed = services.iter().filter(|(_, service)| {
            !service.seen.is_told_by_rollout_state() || self.spec.pre_deploy.is_some()
        });
        let asking = needed.map(|(target, service)| async move {
            self.look_at_service_deployments(target, service)
                .await
                .map_err(|error| self.of_call(&target.to_string(), &error, false))
        });
        all(few_at_once(asking).await).map(drop)
    }

    /// Makes each call that following a service deployment takes, on the newest one that there is.
    async fn look_at_service_deployments(
        &self,
        target: &Target,
        service: &ServiceDescribed,
    ) -> Result<(), CallError> {
        let listed = self.ecs.newest_service_deployments(target, 1).await?;
        let newest = listed.into_iter().next();
        let (deployment, revision) = newest.map_or_else(
            || (service.current_service_deployment.clone(), None),
            |newest| (Some(newest.arn), newest.target_revision),
        );
        // There need not be any yet, and one that does not exist tells as much.
        let made_up = |kind: &str, id: &str| {
            let (before, path) = service.seen.arn.split_once(":service/")?;
            let path = path.split_once('/').map(|_| path)?;
            Some(format!("{before}:{kind}/{path}/{id}"))
        };
        let is_made_up = (deployment.is_none(), revision.is_none());
        let deployment =
            deployment.or_else(|| made_up("service-deployment", NO_SERVICE_DEPLOYMENT));
        let revision = revision.or_else(|| made_up("service-revision", NO_SERVICE_REVISION));
        let revisions: Vec<String> = revision.into_iter().collect();
        let (deployment, revisions) = tokio::join!(
            async {
                match &deployment {
                    Some(arn) => self.ecs.describe_service_deployment(arn).await.map(drop),
                    None => Ok(()),
                }
            },
            self.ecs.task_definitions_of(&revisions)
        );
        // How ECS answers for one that never was is not documented: only a refusal tells.
        let or_no_answer = |looked: Result<(), CallError>, is_made_up: bool| match looked {
            Err(error) if is_made_up && error.class == Class::Unavailable => Ok(()),
            looked => looked,
        };
        let deployment = or_no_answer(deployment, is_made_up.0);
        let revisions = or_no_answer(revisions.map(drop), is_made_up.1);
        may_look(deployment, is_made_up.0, NO_SERVICE_DEPLOYMENT)?;
        may_look(revisions, is_made_up.1, NO_SERVICE_REVISION)
    }

    /// The end of the task before the deployment is told by `DescribeTasks` alone.
    async fn check_task_visible(
        &self,
        services: &[(Target, ServiceDescribed)],
    ) -> Result<(), Failure> {
        if self.spec.pre_deploy.is_none() {
            return Ok(());
        }
        // Which of the services it takes its cluster from is decided later.
        let clusters = text::once(services.iter().map(|(target, _)| target.cluster.clone()));
        let asking = clusters.iter().map(|cluster| async move {
            let looked = self.ecs.describe_task(cluster, NO_TASK).await.map(drop);
            may_look(looked, true, NO_TASK)
                .map_err(|error| self.of_call(&self.spec.about(), &error, false))
        });
        all(few_at_once(asking).await).map(drop)
    }

    /// What ECS would refuse once the revision is registered and the task before the deployment has
    /// run. A revision that differs from what the service runs in its images alone fits as that does.
    fn check_fit(
        &self,
        services: &[(Target, ServiceDescribed)],
        places: &[usize],
        registrations: &[Registration],
    ) -> Result<(), Failure> {
        if self.spec.base == BaseFrom::Service {
            return Ok(());
        }
        let mut problems = Vec::new();
        for ((target, service), place) in services.iter().zip(places) {
            let Some(registration) = registrations.get(*place) else {
                continue;
            };
            let misfits = fit::misfits(&service.needs, &registration.body);
            problems.extend(misfits.iter().map(|misfit| format!("{target}: {misfit}")));
        }
        if problems.is_empty() {
            return Ok(());
        }
        let what = match &self.spec.base {
            BaseFrom::File(path) => path.clone(),
            BaseFrom::Latest | BaseFrom::Service => {
                "the family's newest revision (BaseRevision is latest)".to_owned()
            }
        };
        Err(Failure::of_problems(
            FailureKind::Configuration,
            &format!("{what} does not fit: "),
            &problems,
        ))
    }

    fn check_pre_deploy(&self, registrations: &[Registration]) -> Result<(), Failure> {
        let Some(PreDeployTask { container, .. }) = &self.spec.pre_deploy else {
            return Ok(());
        };
        if registrations.iter().any(|one| one.has_container(container)) {
            return Ok(());
        }
        let known: Vec<String> = registrations
            .iter()
            .map(|one| format!("{} of {}", one.containers_listed(), one.family()))
            .collect();
        Err(Failure::new(
            FailureKind::Configuration,
            format!(
                "{}: PreDeployTask names the container '{container}', which the new revision does not have; its containers are {}.",
                self.spec.about(),
                text::listed(&known)
            ),
        ))
    }

    fn note_dropped(&self, files: &Files) {
        if let (Some(file), BaseFrom::File(path)) = (&files.task_definition, &self.spec.base)
            && !file.dropped.is_empty()
        {
            self.warn(format!(
                "{path}: {} left out, which only ECS writes",
                text::listed(&file.dropped)
            ));
        }
    }

    /// Refuses before anything is changed what could not be remembered between invocations.
    fn check_token_fits(&self, plan: &Plan) -> Result<(), Failure> {
        let about = self.spec.about();
        // As long as ECS makes them: a family's next numbers, 20 digits, 32 characters.
        let longest = |family: &str| Revision::parse(&format!("{family}:9999999"));
        let services: Result<Vec<Service>, _> = plan
            .services
            .iter()
            .map(|planned| {
                let revision = longest(&plan.families[planned.family].name)?;
                Ok(Service {
                    overwrote: true,
                    ours: Ours::Named {
                        deployment: format!("ecs-svc/{}", u64::MAX),
                        service_deployment: Some("x".repeat(32)),
                    },
                    ..Service::untouched(planned.target.clone(), revision, None)
                })
            })
            .collect();
        let services = services.map_err(|wrong: crate::deploy::revision::NotARevision| {
            Failure::new(FailureKind::Job, format!("{about}: {wrong}."))
        })?;
        let longest = Deployment {
            job: self.job.to_owned(),
            started: self.now(),
            // The longest of the stages.
            stage: Stage::RollingBack(Rollback {
                owner: Owner::Job,
                since: self.now(),
                failed: services.len().saturating_sub(1),
                cause: String::new(),
                is_explained: false,
            }),
            services,
            config_pin: self.config_pin.clone(),
            is_from_token: false,
        };
        token::encode(&longest).map(drop).map_err(|large| {
            Failure::new(
                FailureKind::Configuration,
                format!("{about}: {large}. Nothing was changed."),
            )
        })
    }

    /// Registers and updates, as far as an earlier delivery of this job has not.
    async fn perform(&self, plan: &Plan) -> Result<Deployment, Refused> {
        let mut cleanup = Cleanup::default();
        let performed = match Box::pin(self.registered(plan, &mut cleanup)).await {
            Ok(registered) => Box::pin(self.begin(plan, registered)).await,
            Err(failure) => Err(Refused::from(failure)),
        };
        match performed {
            Ok(deployment) => {
                self.duplicates().extend(cleanup.duplicates);
                Ok(deployment)
            }
            Err(mut refused) => {
                refused.cleanup.unused.extend(cleanup.unused);
                refused.cleanup.duplicates.extend(cleanup.duplicates);
                Err(refused)
            }
        }
    }

    /// Begins with the revisions of each family, each with whether this delivery has registered it.
    async fn begin(
        &self,
        plan: &Plan,
        registered: Vec<(String, bool)>,
    ) -> Result<Deployment, Refused> {
        let mut targets = Vec::new();
        for planned in &plan.services {
            let (own, is_fresh) = &registered[planned.family];
            let seen = &planned.service.seen;
            let wrong = |wrong| {
                let target = &planned.target;
                Failure::new(
                    FailureKind::Job,
                    format!("{target}: registered, but {wrong}. The service was not changed."),
                )
            };
            let revision = Revision::parse(own).map_err(wrong)?;
            let set_to = Revision::parse(&seen.task_definition).map_err(wrong)?;
            targets.push(TargetService {
                target: planned.target.clone(),
                previous: Some(set_to).filter(|set_to| *set_to != revision),
                revision,
                served: None,
                own: own.clone(),
                seen: seen.clone(),
                seen_at: plan.seen_at,
                is_fresh: *is_fresh,
            });
        }
        let Some(asked) = &self.spec.pre_deploy else {
            return Box::pin(self.check_and_set(self.job, targets)).await;
        };
        let has_it = |planned: &Planned| {
            let family = &plan.families[planned.family];
            family.registration.has_container(&asked.container)
        };
        let service = plan.services.iter().position(has_it).unwrap_or(0);
        let planned = &plan.services[service];
        let task = ToRun {
            asked,
            service,
            settings: &planned.service.settings,
            volumes: plan.families[planned.family]
                .registration
                .volumes_at_launch(),
        };
        Box::pin(self.run_first(task, targets)).await
    }

    /// The ARN of each family's revision of this job, and whether this delivery has registered it, so
    /// that no other can have deployed it.
    async fn registered(
        &self,
        plan: &Plan,
        cleanup: &mut Cleanup,
    ) -> Result<Vec<(String, bool)>, Failure> {
        let registering = plan.families.iter().map(|family| async {
            match &family.own {
                Some(own) => Ok((own.clone(), false)),
                None => self.register(family).await,
            }
        });
        let registered = few_at_once(registering).await;
        // If one cannot be had, the others' are of no use to anybody.
        let made: Vec<String> = plan
            .families
            .iter()
            .zip(&registered)
            .filter(|(family, _)| family.own.is_none())
            .filter_map(|(_, made)| Some(made.as_ref().ok()?.0.clone()))
            .collect();
        let registered: Result<Vec<(String, bool)>, Failure> = registered.into_iter().collect();
        let mut revisions = Vec::new();
        let of_families = match registered {
            Ok(registered) => plan.families.iter().zip(registered),
            Err(failure) => {
                cleanup.unused.extend(made);
                return Err(failure);
            }
        };
        for (family, (arn, is_fresh)) in of_families {
            if family.own.is_some() {
                revisions.push((arn, false));
                continue;
            }
            let first = self.first_of_job(family, &arn).await;
            if first.as_ref().is_ok_and(|first| *first != arn) || matches!(&first, Err((_, true))) {
                cleanup.duplicates.push(arn.clone());
            }
            match first {
                Ok(first) => {
                    let is_kept = first == arn;
                    revisions.push((first, is_fresh && is_kept));
                }
                Err((failure, _)) => {
                    cleanup.unused.extend(made);
                    return Err(failure);
                }
            }
        }
        Ok(revisions)
    }

    /// Registers a family's new revision; returns its ARN, and whether ECS has answered this delivery
    /// with it: one that was found may be another delivery's.
    ///
    /// # Replay
    /// An attempt whose outcome is unknown is looked for by the job's tag before the next.
    async fn register(&self, family: &Family) -> Result<(String, bool), Failure> {
        enum Why {
            Call(CallError),
            FailedBefore(String),
        }
        let attempt = || async {
            match self.ecs.register(&family.registration.body).await {
                Ok(arn) => Attempt::Made((arn, true)),
                Err(error) => match error.class {
                    Class::Unavailable => Attempt::Unknown(Why::Call(error)),
                    Class::Throttled => Attempt::NotNow(Why::Call(error)),
                    _ => Attempt::Never(Why::Call(error)),
                },
            }
        };
        let look = || async {
            match self.own_revisions_after(&family.name, family.newest).await {
                Ok(found) => match self.prior(&found, &family.registration) {
                    Prior::Revision(arn) => Looked::Made((arn, false)),
                    Prior::Over(arn) => Looked::Stop(Some(Why::FailedBefore(arn))),
                    Prior::Nothing => Looked::NotMade,
                },
                Err(error) => Looked::Stop(Some(Why::Call(error))),
            }
        };
        let clock = self.engine.clock.as_ref();
        let made = once::make(clock, once::Look::IfUnknown, attempt, look).await;
        made.map_err(
            |not_made| match not_made.forbidden.unwrap_or(not_made.reason) {
                Why::Call(error) => self.of_call(&self.spec.about(), &error, not_made.is_unknown),
                Why::FailedBefore(arn) => self.failed_before(&arn),
            },
        )
    }

    /// Of several revisions of this job the first: two deliveries at once have each registered one
    /// before they could see the other's. `own` is deregistered if it is not that one.
    ///
    /// # Replay
    /// ECS numbers revisions in the order of their registration, so all deliveries choose the same.
    ///
    /// # Errors
    /// The failure to answer with, and whether `own` is a duplicate: who cannot see whether another delivery
    /// came first must not deploy, for it might be for the second time.
    async fn first_of_job(&self, family: &Family, own: &str) -> Result<String, (Failure, bool)> {
        let is_next = Revision::parse(own)
            .is_ok_and(|one| one.number().checked_sub(1) == Some(family.newest));
        if is_next {
            // ECS counts: nobody came between.
            return Ok(own.to_owned());
        }
        let found = self.own_revisions_after(&family.name, family.newest).await;
        let found = found.map_err(|error| {
            let about = format!(
                "{}: {} is registered, and whether another delivery of this job has registered one before it cannot be seen; no service was changed",
                self.spec.about(),
                text::last_part(own)
            );
            (self.of_call(&about, &error, true), false)
        })?;
        match self.prior(&found, &family.registration) {
            Prior::Revision(first) if first != own => Ok(first),
            Prior::Over(first) if first != own => Err((self.failed_before(&first), true)),
            // Lists may lag behind: it is there all the same.
            Prior::Nothing | Prior::Revision(_) | Prior::Over(_) => Ok(own.to_owned()),
        }
    }

    /// What would be done, with nothing done.
    fn dry_run(&self, plan: &Plan) -> Report {
        let families = plan.families.iter().map(|family| {
            let mut old = family.current.registrable();
            old.insert("tags".to_owned(), Value::Array(family.current.tags.clone()));
            FamilyPlan {
                name: family.name.clone(),
                base: family.base.name.clone(),
                changes: crate::deploy::diff::changes(&old, &family.registration.body),
                images: family.registration.changes.clone(),
                roles: family
                    .registration
                    .roles()
                    .into_iter()
                    .map(|(member, arn)| (member.to_owned(), arn.to_owned()))
                    .collect(),
                verified: if self.spec.verify_images {
                    family.registration.new_images()
                } else {
                    Vec::new()
                },
            }
        });
        let services = plan.services.iter().map(|planned| ServicePlan {
            target: planned.target.to_string(),
            runs: text::last_part(&planned.service.seen.task_definition).to_owned(),
            strategy: planned
                .service
                .seen
                .strategy
                .clone()
                .unwrap_or_else(|| "ROLLING".to_owned()),
            desired: planned.service.seen.desired,
            family: planned.family,
        });
        let asked = plan::Plan {
            families: families.collect(),
            services: services.collect(),
            pre_deploy: self.spec.pre_deploy.as_ref().map(|task| plan::TaskPlan {
                container: task.container.clone(),
                command: task.command.join(" "),
                limit: human(task.timeout),
            }),
            scheduled: plan.scheduled.iter().map(ToString::to_string).collect(),
            keep_revisions: self.spec.keep_revisions,
            rollback: self.spec.rollback,
            limit: human(self.spec.timeout),
        };
        Report::of_dry_run(self.spec, &asked)
    }
}

/// What a call has told that was made to see whether it may be made. Of a thing that does not exist
/// nothing else is told; `made_up` is its name, which no statement should have.
fn may_look(
    looked: Result<(), CallError>,
    is_made_up: bool,
    made_up: &str,
) -> Result<(), CallError> {
    match looked {
        Err(mut error) if is_made_up => match error.class {
            Class::Missing | Class::Refused => Ok(()),
            _ => {
                error.detail = error.detail.replace(made_up, "*");
                error.subject = error.subject.replace(made_up, "*");
                Err(error)
            }
        },
        looked => looked,
    }
}

/// A file as base of the family `name`, whose tags are the file's, else those that it has.
fn of_file(path: &str, name: &str, file: &TaskDefinitionFile, tags: Vec<Value>) -> Base {
    let mut fields = file.fields.clone();
    fields
        .entry("family".to_owned())
        .or_insert_with(|| Value::String(name.to_owned()));
    Base {
        described: Described {
            task_definition: fields,
            tags: file.tags.clone().unwrap_or(tags),
        },
        name: path.to_owned(),
        is_file: true,
    }
}

/// What cannot be pointed at another revision is told before anything is changed.
fn check_pointable(about: &str, found: &[Scheduled]) -> Result<(), Failure> {
    let stuck: Vec<String> = found
        .iter()
        .filter(|one| one.is_stuck())
        .map(|one| {
            format!(
                "{one} names its task definition in a way that cannot be replaced alone: write it once in the target's input, as family:revision"
            )
        })
        .collect();
    if stuck.is_empty() {
        return Ok(());
    }
    let kind = FailureKind::Configuration;
    Err(Failure::of_problems(kind, &format!("{about}: "), &stuck))
}

/// The families of the services, each once, and each service's place among them.
fn families_of(
    services: &[(Target, ServiceDescribed)],
) -> Result<(Vec<String>, Vec<usize>), Failure> {
    let mut names: Vec<String> = Vec::new();
    let mut places = Vec::new();
    for (target, service) in services {
        let revision = Revision::parse(&service.seen.task_definition)
            .map_err(|wrong| Failure::new(FailureKind::Job, format!("{target}: {wrong}.")))?;
        let place = names.iter().position(|name| name == revision.family());
        places.push(place.unwrap_or(names.len()));
        if place.is_none() {
            names.push(revision.family().to_owned());
        }
    }
    Ok((names, places))
}

/// All of them, or all that failed as one.
fn all<T>(results: Vec<Result<T, Failure>>) -> Result<Vec<T>, Failure> {
    let mut made = Vec::new();
    let mut failures = Vec::new();
    for result in results {
        match result {
            Ok(one) => made.push(one),
            Err(failure) => failures.push(failure),
        }
    }
    if failures.is_empty() {
        Ok(made)
    } else {
        Err(several(&failures))
    }
}

fn several(failures: &[Failure]) -> Failure {
    Failure::together(failures)
        .unwrap_or_else(|| Failure::new(FailureKind::Job, "The start failed without a reason."))
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
