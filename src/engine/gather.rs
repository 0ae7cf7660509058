//! Gathering the evidence of why a rollout failed. Each source is optional: a call that fails costs its
//! part of the text and never the answer.

use super::Run;
use super::task::started_by;
use crate::deploy::call::Class;
use crate::deploy::deployment::{Deployment, Owner, Service, Stage};
use crate::deploy::evidence::{Evidence, StoppedContainer, StoppedSeen};
use crate::deploy::hook::FailedHook;
use crate::deploy::images;
use crate::deploy::machine::Event;
use crate::deploy::region::Region;
use crate::deploy::seen::Look;
use crate::deploy::spec::When;
use crate::deploy::task;
use crate::deploy::task_definition::{LogOptions, LogPlace};
use crate::deploy::text;
use crate::deploy::time::Timestamp;
use crate::deploy::verdict::{TaskVerdict, Verdict};

/// So many lines of a log are searched for the one that says the error: of a stack trace it is the first.
const LINES_SEARCHED: u32 = 500;

impl Run<'_> {
    /// The evidence on our deployment of the service at `place`.
    pub(super) async fn explain(&self, deployment: &Deployment, place: usize) -> Event {
        let service = &deployment.services[place];
        let look = service.live.look.as_ref();
        let mut evidence = look.map_or_else(Evidence::default, |look| {
            Evidence::seen(look, deployment.started)
        });
        evidence.job_rolls_back = matches!(
            &deployment.stage,
            Stage::RollingBack(rollback) if rollback.owner == Owner::Job
        );
        self.list_stopped(&mut evidence, service).await;
        if !evidence.stopped.is_empty() {
            self.explain_tasks(&mut evidence, &service.own_arn()).await;
        }
        self.explain_hook(&mut evidence, look, deployment.started)
            .await;
        self.explain_health(&mut evidence, look).await;
        let verdict = service.live.verdict.as_ref();
        if verdict.is_some_and(Verdict::is_rolled_back) {
            evidence.task_after = self.task_after(deployment).await;
        }
        Event::Explained(place, evidence)
    }

    /// What the task after the deployment shows, if it has failed: an invocation that has rolled back for it may have
    /// died before it could write that down.
    async fn task_after(&self, deployment: &Deployment) -> Option<Box<Evidence>> {
        let asked = self.spec.post_deploy.as_ref()?;
        let mut looked_at = Vec::new();
        for service in &deployment.services {
            let (cluster, family) = (&service.target.cluster, service.revision.family());
            if looked_at.contains(&(cluster, family)) {
                continue;
            }
            looked_at.push((cluster, family));
            let started_by = started_by(&deployment.job, When::After);
            let ended = self.ecs.stopped_of_family(cluster, family, &started_by);
            match ended.await {
                Ok(ended) => {
                    let mut ended = ended.into_iter();
                    let failed = ended.find(|end| {
                        let came_to = task::verdict(task::STOPPED, end, &asked.container);
                        came_to == TaskVerdict::Failed
                    });
                    if let Some(end) = failed {
                        let mut evidence = Evidence {
                            stopped: vec![task::end_of(&end, &asked.container)],
                            ..Evidence::default()
                        };
                        self.explain_tasks(&mut evidence, &service.own_arn()).await;
                        return Some(Box::new(evidence));
                    }
                }
                Err(error) => self.warn(format!(
                    "whether the post-deploy task has failed is not known: {}",
                    self.text(&error)
                )),
            }
        }
        None
    }

    /// The stopped tasks of our deployment of the service at `place`, which goes on, and what explains them.
    pub(super) async fn diagnose(&self, deployment: &Deployment, place: usize) -> Event {
        let service = &deployment.services[place];
        let look = service.live.look.as_ref();
        let mut evidence = look.map_or_else(Evidence::default, |look| {
            Evidence::seen(look, deployment.started)
        });
        self.list_stopped(&mut evidence, service).await;
        let known = service.live.trouble.evidence.as_ref();
        match known.filter(|known| evidence.is_explained_by(known)) {
            // Their revision and their log would say the same again.
            Some(known) => evidence.explain_by(known),
            None if evidence.stopped.is_empty() => {}
            None => self.explain_tasks(&mut evidence, &service.own_arn()).await,
        }
        Event::Diagnosed(place, evidence)
    }

    /// The stopped tasks of our deployment of `service`.
    async fn list_stopped(&self, evidence: &mut Evidence, service: &Service) {
        let stopped = self
            .ecs
            .stopped_tasks(
                &service.target,
                service.ours.deployment(),
                &service.own_arn(),
            )
            .await;
        match stopped {
            Ok(stopped) => {
                evidence.stopped = stopped;
                evidence.stopped_seen = StoppedSeen::Seen;
            }
            Err(error) => {
                let why = self.text(&error);
                self.warn(format!("what its stopped tasks say is not known: {why}"));
                evidence.stopped_seen = StoppedSeen::Unseen(why);
            }
        }
    }

    /// What the function of the lifecycle hook that failed has logged.
    async fn explain_hook(&self, evidence: &mut Evidence, look: Option<&Look>, since: Timestamp) {
        let own = look.and_then(Look::seen).and_then(|(_, own)| own);
        let function = own
            .and_then(|own| own.failed_hook.as_ref())
            .and_then(FailedHook::function);
        let Some(function) = function.filter(|_| self.spec.log_lines > 0) else {
            return;
        };
        let group = format!("/aws/lambda/{function}");
        let logs = self.target_account.logs(None);
        match logs.last_lines_since(&group, since, LINES_SEARCHED).await {
            Ok(lines) => evidence.hook_log = lines,
            Err(error) => self.warn(format!(
                "the log of function {function} could not be read: {}",
                self.text(&error)
            )),
        }
    }

    /// What the target group asks for whose health check tasks have failed.
    async fn explain_health(&self, evidence: &mut Evidence, look: Option<&Look>) {
        let Some(arn) = evidence.target_group(look) else {
            return;
        };
        match self
            .target_account
            .load_balancers()
            .target_group(&arn)
            .await
        {
            Ok(group) => evidence.target_check = Some(group.check),
            Err(error) => self.warn(format!(
                "what the health check of {} asks for is not known: {}",
                text::last_part(&arn),
                self.text(&error)
            )),
        }
    }

    /// What the revision `own` and the log of the container that failed add to its stopped tasks.
    pub(super) async fn explain_tasks(&self, evidence: &mut Evidence, own: &str) {
        let described = match self.ecs.describe_task_definition(own).await {
            Ok(described) => described,
            Err(error) => {
                self.warn(format!(
                    "what the revision says of its containers is not known: {}",
                    self.text(&error)
                ));
                return;
            }
        };
        evidence.task_memory = described.memory();
        evidence.containers = described.container_facts();
        let Some((task, container)) = evidence.task_to_read() else {
            return;
        };
        // Without log lines the log is not read at all: neither the message nor the record may show it.
        if self.spec.log_lines == 0 {
            return;
        }
        let (task, container) = (task.id.clone(), container.clone());
        match described.log_of(&container.name) {
            Some(LogPlace::Stream(log)) => match self.lines(&log, &task, &container).await {
                Ok(lines) if lines.is_empty() => {
                    evidence.log_elsewhere = Some("its log is empty".to_owned());
                }
                Ok(lines) => evidence.keep_log(lines, self.spec.log_lines),
                Err(why) => {
                    self.warn(format!("the log of {} was not read: {why}", container.name));
                    evidence.log_elsewhere = Some(format!("its log was not read: {why}"));
                }
            },
            Some(LogPlace::Elsewhere(place)) => evidence.log_elsewhere = Some(place),
            // It is not the revision's.
            None => {}
        }
    }

    /// The last lines of `container` in the task with the id `task`.
    ///
    /// # Errors
    /// Why they cannot be read, as a part of a sentence.
    async fn lines(
        &self,
        log: &LogOptions,
        task: &str,
        container: &StoppedContainer,
    ) -> Result<Vec<String>, String> {
        // People write the value of `awslogs-region`: it may be no Region.
        let logs = match log.region.as_deref() {
            None => self.target_account.logs(None),
            Some(text) => match Region::parse(text) {
                Some(region) => self.target_account.logs(Some(&region)),
                None => {
                    return Err(format!(
                        "its awslogs-region '{}' is not a Region's name",
                        images::shown(text)
                    ));
                }
            },
        };
        let stream = log.stream(&container.name, task, container.runtime_id.as_deref());
        let Some(stream) = stream else {
            return Err(
                "it has no awslogs-stream-prefix, and ECS does not show the stream's name"
                    .to_owned(),
            );
        };
        logs.last_lines(&log.group, &stream, LINES_SEARCHED)
            .await
            .map_err(|error| match error.class {
                Class::Missing => format!("there is no stream {stream} in {}", log.group),
                // As of a class that is made to be cheap.
                Class::Refused => format!(
                    "{} (log group {}; those of the classes INFREQUENT_ACCESS and DELIVERY cannot be read so)",
                    self.text(&error),
                    log.group
                ),
                _ => self.text(&error),
            })
    }
}
