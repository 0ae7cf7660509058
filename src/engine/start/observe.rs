//! Looks at all that a start is decided by. Changes nothing.

use super::super::Run;
use super::super::at_once::few_at_once;
use super::Seen;
use crate::artifact::task_definition_file::TaskDefinitionFile;
use crate::aws::ecs::{RunSettings, ServiceDescribed};
use crate::deploy::call::{CallError, Class};
use crate::deploy::plan::{
    self, DefinitionFile, Families, Observed, ObservedFamily, ObservedSchedule, ObservedService,
};
use crate::deploy::refusal::{self, Refusal};
use crate::deploy::revision::Revision;
use crate::deploy::spec::{BaseFrom, Existing, Target};
use crate::deploy::task_definition::Described;
use crate::deploy::text;

impl Run<'_> {
    /// Two rounds of calls, each side by side: the services and the artifact, then what they lead to.
    ///
    /// # Errors
    /// Every [`Refusal`] of a round.
    pub(super) async fn observe_start(&self) -> Result<Seen, Vec<Refusal>> {
        let at = self.now();
        let (services, files) = tokio::join!(self.observe_services(), Box::pin(self.files()));
        let files = files.map_err(|failure| vec![Refusal::Files(failure)]);
        let ((services, settings), files) = both(services, files)?;
        let file = files.task_definition.map(definition_file);
        let chosen = self.choose(&services).await?;
        let Families { names, places } =
            plan::families(self.spec, &services, file.as_ref(), &chosen)?;
        let looking = names.iter().enumerate().map(|(place, name)| {
            let of_family = services.iter().zip(&places);
            let of_family = of_family.filter(|(_, own)| **own == place);
            let of_family = of_family.map(|(service, _)| service).collect();
            let existing = chosen.iter().find(|one| one.family() == name);
            self.observe_family(name, of_family, existing)
        });
        let (families, newest, schedules) = tokio::join!(
            few_at_once(looking),
            self.check_followable(&services),
            self.observe_schedules(&names)
        );
        let families = refusal::all(families.into_iter().map(alone));
        let (families, (newest, schedules)) = both(families, both(newest, schedules))?;
        let services = services.into_iter().zip(newest);
        let services = services.map(|(service, newest)| ObservedService { newest, ..service });
        let observed = Observed {
            at,
            services: services.collect(),
            places,
            families,
            images: files.images,
            file,
            patch: files.patch,
            schedules,
        };
        Ok(Seen { observed, settings })
    }

    /// Each service with how its tasks are run, or all that is wrong with them.
    async fn observe_services(
        &self,
    ) -> Result<(Vec<ObservedService>, Vec<RunSettings>), Vec<Refusal>> {
        let targets = self.spec.targets.iter();
        let looking = targets.map(|target| self.observe_service(target));
        let looked = few_at_once(looking).await;
        refusal::all(looked.into_iter().map(alone)).map(|all| all.into_iter().unzip())
    }

    /// The service as ECS describes it now.
    ///
    /// # Errors
    /// [`Refusal::NoService`] if ECS says that it is not there, [`Refusal::ServiceUnseen`] if ECS
    /// could not be asked: not the same thing.
    pub(in crate::engine) async fn described_service(
        &self,
        target: &Target,
    ) -> Result<ServiceDescribed, Refusal> {
        let region = self.region().map(str::to_owned);
        match self.ecs.describe_service(target).await {
            Ok(Some(described)) => Ok(described),
            Ok(None) => Err(Refusal::NoService {
                target: target.clone(),
                region,
            }),
            Err(error) => Err(Refusal::ServiceUnseen {
                target: target.clone(),
                region,
                error: Box::new(error),
                caller: self.caller(),
            }),
        }
    }

    async fn observe_service(
        &self,
        target: &Target,
    ) -> Result<(ObservedService, RunSettings), Refusal> {
        let described = self.described_service(target).await?;
        let (service, settings) = observed(target, described);
        match plan::unsuitable(self.spec, &service) {
            Some(refusal) => Err(refusal),
            None => Ok((service, settings)),
        }
    }

    /// What is there of one family: what its services run, its newest revisions, those of this job.
    async fn observe_family(
        &self,
        name: &str,
        services: Vec<&ObservedService>,
        existing: Option<&Revision>,
    ) -> Result<ObservedFamily, Refusal> {
        let about = services
            .first()
            .map_or_else(String::new, |service| service.target.to_string());
        let set_to = services.iter().map(|one| one.seen.task_definition.clone());
        let set_to = text::once(set_to);
        let looked = match (existing, services.first()) {
            (Some(existing), Some(service)) => {
                return self
                    .observe_existing(&service.target, existing, &set_to)
                    .await;
            }
            (Some(_) | None, _) => self.look_at_family(name, &set_to).await,
        };
        looked.map_err(|error| self.refused_call(about, &error, false))
    }

    /// A revision that there is, which is deployed as it is, and what the services run.
    async fn observe_existing(
        &self,
        target: &Target,
        existing: &Revision,
        current: &[String],
    ) -> Result<ObservedFamily, Refusal> {
        let name = match self.spec.existing() {
            Some(Existing::Named { name, .. }) => name.clone(),
            Some(Existing::Previous) | None => existing.to_string(),
        };
        let others = current.iter().filter(|arn| !existing.is_named_by(arn));
        let describing = others.map(|arn| self.ecs.describe_task_definition(arn));
        let (named, others) = tokio::join!(
            self.ecs.describe_task_definition(&name),
            few_at_once(describing)
        );
        let target = target.clone();
        let named = match named {
            Ok(named) if named.is_active() => named,
            Ok(named) => {
                return Err(Refusal::NotActiveRevision {
                    target,
                    revision: existing.clone(),
                    status: named.status().to_owned(),
                });
            }
            Err(error) if error.class == Class::Missing => {
                return Err(Refusal::NoRevision { target, name });
            }
            Err(error) => return Err(self.refused_call(target.to_string(), &error, false)),
        };
        let others: Result<Vec<Described>, CallError> = others.into_iter().collect();
        let mut current =
            others.map_err(|error| self.refused_call(target.to_string(), &error, false))?;
        if current.is_empty() {
            current.push(named.clone());
        }
        Ok(ObservedFamily {
            name: existing.family().to_owned(),
            current,
            named: Some(named),
            newest: 0,
            own: Vec::new(),
        })
    }

    async fn look_at_family(
        &self,
        name: &str,
        current: &[String],
    ) -> Result<ObservedFamily, CallError> {
        // The newest is most often what the services run.
        let is_latest = self.spec.base == BaseFrom::Latest;
        let asked: Vec<&str> = if is_latest {
            vec![name]
        } else {
            current.iter().map(String::as_str).collect()
        };
        let describing = asked
            .into_iter()
            .map(|asked| self.ecs.describe_task_definition(asked));
        // The oldest that a service runs.
        let set_to = current
            .iter()
            .filter_map(|arn| Revision::parse(arn).ok())
            .min_by_key(Revision::number);
        let (described, before, known) = tokio::join!(
            few_at_once(describing),
            self.predecessor(set_to.as_ref()),
            self.listed(name)
        );
        let described: Result<Vec<Described>, CallError> = described.into_iter().collect();
        let mut described = described?;
        let mut known = known?;
        if let Some((number, looked)) = before? {
            known.add(number, looked);
        }
        let named = if is_latest { described.pop() } else { None };
        if let Some(latest) = &named {
            known.add_described(latest, self.job);
            described = self.describe_others(current, latest).await?;
        }
        for one in &described {
            known.add_described(one, self.job);
        }
        let newest = known.newest();
        let set_to = set_to.map_or(0, |revision| revision.number());
        Ok(ObservedFamily {
            name: name.to_owned(),
            current: described,
            named,
            newest,
            own: self.own_revisions(name, known, set_to).await?,
        })
    }

    /// The revisions with these ARNs, of which `known` is described already.
    async fn describe_others(
        &self,
        arns: &[String],
        known: &Described,
    ) -> Result<Vec<Described>, CallError> {
        let describing = arns.iter().map(|arn| async move {
            if arn == known.arn() {
                Ok(known.clone())
            } else {
                self.ecs.describe_task_definition(arn).await
            }
        });
        few_at_once(describing).await.into_iter().collect()
    }

    /// What runs the families on a schedule, if that is to be changed.
    async fn observe_schedules(
        &self,
        families: &[String],
    ) -> Result<Vec<ObservedSchedule>, Vec<Refusal>> {
        if !self.spec.scheduled_tasks {
            return Ok(Vec::new());
        }
        let found = self.scheduled(families).await.map_err(|error| {
            let about = format!("{}: what runs on a schedule", self.spec.about());
            vec![self.refused_call(about, &error, false)]
        })?;
        let observed = found.iter().map(|one| ObservedSchedule {
            name: one.to_string(),
            is_stuck: one.is_stuck(),
        });
        Ok(observed.collect())
    }
}

fn observed(target: &Target, described: ServiceDescribed) -> (ObservedService, RunSettings) {
    let service = ObservedService {
        target: target.clone(),
        seen: described.seen,
        controller: described.controller,
        resource_management: described.resource_management,
        current_service_deployment: described.current_service_deployment,
        newest: None,
        needs: described.needs,
        depends: described.depends,
    };
    (service, described.settings)
}

fn definition_file(file: TaskDefinitionFile) -> DefinitionFile {
    DefinitionFile {
        fields: file.fields,
        tags: file.tags,
        left_out: file.dropped,
    }
}

fn alone<T>(result: Result<T, Refusal>) -> Result<T, Vec<Refusal>> {
    result.map_err(|refusal| vec![refusal])
}

/// Both, or what is wrong with either.
fn both<A, B>(
    one: Result<A, Vec<Refusal>>,
    other: Result<B, Vec<Refusal>>,
) -> Result<(A, B), Vec<Refusal>> {
    match (one, other) {
        (Ok(one), Ok(other)) => Ok((one, other)),
        (one, other) => {
            let mut refusals = one.err().unwrap_or_default();
            refusals.extend(other.err().unwrap_or_default());
            Err(refusals)
        }
    }
}
