//! Event → step → exactly one answer.
//!
//! Whatever happens in between (an event that cannot be read, a panic, the function's time limit),
//! a job whose id could be read is answered once: silence costs its user twenty minutes or more.

use std::time::Duration;

use serde_json::Value;

use crate::aws::codepipeline::Details;
use crate::aws::error::{CallError, Class};
use crate::deploy::decide::ROLLBACK_ALLOWANCE;
use crate::deploy::evidence::Evidence;
use crate::deploy::failure::{self, Failed, Failure, FailureKind};
use crate::deploy::phase::Phase;
use crate::deploy::rollout::Verdict;
use crate::deploy::text;
use crate::deploy::time::{Timestamp, spoken};
use crate::engine::{self, Engine, Reached, Stage};
use crate::explain;
use crate::job::{self, Order};
use crate::metrics::Ended;
use crate::parameters::{self, DeploySpec};
use crate::report::{self, Outcome, Report};
use crate::settings::Settings;

/// Kept free at the end of an invocation for the answer and its retries.
const ANSWER_RESERVE: Duration = Duration::from_secs(15);

const _: () = assert!(ANSWER_RESERVE.as_millis() > crate::aws::ANSWER_TIMEOUT.as_millis());

/// Watching stops so much before that, so that a look that takes long is not cut off.
const LOOK_RESERVE: Duration = Duration::from_secs(5);

/// What Lambda says of an invocation.
#[derive(Debug, Clone)]
pub struct Invocation {
    /// Lambda's id of it; the job's id of a manual deployment.
    pub request_id: String,
    /// When Lambda ends the function. In the past it means nothing: `cargo lambda watch` hands out
    /// a time in 1970.
    pub deadline: Timestamp,
}

/// The job could not be answered. Lambda is to bring the event again.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the job could not be answered: {}", explain::words(.0))]
pub struct Unanswered(#[source] CallError);

/// Handles events.
#[derive(Clone)]
pub struct Handler {
    engine: Engine,
    settings: Settings,
}

/// How long an invocation may take.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Limits {
    /// Watching ends here.
    watch_until: Timestamp,
    /// The work is cut off after this, if Lambda's limit is known.
    cut_after: Option<Duration>,
}

fn limits(now: Timestamp, deadline: Timestamp, watch: Duration, is_manual: bool) -> Limits {
    let left = deadline.since(now);
    if left.is_zero() {
        return Limits {
            watch_until: now + watch,
            cut_after: None,
        };
    }
    // A function with a very short limit still gets half of it for its work.
    let cut_after = left.saturating_sub(ANSWER_RESERVE).max(left / 2);
    let longest = cut_after.saturating_sub(LOOK_RESERVE);
    let watch = if is_manual {
        longest
    } else {
        watch.min(longest)
    };
    Limits {
        watch_until: now + watch,
        cut_after: Some(cut_after),
    }
}

impl Handler {
    /// A handler that works with `engine`.
    pub fn new(engine: Engine, settings: Settings) -> Self {
        Self { engine, settings }
    }

    /// Handles one event and returns its report as JSON.
    ///
    /// # Replay
    /// The same event again goes on with what the first has made, and gives the same answer, which
    /// CodePipeline refuses if it has one already.
    ///
    /// # Errors
    /// [`Unanswered`] if CodePipeline could not be reached: the only case in which it helps that
    /// Lambda brings the event again.
    pub async fn handle(
        &self,
        event: &Value,
        invocation: &Invocation,
    ) -> Result<Value, Unanswered> {
        let began = self.engine.clock.now();
        let reached = Reached::default();
        let incoming = job::read(event);
        let job = incoming.job;
        tracing::info!(
            job = job.as_deref().unwrap_or("none"),
            request = invocation.request_id,
            "event"
        );
        let (mut report, spec) = match read(incoming.order) {
            Err(failure) => (Report::failed(failure), None),
            Ok((order, spec)) => {
                let step = self.step(order, &spec, job.as_deref(), invocation, &reached);
                (step.await, Some(spec))
            }
        };
        if let Some(job) = &job {
            self.answer(job, &mut report).await?;
        }
        if let (Some(revision), Some(spec)) = (report.unused_revision.take(), &spec)
            && let Err(left_over) = self.engine.deregister(spec, &revision).await
        {
            tracing::warn!(job = job.as_deref().unwrap_or("none"), "{left_over}");
            report.warnings.push(left_over);
        }
        self.tell_end(
            &report,
            spec.as_ref(),
            &reached,
            began,
            job.as_deref().unwrap_or(&invocation.request_id),
        );
        let json = report.to_json();
        tracing::info!(
            job = job.as_deref().unwrap_or("none"),
            outcome = json["outcome"].as_str().unwrap_or_default(),
            message = json["message"].as_str().unwrap_or_default(),
            "done"
        );
        Ok(json)
    }

    /// The step in a task of its own, so that a panic or the time limit ends it and not us.
    async fn step(
        &self,
        order: Order,
        spec: &DeploySpec,
        job: Option<&str>,
        invocation: &Invocation,
        reached: &Reached,
    ) -> Report {
        let now = self.engine.clock.now();
        let limits = limits(now, invocation.deadline, self.settings.watch, job.is_none());
        let key = job.unwrap_or(&invocation.request_id).to_owned();
        let mut work = {
            let (engine, spec, reached) = (self.engine.clone(), spec.clone(), reached.clone());
            tokio::spawn(async move {
                let until = limits.watch_until;
                engine.step(&order, &spec, &key, until, &reached).await
            })
        };
        let ended = match limits.cut_after {
            Some(cut_after) => tokio::time::timeout(cut_after, &mut work).await,
            None => Ok((&mut work).await),
        };
        let why = match ended {
            Ok(Ok(report)) => return report,
            Ok(Err(_)) => End::Panic,
            Err(_) => {
                work.abort();
                End::TimeLimit
            }
        };
        tracing::error!(job = job.unwrap_or("none"), end = ?why, "the step did not end by itself");
        let now = self.engine.clock.now();
        let request = &invocation.request_id;
        let stage = reached.stage();
        Report {
            services: match &stage {
                Stage::At(phase) => report::services_of(spec, phase),
                Stage::Unchanged | Stage::Changing => Vec::new(),
            },
            outcome: cut_off(spec, stage, why, now, request),
            warnings: Vec::new(),
            unused_revision: None,
        }
    }

    /// Tells the observer how this invocation ended, once for each service.
    fn tell_end(
        &self,
        report: &Report,
        spec: Option<&DeploySpec>,
        reached: &Reached,
        began: Timestamp,
        job: &str,
    ) {
        let at = self.engine.clock.now();
        let (phase, since) = match reached.stage() {
            Stage::At(phase) => (phase.name(), phase.started()),
            Stage::Unchanged | Stage::Changing => ("Start", began),
        };
        let targets = spec.map_or(&[][..], |spec| &spec.targets);
        let named = targets.iter().map(Some);
        // An event that does not come to name a service ended all the same.
        let unnamed = targets.is_empty().then_some(None);
        for target in named.chain(unnamed) {
            self.engine.observer.ended(Ended {
                job,
                target,
                outcome: &report.outcome,
                phase,
                took: at.since(since),
                at,
            });
        }
    }

    /// Answers the job. A refusal because the job is over or not known is only worth a warning:
    /// the event was sent by hand, or twice.
    async fn answer(&self, job: &str, report: &mut Report) -> Result<(), Unanswered> {
        let error = match self.put(job, &report.outcome).await {
            Ok(()) => return Ok(()),
            Err(error) => error,
        };
        let error = if error.class == Class::Refused {
            tracing::error!(job, %error, "the answer was refused, sending a plainer one");
            match self.put(job, &plainer(&report.outcome)).await {
                Ok(()) => {
                    report.warnings.push(format!(
                        "CodePipeline refused the full answer and was given a shorter one: {error}"
                    ));
                    return Ok(());
                }
                Err(error) => error,
            }
        } else {
            error
        };
        let warning = match error.class {
            Class::Missing => {
                format!("CodePipeline does not know the job {job}, so nobody was answered: {error}")
            }
            Class::JobOver => {
                format!("the job {job} was answered before, so this answer was not taken: {error}")
            }
            _ => {
                let unanswered = Unanswered(error);
                tracing::error!(job, "{unanswered}");
                return Err(unanswered);
            }
        };
        tracing::warn!(job, "{warning}");
        report.warnings.push(warning);
        Ok(())
    }

    async fn put(&self, job: &str, outcome: &Outcome) -> Result<(), CallError> {
        const DONE_PERCENT: i32 = 100;
        let codepipeline = self.engine.aws.codepipeline();
        match outcome {
            Outcome::Succeeded {
                message,
                variables,
                external_execution_id,
            } => {
                let details = Details {
                    summary: message.clone(),
                    external_execution_id: external_execution_id.clone(),
                    percent_complete: Some(DONE_PERCENT),
                };
                codepipeline.succeeded(job, &details, variables).await
            }
            Outcome::Failed {
                failure,
                external_execution_id,
            } => {
                let id = external_execution_id.as_deref();
                codepipeline.failed(job, failure, id).await
            }
            Outcome::InProgress { token, details } => {
                codepipeline.in_progress(job, details, token).await
            }
        }
    }
}

/// The order and what its parameters mean, or why the job fails before anything is done.
fn read(order: Result<Order, Vec<String>>) -> Result<(Order, DeploySpec), Failure> {
    let order = order
        .map_err(|problems| Failure::of_problems(FailureKind::Configuration, "", &problems))?;
    let spec = parameters::parse(order.parameters.clone()).map_err(|problems| {
        Failure::of_problems(FailureKind::Configuration, "UserParameters: ", &problems)
    })?;
    Ok((order, spec))
}

/// Why a step did not end by itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum End {
    Panic,
    TimeLimit,
}

/// The answer for a step that did not end by itself. True as far as is known.
fn cut_off(spec: &DeploySpec, stage: Stage, why: End, now: Timestamp, request: &str) -> Outcome {
    let targets: Vec<String> = spec.targets.iter().map(ToString::to_string).collect();
    let targets = text::listed(&targets);
    let what = match why {
        End::Panic => "the function failed because of a defect of its own (please report it)",
        End::TimeLimit => "the function's time limit came before AWS had answered",
    };
    let failed = |kind, message: String, external_execution_id| Outcome::Failed {
        failure: Failure::new(kind, message),
        external_execution_id,
    };
    match (stage, why) {
        (Stage::At(phase), End::TimeLimit) => handed_back(spec, &phase, now),
        (Stage::At(phase), End::Panic) => {
            let revisions: Vec<String> = phase
                .services()
                .iter()
                .map(|rollout| rollout.revision.to_string())
                .collect();
            failed(
                FailureKind::Job,
                format!(
                    "{targets}: {what}. The deployment of {} was started and goes on without being followed: look at the service. The log of request {request} says more.",
                    text::listed(&revisions)
                ),
                phase
                    .services()
                    .first()
                    .map(|rollout| rollout.deployment.clone()),
            )
        }
        (Stage::Unchanged, _) => {
            let kind = match why {
                End::Panic => FailureKind::Job,
                End::TimeLimit => FailureKind::SystemUnavailable,
            };
            let message = format!(
                "{targets}: {what}. Nothing was changed by this invocation. The log of request {request} says more."
            );
            failed(kind, message, None)
        }
        (Stage::Changing, _) => failed(
            FailureKind::Job,
            format!(
                "{targets}: {what}, while the new revision was being registered or the service updated; whether that happened is not known: look at the service. The log of request {request} says more."
            ),
            None,
        ),
    }
}

/// Handed back to be looked at by the next invocation, unless even its way back should be over:
/// a deployment that can never be looked at must not go on for ever.
fn handed_back(spec: &DeploySpec, phase: &Phase, now: Timestamp) -> Outcome {
    let over = phase.started() + spec.timeout + ROLLBACK_ALLOWANCE;
    if now >= over {
        let no_news = Verdict::NoNews {
            why: "AWS did not answer within the function's time limit".to_owned(),
        };
        let (service, cause) = match phase {
            Phase::RollingOut { .. } => (0, ""),
            Phase::RollingBack { failed, cause, .. } => (*failed, cause.as_str()),
        };
        let rollout = &phase.services()[service];
        let failed = Failed {
            target: &spec.targets[service].to_string(),
            revision: &rollout.revision,
            cause,
            verdict: &no_news,
            service: None,
            not_rolled_back: "the service could not be seen",
            evidence: &Evidence::default(),
        };
        return Outcome::Failed {
            failure: match phase {
                Phase::RollingOut { .. } => failure::of_late(failed, &spoken(spec.timeout)),
                Phase::RollingBack { .. } => failure::of_rollout(failed),
            },
            external_execution_id: Some(rollout.deployment.clone()),
        };
    }
    engine::in_progress(spec, phase, &[], now).unwrap_or_else(|failure| Outcome::Failed {
        failure,
        external_execution_id: None,
    })
}

/// The same answer with nothing in it that CodePipeline could take offence at.
fn plainer(outcome: &Outcome) -> Outcome {
    const SHORT_CHARS: usize = 500;
    let plain = |words: &str| -> String {
        let words: String = words
            .chars()
            .map(|c| {
                if c == ' ' || c.is_ascii_graphic() {
                    c
                } else {
                    '?'
                }
            })
            .collect();
        text::cut(&words, SHORT_CHARS).replace('…', "...")
    };
    match outcome {
        Outcome::Succeeded { message, .. } => Outcome::Succeeded {
            message: plain(message),
            variables: std::collections::BTreeMap::new(),
            external_execution_id: None,
        },
        Outcome::Failed { failure, .. } => Outcome::Failed {
            failure: Failure::new(failure.kind, plain(&failure.message)),
            external_execution_id: None,
        },
        Outcome::InProgress { token, details } => Outcome::InProgress {
            token: token.clone(),
            details: Details {
                summary: plain(&details.summary),
                external_execution_id: None,
                percent_complete: None,
            },
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Timestamp = Timestamp::from_secs(1_790_000_000);
    const WATCH: Duration = Duration::from_secs(40);

    fn in_secs(secs: u64) -> Timestamp {
        NOW + Duration::from_secs(secs)
    }

    #[test]
    fn a_deadline_in_the_past_limits_nothing() {
        for deadline in [Timestamp::from_millis(0), NOW] {
            let limits = limits(NOW, deadline, WATCH, false);
            assert_eq!(limits.watch_until, in_secs(40));
            assert_eq!(limits.cut_after, None);
        }
    }

    #[test]
    fn watching_ends_before_the_work_is_cut_off_and_that_before_the_time_limit() {
        for secs in 1..400 {
            let limits = limits(NOW, in_secs(secs), WATCH, false);
            let cut_after = limits.cut_after.unwrap();
            assert!(cut_after < Duration::from_secs(secs), "{secs}");
            assert!(limits.watch_until <= NOW + cut_after, "{secs}");
            assert!(limits.watch_until <= in_secs(40), "{secs}");
        }
    }

    #[test]
    fn a_manual_deployment_watches_until_shortly_before_the_time_limit() {
        let limits = limits(NOW, in_secs(300), WATCH, true);
        assert_eq!(limits.watch_until, in_secs(280));
    }

    #[test]
    fn a_plainer_answer_keeps_token_and_kind_and_drops_what_may_be_refused() {
        let outcome = Outcome::InProgress {
            token: "1 {}".to_owned(),
            details: Details {
                summary: "wéb\n".to_owned(),
                external_execution_id: Some("x".to_owned()),
                percent_complete: Some(7),
            },
        };
        let Outcome::InProgress { token, details } = plainer(&outcome) else {
            unreachable!("the kind stays")
        };
        assert_eq!(token, "1 {}");
        assert_eq!(details.summary, "w?b?");
        assert_eq!(details.external_execution_id, None);
    }
}
