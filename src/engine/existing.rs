//! A revision that there is already, deployed as it is: which one it is, and which of its deployments are this job's.
//!
//! A revision that this job registers carries the job's id, so that a second delivery of the event finds it. One that
//! was there before carries no such mark, and others may have deployed it an hour ago. So in a pipeline the first
//! invocation only chooses, and hands back a token with its choice: CodePipeline takes that once, and refuses it from
//! an event whose job is over. What was deployed since then is this job's.

use super::Run;
use super::at_once::few_at_once;
use super::set::NEWEST_SERVICE_DEPLOYMENTS;
use crate::deploy::call::CallError;
use crate::deploy::plan::{ObservedService, Plan, ServicePlan};
use crate::deploy::refusal::Refusal;
use crate::deploy::revision::Revision;
use crate::deploy::setting::Origin;
use crate::deploy::spec::Existing;
use crate::deploy::text;
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
                let previous = Revision::parse(previous).map_err(|wrong| {
                    let target = target.clone();
                    Refusal::NotSetToARevision { target, wrong }
                })?;
                return match undone(service, &runs, &previous) {
                    Some(refusal) => Err(refusal),
                    None => Ok(previous),
                };
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
            chosen: self.chosen_at,
            came: self.came,
        }
    }

    /// The start that waits with what it has chosen; none if an earlier invocation has chosen.
    pub(super) fn chosen_first(&self, plan: &Plan, waiting: &Waiting) -> Option<Waiting> {
        let existing = self.spec.existing()?;
        // Without a job nobody would come again with the token.
        if !self.order.is_job || !self.chosen.is_empty() {
            return None;
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
        let services = plan.services.iter();
        Some(Waiting {
            why,
            chosen,
            chosen_at: Some(self.now()),
            set_to: services.map(|one| one.set_to.to_string()).collect(),
            ..waiting.clone()
        })
    }
}

/// The revision (an ARN) that the service is to be set to.
fn own<'p>(plan: &'p Plan, service: &ServicePlan) -> Option<&'p String> {
    plan.families.get(service.family)?.own.as_ref()
}

/// A deployment under way to what was before the previous one is a way back itself: whoever asks for the previous one
/// once more would undo it.
fn undone(service: &ObservedService, runs: &Revision, previous: &Revision) -> Option<Refusal> {
    let primary = service.seen.primary();
    let state = primary.and_then(|primary| primary.rollout_state.as_deref());
    let is_under_way = state == Some("IN_PROGRESS");
    let is_newer = previous.family() == runs.family() && previous.number() > runs.number();
    (is_under_way && is_newer).then(|| Refusal::PreviousIsNewer {
        target: service.target.clone(),
        runs: runs.clone(),
        previous: previous.clone(),
    })
}
