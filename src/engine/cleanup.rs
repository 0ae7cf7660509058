//! Cleanup after the job is answered: deregistering revisions that nobody needs. The answer never
//! waits for it, and a death in here leaves nothing but revisions to prune.

use std::time::Duration;

use super::{Engine, schedules};
use crate::aws::Aws;
use crate::aws::ecs::Ecs;
use crate::deploy::call::CallError;
use crate::deploy::cleanup::{Cleanup, Prune, prunable};
use crate::deploy::revision::Revision;
use crate::deploy::spec::DeploySpec;
use crate::deploy::text;
use crate::deploy::words::{Caller, of_call};

impl Engine {
    /// Deregisters what `left` names, for `most` at most; returns what is to be reported of it.
    ///
    /// # Replay
    /// A revision that is deregistered twice stays what it is. A delivery that finds an unused
    /// revision still there gives the same answer again.
    pub async fn clean_up(
        &self,
        spec: &DeploySpec,
        left: &Cleanup,
        most: Option<Duration>,
    ) -> Vec<String> {
        let work = self.all_that_is_left(spec, left);
        let Some(most) = most else {
            return work.await;
        };
        match tokio::time::timeout(most, work).await {
            Ok(report) => report,
            Err(_) => vec![
                "the function's time limit came before all old revisions were deregistered"
                    .to_owned(),
            ],
        }
    }

    async fn all_that_is_left(&self, spec: &DeploySpec, left: &Cleanup) -> Vec<String> {
        let caller = Caller::of(spec);
        let target_account = self
            .aws
            .in_account(spec.region.as_ref(), spec.role.as_ref());
        let ecs = target_account.ecs(None);
        let mut report = Vec::new();
        let unused = left.duplicates.iter().chain(&left.unused).cloned();
        for revision in text::once(unused) {
            if let Err(error) = ecs.deregister(&revision).await {
                let about = "an unused revision is left over";
                report.push(of_call(about, &error, caller, true).message);
            }
        }
        if let Some(prune) = &left.prune {
            report.extend(match prune_families(&target_account, &ecs, prune, caller).await {
                Ok(done) => done,
                Err(error) => {
                    let about = "old revisions were left as they are, because it cannot be seen who needs them";
                    vec![of_call(about, &error, caller, true).message]
                }
            });
        }
        report
    }
}

async fn prune_families(
    target_account: &Aws,
    ecs: &Ecs,
    prune: &Prune,
    caller: Caller,
) -> Result<Vec<String>, CallError> {
    let scheduled = schedules::find(target_account, ecs, &prune.families).await?;
    let clusters = ecs.clusters().await?;
    let mut report = Vec::new();
    for family in &prune.families {
        let active = ecs.active_revisions(family).await?;
        let active: Vec<Revision> = parsed(&active);
        if active.len() <= prune.keep {
            continue;
        }
        let mut needed = prune.needed.clone();
        needed.extend(scheduled.iter().filter_map(schedules::Scheduled::revision));
        for cluster in &clusters {
            needed.extend(parsed(&ecs.in_use_on(cluster, family).await?));
        }
        let (old, more) = prunable(&active, prune.keep, &needed);
        let mut names: Vec<String> = Vec::new();
        for revision in &old {
            match ecs.deregister(&revision.to_string()).await {
                Ok(()) => names.push(revision.to_string()),
                Err(error) => {
                    let about = format!("{revision} and what follows it were left");
                    report.push(of_call(&about, &error, caller, true).message);
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
            report.push(format!("deregistered {}{more}", text::listed(&names)));
        }
    }
    Ok(report)
}

fn parsed(arns: &[String]) -> Vec<Revision> {
    let parsed = arns.iter().filter_map(|arn| Revision::parse(arn).ok());
    parsed.collect()
}
