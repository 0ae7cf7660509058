//! The first step, as a recipe: observe, draft, verify, settle; then perform. What is decided on the
//! way, and all that a start can be refused for, is in [`plan`] and [`refusal`].

mod followable;
mod observe;
mod perform;
mod register;

use std::sync::atomic::Ordering;
use std::time::Duration;

use super::Run;
use super::refused::Refused;
use crate::aws::ecs::RunSettings;
use crate::deploy::call::CallError;
use crate::deploy::deployment::Deployment;
use crate::deploy::failure::{Failure, FailureKind};
use crate::deploy::machine::Checkpoint;
use crate::deploy::plan::{self, Asked, Observed, Plan};
use crate::deploy::refusal::{self, Refusal};
use crate::deploy::setting;
use crate::deploy::spec::{BaseFrom, Existing, WaitFor};
use crate::deploy::text;
use crate::deploy::time::human;
use crate::deploy::waiting::Waiting;
use crate::deploy::words;
use crate::report::Report;

/// How long an action of CodePipeline may last
/// (<https://docs.aws.amazon.com/codepipeline/latest/userguide/limits.html>).
const ACTION_LASTS: Duration = Duration::from_hours(24);

/// What the start led to.
pub(super) enum Started {
    /// Something is under way.
    Deployment(Box<Deployment>),
    /// Nothing was to be changed.
    DryRun(Box<Report>),
    /// What is asked for serves already.
    Unchanged(Box<Deployment>),
    /// It cannot go on yet.
    Waiting(Waiting),
}

/// What was observed, and what only a call that starts a task needs of it.
struct Seen {
    observed: Observed,
    /// How the tasks of each service are run.
    settings: Vec<RunSettings>,
}

impl Run<'_> {
    /// Starts; tries again while it cannot go on yet, and hands that back when this invocation's time is up.
    ///
    /// # Replay
    /// Each try looks for what the ones before have made.
    ///
    /// # Errors
    /// [`Refused`], also if it has waited until the time limit.
    pub(super) async fn start_patiently(&self, first: &Waiting) -> Result<Started, Refused> {
        let deadline = first.since + self.spec.timeout;
        let mut waiting = first.clone();
        // Who has only chosen has not waited.
        if !waiting.why.is_empty() && waiting.chosen.is_empty() && self.now() >= deadline {
            return Err(self.waited(&waiting));
        }
        let mut tries = 0;
        loop {
            self.last_checkpoint
                .set(Checkpoint::Waiting(waiting.clone()));
            let mut refused = match Box::pin(self.start(&waiting)).await {
                Ok(Started::Deployment(mut deployment)) => {
                    deployment.waited = deployment.started.since(first.since);
                    return Ok(Started::Deployment(deployment));
                }
                Ok(other) => return Ok(other),
                Err(refused) => refused,
            };
            let Some(why) = refused.may_wait.clone() else {
                // What tries before this one have registered is of no use to anybody either.
                let unused = &mut refused.cleanup.unused;
                let is_among = |one: &String| unused.iter().any(|arn| text::last_part(arn) == one);
                waiting.registered.retain(|one| !is_among(one));
                if !refused.may_be_set {
                    unused.extend(waiting.registered);
                }
                return Err(refused);
            };
            self.note_registered(&mut waiting, &refused);
            tracing::info!(job = self.job, why, "the start waits");
            self.has_waited.store(true, Ordering::Relaxed);
            self.duplicates().extend(refused.cleanup.duplicates);
            waiting.why = why;
            waiting.is_busy = refused.failure.kind != FailureKind::SystemUnavailable;
            if self.now() >= deadline {
                return Err(self.waited(&waiting));
            }
            tries += 1;
            let pause = waiting.pause(tries);
            if self.now() + pause > self.times.watch_until {
                self.last_checkpoint
                    .set(Checkpoint::Waiting(waiting.clone()));
                return Ok(Started::Waiting(waiting));
            }
            self.engine.clock.sleep(pause).await;
        }
    }

    /// What a try has registered, and from what.
    fn note_registered(&self, waiting: &mut Waiting, refused: &Refused) {
        let made = refused.cleanup.unused.iter();
        let made = made.map(|revision| text::last_part(revision).to_owned());
        waiting.registered = text::once(waiting.registered.drain(..).chain(made));
        if waiting.set_to.is_empty() && !waiting.registered.is_empty() {
            waiting.set_to = self.planned().clone();
        }
    }

    /// The failure of a start that has waited until its time was up.
    fn waited(&self, waiting: &Waiting) -> Refused {
        let kind = if waiting.is_busy {
            FailureKind::Job
        } else {
            FailureKind::SystemUnavailable
        };
        let failure = Failure::new(
            kind,
            words::waited(&waiting.why, self.spec, self.order.is_job),
        );
        Refused {
            may_wait: None,
            ..Refused::with_unused(failure, waiting.registered.clone())
        }
    }

    /// Somebody has deployed since a try has registered what it made from what the services ran then.
    fn changed_while_waiting(&self, waiting: &Waiting, plan: &Plan) -> Vec<Refusal> {
        let services = plan.services.iter().zip(&waiting.set_to);
        let changed = services.filter_map(|(service, before)| {
            let family = plan.families.get(service.family)?;
            let own = family.own.as_ref()?;
            let now = service.set_to.to_string();
            let is_own = service.seen.task_definition == *own;
            // What is named is wanted whatever is deployed meanwhile, unless there was nothing to deploy.
            let is_named = matches!(self.spec.existing(), Some(Existing::Named { .. }));
            let matters = !is_named || text::last_part(own) == before;
            (now != *before && !is_own && matters).then(|| Refusal::ChangedWhileWaiting {
                target: service.target.clone(),
                own: text::last_part(own).to_owned(),
                before: before.clone(),
                now,
            })
        });
        changed.collect()
    }

    /// Checks, registers, updates.
    ///
    /// # Replay
    /// Each change is looked for before it is made.
    async fn start(&self, waiting: &Waiting) -> Result<Started, Refused> {
        if let Some(asked) = &self.spec.continues {
            return Box::pin(self.resume(asked, waiting)).await;
        }
        let (plan, settings) = match Box::pin(self.plan()).await {
            Ok(planned) => planned,
            Err(refusals) => {
                // One that does not pass is reported with all others at once.
                let passing: Option<Vec<String>> = refusals.iter().map(Refusal::may_wait).collect();
                return Err(Refused {
                    may_wait: passing.map(|why| why.join("; ")),
                    ..Refused::from(self.refused(&refusals))
                });
            }
        };
        if self.spec.dry_run {
            return Ok(Started::DryRun(Box::new(Report::of_dry_run(
                self.spec, &plan,
            ))));
        }
        if plan.is_unchanged && self.still_serve(&plan).await {
            let services = plan.services.iter();
            let services = services.map(|one| (&one.target, &one.set_to, &one.seen));
            let unchanged = setting::unchanged(self.job, services, self.now());
            return Ok(Started::Unchanged(Box::new(unchanged)));
        }
        let changed = self.changed_while_waiting(waiting, &plan);
        if !changed.is_empty() {
            return Err(Refused::from(self.refused(&changed)));
        }
        if let Some(chosen) = self.chosen_first(&plan, waiting) {
            return Ok(Started::Waiting(chosen));
        }
        let set_to = plan.services.iter().map(|one| one.set_to.to_string());
        *self.planned() = set_to.collect();
        self.changing();
        let deployment = Box::pin(self.perform(&plan, &settings)).await?;
        Ok(Started::Deployment(Box::new(Deployment {
            config_pin: self.config_pin.map(str::to_owned),
            ..deployment
        })))
    }

    /// All that is to be done, and how the tasks of each service are run. Changes nothing.
    async fn plan(&self) -> Result<(Plan, Vec<RunSettings>), Vec<Refusal>> {
        let asked = self.asked();
        let Seen { observed, settings } = self.observe_start().await?;
        let draft = plan::draft(asked, &observed)?;
        let (verified, missing) = tokio::join!(
            Box::pin(self.verify(&observed, &draft)),
            Box::pin(self.check_dependencies(&observed, &draft))
        );
        let plan = plan::settle(asked, observed, draft, verified, missing)?;
        self.note_left_out(&plan);
        self.note_long_pauses(&plan);
        Ok((plan, settings))
    }

    fn asked(&self) -> Asked<'_> {
        Asked {
            spec: self.spec,
            job: self.job,
            config_pin: self.config_pin,
            chosen: self.chosen_at,
        }
    }

    fn note_left_out(&self, plan: &Plan) {
        if let BaseFrom::File(path) = &self.spec.base
            && !plan.left_out.is_empty()
        {
            self.warn(format!(
                "{path}: {} left out, which only ECS writes",
                text::listed(&plan.left_out)
            ));
        }
    }

    /// A PAUSE hook may wait for longer than an action may last: then nobody sees the end.
    fn note_long_pauses(&self, plan: &Plan) {
        for service in &plan.services {
            let minutes = service
                .seen
                .pause_minutes
                .and_then(|one| u64::try_from(one).ok());
            let pause = Duration::from_mins(minutes.unwrap_or(0));
            // An action that ends at the hook need not outlast it.
            let is_followed = self.spec.wait_for != WaitFor::Pause;
            if is_followed && pause + self.spec.timeout > ACTION_LASTS {
                self.warn(format!(
                    "{}: a PAUSE hook waits for up to {}, and an action of CodePipeline lasts 24 h at most: if nobody answers it in time, the pipeline does not see how the deployment ends",
                    service.target,
                    human(pause)
                ));
            }
        }
    }

    /// The failure that a refused start is answered with.
    pub(super) fn refused(&self, refusals: &[Refusal]) -> Failure {
        refusal::failure(&self.spec.about(), refusals)
    }

    /// A call has failed that the start needs; `about` begins the sentence.
    pub(super) fn refused_call(
        &self,
        about: impl Into<String>,
        error: &CallError,
        is_changed: bool,
    ) -> Refusal {
        Refusal::Call {
            about: about.into(),
            error: Box::new(self.placed(error)),
            caller: self.caller(),
            is_changed,
        }
    }

    /// A revision of this job that is not ACTIVE any more was registered by a delivery that failed.
    pub(super) fn failed_before(&self, own: &str) -> Failure {
        let revision = own.to_owned();
        self.refused(&[Refusal::FailedBefore { revision }])
    }
}
