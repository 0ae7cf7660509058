//! The first step, as a recipe: observe, draft, verify, settle; then perform. What is decided on the
//! way, and all that a start can be refused for, is in [`plan`] and [`refusal`].

mod followable;
mod observe;
mod perform;
mod register;

use super::Run;
use super::refused::Refused;
use crate::aws::ecs::RunSettings;
use crate::deploy::call::CallError;
use crate::deploy::deployment::Deployment;
use crate::deploy::failure::Failure;
use crate::deploy::plan::{self, Asked, Observed, Plan};
use crate::deploy::refusal::{self, Refusal};
use crate::deploy::spec::BaseFrom;
use crate::deploy::text;
use crate::report::Report;

/// What the start led to.
pub(super) enum Started {
    /// Something is under way.
    Deployment(Box<Deployment>),
    /// Nothing was to be changed.
    DryRun(Box<Report>),
}

/// What was observed, and what only a call that starts a task needs of it.
struct Seen {
    observed: Observed,
    /// How the tasks of each service are run.
    settings: Vec<RunSettings>,
}

impl Run<'_> {
    /// Checks, registers, updates.
    ///
    /// # Replay
    /// Each change is looked for before it is made.
    pub(super) async fn start(&self) -> Result<Started, Refused> {
        let (plan, settings) = match Box::pin(self.plan()).await {
            Ok(planned) => planned,
            Err(refusals) => return Err(Refused::from(self.refused(&refusals))),
        };
        if self.spec.dry_run {
            return Ok(Started::DryRun(Box::new(Report::of_dry_run(
                self.spec, &plan,
            ))));
        }
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
        let verified = self.verify(&draft).await;
        let plan = plan::settle(asked, observed, draft, verified)?;
        self.note_left_out(&plan);
        Ok((plan, settings))
    }

    fn asked(&self) -> Asked<'_> {
        Asked {
            spec: self.spec,
            job: self.job,
            config_pin: self.config_pin,
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
