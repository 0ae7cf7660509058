//! The task after the deployment: started once all services serve.

use super::Run;
use super::claim::Claim;
use super::task::{self, OfJob, ToRun};
use crate::deploy::call::{CallError, Class};
use crate::deploy::deployment::{Deployment, NotRun};
use crate::deploy::fit;
use crate::deploy::machine::Event;
use crate::deploy::refusal::Refusal;
use crate::deploy::spec::{StandaloneTask, When};
use crate::deploy::task::NotPlaced;
use crate::deploy::task_definition::Described;
use crate::deploy::text;

impl Run<'_> {
    /// Starts the task on the revision that serves, with the network and settings of its service.
    ///
    /// # Replay
    /// As [`Run::run_task`]: the invocation that goes on after a death in here gets the same task.
    pub(super) async fn run_after(&self, deployment: &Deployment) -> Event {
        let Some(asked) = &self.spec.post_deploy else {
            return not_run("the parameters do not name one any more", false);
        };
        match self.start_after(deployment, asked).await {
            Ok(started) => started,
            Err(error) => {
                let may_pass = !error.is_denial() && error.class != Class::Refused;
                not_run(&self.text(&error), may_pass)
            }
        }
    }

    async fn start_after(
        &self,
        deployment: &Deployment,
        asked: &StandaloneTask,
    ) -> Result<Event, CallError> {
        let Some((place, described)) = self.with_container(deployment, asked).await? else {
            let why = format!("no revision has the container {}", asked.container);
            return Ok(not_run(&why, false));
        };
        let service = &deployment.services[place];
        match self.claim_revision(deployment, &service.revision).await {
            Claim::Ours => {}
            Claim::NotOurs(why) => return Ok(not_run(&why, false)),
            Claim::Unseen(error) => return Err(error),
        }
        let target = &service.target;
        let seen = self.ecs.describe_service(target).await?;
        // The next look says what has become of it.
        let Some(shown) = seen.filter(|shown| service.is_worked_on(&shown.seen)) else {
            let why = format!("{target} is not set to {} any more", service.revision);
            return Ok(not_run(&why, true));
        };
        let to_run = ToRun {
            asked,
            service: place,
            settings: &shown.settings,
            volumes: fit::volumes_at_launch(&described.task_definition),
        };
        let of = OfJob {
            job: &deployment.job,
            when: When::After,
            cluster: &target.cluster,
            own: described.arn(),
        };
        let not_made = match self.run_task(&to_run, of).await {
            Ok(arn) => {
                tracing::info!(job = self.job, task = arn, "the post-deploy task");
                return Ok(Event::TaskStarted {
                    id: text::last_part(&arn).to_owned(),
                    service: place,
                });
            }
            Err(not_made) => not_made,
        };
        match not_made.reason {
            task::NotRun::Call(error) => Err(error),
            task::NotRun::NotPlaced(reasons) => {
                let short = NotPlaced::of(&reasons);
                let why = short.sentence(&service.revision);
                Ok(not_run(&why, short.may_pass()))
            }
        }
    }

    /// The first service whose revision has the container, and that revision.
    async fn with_container(
        &self,
        deployment: &Deployment,
        asked: &StandaloneTask,
    ) -> Result<Option<(usize, Described)>, CallError> {
        let mut looked_at = Vec::new();
        for (place, service) in deployment.services.iter().enumerate() {
            if looked_at.contains(&&service.revision) {
                continue;
            }
            looked_at.push(&service.revision);
            let arn = service.own_arn();
            let described = self.ecs.describe_task_definition(&arn).await?;
            if described.container(&asked.container).is_some() {
                return Ok(Some((place, described)));
            }
        }
        Ok(None)
    }

    /// Whether the revision that is deployed already, whose deployment is continued, has the container of the task after
    /// it.
    pub(super) async fn check_container(&self, revision: &str) -> Result<(), Refusal> {
        let Some(asked) = &self.spec.post_deploy else {
            return Ok(());
        };
        let described = self.ecs.describe_task_definition(revision).await;
        let described =
            described.map_err(|error| self.refused_call(self.spec.about(), &error, false))?;
        if described.container(&asked.container).is_some() {
            return Ok(());
        }
        let names = described.images().into_iter().map(|(name, _)| name);
        let names: Vec<String> = names.collect();
        Err(Refusal::NoContainerForTask {
            parameter: When::After.parameter(),
            container: asked.container.clone(),
            known: vec![format!(
                "{} of {}",
                text::listed(&names),
                text::last_part(revision)
            )],
        })
    }
}

fn not_run(why: &str, may_pass: bool) -> Event {
    Event::TaskNotRun(NotRun {
        why: why.to_owned(),
        may_pass,
    })
}
