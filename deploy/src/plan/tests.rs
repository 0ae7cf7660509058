#![cfg(test)]
//! Each refusal of a start from what was seen, and the plan where there is none.

use serde_json::{Map, Value, json};

use super::*;
use crate::dependencies::Depends;
use crate::fit::{self, Needs};
use crate::images::ImageSource;
use crate::patch::Patch;
use crate::refusal::{Refusal, ShortestRollout, UnusableImage};
use crate::seen::Stuck;
use crate::spec::{BaseFrom, LONGEST_TIMEOUT};
use crate::task_definition::{Described, JOB_TAG, Misfit};
use crate::testing::{LIMIT, STARTED, spec, target, with_task};

const JOB: &str = "11111111-2222-4333-8444-555555555555";

fn arn(revision: &str) -> String {
    format!("arn:aws:ecs:eu-central-1:111122223333:task-definition/{revision}")
}

fn object(value: Value) -> Map<String, Value> {
    value.as_object().unwrap().clone()
}

fn described(revision: &str, status: &str, image: &str, job: Option<&str>) -> Described {
    let family = revision.split(':').next().unwrap_or_default();
    Described {
        task_definition: object(json!({
            "taskDefinitionArn": arn(revision), "family": family, "status": status,
            "containerDefinitions": [{"name": "app", "image": image}],
        })),
        tags: job
            .map(|job| json!({"key": JOB_TAG, "value": job}))
            .into_iter()
            .collect(),
    }
}

fn base(revision: &str) -> Described {
    described(revision, "ACTIVE", "repo/app:v1", None)
}

fn service(number: usize, runs: &str) -> ObservedService {
    ObservedService {
        target: target(number),
        seen: ServiceSeen {
            status: "ACTIVE".to_owned(),
            task_definition: arn(runs),
            desired: 2,
            ..ServiceSeen::default()
        },
        controller: None,
        resource_management: None,
        current_service_deployment: None,
        newest: None,
        needs: Needs::default(),
        depends: Depends::default(),
    }
}

/// Two services that run `app:41`, for which `repo/app:v2` comes.
fn observed() -> Observed {
    Observed {
        at: STARTED,
        services: vec![service(0, "app:41"), service(1, "app:41")],
        places: vec![0, 0],
        families: vec![ObservedFamily {
            name: "app".to_owned(),
            current: vec![base("app:41")],
            named: None,
            newest: 41,
            own: Vec::new(),
        }],
        images: Some(ImageSource::Definitions {
            file: "imagedefinitions.json".to_owned(),
            images: vec![("app".to_owned(), "repo/app:v2".to_owned())],
        }),
        file: None,
        patch: None,
        schedules: Vec::new(),
    }
}

fn asked(spec: &DeploySpec) -> Asked<'_> {
    Asked {
        spec,
        job: JOB,
        config_pin: None,
        chosen: None,
    }
}

fn planned(spec: &DeploySpec, observed: Observed) -> Result<Plan, Vec<Refusal>> {
    let draft = draft(asked(spec), &observed)?;
    let verified = draft.registrations.iter().map(|_| Verified::default());
    let verified = verified.collect();
    settle(asked(spec), observed, draft, verified, Vec::new())
}

#[test]
fn what_cannot_be_deployed_to_is_refused_by_its_reason() {
    let none: fn(&mut ObservedService) = |_| {};
    let shortest = |shift, bake| ShortestRollout {
        strategy: "LINEAR".to_owned(),
        shift: Duration::from_mins(shift),
        bake: Duration::from_mins(bake),
    };
    let rows: [(fn(&mut ObservedService), Option<Refusal>); 10] = [
        (none, None),
        (|one| one.controller = Some("ECS".to_owned()), None),
        (
            |one| one.seen.status = "DRAINING".to_owned(),
            Some(Refusal::NotActive {
                target: target(0),
                status: "DRAINING".to_owned(),
            }),
        ),
        (
            |one| one.controller = Some("CODE_DEPLOY".to_owned()),
            Some(Refusal::CodeDeployController(target(0))),
        ),
        (
            |one| one.controller = Some("EXTERNAL".to_owned()),
            Some(Refusal::ExternalController(target(0))),
        ),
        (
            |one| one.controller = Some("NEW".to_owned()),
            Some(Refusal::UnknownController {
                target: target(0),
                controller: "NEW".to_owned(),
            }),
        ),
        (
            |one| one.resource_management = Some("ECS".to_owned()),
            Some(Refusal::ExpressMode(target(0))),
        ),
        (
            |one| (one.seen.percents, one.seen.desired) = (Some((100, 100)), 2),
            Some(Refusal::CannotMove {
                target: target(0),
                stuck: Stuck {
                    minimum: 100,
                    maximum: 100,
                    fewest: 2,
                    most: 2,
                    desired: 2,
                },
            }),
        ),
        (
            |one| {
                one.seen.strategy = Some("LINEAR".to_owned());
                (one.seen.shift_minutes, one.seen.bake_minutes) = (20, 40);
            },
            Some(Refusal::OutlastsTimeout {
                target: target(0),
                rollout: shortest(20, 40),
                timeout: LIMIT,
            }),
        ),
        (
            |one| {
                one.seen.strategy = Some("LINEAR".to_owned());
                (one.seen.shift_minutes, one.seen.bake_minutes) = (940, 440);
            },
            Some(Refusal::OutlastsAction {
                target: target(0),
                rollout: shortest(940, 440),
            }),
        ),
    ];
    assert_eq!(LONGEST_TIMEOUT.as_secs() / 60, 940 + 440);
    for (change, expected) in rows {
        let mut service = service(0, "app:41");
        change(&mut service);
        assert_eq!(unsuitable(&spec(true), &service), expected);
    }
}

fn from_file() -> DeploySpec {
    DeploySpec {
        base: BaseFrom::File("taskdef.json".to_owned()),
        ..spec(true)
    }
}

fn file(fields: Value) -> DefinitionFile {
    DefinitionFile {
        fields: object(fields),
        tags: None,
        left_out: vec!["revision".to_owned()],
    }
}

#[test]
fn a_file_is_for_one_family_and_for_the_one_that_runs() {
    let spec = from_file();
    let of = |runs: [&str; 2], family: Value| {
        let services = [service(0, runs[0]), service(1, runs[1])];
        families(&spec, &services, Some(&file(family)), &[])
    };
    let one = Families {
        names: vec!["app".to_owned()],
        places: vec![0, 0],
    };
    assert_eq!(of(["app:1", "app:2"], json!({})), Ok(one.clone()));
    assert_eq!(of(["app:1", "app:2"], json!({"family": "app"})), Ok(one));
    assert_eq!(
        of(["app:1", "web:2"], json!({"family": "app"})),
        Err(vec![Refusal::SeveralFamilies {
            file: "taskdef.json".to_owned(),
            families: vec!["app".to_owned(), "web".to_owned()],
        }])
    );
    assert_eq!(
        of(["app:1", "app:2"], json!({"family": "shop"})),
        Err(vec![Refusal::OtherFamily {
            file: "taskdef.json".to_owned(),
            family: "shop".to_owned(),
            runs: "app".to_owned(),
        }])
    );
    let wrong = Revision::parse(&arn("app")).unwrap_err();
    assert_eq!(
        of(["app", "app:2"], json!({})),
        Err(vec![Refusal::NotSetToARevision {
            target: target(0),
            wrong
        }])
    );
}

#[test]
fn services_of_a_family_that_run_different_revisions_need_one_base() {
    let mut observed = observed();
    observed.services[1] = service(1, "app:40");
    observed.families[0].current.push(base("app:40"));
    assert_eq!(
        planned(&spec(true), observed.clone()).unwrap_err(),
        [Refusal::DifferentRevisions(vec![
            (target(0), arn("app:41")),
            (target(1), arn("app:40")),
        ])]
    );
    observed.families[0].named = Some(base("app:43"));
    let latest = DeploySpec {
        base: BaseFrom::Latest,
        ..spec(true)
    };
    let plan = planned(&latest, observed.clone()).unwrap();
    assert_eq!(plan.families[0].base, "app:43");
    // What an earlier delivery of this job has set one of them to is no base.
    observed.families[0].current[0] = described("app:41", "ACTIVE", "repo/app:v2", Some(JOB));
    let plan = planned(&spec(true), observed.clone()).unwrap();
    assert_eq!(plan.families[0].base, "app:40");
    observed.families[0].current.clear();
    assert_eq!(
        planned(&spec(true), observed).unwrap_err(),
        [Refusal::NoBase]
    );
}

#[test]
fn every_problem_of_a_draft_is_told() {
    let spec = DeploySpec {
        pre_deploy: with_task(true, 5).pre_deploy.map(|task| StandaloneTask {
            container: "migrations".to_owned(),
            ..task
        }),
        ..from_file()
    };
    let mut observed = observed();
    observed.file = Some(file(json!({
        "networkMode": "awsvpc", "containerDefinitions": [{"name": "app", "image": "<APP>"}],
    })));
    observed.schedules = ["hourly", "nightly"]
        .map(|name| ObservedSchedule {
            name: name.to_owned(),
            is_stuck: name == "nightly",
        })
        .into();
    let unfit = |number| Refusal::Unfit {
        base: spec.base.clone(),
        target: target(number),
        misfit: Box::new(fit::Misfit::NoNetwork),
    };
    assert_eq!(
        planned(&spec, observed.clone()).unwrap_err(),
        [
            Refusal::NoContainerForTask {
                parameter: "PreDeployTask",
                container: "migrations".to_owned(),
                known: vec!["app of app".to_owned()],
            },
            unfit(0),
            unfit(1),
            Refusal::StuckSchedule("nightly".to_owned()),
        ]
    );
    observed.images = None;
    assert_eq!(
        planned(&spec, observed).unwrap_err(),
        [Refusal::Misfit(Misfit::Placeholder {
            container: "app".to_owned(),
            base: "taskdef.json".to_owned(),
            image: "<APP>".to_owned(),
            placeholder: "APP".to_owned(),
        })]
    );
}

#[test]
fn what_an_earlier_delivery_has_left_is_gone_on_with_or_has_failed() {
    let with_own = |status, image| {
        let mut observed = observed();
        observed.families[0].own = vec![described("app:42", status, image, Some(JOB))];
        planned(&spec(true), observed)
    };
    let own = |plan: Result<Plan, Vec<Refusal>>| plan.unwrap().families[0].own.clone();
    assert_eq!(own(with_own("ACTIVE", "repo/app:v2")), Some(arn("app:42")));
    assert_eq!(own(with_own("ACTIVE", "repo/app:v3")), None);
    assert_eq!(
        with_own("INACTIVE", "repo/app:v2").unwrap_err(),
        [Refusal::FailedBefore {
            revision: arn("app:42")
        }]
    );
}

#[test]
fn images_that_cannot_be_deployed_are_told_once_and_in_order() {
    let spec = spec(true);
    let observed = observed();
    let image = |name: &str| UnusableImage::Archived(name.to_owned());
    let verified = vec![Verified {
        unusable: vec![image("b"), image("a"), image("b")],
        ..Verified::default()
    }];
    let draft = draft(asked(&spec), &observed).unwrap();
    assert_eq!(
        settle(asked(&spec), observed, draft, verified, Vec::new()).unwrap_err(),
        [Refusal::Image(image("a")), Refusal::Image(image("b"))]
    );
}

#[test]
fn what_could_not_be_remembered_is_not_begun() {
    let mut observed = observed();
    observed.services = (0..40).map(|number| service(number, "app:41")).collect();
    observed.places = vec![0; 40];
    let refused = planned(&spec(true), observed).unwrap_err();
    assert!(
        matches!(refused[..], [Refusal::TokenTooLarge(_)]),
        "{refused:?}"
    );
}

#[test]
fn a_plan_says_all_that_is_to_be_done_with_pinned_images() {
    let image = "111122223333.dkr.ecr.eu-central-1.amazonaws.com/app:v2".to_owned();
    let digest = format!("sha256:{}", "0".repeat(64));
    let spec = DeploySpec {
        verify_images: true,
        pin_digests: true,
        keep_revisions: Some(3),
        ..with_task(true, 5)
    };
    let mut observed = observed();
    observed.images = Some(ImageSource::Definitions {
        file: "imagedefinitions.json".to_owned(),
        images: vec![("app".to_owned(), image.clone())],
    });
    let draft = draft(asked(&spec), &observed).unwrap();
    let verified = vec![Verified {
        digests: vec![(image.clone(), digest.clone())],
        ..Verified::default()
    }];
    let plan = settle(asked(&spec), observed, draft, verified, Vec::new()).unwrap();
    let pinned = image.replace(":v2", &format!("@{digest}"));
    let family = &plan.families[0];
    assert_eq!(family.registration.all_images(), [pinned.as_str()]);
    assert_eq!(family.verified, [pinned]);
    assert_eq!((family.newest, &family.own), (41, &None));
    // The image, and the job's tag.
    assert_eq!(family.changes.count(), 2);
    let task = plan.pre_deploy.unwrap();
    assert_eq!((task.service, task.asked.container.as_str()), (0, "app"));
    let services = plan.services.iter().map(|one| one.set_to.to_string());
    assert_eq!(services.collect::<Vec<_>>(), ["app:41", "app:41"]);
    assert_eq!((plan.keep_revisions, plan.rollback), (Some(3), true));
    assert_eq!((plan.limit, plan.seen_at), (LIMIT, STARTED));
}

#[test]
fn a_confidential_task_with_another_image_needs_another_policy() {
    let confidential = |policy: &str, mode: &str| {
        let mut base = base("app:41");
        base.task_definition.insert(
            "trustedExecutionConfiguration".to_owned(),
            json!({"isolationMode": mode, "attestationPolicy": policy}),
        );
        base
    };
    let refused = |observed: Observed| draft(asked(&spec(true)), &observed).err();
    let same = Refusal::SamePolicy {
        base: "app:41".to_owned(),
        container: "app".to_owned(),
    };
    let mut observed = observed();
    observed.families[0].current = vec![confidential("p-1", "CONFIDENTIAL_SANDBOX")];
    assert_eq!(refused(observed.clone()), Some(vec![same]));
    let patch = json!({"trustedExecutionConfiguration": {"attestationPolicy": "p-2"}});
    let mut patched = observed.clone();
    patched.patch = Patch::parse("TaskDefinitionPatch", patch).ok();
    assert_eq!(refused(patched), None);
    let mut same_image = observed.clone();
    same_image.images = Some(ImageSource::Definitions {
        file: "imagedefinitions.json".to_owned(),
        images: vec![("app".to_owned(), "repo/app:v1".to_owned())],
    });
    assert_eq!(refused(same_image), None);
    observed.families[0].current = vec![confidential("p-1", "ISOLATED_SANDBOX")];
    assert_eq!(refused(observed), None);
}

#[test]
fn an_image_stands_in_the_patch_or_in_the_image_definitions_and_not_in_both() {
    let with = |patch: Value| {
        let mut observed = observed();
        observed.patch = Patch::parse("TaskDefinitionPatch", patch).ok();
        draft(asked(&spec(true)), &observed)
    };
    let image = |image: &str| json!({"containerDefinitions": {"app": {"image": image}}});
    let twice = with(image("repo/app:v9")).unwrap_err();
    assert_eq!(
        twice[0].to_string(),
        "TaskDefinitionPatch sets the image of the container 'app', and the image definitions name another one for it: leave it out of one of them"
    );
    assert!(with(image("repo/app:v2")).is_ok());
    let sidecar =
        json!({"cpu": "512", "containerDefinitions": {"agent": {"image": "repo/agent:v1"}}});
    let draft = with(sidecar).unwrap();
    let registration = &draft.registrations[0];
    assert_eq!(registration.body["cpu"], "512");
    assert_eq!(registration.new_images(), ["repo/agent:v1", "repo/app:v2"]);
}

#[test]
fn what_would_be_what_serves_is_unchanged_and_nothing_else() {
    let unchanged = |change: fn(&mut Observed), skip: bool| {
        let mut observed = observed();
        observed.images = Some(ImageSource::Definitions {
            file: "imagedefinitions.json".to_owned(),
            images: vec![("app".to_owned(), "repo/app:v1".to_owned())],
        });
        for service in &mut observed.services {
            service.seen.deployments = vec![crate::seen::DeploymentSeen {
                status: "PRIMARY".to_owned(),
                task_definition: arn("app:41"),
                rollout_state: Some("COMPLETED".to_owned()),
                running: 2,
                ..crate::seen::DeploymentSeen::default()
            }];
        }
        change(&mut observed);
        let spec = DeploySpec {
            skip_if_unchanged: skip,
            ..spec(true)
        };
        planned(&spec, observed).unwrap().is_unchanged
    };
    assert!(unchanged(|_| {}, true));
    assert!(!unchanged(|_| {}, false));
    assert!(!unchanged(
        |one| one.services[1].seen.deployments[0].running = 1,
        true
    ));
    assert!(!unchanged(
        |one| one.patch = Patch::parse("p", json!({"cpu": "512"})).ok(),
        true
    ));
    assert!(!unchanged(
        |one| one.families[0].own = vec![described("app:42", "ACTIVE", "repo/app:v1", Some(JOB))],
        true
    ));
}
