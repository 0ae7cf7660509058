//! A deployment that was checked and not begun, in sentences: the dry run.

use crate::plan::{Plan, ServicePlan};
use crate::spec::StandaloneTask;
use crate::text;
use crate::time::human;

impl Plan {
    /// The headline: each family's images in one sentence.
    pub fn headline(&self, about: &str) -> String {
        let families: Vec<String> = self
            .families
            .iter()
            .map(|family| {
                let images: Vec<String> = family
                    .registration
                    .changes
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
                    .registration
                    .roles()
                    .into_iter()
                    .map(|(member, arn)| format!("{} ({member})", text::last_part(arn)))
                    .collect();
                let roles = if roles.is_empty() {
                    String::new()
                } else {
                    format!(" It passes on the roles {}.", text::listed(&roles))
                };
                let base = &family.base;
                if family.is_existing {
                    format!("{base} would be deployed as it is: {what}.{roles}")
                } else {
                    format!("A new revision would be made from {base}: {what}.{roles}")
                }
            })
            .collect();
        let skipped = if self.is_unchanged {
            " Nothing would be deployed, for that is what serves (SkipIfUnchanged)."
        } else {
            ""
        };
        format!(
            "{about}: dry run, nothing was changed. {}{skipped}",
            families.join(" ")
        )
    }

    /// What was checked, one sentence each.
    pub fn checked(&self) -> Vec<String> {
        let services = self.services.iter().map(|service| {
            format!(
                "{} is ACTIVE, deployed by ECS ({}) and runs {} with {} wanted",
                service.target,
                service.seen.strategy.as_deref().unwrap_or("ROLLING"),
                text::last_part(&service.seen.task_definition),
                text::counted(usize::try_from(service.seen.desired).unwrap_or(0), "task")
            )
        });
        let mut checked: Vec<String> = services.collect();
        for family in &self.families {
            checked.extend(
                family.registration.changes.iter().map(|change| {
                    format!("{} has the container {}", family.base, change.container)
                }),
            );
            checked.extend(family.verified.iter().map(|image| {
                format!("the image {image} was checked in ECR, if it is an ECR image")
            }));
        }
        checked.push("the continuation token fits into its limit".to_owned());
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
        let mut calls = if self.is_unchanged {
            Vec::new()
        } else {
            self.deploying()
        };
        let to = if self.is_unchanged {
            "what serves"
        } else {
            "the new revision"
        };
        calls.extend(
            self.scheduled
                .iter()
                .map(|one| format!("after success {one} is pointed at {to}")),
        );
        if let Some(keep) = self.keep_revisions {
            calls.push(format!(
                "ecs:DeregisterTaskDefinition: after success older revisions that nobody needs, keeping the newest {keep}"
            ));
        }
        calls
    }

    /// The calls that deploy.
    fn deploying(&self) -> Vec<String> {
        let mut calls: Vec<String> = self
            .families
            .iter()
            .filter(|family| !family.is_existing)
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
            let run = of_task(&task.asked);
            calls.push(format!("{run}; the rest follows if it exits with 0"));
        }
        let is_to_be_set = |service: &&ServicePlan| {
            let family = self.families.get(service.family);
            let family = family.filter(|family| family.is_existing);
            let own = family.and_then(|family| family.own.as_ref());
            own != Some(&service.seen.task_definition)
        };
        calls.extend(self.services.iter().filter(is_to_be_set).map(|service| {
            let family = self.families.get(service.family);
            let to = family.map_or_else(String::new, |family| {
                if family.is_existing {
                    family.base.clone()
                } else {
                    format!("the new revision of {}", family.name)
                }
            });
            format!(
                "ecs:UpdateService: {} from {} to {to}",
                service.target,
                text::last_part(&service.seen.task_definition)
            )
        }));
        calls.push(format!(
            "then the rollout is followed for {} at most; if it fails and ECS does not roll back by itself, {}",
            human(self.limit),
            if self.rollback {
                "ecs:StopServiceDeployment or ecs:UpdateService does"
            } else {
                "nothing does (Rollback is false)"
            }
        ));
        if let Some(task) = &self.post_deploy {
            calls.push(format!(
                "{} after all services serve; {}",
                of_task(task),
                if self.rollback {
                    "they are rolled back unless it exits with 0"
                } else {
                    "the action fails unless it exits with 0"
                }
            ));
        }
        calls
    }
}

/// Names of variables, and no values.
fn of_task(task: &StandaloneTask) -> String {
    let names = task.environment.iter().map(|(name, _)| name.as_str());
    let names: Vec<&str> = names.collect();
    let mut other = Vec::new();
    if !names.is_empty() {
        other.push(format!("the variables {}", text::listed(&names)));
    }
    other.extend(task.cpu.iter().map(|cpu| format!("cpu {cpu}")));
    other.extend(task.memory.iter().map(|memory| format!("memory {memory}")));
    let other = if other.is_empty() {
        String::new()
    } else {
        format!(", with {}", text::listed(&other))
    };
    format!(
        "ecs:RunTask: container {} with the command '{}' on the new revision{other}, for {} at most",
        task.container,
        task.command.join(" "),
        human(task.timeout)
    )
}
