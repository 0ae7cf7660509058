//! What is left to do once the job is answered: revisions that nobody needs. The answer never
//! waits for it, and a death in here leaves nothing but revisions over.

use std::time::Duration;

use super::{Engine, schedules};
use crate::aws::error::CallError;
use crate::deploy::revision::Revision;
use crate::deploy::text;
use crate::deploy::tidy::superfluous;
use crate::explain::{self, Caller};
use crate::parameters::DeploySpec;

/// What is left to do.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Afterwards {
    /// Revisions that were registered for this job and that no service will ever use: ARNs, or
    /// `family:number`. Only if this answer counts: another delivery may be using them.
    pub unused: Vec<String>,
    /// Revisions that this very delivery registered while another one had already: nobody uses
    /// them, whatever becomes of the answer.
    pub duplicates: Vec<String>,
    /// Old revisions of these families are to be deregistered.
    pub tidy: Option<Tidy>,
}

/// Which revisions to keep.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tidy {
    /// So many of the newest.
    pub keep: usize,
    /// Of these families: of what serves now.
    pub families: Vec<String>,
    /// Those that a rollback would need, and the new ones.
    pub needed: Vec<Revision>,
}

impl Afterwards {
    /// What is left to do if the job was answered by another delivery.
    #[must_use]
    pub fn of_no_account(self) -> Self {
        Self {
            duplicates: self.duplicates,
            ..Self::default()
        }
    }
}

impl Engine {
    /// Does what is left to do, for `most` at most; returns what should be known of it.
    ///
    /// # Replay
    /// A revision that is deregistered twice stays what it is. A delivery that finds an unused
    /// revision still there gives the same answer again.
    pub async fn afterwards(
        &self,
        spec: &DeploySpec,
        left: &Afterwards,
        most: Option<Duration>,
    ) -> Vec<String> {
        let work = self.all_that_is_left(spec, left);
        let Some(most) = most else {
            return work.await;
        };
        match tokio::time::timeout(most, work).await {
            Ok(told) => told,
            Err(_) => vec![
                "the function's time limit came before all old revisions were deregistered"
                    .to_owned(),
            ],
        }
    }

    async fn all_that_is_left(&self, spec: &DeploySpec, left: &Afterwards) -> Vec<String> {
        let caller = if spec.role.is_some() {
            Caller::Assumed
        } else {
            Caller::Function
        };
        let ecs = self
            .aws
            .in_account(spec.region.as_ref(), spec.role.as_ref())
            .ecs(None);
        let mut told = Vec::new();
        let of_no_use = left.duplicates.iter().chain(&left.unused).cloned();
        for revision in text::once(of_no_use) {
            if let Err(error) = ecs.deregister(&revision).await {
                let about = "an unused revision is left over";
                told.push(explain::of_call(about, &error, caller, true).message);
            }
        }
        if let Some(tidy) = &left.tidy {
            told.extend(match self.tidy(spec, tidy, caller).await {
                Ok(done) => done,
                Err(error) => {
                    let about = "old revisions were left as they are, because it cannot be seen who needs them";
                    vec![explain::of_call(about, &error, caller, true).message]
                }
            });
        }
        told
    }

    async fn tidy(
        &self,
        spec: &DeploySpec,
        tidy: &Tidy,
        caller: Caller,
    ) -> Result<Vec<String>, CallError> {
        let there = self
            .aws
            .in_account(spec.region.as_ref(), spec.role.as_ref());
        let ecs = there.ecs(None);
        let scheduled = schedules::find(&there, &ecs, &tidy.families).await?;
        let clusters = ecs.clusters().await?;
        let mut told = Vec::new();
        for family in &tidy.families {
            let active = ecs.active_revisions(family).await?;
            let active: Vec<Revision> = parsed(&active);
            if active.len() <= tidy.keep {
                continue;
            }
            let mut needed = tidy.needed.clone();
            needed.extend(scheduled.iter().filter_map(schedules::Scheduled::revision));
            for cluster in &clusters {
                needed.extend(parsed(&ecs.in_use_on(cluster, family).await?));
            }
            let (old, more) = superfluous(&active, tidy.keep, &needed);
            let mut names: Vec<String> = Vec::new();
            for revision in &old {
                match ecs.deregister(&revision.to_string()).await {
                    Ok(()) => names.push(revision.to_string()),
                    Err(error) => {
                        let about = format!("{revision} and what follows it were left");
                        told.push(explain::of_call(&about, &error, caller, true).message);
                        break;
                    }
                }
            }
            if !names.is_empty() {
                let more = if more == 0 {
                    String::new()
                } else {
                    format!("; {more} more are left for the next deployments")
                };
                told.push(format!("deregistered {}{more}", text::listed(&names)));
            }
        }
        Ok(told)
    }
}

fn parsed(arns: &[String]) -> Vec<Revision> {
    let parsed = arns.iter().filter_map(|arn| Revision::parse(arn).ok());
    parsed.collect()
}
