//! Registers each family's new revision, once for all deliveries of the job.

use super::super::Run;
use super::super::at_once::few_at_once;
use super::super::once::{self, Attempt, Looked};
use crate::deploy::call::CallError;
use crate::deploy::cleanup::Cleanup;
use crate::deploy::plan::{FamilyPlan, Plan};
use crate::deploy::prior::{Prior, prior};
use crate::deploy::refusal::Refusal;
use crate::deploy::revision::Revision;
use crate::deploy::setting::Origin;
use crate::deploy::text;

/// The revision of this job in a family.
pub(super) struct Registered {
    pub(super) arn: String,
    /// Whose it is.
    pub(super) origin: Origin,
}

/// No revision that may be deployed.
struct NotFirst {
    refusal: Refusal,
    /// Another delivery has registered one before: this one's is of no use to anybody.
    is_duplicate: bool,
}

impl Run<'_> {
    /// Each family's revision of this job.
    ///
    /// # Errors
    /// Why one cannot be had. What of the others is of no use then, and what is a duplicate whatever
    /// comes of it, is added to `cleanup`.
    pub(super) async fn register_all(
        &self,
        plan: &Plan,
        cleanup: &mut Cleanup,
    ) -> Result<Vec<Registered>, Refusal> {
        let registering = plan.families.iter().map(|family| async {
            match family.own.clone() {
                Some(arn) => Ok(Registered {
                    arn,
                    origin: if family.is_existing {
                        self.existing_origin()
                    } else {
                        Origin::Registered
                    },
                }),
                None => self.register(family).await,
            }
        });
        let registered = few_at_once(registering).await;
        let made: Vec<String> = plan
            .families
            .iter()
            .zip(&registered)
            .filter(|(family, _)| family.own.is_none())
            .filter_map(|(_, made)| Some(made.as_ref().ok()?.arn.clone()))
            .collect();
        let firsts = match registered.into_iter().collect() {
            Ok(registered) => self.firsts(plan, registered, cleanup).await,
            Err(refusal) => Err(refusal),
        };
        if firsts.is_err() {
            cleanup.unused.extend(made);
        }
        firsts
    }

    /// Of each family the first revision of this job.
    async fn firsts(
        &self,
        plan: &Plan,
        registered: Vec<Registered>,
        cleanup: &mut Cleanup,
    ) -> Result<Vec<Registered>, Refusal> {
        let mut firsts = Vec::new();
        for (family, registered) in plan.families.iter().zip(registered) {
            if family.own.is_some() {
                firsts.push(registered);
                continue;
            }
            let Registered { arn, origin } = registered;
            match self.first_of_job(family, &arn).await {
                Ok(first) if first == arn => firsts.push(Registered { arn, origin }),
                Ok(first) => {
                    cleanup.duplicates.push(arn);
                    firsts.push(Registered {
                        arn: first,
                        origin: Origin::Registered,
                    });
                }
                Err(not_first) => {
                    cleanup
                        .duplicates
                        .extend(Some(arn).filter(|_| not_first.is_duplicate));
                    return Err(not_first.refusal);
                }
            }
        }
        Ok(firsts)
    }

    /// Registers a family's new revision. One that was found may be another delivery's.
    ///
    /// # Replay
    /// An attempt whose outcome is unknown is looked for by the job's tag before the next.
    async fn register(&self, family: &FamilyPlan) -> Result<Registered, Refusal> {
        enum Why {
            Call(CallError),
            FailedBefore(String),
        }
        let attempt = || async {
            match self.ecs.register(&family.registration.body).await {
                Ok(arn) => Attempt::Made(Registered {
                    arn,
                    origin: Origin::Fresh,
                }),
                Err(error) => Attempt::failed(error.class, Why::Call(error)),
            }
        };
        let look = || async {
            match self.prior_after(family).await {
                Ok(Prior::Revision(arn)) => Looked::Made(Registered {
                    arn,
                    origin: Origin::Registered,
                }),
                Ok(Prior::Over(arn)) => Looked::Stop(Some(Why::FailedBefore(arn))),
                Ok(Prior::Nothing) => Looked::NotMade,
                Err(error) => Looked::Stop(Some(Why::Call(error))),
            }
        };
        let made = once::make(self.patience(), once::Look::IfUnknown, attempt, look).await;
        made.map_err(
            |not_made| match not_made.forbidden.unwrap_or(not_made.reason) {
                Why::Call(error) => {
                    self.refused_call(self.spec.about(), &error, not_made.is_unknown)
                }
                Why::FailedBefore(revision) => Refusal::FailedBefore { revision },
            },
        )
    }

    /// Of several revisions of this job the first: two deliveries at once have each registered one
    /// before they could see the other's.
    ///
    /// # Replay
    /// ECS numbers revisions in the order of their registration, so all deliveries choose the same.
    ///
    /// # Errors
    /// [`NotFirst`]: who cannot see whether another delivery came first must not deploy, for it might be
    /// for the second time.
    async fn first_of_job(&self, family: &FamilyPlan, own: &str) -> Result<String, NotFirst> {
        let is_next = Revision::parse(own)
            .is_ok_and(|one| one.number().checked_sub(1) == Some(family.newest));
        if is_next {
            // ECS counts: nobody came between.
            return Ok(own.to_owned());
        }
        let prior = self.prior_after(family).await.map_err(|error| {
            let about = format!(
                "{}: {} is registered, and whether another delivery of this job has registered one before it cannot be seen; no service was changed",
                self.spec.about(),
                text::last_part(own)
            );
            NotFirst {
                refusal: self.refused_call(about, &error, true),
                is_duplicate: false,
            }
        })?;
        match prior {
            Prior::Revision(first) if first != own => Ok(first),
            Prior::Over(first) if first != own => Err(NotFirst {
                refusal: Refusal::FailedBefore { revision: first },
                is_duplicate: true,
            }),
            // Lists may lag behind: it is there all the same.
            Prior::Nothing | Prior::Revision(_) | Prior::Over(_) => Ok(own.to_owned()),
        }
    }

    /// What of this job was registered in the family since it was looked at.
    async fn prior_after(&self, family: &FamilyPlan) -> Result<Prior, CallError> {
        let found = self
            .own_revisions_after(&family.name, family.newest)
            .await?;
        Ok(prior(&found, &family.registration, self.spec.pin_digests))
    }
}
