//! A revision that there is already, deployed as it is: which one it is, and which of its deployments are this job's.
//!
//! A revision that this job registers carries the job's id, so that a second delivery of the event finds it. One that
//! was there before carries no such mark, and others may have deployed it an hour ago. So wherever an earlier delivery
//! could have changed something that looks alike, the first invocation only chooses, and hands back a token with its
//! choice: CodePipeline takes that once, and refuses it from an event whose job is over. What was deployed since then
//! is this job's.

use super::Run;
use super::at_once::few_at_once;
use super::set::NEWEST_SERVICE_DEPLOYMENTS;
use crate::deploy::call::{CallError, Class};
use crate::deploy::plan::{ObservedService, Plan, ServicePlan};
use crate::deploy::refusal::Refusal;
use crate::deploy::revision::Revision;
use crate::deploy::setting::Origin;
use crate::deploy::spec::Existing;
use crate::deploy::text;
use crate::deploy::time::Timestamp;
use crate::deploy::waiting::Waiting;

/// So many pages of service deployments are looked through for the previous one.
const PAGES: usize = 10;

impl Run<'_> {
    /// The revision of each service, if ones that there are already are to be deployed; else none.
    ///
    /// # Errors
    /// Every [`Refusal`].
    pub(super) async fn choose(
        &self,
        services: &[ObservedService],
    ) -> Result<Vec<Revision>, Vec<Refusal>> {
        match self.spec.existing() {
            None => Ok(Vec::new()),
            Some(Existing::Named { revision, .. }) => Ok(vec![revision.clone(); services.len()]),
            Some(Existing::Previous) => {
                let chosen = self
                    .chosen
                    .iter()
                    .filter_map(|one| Revision::parse(one).ok());
                let chosen: Vec<Revision> = chosen.collect();
                if chosen.len() == services.len() {
                    return Ok(chosen);
                }
                let looking = services.iter().map(|service| async move {
                    let found = self.previous(service).await;
                    found.map_err(|refusal| vec![refusal])
                });
                crate::deploy::refusal::all(few_at_once(looking).await)
            }
        }
    }

    /// What the newest completed deployment before the present one of `service` brought, if that was another
    /// revision: to deploy the same once more is no way back.
    async fn previous(&self, service: &ObservedService) -> Result<Revision, Refusal> {
        let target = &service.target;
        let runs = Revision::parse(&service.seen.task_definition).map_err(|wrong| {
            let target = target.clone();
            Refusal::NotSetToARevision { target, wrong }
        })?;
        let mut next = None;
        for _ in 0..PAGES {
            let page = self
                .ecs
                .service_deployments(target, NEWEST_SERVICE_DEPLOYMENTS, next)
                .await
                .map_err(|error| self.no_previous(service, &error))?;
            let complete = page.listed.iter().filter(|one| one.is_successful());
            let brought: Vec<String> = complete
                .filter_map(|one| one.target_revision.clone())
                .collect();
            let known = self.ecs.task_definitions_of(&brought).await;
            let known = known.map_err(|error| self.no_previous(service, &error))?;
            let task_definition = |revision: &String| {
                let mut known = known.iter();
                Some(
                    &known
                        .find(|(service_revision, _)| service_revision == revision)?
                        .1,
                )
            };
            let mut brought = brought.iter().filter_map(task_definition);
            if let Some(previous) = brought.find(|arn| !runs.is_named_by(arn)) {
                return Revision::parse(previous).map_err(|wrong| {
                    let target = target.clone();
                    Refusal::NotSetToARevision { target, wrong }
                });
            }
            next = page.next;
            if next.is_none() {
                break;
            }
        }
        let target = target.clone();
        Err(Refusal::NoPrevious { target, runs })
    }

    fn no_previous(&self, service: &ObservedService, error: &CallError) -> Refusal {
        let about = format!(
            "{}: which revision is the previous one (TaskDefinition)",
            service.target
        );
        self.refused_call(about, error, false)
    }

    /// Whose the revision is that is deployed as it is.
    pub(super) fn existing_origin(&self) -> Origin {
        Origin::Existing {
            chosen: (!self.chosen.is_empty()).then_some(self.came),
            came: self.came,
        }
    }

    /// The start that waits with what it has chosen, if another delivery of the event may have changed something
    /// already; none if this one may go on.
    ///
    /// # Errors
    /// [`Refusal`] if that cannot be seen at the moment.
    pub(super) async fn chosen_first(
        &self,
        plan: &Plan,
        waiting: &Waiting,
    ) -> Result<Option<Waiting>, Refusal> {
        let Some(existing) = self.spec.existing() else {
            return Ok(None);
        };
        // Without a job nobody would come again with the token.
        if !self.order.is_job || !self.chosen.is_empty() {
            return Ok(None);
        }
        let is_open = |one: &&ServicePlan| own(plan, one) != Some(&one.seen.task_definition);
        let open: Vec<&ServicePlan> = plan.services.iter().filter(is_open).collect();
        let is_due = match existing {
            Existing::Previous => true,
            Existing::Named { .. } => {
                let looking = open.iter().map(|one| self.may_have_deployed(plan, one));
                let looked: Result<Vec<bool>, Refusal> =
                    few_at_once(looking).await.into_iter().collect();
                looked?.contains(&true)
            }
        };
        if !is_due {
            return Ok(None);
        }
        let short = |one: &ServicePlan| {
            let own = own(plan, one).map_or("", |arn| text::last_part(arn));
            own.to_owned()
        };
        let chosen: Vec<String> = plan.services.iter().map(short).collect();
        let why = format!(
            "{}: {} was chosen (TaskDefinition is {existing}) and is deployed next",
            self.spec.about(),
            text::listed(&text::once(chosen.iter().cloned()))
        );
        let set_to = match existing {
            // What is named is wanted whatever is deployed meanwhile.
            Existing::Named { .. } => Vec::new(),
            Existing::Previous => plan
                .services
                .iter()
                .map(|one| one.set_to.to_string())
                .collect(),
        };
        Ok(Some(Waiting {
            why,
            chosen,
            set_to,
            ..waiting.clone()
        }))
    }

    /// Whether a deployment of the revision may be an earlier delivery's: there was one within the time in which one
    /// may have come, or that cannot be seen.
    async fn may_have_deployed(&self, plan: &Plan, service: &ServicePlan) -> Result<bool, Refusal> {
        let own = own(plan, service).map_or("", String::as_str);
        match self
            .deployed_since(&service.target, own, Timestamp::EPOCH)
            .await
        {
            Ok(found) => Ok(found.is_some()),
            Err(error) if error.is_denial() || error.class == Class::Unsupported => Ok(true),
            Err(error) => {
                let about = format!(
                    "{}: whether {} was deployed before",
                    service.target,
                    text::last_part(own)
                );
                Err(self.refused_call(about, &error, false))
            }
        }
    }
}

/// The revision (an ARN) that the service is to be set to.
fn own<'p>(plan: &'p Plan, service: &ServicePlan) -> Option<&'p String> {
    plan.families.get(service.family)?.own.as_ref()
}
