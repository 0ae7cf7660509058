//! The task before the deployment: started once, followed through tokens, then the services.

use super::roll_out::{Member, own_of};
use super::start::Plan;
use super::{Stage, Step};
use crate::aws::ecs::TaskToRun;
use crate::aws::error::Class;
use crate::deploy::decide::{self, ROLLBACK_ALLOWANCE, TaskDecision, TaskVerdict};
use crate::deploy::evidence::Evidence;
use crate::deploy::failure::Failure;
use crate::deploy::phase::{Phase, ServiceRollout};
use crate::deploy::pre_deploy::{self, Ended};
use crate::deploy::rollout::CONSISTENCY_GRACE;
use crate::deploy::text;
use crate::deploy::time::{Timestamp, spoken};
use crate::explain;
use crate::parameters::PreDeployTask;
use crate::report::{self, Outcome, Report};

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
            return Box::pin(self.roll_out(job, members)).await;
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
        let started = self.now();
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
            })
            .await;
        let arn = match ran {
            Ok(arn) => arn,
            Err(error) => {
                let is_unknown = error.class == Class::Unavailable;
                if !is_unknown {
                    self.afterwards.unused.extend(own_of(&members));
                }
                let failure = self.of_call(&about, &error, is_unknown);
                return Err(Failure::new(
                    failure.kind,
                    format!(
                        "{} The task before the deployment {}. No service was changed.",
                        failure.message,
                        if is_unknown {
                            "may have been started all the same"
                        } else {
                            "was not started"
                        }
                    ),
                ));
            }
        };
        tracing::info!(job = self.job, task = arn, "the task before the deployment");
        Ok(Phase::PreDeploy {
            job: self.job.to_owned(),
            started,
            task: text::last_part(&arn).to_owned(),
            service,
            services: members.iter().map(Member::untouched).collect(),
        })
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
                crate::deploy::failure::FailureKind::Job,
                format!(
                    "{}: a task before the deployment is under way, and the parameters do not name one any more. It was left alone, and no service was changed.",
                    self.spec.about()
                ),
            );
            return Err(self.ended(&phase, failure));
        };
        let deadline = *started + asked.timeout;
        loop {
            let seen = self.look_at_task(&asked, *service, task, *started).await;
            let now = self.now();
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
                return Err(self.task_failed(&phase, &asked, ended, &evidence));
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
                    return Err(self.task_failed(&phase, &asked, ended, &evidence));
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
                    return Err(self.task_failed(&phase, &asked, ended, &evidence));
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
        service: usize,
        task: &str,
        started: Timestamp,
    ) -> Seen {
        let cluster = &self.spec.targets[service].cluster;
        match self.ecs.describe_task(cluster, task).await {
            Ok(Some(described)) => Seen {
                verdict: pre_deploy::verdict(&described.status, &described.end, &asked.container),
                unseen: None,
                is_over: described.status == "STOPPED",
                end: Some(described.end),
            },
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
        let region = self.spec.region.as_deref().or(self.engine.aws.region());
        let mut members = Vec::new();
        for (target, rollout) in self.spec.targets.iter().zip(services) {
            let service = match self.ecs.describe_service(target).await {
                Ok(Some(service)) if service.seen.status == "ACTIVE" => service,
                Ok(_) => {
                    let failure = explain::of_missing_service(target, region);
                    return Err(self.ended(phase, failure));
                }
                Err(error) => {
                    // Cannot look: the task has succeeded and stays so until the next invocation.
                    let now = self.now();
                    if error.is_denial() || now >= deadline + ROLLBACK_ALLOWANCE {
                        let about = format!(
                            "{target}: the task before the deployment has succeeded, and the service was not changed"
                        );
                        let failure = self.of_call(&about, &error, true);
                        return Err(self.ended(phase, failure));
                    }
                    self.warn(format!("{target}: {}", self.words(&error)));
                    let outcome = self.handed_back(phase, &[], now);
                    return Err(self.report(phase, outcome));
                }
            };
            members.push(Member {
                target: target.clone(),
                revision: rollout.revision.clone(),
                own: rollout.revision.arn_beside(&service.seen.task_definition),
                previous: rollout.previous.clone(),
                served: None,
                service,
                seen_at: self.now(),
                is_fresh: false,
            });
        }
        self.reached.set(Stage::Changing);
        match Box::pin(self.roll_out(phase.job(), members)).await {
            Ok(phase) => Ok(phase),
            Err(failure) => Err(self.ended(phase, failure)),
        }
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

    fn task_failed(
        &mut self,
        phase: &Phase,
        asked: &PreDeployTask,
        ended: Ended<'_>,
        evidence: &Evidence,
    ) -> Box<Report> {
        // A task that may still run needs its revision.
        let still_runs = matches!(
            ended,
            Ended::Late {
                not_stopped: Some(_),
                ..
            } | Ended::Gone
                | Ended::Unseen { .. }
        );
        if !still_runs {
            let services = phase.services().iter();
            let own = text::once(services.map(|rollout| rollout.revision.to_string()));
            self.afterwards.unused.extend(own);
        }
        let about = self.spec.about();
        let failure = pre_deploy::failed(&about, &asked.container, ended, evidence);
        self.ended(phase, failure)
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
