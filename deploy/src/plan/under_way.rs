//! A deployment of a service that is under way before this job's: somebody else's, or a rollback of ECS's.

use super::observed::ObservedService;
use crate::refusal::Refusal;
use crate::revision::Revision;
use crate::seen::{DeploymentSeen, ServiceSeen};
use crate::spec::{DeploySpec, IfDeploying};
use crate::text;

/// Whether the service itself looks as if one were under way, as far as it shows that: worth a call more.
pub fn seems_under_way(seen: &ServiceSeen) -> bool {
    let is_going_on = |primary: &DeploymentSeen| match primary.rollout_state.as_deref() {
        Some(state) => state == "IN_PROGRESS",
        // Behind a Classic Load Balancer.
        None => seen.deployments.len() > 1,
    };
    seen.primary().is_some_and(is_going_on)
}

/// Why `service` is not deployed to now; none if it may be.
///
/// A rollback is always waited for: ECS goes back to the newest completed deployment, so that a failure of what
/// comes before it is complete could not be rolled back.
pub(super) fn under_way(spec: &DeploySpec, service: &ObservedService) -> Option<Refusal> {
    let status = service.newest.as_ref().map(|newest| newest.status.as_str());
    let is_rollback = match status {
        Some("ROLLBACK_REQUESTED" | "ROLLBACK_IN_PROGRESS") => true,
        Some("PENDING" | "IN_PROGRESS" | "STOP_REQUESTED") => false,
        None if seems_under_way(&service.seen) => {
            let primary = service.seen.primary()?;
            let mut listed = service.seen.deployments.iter();
            listed.any(|one| {
                one.rollout_state.as_deref() == Some("FAILED") && goes_back(primary, one)
            })
        }
        Some(_) | None => return None,
    };
    if !is_rollback && spec.if_deploying == IfDeploying::Replace {
        return None;
    }
    let who = service.seen.primary().map_or_else(
        || text::last_part(&service.seen.task_definition).to_owned(),
        |primary| {
            let revision = text::last_part(&primary.task_definition);
            format!("{revision}, {}", primary.id)
        },
    );
    let primary = service.seen.primary();
    Some(Refusal::UnderWay {
        target: service.target.clone(),
        since: primary.and_then(|primary| primary.created_at),
        who,
        is_rollback,
        is_waited_for: is_rollback || spec.if_deploying == IfDeploying::Wait,
    })
}

/// Whether the PRIMARY deployment brings what was before the one that `failed`: one that mends it goes forward.
fn goes_back(primary: &DeploymentSeen, failed: &DeploymentSeen) -> bool {
    let number = |one: &DeploymentSeen| {
        let revision = Revision::parse(&one.task_definition).ok()?;
        Some((revision.family().to_owned(), revision.number()))
    };
    match (number(primary), number(failed)) {
        (Some((one, before)), Some((other, after))) if one == other => before < after,
        _ => primary.created_at < failed.created_at,
    }
}

#[cfg(test)]
mod tests {
    use super::super::observed::Newest;
    use super::*;
    use crate::dependencies::Depends;
    use crate::fit::Needs;
    use crate::testing::{spec, target};

    fn service(primary: &str, other: Option<&str>, newest: Option<&str>) -> ObservedService {
        let deployment = |status: &str, state: &str, revision: &str| DeploymentSeen {
            id: format!("ecs-svc/{revision}"),
            status: status.to_owned(),
            task_definition: format!("arn:aws:ecs:r:1:task-definition/{revision}"),
            rollout_state: Some(state.to_owned()),
            ..DeploymentSeen::default()
        };
        let mut deployments = vec![deployment("PRIMARY", primary, "app:7")];
        deployments.extend(other.map(|state| deployment("ACTIVE", state, "app:8")));
        ObservedService {
            target: target(0),
            seen: ServiceSeen {
                deployments,
                ..ServiceSeen::default()
            },
            newest: newest.map(|status| Newest {
                status: status.to_owned(),
            }),
            controller: None,
            resource_management: None,
            current_service_deployment: None,
            needs: Needs::default(),
            depends: Depends::default(),
        }
    }

    fn asked(if_deploying: IfDeploying, service: &ObservedService) -> Option<(bool, bool)> {
        let spec = DeploySpec {
            if_deploying,
            ..spec(true)
        };
        match under_way(&spec, service)? {
            Refusal::UnderWay {
                is_rollback,
                is_waited_for,
                who,
                ..
            } => {
                assert_eq!(who, "app:7, ecs-svc/app:7");
                Some((is_rollback, is_waited_for))
            }
            other => panic!("{other}"),
        }
    }

    #[test]
    fn a_deployment_of_somebody_else_is_replaced_waited_for_or_a_failure_as_asked() {
        use IfDeploying::{Fail, Replace, Wait};
        for (shown, newest) in [
            ("IN_PROGRESS", None),
            ("IN_PROGRESS", Some("IN_PROGRESS")),
            // Blue/green while its traffic is watched: only the list shows it.
            ("COMPLETED", Some("IN_PROGRESS")),
        ] {
            let busy = service(shown, Some("COMPLETED"), newest);
            assert_eq!(asked(Replace, &busy), None);
            assert_eq!(asked(Wait, &busy), Some((false, true)));
            assert_eq!(asked(Fail, &busy), Some((false, false)));
        }
        for newest in [None, Some("SUCCESSFUL"), Some("STOPPED")] {
            let calm = service("COMPLETED", None, newest);
            assert_eq!(asked(Fail, &calm), None);
        }
    }

    #[test]
    fn a_rollback_of_ecs_is_waited_for_whatever_is_asked() {
        for (other, newest) in [
            ("FAILED", None),
            ("IN_PROGRESS", Some("ROLLBACK_IN_PROGRESS")),
            ("IN_PROGRESS", Some("ROLLBACK_REQUESTED")),
        ] {
            let busy = service("IN_PROGRESS", Some(other), newest);
            for asked_for in [IfDeploying::Replace, IfDeploying::Wait, IfDeploying::Fail] {
                assert_eq!(asked(asked_for, &busy), Some((true, true)), "{newest:?}");
            }
        }
        // Somebody mends what has failed.
        let mut forward = service("IN_PROGRESS", Some("FAILED"), None);
        forward.seen.deployments[1].task_definition =
            "arn:aws:ecs:r:1:task-definition/app:6".to_owned();
        assert_eq!(asked(IfDeploying::Replace, &forward), None);
        let over = service("COMPLETED", Some("FAILED"), Some("ROLLBACK_SUCCESSFUL"));
        assert_eq!(asked(IfDeploying::Fail, &over), None);
    }
}
