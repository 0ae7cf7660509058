//! What is left to do once the job is answered: revisions that nobody needs. The answer never
//! waits for it, and a death in here leaves nothing but revisions over.

use std::time::Duration;

use super::schedules;
use crate::aws::Aws;
use crate::aws::ecs::Ecs;
use crate::deploy::call::CallError;
use crate::deploy::cleanup::{Cleanup, Prune, prunable};
use crate::deploy::revision::Revision;
use crate::deploy::text;
use crate::deploy::words::{Caller, of_call};

/// Does what is left to do in `target_account`, for `most` at most; returns what should be known of it.
///
/// # Replay
/// A revision that is deregistered twice stays what it is. A delivery that finds an unused
/// revision still there gives the same answer again.
pub(crate) async fn clean_up(
    target_account: &Aws,
    caller: Caller,
    cleanup: &Cleanup,
    most: Option<Duration>,
) -> Vec<String> {
    let work = clean_up_all(target_account, caller, cleanup);
    let Some(most) = most else {
        return work.await;
    };
    match tokio::time::timeout(most, work).await {
        Ok(warnings) => warnings,
        Err(_) => vec![
            "the function's time limit came before all old revisions were deregistered".to_owned(),
        ],
    }
}

async fn clean_up_all(target_account: &Aws, caller: Caller, cleanup: &Cleanup) -> Vec<String> {
    let ecs = target_account.ecs(None);
    let mut warnings = Vec::new();
    let of_no_use = cleanup.duplicates.iter().chain(&cleanup.unused).cloned();
    for revision in text::once(of_no_use) {
        if let Err(error) = ecs.deregister(&revision).await {
            let about = "an unused revision is left over";
            warnings.push(of_call(about, &error, caller, true).message.one_line());
        }
    }
    if let Some(prune) = &cleanup.prune {
        let pruned = prune_families(target_account, &ecs, prune, caller).await;
        warnings.extend(pruned.unwrap_or_else(|error| {
            let about =
                "old revisions were left as they are, because it cannot be seen who needs them";
            vec![of_call(about, &error, caller, true).message.one_line()]
        }));
    }
    warnings
}

async fn prune_families(
    target_account: &Aws,
    ecs: &Ecs,
    prune: &Prune,
    caller: Caller,
) -> Result<Vec<String>, CallError> {
    let scheduled = schedules::find(target_account, ecs, &prune.families).await?;
    let clusters = ecs.clusters().await?;
    let mut warnings = Vec::new();
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
                    warnings.push(of_call(&about, &error, caller, true).message.one_line());
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
            warnings.push(format!("deregistered {}{more}", text::listed(&names)));
        }
    }
    Ok(warnings)
}

fn parsed(arns: &[String]) -> Vec<Revision> {
    let parsed = arns.iter().filter_map(|arn| Revision::parse(arn).ok());
    parsed.collect()
}
