//! Performs what is planned: registers, then sets the services or runs the task that comes before.

use super::super::Run;
use super::super::refused::Refused;
use super::super::task::ToRun;
use super::register::Registered;
use crate::aws::ecs::RunSettings;
use crate::deploy::cleanup::Cleanup;
use crate::deploy::deployment::Deployment;
use crate::deploy::plan::Plan;
use crate::deploy::refusal::Refusal;
use crate::deploy::revision::Revision;
use crate::deploy::setting::TargetService;

impl Run<'_> {
    /// Registers and updates, as far as an earlier delivery of this job has not.
    pub(super) async fn perform(
        &self,
        plan: &Plan,
        settings: &[RunSettings],
    ) -> Result<Deployment, Refused> {
        let mut cleanup = Cleanup::default();
        let performed = match Box::pin(self.register_all(plan, &mut cleanup)).await {
            Ok(registered) => Box::pin(self.begin(plan, settings, registered)).await,
            Err(refusal) => Err(Refused::from(self.refused(&[refusal]))),
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

    /// Begins with the revision of each family.
    async fn begin(
        &self,
        plan: &Plan,
        settings: &[RunSettings],
        registered: Vec<Registered>,
    ) -> Result<Deployment, Refused> {
        let mut targets = Vec::new();
        for service in &plan.services {
            let Registered { arn, origin } = &registered[service.family];
            let revision = Revision::parse(arn).map_err(|wrong| {
                let target = service.target.clone();
                self.refused(&[Refusal::NotRegistered { target, wrong }])
            })?;
            targets.push(TargetService {
                target: service.target.clone(),
                previous: Some(service.set_to.clone()).filter(|set_to| *set_to != revision),
                revision,
                served: None,
                own: arn.clone(),
                seen: service.seen.clone(),
                seen_at: plan.seen_at,
                origin: *origin,
            });
        }
        let Some(task) = &plan.pre_deploy else {
            return Box::pin(self.check_and_set(self.job, targets)).await;
        };
        let task = ToRun {
            asked: &task.asked,
            service: task.service,
            settings: &settings[task.service],
            volumes: task.volumes.clone(),
        };
        Box::pin(self.run_first(task, targets)).await
    }
}
