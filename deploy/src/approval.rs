//! Answering the PAUSE hook at which a deployment waits
//! (<https://docs.aws.amazon.com/AmazonECS/latest/APIReference/API_ContinueServiceDeployment.html>).

use super::deployment::{Deployment, Ours, Service};
use super::revision::Revision;
use super::seen::{Held, Look, ServiceDeploymentSeen};
use super::spec::{ContinueDeployment, DeploySpec, DeployedBy, HookAction, WaitFor};
use super::text;
use super::verdict::Verdict;

/// What is due when a deployment that is to be continued was looked at for the first time.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Due {
    /// To answer this hook.
    Answer(String),
    /// To remember this hook and the deployment, and to answer it once that is certain. The parameters name no hook,
    /// and whoever comes again must not answer the next one; or the answer takes the deployment away by whose id they
    /// name it, and whoever comes again must find it.
    Choose(Held),
    /// To follow the deployment: the hook was answered, or it has expired.
    Follow,
}

/// What is due: `chosen` is the hook that an earlier invocation has remembered.
pub fn due(
    asked: &ContinueDeployment,
    chosen: Option<&str>,
    seen: Option<&ServiceDeploymentSeen>,
) -> Due {
    let mut held = seen.into_iter().flat_map(waits_at);
    let by_id = matches!(asked.deployment, DeployedBy::Id(_));
    let is_lost = by_id && asked.action == HookAction::RollBack && chosen.is_none();
    let wanted = asked.hook.as_deref().or(chosen);
    let found = match wanted {
        Some(wanted) => held.find(|one| one.hook.as_deref() == Some(wanted)),
        None => held.find(|one| one.hook.is_some()),
    };
    match (wanted, found) {
        (Some(wanted), Some(_)) if !is_lost => Due::Answer(wanted.to_owned()),
        (_, Some(held)) => Due::Choose(held.clone()),
        (_, None) => Due::Follow,
    }
}

/// The PAUSE hooks that hold a service deployment which goes on: ECS may show one of a deployment that is over.
pub fn waits_at(seen: &ServiceDeploymentSeen) -> impl Iterator<Item = &Held> {
    let goes_on = ["PENDING", "IN_PROGRESS"].contains(&seen.status.as_str());
    seen.held.iter().filter(move |_| goes_on)
}

impl ContinueDeployment {
    /// Whether this is the deployment that is named.
    pub fn names(&self, ours: &Ours) -> bool {
        match &self.deployment {
            DeployedBy::Id(id) => ours.deployment() == Some(id),
            DeployedBy::Arn(arn) => ours.service_deployment() == Some(text::last_part(arn)),
        }
    }
}

impl DeploySpec {
    /// Whether a rollback is what is asked for.
    pub fn is_to_roll_back(&self) -> bool {
        let asked = self.continues.as_ref();
        asked.is_some_and(|asked| asked.action == HookAction::RollBack)
    }
}

/// The PAUSE hook that holds our deployment of the service, which goes on. One that was answered is none: a look that
/// shows it is a late one.
pub fn held<'s>(service: &'s Service, spec: &DeploySpec) -> Option<&'s Held> {
    let (_, own) = service.live.look.as_ref()?.seen()?;
    let is_going_on = matches!(service.live.verdict, Some(Verdict::InProgress(_)));
    let asked = spec
        .continues
        .as_ref()
        .and_then(|asked| asked.hook.as_ref());
    let answered = [asked, service.live.answered.as_ref()];
    let mut waiting = own.filter(|_| is_going_on).into_iter().flat_map(waits_at);
    waiting.find(|one| one.hook.is_none() || !answered.contains(&one.hook.as_ref()))
}

/// Whether the service waits where it was to wait.
pub fn pauses(service: &Service, spec: &DeploySpec) -> bool {
    spec.wait_for == WaitFor::Pause && !spec.is_to_roll_back() && held(service, spec).is_some()
}

/// What the rollback that was asked for, and is complete, has come to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RolledBack {
    /// What was before is what the service is set to.
    AsAsked,
    /// A look does not show that yet: it is a late one, or what was before is not known.
    NotShown,
    /// The service is set to something else.
    AndReplaced,
}

/// See [`RolledBack`].
pub fn rolled_back(service: &Service) -> RolledBack {
    let seen = service.live.look.as_ref().and_then(Look::seen);
    let own = seen.and_then(|(_, own)| own);
    let to = own.and_then(|own| own.rollback_to.as_deref());
    let is_before = |serving: &Revision| {
        service.previous.as_ref() == Some(serving) || to.is_some_and(|to| serving.is_named_by(to))
    };
    let is_known = service.previous.is_some() || to.is_some();
    match service.serving() {
        Some(serving) if serving != service.revision && is_before(&serving) => RolledBack::AsAsked,
        Some(serving) if serving != service.revision && is_known => RolledBack::AndReplaced,
        Some(_) | None => RolledBack::NotShown,
    }
}

/// Whether one of the services waits at a PAUSE hook for whom it was to wait.
pub fn is_paused(deployment: &Deployment) -> bool {
    let mut services = deployment.services.iter();
    services.any(|service| service.live.is_paused)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn seen(hook: Option<&str>) -> ServiceDeploymentSeen {
        ServiceDeploymentSeen {
            status: "IN_PROGRESS".to_owned(),
            held: hook
                .into_iter()
                .map(|hook| Held {
                    hook: Some(hook.to_owned()),
                    stage: None,
                    until: None,
                    then: None,
                })
                .collect(),
            ..ServiceDeploymentSeen::default()
        }
    }

    #[test]
    fn the_hook_that_was_asked_for_is_answered_while_it_waits_and_no_other() {
        let of = |deployment, hook: Option<&str>, action| ContinueDeployment {
            deployment,
            hook: hook.map(str::to_owned),
            action,
        };
        let id = || DeployedBy::Id("ecs-svc/1".to_owned());
        let asked = |hook| of(id(), hook, HookAction::Continue);
        let answer = |hook: &str| Due::Answer(hook.to_owned());
        let rows = [
            (Some("h-1"), None, Some("h-1"), answer("h-1")),
            (Some("h-1"), None, Some("h-2"), Due::Follow),
            (Some("h-1"), None, None, Due::Follow),
            (None, Some("h-1"), Some("h-1"), answer("h-1")),
            (None, Some("h-1"), Some("h-2"), Due::Follow),
            (None, Some("h-1"), None, Due::Follow),
            (None, None, None, Due::Follow),
        ];
        for (named, chosen, waits, expected) in rows {
            let found = due(&asked(named), chosen, Some(&seen(waits)));
            assert_eq!(found, expected, "{named:?} {chosen:?} {waits:?}");
        }
        let found = due(&asked(None), None, Some(&seen(Some("h-1"))));
        assert!(matches!(found, Due::Choose(held) if held.hook.as_deref() == Some("h-1")));
        assert_eq!(due(&asked(Some("h-1")), None, None), Due::Follow);
        // Its rollback takes the id away, and not the ARN.
        let back = |by, chosen| {
            let asked = of(by, Some("h-1"), HookAction::RollBack);
            due(&asked, chosen, Some(&seen(Some("h-1"))))
        };
        assert!(matches!(back(id(), None), Due::Choose(_)));
        assert_eq!(back(id(), Some("h-1")), answer("h-1"));
        let arn = || DeployedBy::Arn("arn".to_owned());
        assert_eq!(back(arn(), None), answer("h-1"));
        let over = ServiceDeploymentSeen {
            status: "STOPPED".to_owned(),
            ..seen(Some("h-1"))
        };
        assert_eq!(due(&asked(Some("h-1")), None, Some(&over)), Due::Follow);
        assert_eq!(due(&asked(None), None, Some(&over)), Due::Follow);
    }
}
