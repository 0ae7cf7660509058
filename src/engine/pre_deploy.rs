//! The task before the deployment: started once, followed through tokens, then the services.

use super::at_once::few_at_once;
use super::ours::Claim;
use super::roll_out::{Member, own_of};
use super::start::{MAKING_ATTEMPTS, MAKING_PAUSE, Plan};
use super::{Stage, Step};
use crate::aws::ecs::{Ran, ServiceDescribed, TaskDescribed, TaskToRun};
use crate::deploy::call::{CallError, Class};
use crate::deploy::decide::{self, ROLLBACK_ALLOWANCE, TaskDecision, TaskVerdict};
use crate::deploy::evidence::Evidence;
use crate::deploy::failure::{Failure, FailureKind};
use crate::deploy::outcome::Outcome;
use crate::deploy::phase::{Phase, ServiceRollout};
use crate::deploy::pre_deploy::{self, Ended, NotPlaced};
use crate::deploy::revision::Revision;
use crate::deploy::rollout::CONSISTENCY_GRACE;
use crate::deploy::spec::{PreDeployTask, Target};
use crate::deploy::text;
use crate::deploy::time::{Timestamp, spoken};
use crate::explain;
use crate::report::{self, Report};

/// What ECS takes of each
/// (<https://docs.aws.amazon.com/AmazonECS/latest/APIReference/API_RunTask.html>).
const CLIENT_TOKEN_LIMIT: usize = 64;
const STARTED_BY_LIMIT: usize = 128;

/// How a look at the task came out.
struct Seen {
    verdict: TaskVerdict,
    /// Why it could not be seen, if it could not, and whether that may pass.
    unseen: Option<(String, bool)>,
    /// It is over, with all of its containers.
    is_over: bool,
    end: Option<crate::deploy::evidence::StoppedTask>,
    /// ECS shows it as the one that this job started.
    is_ours: bool,
    /// ECS shows it, and this job did not start it.
    not_ours: Option<String>,
}

impl Step<'_> {
    /// Runs the task on the new revision; the services come when it has succeeded.
    ///
    /// # Replay
    /// ECS runs one task for a job, however often it is asked. A job that came to the services
    /// before does not ask.
    pub(super) async fn run_first(
        &mut self,
        task: &PreDeployTask,
        plan: &Plan,
        members: Vec<Member>,
    ) -> Result<Phase, Failure> {
        if self.came_to_the_services(&members).await? {
            let job = self.job;
            let set = Box::pin(self.roll_out(job, members)).await;
            return set.map_err(|failure| self.after_task(failure));
        }
        let about = self.spec.about();
        let has_it = |family: usize| {
            let family = plan.families.get(family);
            family.is_some_and(|family| family.registration.has_container(&task.container))
        };
        let service = plan
            .services
            .iter()
            .position(|planned| has_it(planned.family))
            .unwrap_or(0);
        let member = &members[service];
        let volumes = plan
            .services
            .get(service)
            .and_then(|planned| plan.families.get(planned.family))
            .map_or_else(Vec::new, |family| family.registration.volumes_at_launch());
        let started = self.now();
        let ran = self.run_as_soon_as_placed(task, member, &volumes).await;
        let (failure, is_unknown) = match ran {
            Ok(Ran::Task(arn)) => {
                tracing::info!(job = self.job, task = arn, "the task before the deployment");
                return Ok(Phase::PreDeploy {
                    job: self.job.to_owned(),
                    started,
                    task: text::last_part(&arn).to_owned(),
                    service,
                    services: members.iter().map(Member::untouched).collect(),
                });
            }
            Ok(Ran::NotPlaced(reasons)) => {
                let what = NotPlaced::of(&reasons).sentence(&member.revision);
                (
                    Failure::new(FailureKind::Job, format!("{about}: {what}")),
                    false,
                )
            }
            Err(error) => {
                let is_unknown = error.class == Class::Unavailable;
                (self.of_call(&about, &error, is_unknown), is_unknown)
            }
        };
        // A task that was started all the same goes on: ECS lets it keep its revision.
        self.cleanup.unused.extend(own_of(&members));
        Err(Failure::new(
            failure.kind,
            format!(
                "{}. The task before the deployment {}. No service was changed.",
                failure.message.trim_end_matches('.'),
                if is_unknown {
                    "may have been started all the same"
                } else {
                    "was not started"
                }
            ),
        ))
    }

    /// Runs the task, again and again as long as ECS only lacks the room for it.
    ///
    /// # Replay
    /// All attempts have one client token: ECS runs one task for it.
    async fn run_as_soon_as_placed(
        &self,
        task: &PreDeployTask,
        member: &Member,
        volumes: &[String],
    ) -> Result<Ran, CallError> {
        let mut pause = MAKING_PAUSE;
        let mut attempt = 1;
        loop {
            let ran = self
                .ecs
                .run_task(TaskToRun {
                    cluster: &member.target.cluster,
                    task_definition: &member.own,
                    settings: &member.service.settings,
                    container: &task.container,
                    command: &task.command,
                    client_token: &client_token(self.job),
                    started_by: &started_by(self.job),
                    volumes,
                })
                .await;
            let ran = match ran {
                // The account's quota of Fargate tasks is an error, and its room comes back, too.
                Err(error) if NotPlaced::is_quota(&error.detail) => {
                    Ran::NotPlaced(vec![error.detail])
                }
                ran => ran?,
            };
            let may_pass = match &ran {
                Ran::Task(_) => false,
                Ran::NotPlaced(reasons) => NotPlaced::of(reasons).may_pass(),
            };
            if !may_pass || attempt == MAKING_ATTEMPTS {
                return Ok(ran);
            }
            if let Ran::NotPlaced(reasons) = &ran {
                tracing::info!(job = self.job, ?reasons, "no room for the task yet");
            }
            self.engine.clock.sleep(pause).await;
            pause *= 2;
            attempt += 1;
        }
    }

    /// A failure that comes after the task before the deployment, if there was one: that it ran
    /// is said, for nobody takes back what it did.
    pub(super) fn after_task(&self, failure: Failure) -> Failure {
        match &self.spec.pre_deploy {
            None => failure,
            Some(task) => pre_deploy::after_task(failure, &task.container),
        }
    }

    /// Whether an earlier delivery of this job has set one of the services already.
    async fn came_to_the_services(&self, members: &[Member]) -> Result<bool, Failure> {
        for member in members {
            if member.service.seen.task_definition == member.own {
                return Ok(true);
            }
            if member.is_fresh {
                continue;
            }
            let before = self.deployed_before(&member.target, &member.own).await;
            match before {
                Ok(None) => {}
                Ok(Some(_)) => return Ok(true),
                Err(error) => {
                    return Err(self.of_call(&member.target.to_string(), &error, true));
                }
            }
        }
        Ok(false)
    }

    /// Follows the task until it ends, or until `until` has come.
    ///
    /// # Errors
    /// The report to end the invocation with, if the services are not to be set now.
    pub(super) async fn follow_task(
        &mut self,
        phase: Phase,
        until: Timestamp,
    ) -> Result<Phase, Box<Report>> {
        let Phase::PreDeploy {
            started,
            task,
            service,
            services,
            ..
        } = &phase
        else {
            return Ok(phase);
        };
        let Some(asked) = self.spec.pre_deploy.clone() else {
            let failure = Failure::new(
                FailureKind::Job,
                format!(
                    "{}: a task before the deployment is under way, and the parameters do not name one any more. It was left alone, and no service was changed.",
                    self.spec.about()
                ),
            );
            return Err(self.ended(&phase, failure));
        };
        let deadline = *started + asked.timeout;
        let mut is_ours = self.job_of_token.is_none();
        loop {
            let seen = self
                .look_at_task(&asked, &phase, *service, task, *started)
                .await;
            let now = self.now();
            is_ours |= seen.is_ours;
            if let Some(why) = &seen.not_ours {
                let failure = Failure::new(
                    FailureKind::Job,
                    format!(
                        "{}: {why}. It was left alone, and no service was changed.",
                        self.spec.about()
                    ),
                );
                return Err(self.ended(&phase, failure));
            }
            tracing::info!(
                job = self.job,
                task,
                verdict = seen.verdict.name(),
                "looked at the task"
            );
            if let Some((why, false)) = &seen.unseen {
                // Who may not look will never see its end. It is not stopped: it may be half-way
                // through what it does.
                let ended = Ended::Unseen { why, asked: false };
                let evidence = Evidence::default();
                return Err(self.task_failed(&phase, &asked, ended, &evidence).await);
            }
            match decide::during_pre_deploy(&seen.verdict, deadline, now) {
                TaskDecision::GoOn => {
                    if !seen.is_over {
                        // Its other containers have nothing to do any more.
                        self.stop_the_rest(*service, task).await;
                    }
                    return self.go_on(&phase, services, deadline).await;
                }
                TaskDecision::Fail => {
                    let ended = match seen.verdict {
                        TaskVerdict::Gone => Ended::Gone,
                        _ => Ended::Failed,
                    };
                    if !seen.is_over && matches!(ended, Ended::Failed) {
                        self.stop_the_rest(*service, task).await;
                    }
                    let evidence = self
                        .task_evidence(&asked, seen.end.as_ref(), &services[*service])
                        .await;
                    return Err(self.task_failed(&phase, &asked, ended, &evidence).await);
                }
                // Only the token says that it is this job's.
                TaskDecision::Stop if !is_ours => {
                    let why = match &seen.unseen {
                        Some((why, _)) => why,
                        None => "ECS does not show it",
                    };
                    let ended = Ended::Unseen { why, asked: false };
                    let evidence = Evidence::default();
                    return Err(self.task_failed(&phase, &asked, ended, &evidence).await);
                }
                TaskDecision::Stop => {
                    let limit = spoken(asked.timeout);
                    let reason = format!("ecs-deploy-action: not complete within {limit}");
                    let cluster = &self.spec.targets[*service].cluster;
                    let stopped = self.ecs.stop_task(cluster, task, &reason).await;
                    let why = stopped.err().map(|error| self.words(&error));
                    let evidence = self
                        .task_evidence(&asked, seen.end.as_ref(), &services[*service])
                        .await;
                    let ended = match &seen.unseen {
                        Some((unseen, _)) => Ended::Unseen {
                            why: unseen,
                            asked: true,
                        },
                        None => Ended::Late {
                            limit: &limit,
                            not_stopped: why.as_deref(),
                        },
                    };
                    return Err(self.task_failed(&phase, &asked, ended, &evidence).await);
                }
                TaskDecision::KeepWatching => {}
            }
            if now + super::watch::LOOK_INTERVAL > until {
                let outcome = self.handed_back(&phase, &[], now);
                return Err(self.report(&phase, outcome));
            }
            self.engine.clock.sleep(super::watch::LOOK_INTERVAL).await;
        }
    }

    async fn look_at_task(
        &mut self,
        asked: &PreDeployTask,
        phase: &Phase,
        service: usize,
        task: &str,
        started: Timestamp,
    ) -> Seen {
        let cluster = &self.spec.targets[service].cluster;
        match self.ecs.describe_task(cluster, task).await {
            Ok(Some(described)) => {
                let not_ours = not_started_by(phase, service, &described);
                Seen {
                    verdict: pre_deploy::verdict(
                        &described.status,
                        &described.end,
                        &asked.container,
                    ),
                    unseen: None,
                    is_over: described.status == "STOPPED",
                    end: Some(described.end),
                    is_ours: not_ours.is_none(),
                    not_ours,
                }
            }
            Ok(None) => Seen {
                // It may not be shown yet.
                verdict: if self.now().since(started) < CONSISTENCY_GRACE {
                    TaskVerdict::Running
                } else {
                    TaskVerdict::Gone
                },
                unseen: None,
                is_over: false,
                end: None,
                is_ours: false,
                not_ours: None,
            },
            Err(error) => {
                let words = self.words(&error);
                self.warn(format!(
                    "the task before the deployment could not be seen: {words}"
                ));
                Seen {
                    verdict: TaskVerdict::Running,
                    unseen: Some((words, !error.is_denial())),
                    is_over: false,
                    end: None,
                    is_ours: false,
                    not_ours: None,
                }
            }
        }
    }

    async fn stop_the_rest(&mut self, service: usize, task: &str) {
        let cluster = &self.spec.targets[service].cluster;
        let reason = "ecs-deploy-action: the container that was waited for has ended";
        if let Err(error) = self.ecs.stop_task(cluster, task, reason).await {
            self.warn(format!(
                "the other containers of the task before the deployment may still run: {}",
                self.words(&error)
            ));
        }
    }

    /// The task has succeeded: the services, which nobody else may have set meanwhile.
    async fn go_on(
        &mut self,
        phase: &Phase,
        services: &[ServiceRollout],
        deadline: Timestamp,
    ) -> Result<Phase, Box<Report>> {
        let mut members = Vec::new();
        for (target, rollout) in self.spec.targets.iter().zip(services) {
            let service = match self.active_service(target).await {
                Ok(Ok(service)) => service,
                Ok(Err(failure)) => {
                    self.give_up_revisions(phase).await;
                    return Err(self.ended(phase, self.after_task(failure)));
                }
                Err(error) => return Err(self.not_yet(phase, target, &error, deadline).await),
            };
            match self.claim(rollout, &service.seen).await {
                Claim::Ours => {}
                Claim::NotOurs(why) => {
                    self.give_up_revisions(phase).await;
                    let failure = Failure::new(
                        FailureKind::Job,
                        format!("{target}: {why}. No service was changed."),
                    );
                    return Err(self.ended(phase, failure));
                }
                Claim::Unseen(error) => {
                    return Err(self.not_yet(phase, target, &error, deadline).await);
                }
            }
            let own = rollout.revision.arn_beside(&service.seen.task_definition);
            if service.seen.task_definition != own && self.inactive.contains(&rollout.revision) {
                let failure = self.failed_before(&own);
                return Err(self.ended(phase, self.after_task(failure)));
            }
            members.push(Member {
                target: target.clone(),
                revision: rollout.revision.clone(),
                own,
                previous: rollout.previous.clone(),
                served: None,
                service,
                seen_at: self.now(),
                is_fresh: false,
            });
        }
        let standings = match self.standings(&mut members).await {
            Ok(standings) => standings,
            Err(unseen) => {
                let target = members[unseen.place].target.clone();
                return Err(self.not_yet(phase, &target, &unseen.error, deadline).await);
            }
        };
        self.reached.set(Stage::Changing);
        match Box::pin(self.roll_out_from(phase.job(), members, standings)).await {
            Ok(phase) => Ok(phase),
            Err(failure) => Err(self.ended(phase, self.after_task(failure))),
        }
    }

    /// The service, or why nothing can be deployed to it: what one look does not show is looked at
    /// once more.
    async fn active_service(
        &self,
        target: &Target,
    ) -> Result<Result<ServiceDescribed, Failure>, CallError> {
        let mut is_first = true;
        loop {
            let seen = self.ecs.describe_service(target).await?;
            let why = match seen {
                Some(service) if service.seen.status == "ACTIVE" => return Ok(Ok(service)),
                _ if is_first => {
                    is_first = false;
                    self.engine.clock.sleep(super::watch::LOOK_INTERVAL).await;
                    continue;
                }
                Some(service) => format!(
                    "the service is {} now, not ACTIVE: nothing can be deployed to it",
                    service.seen.status
                ),
                None => {
                    let region = self.spec.region.as_deref().or(self.engine.aws.region());
                    let missing = explain::of_missing_service(target, region).message;
                    return Ok(Err(Failure::new(FailureKind::Job, missing)));
                }
            };
            return Ok(Err(Failure::new(
                FailureKind::Job,
                format!("{target}: {why}."),
            )));
        }
    }

    /// What must be seen before a service is set cannot be seen: the task has succeeded and stays
    /// so until the next invocation.
    async fn not_yet(
        &mut self,
        phase: &Phase,
        target: &Target,
        error: &CallError,
        deadline: Timestamp,
    ) -> Box<Report> {
        let now = self.now();
        if error.is_denial() || now >= deadline + ROLLBACK_ALLOWANCE {
            let about = format!(
                "{target}: the task before the deployment has succeeded, and the service was not changed"
            );
            let failure = self.of_call(&about, error, true);
            self.give_up_revisions(phase).await;
            return self.ended(phase, failure);
        }
        let words = self.words(error);
        self.warn(format!("{target}: {words}"));
        let outcome = self.handed_back(phase, &[], now);
        self.report(phase, outcome)
    }

    async fn task_evidence(
        &mut self,
        asked: &PreDeployTask,
        end: Option<&crate::deploy::evidence::StoppedTask>,
        rollout: &ServiceRollout,
    ) -> Evidence {
        let mut evidence = Evidence::default();
        let Some(end) = end else {
            return evidence;
        };
        evidence.stopped = vec![pre_deploy::end_of(end, &asked.container)];
        let own = rollout.revision.to_string();
        self.read_log_of(&mut evidence, &own, &end.id, &asked.container)
            .await;
        evidence
    }

    async fn task_failed(
        &mut self,
        phase: &Phase,
        asked: &PreDeployTask,
        ended: Ended<'_>,
        evidence: &Evidence,
    ) -> Box<Report> {
        // Also of a task that may still run, which goes on without it
        // (<https://docs.aws.amazon.com/AmazonECS/latest/developerguide/deregister-task-definition-v2.html>):
        // an ACTIVE one would be deployed if the job's event came again.
        self.give_up_revisions(phase).await;
        let about = self.spec.about();
        let failure = pre_deploy::failed(&about, &asked.container, ended, evidence);
        self.ended(phase, failure)
    }

    /// No service will use the revisions of `phase`, unless one does already. What only the token
    /// says is this job's, and what cannot be seen, stays as it is.
    async fn give_up_revisions(&mut self, phase: &Phase) {
        let looking = self.spec.targets.iter();
        let looking = looking.map(|target| self.ecs.describe_service(target));
        let mut used: Vec<Revision> = Vec::new();
        for looked in few_at_once(looking).await {
            match looked {
                Ok(service) => {
                    used.extend(service.into_iter().flat_map(|one| one.seen.revisions()));
                }
                Err(error) => {
                    let words = self.words(&error);
                    self.warn(format!(
                        "the revision of this job stays ACTIVE, because whether a service uses it cannot be seen: {words}"
                    ));
                    return;
                }
            }
        }
        let services = phase.services().iter();
        let mut own: Vec<&Revision> = services.map(|rollout| &rollout.revision).collect();
        own.sort();
        own.dedup();
        for revision in own.into_iter().filter(|revision| !used.contains(revision)) {
            if let Claim::Ours = self.is_registered_by_job(revision).await {
                self.cleanup.unused.push(revision.to_string());
            }
        }
    }

    fn ended(&self, phase: &Phase, failure: Failure) -> Box<Report> {
        self.report(
            phase,
            Outcome::Failed {
                failure,
                external_execution_id: phase.external_id(),
            },
        )
    }

    fn report(&self, phase: &Phase, outcome: Outcome) -> Box<Report> {
        Box::new(Report {
            services: report::services_of(self.spec, phase),
            ..Report::of(outcome)
        })
    }
}

/// A job's id as it is, if it fits; else what stands for it.
fn client_token(job: &str) -> String {
    if job.len() <= CLIENT_TOKEN_LIMIT && job.is_ascii() {
        job.to_owned()
    } else {
        crate::deploy::token::fingerprint([job])
    }
}

fn started_by(job: &str) -> String {
    let allowed = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '_';
    let job: String = job.chars().filter(|c| allowed(*c)).collect();
    format!("ecs-deploy-action/{job}")
        .chars()
        .take(STARTED_BY_LIMIT)
        .collect()
}

/// Why the task that the token names is none that its job started for the revision that it names,
/// if it is not.
fn not_started_by(phase: &Phase, service: usize, task: &TaskDescribed) -> Option<String> {
    let revision = &phase.services().get(service)?.revision;
    let runs_it = Revision::parse(&task.task_definition).is_ok_and(|runs| runs == *revision);
    let is_started_by_job = task.started_by == started_by(phase.job());
    (!runs_it || !is_started_by_job).then(|| {
        format!(
            "the task {} that the continuation token names was not started by the token's job on {revision} (ECS shows that it runs {}, started by {})",
            task.end.id,
            text::last_part(&task.task_definition),
            if task.started_by.is_empty() {
                "nobody named"
            } else {
                &task.started_by
            }
        )
    })
}
