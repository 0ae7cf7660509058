//! What a deployment would do, in sentences: the dry run.

use super::diff::Changes;
use super::task_definition::ImageChange;
use super::text;

/// A deployment that was checked and not begun.
#[derive(Debug, Clone, PartialEq)]
pub struct Plan {
    /// The task definition families.
    pub families: Vec<FamilyPlan>,
    /// The services, in the order of the parameters.
    pub services: Vec<ServicePlan>,
    /// The task that would run first.
    pub pre_deploy: Option<TaskPlan>,
    /// What would be pointed at the new revision, as `rule nightly, target 1`.
    pub scheduled: Vec<String>,
    /// How many revisions would be kept.
    pub keep_revisions: Option<usize>,
    /// Whether a failure would be rolled back.
    pub rollback: bool,
    /// The time limit, spoken.
    pub limit: String,
}

/// One family.
#[derive(Debug, Clone, PartialEq)]
pub struct FamilyPlan {
    /// Its name.
    pub name: String,
    /// What the new revision is made from: `app:41`, or a file's name.
    pub base: String,
    /// What would differ from what its services run.
    pub changes: Changes,
    /// The images asked for.
    pub images: Vec<ImageChange>,
    /// The roles that ECS would be handed: member and ARN.
    pub roles: Vec<(String, String)>,
    /// The images that were looked for in ECR, as far as they are there.
    pub verified: Vec<String>,
}

/// One service.
#[derive(Debug, Clone, PartialEq)]
pub struct ServicePlan {
    /// `web on prod`.
    pub target: String,
    /// What it runs, `app:41`.
    pub runs: String,
    /// `ROLLING`, `BLUE_GREEN`, `LINEAR` or `CANARY`.
    pub strategy: String,
    /// How many tasks it wants.
    pub desired: i32,
    /// Its place among the families.
    pub family: usize,
}

/// The task before the deployment.
#[derive(Debug, Clone, PartialEq)]
pub struct TaskPlan {
    /// The container whose exit code would decide.
    pub container: String,
    /// What it would run.
    pub command: String,
    /// Its time limit, spoken.
    pub limit: String,
}

impl Plan {
    /// The headline: each family's images in one sentence.
    pub fn headline(&self, about: &str) -> String {
        let families: Vec<String> = self
            .families
            .iter()
            .map(|family| {
                let images: Vec<String> = family
                    .images
                    .iter()
                    .map(|change| {
                        format!("{} from {} to {}", change.container, change.from, change.to)
                    })
                    .collect();
                let what = if images.is_empty() {
                    text::counted(family.changes.count(), "difference")
                } else {
                    text::listed(&images)
                };
                let roles: Vec<String> = family
                    .roles
                    .iter()
                    .map(|(member, arn)| format!("{} ({member})", text::last_part(arn)))
                    .collect();
                let roles = if roles.is_empty() {
                    String::new()
                } else {
                    format!(" It passes on the roles {}.", text::listed(&roles))
                };
                format!(
                    "A new revision would be made from {}: {what}.{roles}",
                    family.base
                )
            })
            .collect();
        format!(
            "{about}: dry run, nothing was changed. {}",
            families.join(" ")
        )
    }

    /// What was checked, one sentence each.
    pub fn checked(&self) -> Vec<String> {
        let services = self.services.iter().map(|service| {
            format!(
                "{} is ACTIVE, deployed by ECS ({}) and runs {} with {} wanted",
                service.target,
                service.strategy,
                service.runs,
                text::counted(usize::try_from(service.desired).unwrap_or(0), "task")
            )
        });
        let mut checked: Vec<String> = services.collect();
        for family in &self.families {
            checked.extend(
                family.images.iter().map(|change| {
                    format!("{} has the container {}", family.base, change.container)
                }),
            );
            checked.extend(
                family
                    .verified
                    .iter()
                    .map(|image| format!("the image {image} was looked for in ECR if it is there")),
            );
        }
        checked.push("what must be remembered between two invocations fits".to_owned());
        if !self.scheduled.is_empty() {
            checked.push(format!(
                "{} on a schedule run these families",
                text::counted(self.scheduled.len(), "target")
            ));
        }
        checked
    }

    /// The calls that would change something, in their order.
    pub fn calls(&self) -> Vec<String> {
        let mut calls: Vec<String> = self
            .families
            .iter()
            .map(|family| {
                format!(
                    "ecs:RegisterTaskDefinition: a new revision of {} from {}, with {} different from what runs",
                    family.name,
                    family.base,
                    text::counted(family.changes.count(), "value")
                )
            })
            .collect();
        if let Some(task) = &self.pre_deploy {
            calls.push(format!(
                "ecs:RunTask: container {} with the command '{}' on the new revision, for {} at most; the rest follows if it exits with 0",
                task.container, task.command, task.limit
            ));
        }
        calls.extend(self.services.iter().map(|service| {
            let family = self.families.get(service.family);
            format!(
                "ecs:UpdateService: {} from {} to the new revision of {}",
                service.target,
                service.runs,
                family.map_or("", |family| &family.name)
            )
        }));
        calls.push(format!(
            "then the rollout is followed for {} at most; if it fails and ECS does not go back by itself, {}",
            self.limit,
            if self.rollback {
                "ecs:StopServiceDeployment or ecs:UpdateService does"
            } else {
                "nothing does (Rollback is false)"
            }
        ));
        calls.extend(
            self.scheduled
                .iter()
                .map(|one| format!("after success {one} is pointed at the new revision")),
        );
        if let Some(keep) = self.keep_revisions {
            calls.push(format!(
                "ecs:DeregisterTaskDefinition: after success older revisions that nobody needs, keeping the newest {keep}"
            ));
        }
        calls
    }
}
