//! Some ends are seen by calls that a role may not be allowed: better refused now than not seen.

use super::super::Run;
use super::super::at_once::few_at_once;
use crate::deploy::call::{CallError, Class};
use crate::deploy::plan::{self, Newest, ObservedService};
use crate::deploy::refusal::{self, Refusal};
use crate::deploy::spec::Existing;
use crate::deploy::text;

/// A task's id as ECS makes them, of a task that does not exist.
const NO_TASK: &str = "00000000000000000000000000000000";

/// The last part of a service deployment's and of a service revision's ARN, of ones that do not
/// exist.
const NO_SERVICE_DEPLOYMENT: &str = "AAAAAAAAAAAAAAAAAAAAA";
const NO_SERVICE_REVISION: &str = "1000000000000000000";

impl Run<'_> {
    /// Makes each call that following this deployment takes, as far as others do not show already
    /// that it may be made. Returns the newest service deployment of each service for which they were listed.
    ///
    /// # Errors
    /// Every [`Refusal`].
    pub(super) async fn check_followable(
        &self,
        services: &[ObservedService],
    ) -> Result<Vec<Option<Newest>>, Vec<Refusal>> {
        let (deployments, tasks) = tokio::join!(
            self.check_service_deployments(services),
            self.check_task_visible()
        );
        match (refusal::all(deployments), refusal::all(tasks)) {
            (Ok(newest), Ok(_)) => Ok(newest),
            (deployments, tasks) => {
                let refusals = [deployments.err(), tasks.err()];
                Err(refusals.into_iter().flatten().flatten().collect())
            }
        }
    }

    /// Some ends are told by service deployments alone, and so is what is under way.
    async fn check_service_deployments(
        &self,
        services: &[ObservedService],
    ) -> Vec<Result<Option<Newest>, Vec<Refusal>>> {
        let asking = services.iter().map(|service| async move {
            // After the task before the deployment only they tell whether a service was set already.
            // Of a revision that there was, only they tell what this job has deployed, and which one is the previous.
            let is_told_apart = match self.spec.existing() {
                Some(Existing::Named { .. }) => self.order.is_job,
                Some(Existing::Previous) => true,
                None => false,
            };
            let is_needed = !service.seen.is_told_by_rollout_state()
                || self.spec.pre_deploy.is_some()
                || is_told_apart;
            if !is_needed && !plan::seems_under_way(&service.seen) {
                return Ok(None);
            }
            match self.look_at_service_deployments(service, is_needed).await {
                Ok(newest) => Ok(newest),
                // The service itself shows a rollback, too, as long as it lists the deployment that failed. What is
                // throttled comes later; what this endpoint cannot answer may never come.
                Err(error) if !is_needed && error.class != Class::Throttled => {
                    if error.may_pass() {
                        self.warn(format!(
                            "{}: whether ECS rolls back could be seen in part only: {}",
                            service.target,
                            self.text(&error)
                        ));
                    }
                    Ok(None)
                }
                Err(error) => {
                    let about = service.target.to_string();
                    Err(vec![self.refused_call(about, &error, false)])
                }
            }
        });
        few_at_once(asking).await
    }

    /// The newest service deployment. If it `is_followed`, makes each call that following one takes, on that one.
    async fn look_at_service_deployments(
        &self,
        service: &ObservedService,
        is_followed: bool,
    ) -> Result<Option<Newest>, CallError> {
        let listed = self
            .ecs
            .newest_service_deployments(&service.target, 1)
            .await?;
        let newest = listed.into_iter().next();
        let seen = newest.as_ref().map(|newest| Newest {
            status: newest.status.clone(),
        });
        if !is_followed {
            return Ok(seen);
        }
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
        may_look(revisions, is_made_up.1, NO_SERVICE_REVISION)?;
        Ok(seen)
    }

    /// The end of a task before the deployment or after it is told by `DescribeTasks` alone.
    pub(in crate::engine) async fn check_task_visible(&self) -> Vec<Result<(), Vec<Refusal>>> {
        if self.spec.tasks().next().is_none() {
            return Vec::new();
        }
        // Which of the services it takes its cluster from is decided later.
        let targets = self.spec.targets.iter();
        let clusters = text::once(targets.map(|target| target.cluster.clone()));
        let asking = clusters.iter().map(|cluster| async move {
            let looked = self.ecs.describe_task(cluster, NO_TASK).await.map(drop);
            may_look(looked, true, NO_TASK)
                .map_err(|error| vec![self.refused_call(self.spec.about(), &error, false)])
        });
        few_at_once(asking).await
    }
}

/// What a call has told that was made to see whether it may be made. Of a thing that does not exist
/// nothing else is told; `made_up` is its name, which no statement should have.
fn may_look(
    looked: Result<(), CallError>,
    is_made_up: bool,
    made_up: &str,
) -> Result<(), CallError> {
    let Err(mut error) = looked else {
        return Ok(());
    };
    if !is_made_up {
        return Err(error);
    }
    if matches!(error.class, Class::Missing | Class::Refused) {
        return Ok(());
    }
    error.detail = error.detail.replace(made_up, "*");
    error.subject = error.subject.replace(made_up, "*");
    Err(error)
}
