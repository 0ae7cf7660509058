//! Event → step → exactly one answer.
//!
//! Whatever happens in between (an event that cannot be read, a panic, the function's time limit),
//! a job whose id could be read is answered once: silence costs its user twenty minutes or more.

use std::time::Duration;

use serde_json::Value;

use crate::answer::Instead;
use crate::deploy::call::{CallError, Class};
use crate::deploy::decide::ROLLBACK_ALLOWANCE;
use crate::deploy::evidence::Evidence;
use crate::deploy::failure::{self, Failed, Failure, FailureKind};
use crate::deploy::outcome::Outcome;
use crate::deploy::outcome::{Details, SUMMARY_LIMIT_BYTES};
use crate::deploy::phase::Phase;
use crate::deploy::rollout::Verdict;
use crate::deploy::spec::{DeploySpec, LONGEST_TIMEOUT};
use crate::deploy::text;
use crate::deploy::time::{Timestamp, spoken};
use crate::deploy::token::{self, LeftOff};
use crate::engine::{self, Engine, Reached, Stage};
use crate::event::{self, Incoming, Order};
use crate::explain;
use crate::observer::Finished;
use crate::parameters;
use crate::report::{self, Report};
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
#[error("the job could not be answered: {}", explain::words(.0, explain::Caller::Function))]
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
    /// When the invocation began.
    began: Timestamp,
    /// Watching ends here.
    watch_until: Timestamp,
    /// The work is cut off after this, if Lambda's limit is known.
    cut_after: Option<Duration>,
}

fn limits(now: Timestamp, deadline: Timestamp, watch: Duration, is_manual: bool) -> Limits {
    let left = deadline.since(now);
    if left.is_zero() {
        return Limits {
            began: now,
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
        began: now,
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
        Box::pin(self.respond(event::read(event), invocation)).await
    }

    /// The same for an event as it came, which need not be JSON.
    ///
    /// # Replay
    /// As [`Handler::handle`].
    ///
    /// # Errors
    /// As [`Handler::handle`].
    pub async fn handle_bytes(
        &self,
        event: &[u8],
        invocation: &Invocation,
    ) -> Result<Value, Unanswered> {
        Box::pin(self.respond(event::read_bytes(event), invocation)).await
    }

    async fn respond(
        &self,
        incoming: Incoming,
        invocation: &Invocation,
    ) -> Result<Value, Unanswered> {
        let began = self.engine.clock.now();
        let reached = Reached::default();
        let job = incoming.job;
        tracing::info!(
            job = job.as_deref().unwrap_or("none"),
            request = invocation.request_id,
            "event"
        );
        for warning in &self.settings.warnings {
            tracing::warn!(job = job.as_deref().unwrap_or("none"), "{warning}");
        }
        let limits = limits(
            began,
            invocation.deadline,
            self.settings.watch,
            job.is_none(),
        );
        let read = match incoming.order {
            Ok(order) => self.read(order, limits, invocation).await,
            Err(problems) => Err(Unread::of(Failure::of_problems(
                FailureKind::Configuration,
                "",
                &problems,
            ))),
        };
        let (mut report, spec) = match read {
            Err(unread) => (Report::of(unread.0), None),
            Ok(read) => {
                let spec = read.spec.clone();
                let step = self.step(read, job.as_deref(), limits, invocation, &reached);
                (step.await, Some(spec))
            }
        };
        report
            .warnings
            .extend(self.settings.warnings.iter().cloned());
        let counts = match &job {
            Some(job) => {
                let stage = reached.stage();
                let answering = self.answer(job, &mut report, spec.as_ref(), &stage);
                Box::pin(answering).await?
            }
            None => true,
        };
        if let Some(spec) = &spec {
            let mut left = std::mem::take(&mut report.cleanup);
            if !counts {
                left = left.superseded();
            }
            let until_limit = invocation.deadline.since(self.engine.clock.now());
            let most = limits
                .cut_after
                .map(|_| until_limit.saturating_sub(LOOK_RESERVE));
            for told in self.engine.clean_up(spec, &left, most).await {
                tracing::warn!(job = job.as_deref().unwrap_or("none"), "{told}");
                report.warnings.push(told);
            }
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
            text = json["message"].as_str().unwrap_or_default(),
            "done"
        );
        Ok(json)
    }

    /// The order with what its parameters mean, some of which may be in the artifact.
    async fn read(
        &self,
        order: Order,
        limits: Limits,
        invocation: &Invocation,
    ) -> Result<Read, Unread> {
        let mut written = order.parameters.clone();
        let mut where_written = "UserParameters".to_owned();
        let mut config_pin = None;
        if let Some(config) = parameters::config_file(&written) {
            let token = order.continuation_token.as_deref();
            let pin = match token.map(token::config_pin) {
                None => None,
                Some(Ok(pin)) => pin,
                Some(Err(bad)) => {
                    let words = engine::bad_token("The deployment", &bad.to_string());
                    return Err(Unread::of(Failure::new(FailureKind::Job, words)));
                }
            };
            let file = config.file.clone();
            let work = {
                let (engine, order) = (self.engine.clone(), order.clone());
                async move { engine.configuration(&order, &config, pin.as_deref()).await }
            };
            let read = match guarded(work, limits.cut_after).await {
                Ok(read) => read,
                Err(end) => Err(Failure::new(
                    FailureKind::SystemUnavailable,
                    format!(
                        "{file}: {}. Nothing was changed by this invocation. The log of request {} says more.",
                        end.words(),
                        invocation.request_id
                    ),
                )),
            };
            let configuration = match read {
                Ok(configuration) => configuration,
                Err(failure) => return Err(self.unread(&order, failure)),
            };
            written =
                parameters::merged(written, configuration.written, &file).map_err(|problem| {
                    Unread::of(Failure::of_problems(
                        FailureKind::Configuration,
                        "",
                        &[problem],
                    ))
                })?;
            where_written = format!("UserParameters and {file}");
            config_pin = configuration.pin;
        }
        let spec = parameters::parse(written).map_err(|problems| {
            Unread::of(Failure::of_problems(
                FailureKind::Configuration,
                &format!("{where_written}: "),
                &problems,
            ))
        })?;
        Ok(Read {
            order,
            spec,
            config_pin,
        })
    }

    /// The parameters could not be read from the artifact. A deployment that is under way is
    /// handed back as it came while that may pass: what serves is decided by nobody's not looking.
    fn unread(&self, order: &Order, failure: Failure) -> Unread {
        let Some(token) = &order.continuation_token else {
            return Unread::of(failure);
        };
        let longest = LONGEST_TIMEOUT + ROLLBACK_ALLOWANCE;
        let is_in_time =
            token::started(token).is_ok_and(|started| self.engine.clock.now() < started + longest);
        if failure.kind == FailureKind::SystemUnavailable && is_in_time {
            return Unread(Outcome::InProgress {
                token: token.clone(),
                details: Details {
                    summary: text::cut_bytes(
                        &format!("no news: {}", failure.message),
                        SUMMARY_LIMIT_BYTES,
                    ),
                    ..Details::default()
                },
            });
        }
        let message = failure.message.trim_end_matches('.');
        Unread::of(Failure::new(
            failure.kind,
            engine::bad_token("The deployment cannot be followed any longer", message),
        ))
    }

    /// The step in a task of its own, so that a panic or the time limit ends it and not us.
    async fn step(
        &self,
        read: Read,
        job: Option<&str>,
        limits: Limits,
        invocation: &Invocation,
        reached: &Reached,
    ) -> Report {
        let key = job.unwrap_or(&invocation.request_id).to_owned();
        let spec = read.spec.clone();
        let work = {
            let (engine, reached) = (self.engine.clone(), reached.clone());
            async move {
                let Read {
                    order,
                    spec,
                    config_pin,
                } = read;
                let until = limits.watch_until;
                engine
                    .step(&order, &spec, &key, config_pin, until, &reached)
                    .await
            }
        };
        let now = self.engine.clock.now();
        // What reading the parameters has taken is not there any more.
        let cut_after = limits
            .cut_after
            .map(|cut_after| cut_after.saturating_sub(now.since(limits.began)));
        let why = match guarded(work, cut_after).await {
            Ok(report) => return report,
            Err(why) => why,
        };
        tracing::error!(
            job = job.unwrap_or("none"),
            end = why.words(),
            "the step did not end by itself"
        );
        let now = self.engine.clock.now();
        let request = &invocation.request_id;
        let stage = reached.stage();
        Report {
            services: match &stage {
                Stage::At(left_off) => report::services_of(&spec, &left_off.phase),
                Stage::Unchanged | Stage::Changing => Vec::new(),
            },
            ..Report::of(cut_off(&spec, stage, why, now, request))
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
            Stage::At(left_off) => (left_off.phase.name(), left_off.phase.started()),
            Stage::Unchanged | Stage::Changing => ("Start", began),
        };
        let targets = spec.map_or(&[][..], |spec| &spec.targets);
        let named = targets.iter().map(Some);
        // An event that does not come to name a service ended all the same.
        let unnamed = targets.is_empty().then_some(None);
        for target in named.chain(unnamed) {
            self.engine.observer.finished(Finished {
                job,
                target,
                outcome: &report.outcome,
                phase,
                took: at.since(since),
                at,
            });
        }
    }

    /// Answers the job. What CodePipeline does not take is followed by a plainer answer, see
    /// [`crate::answer`]. A refusal because the job is over or not known is only worth a warning:
    /// the event was sent by hand, or twice.
    ///
    /// Whether this answer counts: not if another delivery has given one.
    async fn answer(
        &self,
        job: &str,
        report: &mut Report,
        spec: Option<&DeploySpec>,
        stage: &Stage,
    ) -> Result<bool, Unanswered> {
        let outcome = report.outcome.clone();
        let mut instead = Instead::of(&outcome, spec, stage);
        let mut given = outcome.clone();
        let mut refused = None;
        let error = loop {
            let error = match self.put(job, &given).await {
                Ok(()) => break None,
                Err(error) => error,
            };
            let is_no = !matches!(
                error.class,
                Class::Missing | Class::JobOver | Class::Throttled | Class::Unavailable
            );
            let Some(next) = is_no.then(|| instead.next(&error)).flatten() else {
                break Some(error);
            };
            tracing::error!(job, %error, "the answer was refused, a plainer one is sent");
            given = next;
            refused.get_or_insert(error);
        };
        if let Some(refused) = refused {
            report.warnings.push(format!(
                "CodePipeline refused the full answer and was given a shorter one: {refused}"
            ));
        }
        let became_failure = matches!(given, Outcome::Failed { .. });
        if became_failure && !matches!(outcome, Outcome::Failed { .. }) {
            report.outcome = given;
        }
        let Some(error) = error else {
            return Ok(true);
        };
        let counts = error.class == Class::Missing;
        let warning = match error.class {
            Class::Missing => {
                format!("CodePipeline does not know the job {job}, so nobody was answered: {error}")
            }
            Class::JobOver => {
                format!("the job {job} was answered before, so this answer was not taken: {error}")
            }
            // Brought again, the event would come to the same.
            Class::Refused | Class::Unsupported => {
                format!("CodePipeline took no answer to the job {job}, however plain: {error}")
            }
            _ => {
                let unanswered = Unanswered(error);
                tracing::error!(job, "{unanswered}");
                return Err(unanswered);
            }
        };
        tracing::warn!(job, "{warning}");
        report.warnings.push(warning);
        Ok(counts)
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

/// An order and what its parameters mean.
struct Read {
    order: Order,
    spec: DeploySpec,
    /// Which version of the artifact some of them are from.
    config_pin: Option<String>,
}

/// How an invocation ends whose parameters are not known.
struct Unread(Outcome);

impl Unread {
    fn of(failure: Failure) -> Self {
        Self(Outcome::Failed {
            failure,
            external_execution_id: None,
        })
    }
}

/// Runs `work` in a task of its own, so that a panic or the time limit ends it and not us.
async fn guarded<T: Send + 'static>(
    work: impl Future<Output = T> + Send + 'static,
    cut_after: Option<Duration>,
) -> Result<T, End> {
    let mut work = tokio::spawn(work);
    let ended = match cut_after {
        Some(cut_after) => tokio::time::timeout(cut_after, &mut work).await,
        None => Ok((&mut work).await),
    };
    match ended {
        Ok(Ok(done)) => Ok(done),
        Ok(Err(_)) => Err(End::Panic),
        Err(_) => {
            work.abort();
            Err(End::TimeLimit)
        }
    }
}

/// Why a step did not end by itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum End {
    Panic,
    TimeLimit,
}

impl End {
    fn words(self) -> &'static str {
        match self {
            Self::Panic => "the function failed because of a defect of its own (please report it)",
            Self::TimeLimit => "the function's time limit came before AWS had answered",
        }
    }
}

/// The answer for a step that did not end by itself. True as far as is known.
fn cut_off(spec: &DeploySpec, stage: Stage, why: End, now: Timestamp, request: &str) -> Outcome {
    let targets = spec.about();
    let what = why.words();
    let failed = |kind, message: String, external_execution_id| Outcome::Failed {
        failure: Failure::new(kind, message),
        external_execution_id,
    };
    match (stage, why) {
        (Stage::At(left_off), End::TimeLimit) => handed_back(spec, &left_off, now),
        (Stage::At(left_off), End::Panic) => {
            let phase = &left_off.phase;
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
                phase.external_id(),
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
fn handed_back(spec: &DeploySpec, left_off: &LeftOff, now: Timestamp) -> Outcome {
    let phase = &left_off.phase;
    let limit = match (phase, &spec.pre_deploy) {
        (Phase::PreDeploy { .. }, Some(task)) => task.timeout,
        _ => spec.timeout,
    };
    if now >= phase.started() + limit + ROLLBACK_ALLOWANCE {
        return Outcome::Failed {
            failure: out_of_sight(spec, phase),
            external_execution_id: phase.external_id(),
        };
    }
    engine::in_progress(spec, left_off, &[], now).unwrap_or_else(|failure| Outcome::Failed {
        failure,
        external_execution_id: None,
    })
}

/// The failure of a deployment that could not be looked at until it should long have been over.
fn out_of_sight(spec: &DeploySpec, phase: &Phase) -> Failure {
    const WHY: &str = "AWS did not answer within the function's time limit";
    let no_news = Verdict::NoNews {
        why: WHY.to_owned(),
    };
    let of_service = |service: usize, cause: &str| {
        let target = spec.targets[service].to_string();
        let failed = Failed {
            target: &target,
            revision: &phase.services()[service].revision,
            cause,
            verdict: &no_news,
            service: None,
            not_rolled_back: "the service could not be seen",
            given_up: None,
            overwritten: "",
            others: &[],
            evidence: &Evidence::default(),
        };
        match phase {
            Phase::RollingBack { .. } => failure::of_rollout(failed),
            Phase::PreDeploy { .. } | Phase::RollingOut { .. } => {
                failure::of_late(failed, &spoken(spec.timeout))
            }
        }
    };
    match phase {
        Phase::PreDeploy { .. } => Failure::new(
            FailureKind::Job,
            format!(
                "{}: how the task before the deployment ended could not be seen ({WHY}). No service was changed.",
                spec.about()
            ),
        ),
        Phase::RollingOut { .. } => of_service(0, ""),
        Phase::RollingBack { failed, cause, .. } => of_service(*failed, cause),
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
}
