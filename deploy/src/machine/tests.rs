use std::time::Duration;

use super::*;
use crate::failure::{Failure, FailureKind};
use crate::seen::{DeploymentSeen, ServiceSeen};
use crate::testing::{
    LIMIT, STARTED, deployment, draining, every_verdict, judged, revision, service, spec,
    with_task, with_task_after,
};
use crate::token::{decode, encode};

fn soon() -> Timestamp {
    STARTED + Duration::from_mins(5)
}

fn late() -> Timestamp {
    STARTED + LIMIT
}

/// The service lists these deployments, the first of which is PRIMARY.
fn shows(deployments: &[(&str, u64, &str)]) -> Observed {
    let listed = deployments.iter().enumerate();
    let listed = listed.map(|(place, (id, number, state))| DeploymentSeen {
        id: (*id).to_owned(),
        status: if place == 0 { "PRIMARY" } else { "ACTIVE" }.to_owned(),
        task_definition: format!("arn/{}", revision(*number)),
        rollout_state: Some((*state).to_owned()),
        desired: 2,
        running: 2,
        created_at: Some(STARTED),
        ..DeploymentSeen::default()
    });
    let seen = ServiceSeen {
        status: "ACTIVE".to_owned(),
        task_definition: format!("arn/{}", revision(deployments[0].1)),
        desired: 2,
        deployments: listed.collect(),
        ..ServiceSeen::default()
    };
    observed(Look::Seen {
        service: Box::new(seen),
        service_deployment: None,
    })
}

fn observed(look: Look) -> Observed {
    Observed {
        look,
        ours: service(0).ours,
        service_deployment: None,
    }
}

/// One of our two tasks runs.
fn in_progress() -> Observed {
    let mut seen = shows(&[
        ("ecs-svc/2", 42, "IN_PROGRESS"),
        ("ecs-svc/1", 41, "COMPLETED"),
    ]);
    if let Look::Seen { service, .. } = &mut seen.look {
        service.deployments[0].running = 1;
    }
    seen
}

fn complete() -> Observed {
    shows(&[("ecs-svc/2", 42, "COMPLETED")])
}

fn failed_one() -> Observed {
    shows(&[("ecs-svc/2", 42, "FAILED"), ("ecs-svc/1", 41, "COMPLETED")])
}

fn rolled_back() -> Observed {
    shows(&[("ecs-svc/1", 41, "COMPLETED"), ("ecs-svc/2", 42, "FAILED")])
}

fn unseen() -> Observed {
    observed(Look::NoNews {
        why: "throttled".to_owned(),
    })
}

/// Rolling out, of which nothing was seen yet.
fn rolling_out(services: usize) -> Deployment {
    deployment(Stage::RollingOut, (0..services).map(service).collect())
}

fn looked(deployment: Deployment, looks: Vec<Observed>, now: Timestamp) -> Deployment {
    record(deployment, Event::Looked(looks), &spec(true), now)
}

fn asked(deployment: Deployment, answers: &[(usize, Answer)], now: Timestamp) -> Deployment {
    let event = Event::RollbacksAsked(answers.to_vec());
    record(deployment, event, &spec(true), now)
}

fn explained(deployment: Deployment, place: usize, now: Timestamp) -> Deployment {
    let event = Event::Explained(place, Evidence::default());
    record(deployment, event, &spec(true), now)
}

fn due(deployment: &Deployment, now: Timestamp) -> Next {
    next(deployment, &spec(true), now)
}

fn places(next: Next) -> Vec<usize> {
    match next {
        Next::RollBack(due) => due.into_iter().map(|(place, _)| place).collect(),
        other => panic!("a rollback is due: {other:?}"),
    }
}

fn refused() -> Answer {
    Answer::Refused("AWS says no".to_owned())
}

/// The next invocation's, by the token.
fn handed_back(deployment: &Deployment) -> Deployment {
    let targets: Vec<_> = deployment
        .services
        .iter()
        .map(|one| one.target.clone())
        .collect();
    decode(&encode(deployment).unwrap(), &targets).unwrap()
}

#[test]
fn nothing_is_due_but_a_look_until_all_services_were_looked_at() {
    assert_eq!(due(&rolling_out(2), soon()), Next::Look);
    let deployment = looked(rolling_out(2), vec![complete(), complete()], soon());
    assert_eq!(due(&deployment, soon()), Next::End(End::Succeeded));
}

#[test]
fn all_services_are_asked_to_roll_back_in_the_step_in_which_one_failed_and_then_it_is_explained() {
    let deployment = looked(
        rolling_out(3),
        vec![complete(), failed_one(), in_progress()],
        soon(),
    );
    assert_eq!(places(due(&deployment, soon())), [0, 1, 2]);
    let accepted = [0, 1, 2].map(|place| (place, Answer::Asked));
    let deployment = asked(deployment, &accepted, soon());
    assert_eq!(due(&deployment, soon()), Next::Explain(1));
    let deployment = record(
        deployment,
        Event::Explained(1, Evidence::default()),
        &spec(true),
        soon(),
    );
    assert_eq!(due(&deployment, soon()), Next::Pause { may_end: true });
}

#[test]
fn one_look_that_shows_a_service_as_gone_decides_nothing_and_hands_nothing_back() {
    let gone = || vec![observed(Look::Missing)];
    let once = looked(rolling_out(1), gone(), soon());
    assert_eq!(due(&once, soon()), Next::Pause { may_end: false });
    let back = looked(once.clone(), vec![complete()], soon());
    assert_eq!(due(&back, soon()), Next::End(End::Succeeded));
    let twice = looked(once, gone(), soon());
    assert!(matches!(due(&twice, soon()), Next::End(End::Failed { .. })));
}

#[test]
fn a_rollback_that_was_refused_is_asked_for_again_by_the_next_invocation_too() {
    let deployment = looked(rolling_out(2), vec![failed_one(), in_progress()], soon());
    let deployment = asked(deployment, &[(0, refused()), (1, Answer::Asked)], soon());
    assert_eq!(due(&deployment, soon()), Next::Pause { may_end: false });
    // The next look sees nothing of it, so that the invocation may end.
    let deployment = looked(deployment, vec![unseen(), rolled_back()], soon());
    assert_eq!(due(&deployment, soon()), Next::Pause { may_end: true });
    let next_one = looked(
        handed_back(&deployment),
        vec![failed_one(), rolled_back()],
        soon(),
    );
    assert_eq!(places(due(&next_one, soon())), [0]);
}

#[test]
fn a_rollback_that_was_given_up_is_not_waited_for_by_the_next_invocation() {
    let deployment = looked(rolling_out(1), vec![in_progress()], late());
    let deployment = asked(
        deployment,
        &[(0, Answer::Never("denied".to_owned()))],
        late(),
    );
    assert_eq!(due(&deployment, late()), Next::Explain(0));
    // The invocation is cut off while it asks why.
    let next_one = looked(handed_back(&deployment), vec![in_progress()], late());
    assert_eq!(places(due(&next_one, late())), [0]);
}

#[test]
fn a_rollout_that_completes_before_its_rollback_was_accepted_is_a_success_whatever_was_given_up() {
    let mut deployment = rolling_out(2);
    // What ran before the second is not known: its rollback cannot be had.
    deployment.services[1].previous = None;
    let deployment = looked(deployment, vec![in_progress(), complete()], late());
    assert_eq!(places(due(&deployment, late())), [0]);
    let deployment = asked(deployment, &[(0, refused())], late());
    let deployment = looked(deployment, vec![complete(), complete()], late());
    assert_eq!(due(&deployment, late()), Next::End(End::Succeeded));
}

#[test]
fn a_rollback_whose_answer_was_lost_is_not_judged_as_one_that_has_not_started() {
    let deployment = looked(rolling_out(1), vec![in_progress()], late());
    let lost = Answer::Lost("reset".to_owned());
    let deployment = asked(deployment, &[(0, lost)], late());
    let deployment = looked(deployment, vec![complete()], late());
    assert_eq!(places(due(&deployment, late())), [0]);
}

#[test]
fn a_service_that_completes_after_its_rollback_was_given_up_is_asked_once_more() {
    let mut deployment = looked(rolling_out(2), vec![failed_one(), complete()], soon());
    deployment = asked(deployment, &[(0, refused()), (1, Answer::Asked)], soon());
    for _ in 0..2 {
        deployment = looked(deployment, vec![failed_one(), rolled_back()], soon());
        deployment = asked(deployment, &[(0, refused())], soon());
    }
    assert_eq!(deployment.services[0].given_up(), Some("AWS says no"));
    let deployment = looked(deployment, vec![complete(), rolled_back()], soon());
    assert_eq!(places(due(&deployment, soon())), [0]);
    let deployment = asked(deployment, &[(0, refused())], soon());
    let deployment = looked(deployment, vec![complete(), rolled_back()], soon());
    let deployment = explained(deployment, 0, soon());
    let deployment = explained(deployment, 1, soon());
    assert!(matches!(
        due(&deployment, soon()),
        Next::End(End::Failed { service: 0, .. })
    ));
}

#[test]
fn the_cause_that_a_look_has_shown_is_kept_until_evidence_shows_more() {
    let mut failed = failed_one();
    if let Look::Seen { service, .. } = &mut failed.look {
        let reason = "ECS deployment circuit breaker: tasks failed to start.";
        service.deployments[0].rollout_state_reason = Some(reason.to_owned());
    }
    let deployment = looked(rolling_out(1), vec![failed], soon());
    let deployment = asked(deployment, &[(0, Answer::Asked)], soon());
    // Cut off before anybody could ask why, and then nothing is seen any more. A rollback may take as long as the
    // deployment has, besides.
    let early = soon() + ROLLBACK_ALLOWANCE;
    let unseen_early = looked(handed_back(&deployment), vec![unseen()], early);
    assert_eq!(due(&unseen_early, early), Next::Pause { may_end: true });
    let over = early + soon().since(STARTED);
    let unseen = looked(handed_back(&deployment), vec![unseen()], over);
    let Next::End(End::Failed { service, is_late }) = due(&unseen, over) else {
        panic!("{:?}", due(&unseen, over))
    };
    let failure = words::failed(&unseen, service, is_late, &spec(true), over);
    assert!(
        failure
            .message
            .contains("app:42 failed: ECS deployment circuit breaker"),
        "{}",
        failure.message
    );
    let seen = looked(handed_back(&deployment), vec![rolled_back()], soon());
    assert_eq!(
        due(&seen, soon()),
        Next::Explain(0),
        "and it is asked for again"
    );
}

#[test]
fn a_rollback_is_given_up_with_the_reason_that_people_read() {
    let deployment = looked(rolling_out(1), vec![failed_one()], soon());
    let deployment = asked(
        deployment,
        &[(0, Answer::Never("denied".to_owned()))],
        soon(),
    );
    let deployment = record(
        deployment,
        Event::Explained(0, Evidence::default()),
        &spec(true),
        soon(),
    );
    let Next::End(End::Failed { service, is_late }) = due(&deployment, soon()) else {
        panic!("{:?}", due(&deployment, soon()))
    };
    let message = words::failed(&deployment, service, is_late, &spec(true), soon()).message;
    assert!(message.contains("Not rolled back (denied)"), "{message}");
}

fn before(live: TaskLive) -> Deployment {
    let task = Task {
        id: "t".to_owned(),
        service: 0,
        live,
    };
    deployment(Stage::PreDeploy(Box::new(task)), vec![service(0)])
}

fn task(verdict: TaskVerdict, is_over: bool) -> Event {
    Event::TaskLooked(TaskSeen::Shown {
        verdict,
        is_over,
        end: crate::evidence::StoppedTask::default(),
        not_ours: None,
    })
}

fn after(deployment: Deployment, event: Event, now: Timestamp) -> (Deployment, Next) {
    let spec = with_task(true, 15);
    let deployment = record(deployment, event, &spec, now);
    let due = next(&deployment, &spec, now);
    (deployment, due)
}

#[test]
fn the_services_are_set_when_the_task_has_succeeded_and_its_other_containers_were_stopped() {
    let (_, due) = after(
        before(TaskLive::default()),
        task(TaskVerdict::Succeeded, true),
        soon(),
    );
    assert_eq!(due, Next::SetServices);
    let (deployment, due) = after(
        before(TaskLive::default()),
        task(TaskVerdict::Succeeded, false),
        soon(),
    );
    assert_eq!(due, Next::StopTask(StopReason::Finished));
    for stop in [Stop::Asked, Stop::Refused("denied".to_owned())] {
        let (_, due) = after(deployment.clone(), Event::TaskStopped(stop), soon());
        assert_eq!(due, Next::SetServices);
    }
}

#[test]
fn a_task_that_has_succeeded_has_succeeded_though_it_cannot_be_seen_any_more() {
    let limit = STARTED + Duration::from_mins(15);
    let (deployment, _) = after(
        before(TaskLive::default()),
        task(TaskVerdict::Succeeded, true),
        soon(),
    );
    let blocked = Event::Blocked(Blocked {
        failure: Failure::new(FailureKind::Job, "throttled"),
        may_pass: true,
    });
    let (deployment, due) = after(deployment, blocked.clone(), limit);
    assert_eq!(due, Next::Pause { may_end: true });
    let unseen = TaskSeen::Unseen {
        why: "503".to_owned(),
        may_pass: true,
    };
    for seen in [unseen, TaskSeen::Missing] {
        let (_, due) = after(deployment.clone(), Event::TaskLooked(seen), limit);
        assert_eq!(due, Next::SetServices);
    }
    let (_, due) = after(deployment, blocked, limit + ROLLBACK_ALLOWANCE);
    assert!(matches!(
        due,
        Next::End(End::TaskFailed(TaskEnd::Blocked(_)))
    ));
}

#[test]
fn a_late_task_is_stopped_only_if_ecs_has_shown_that_it_is_ours() {
    let limit = STARTED + Duration::from_mins(15);
    let running = || task(TaskVerdict::Running, false);
    let (_, due) = after(before(TaskLive::default()), running(), limit);
    assert_eq!(due, Next::StopTask(StopReason::Late));
    let unseen = || {
        Event::TaskLooked(TaskSeen::Unseen {
            why: "503".to_owned(),
            may_pass: true,
        })
    };
    let (_, due) = after(before(TaskLive::default()), unseen(), limit);
    let end = TaskEnd::Unseen {
        why: "503".to_owned(),
        asked_to_stop: false,
    };
    assert_eq!(due, Next::End(End::TaskFailed(end)));
    let ours = TaskLive {
        is_ours: true,
        ..TaskLive::default()
    };
    let (_, due) = after(before(ours), unseen(), limit);
    assert_eq!(due, Next::StopTask(StopReason::Late));
}

#[test]
fn an_invocation_that_was_cut_off_is_handed_back_until_even_a_rollback_should_be_over() {
    let at = |now: Timestamp, cut| {
        let checkpoint = Checkpoint::At(Box::new(rolling_out(1)));
        match cut_off(&checkpoint, cut, &spec(true), now) {
            AfterCut::Wait(_) => "waiting",
            AfterCut::HandBack(_) => "handed back",
            AfterCut::OutOfSight(_) => "out of sight",
            AfterCut::Fail => "failed",
        }
    };
    assert_eq!(at(soon(), Cut::TimeLimit), "handed back");
    assert_eq!(
        at(late() + ROLLBACK_ALLOWANCE, Cut::TimeLimit),
        "out of sight"
    );
    assert_eq!(at(soon(), Cut::Panic), "failed");
    for checkpoint in [Checkpoint::Unchanged, Checkpoint::Changing] {
        for cut in [Cut::Panic, Cut::TimeLimit] {
            let after = cut_off(&checkpoint, cut, &spec(true), soon());
            assert_eq!(after, AfterCut::Fail);
        }
    }
}

/// Serving, with a task after it that is this far.
fn serving(run: PostRun) -> Deployment {
    let post = PostDeploy {
        since: STARTED,
        run,
    };
    let serving = every_verdict().swap_remove(0);
    deployment(Stage::PostDeploy(Box::new(post)), vec![judged(0, serving)])
}

fn started(live: TaskLive) -> PostRun {
    PostRun::Started(Box::new(Task {
        id: "t".to_owned(),
        service: 0,
        live,
    }))
}

fn ours(seen: TaskSeen) -> TaskLive {
    TaskLive {
        seen: Some(seen),
        is_ours: true,
        ..TaskLive::default()
    }
}

fn shown(verdict: TaskVerdict, is_over: bool) -> TaskSeen {
    TaskSeen::Shown {
        verdict,
        is_over,
        end: crate::evidence::StoppedTask::default(),
        not_ours: None,
    }
}

/// Within the task's time.
const IN_TIME: Duration = Duration::from_mins(1);
const TASK_LIMIT: Duration = Duration::from_mins(15);

#[test]
fn the_task_after_the_deployment_is_due_once_all_services_serve_and_nothing_succeeds_before_it_has()
{
    let spec = with_task_after(true, 15);
    let now = STARTED + IN_TIME;
    let due = |run| next(&serving(run), &spec, now);
    assert_eq!(due(PostRun::Due { refused: None }), Next::RunTask);
    assert_eq!(due(started(TaskLive::default())), Next::Look);
    let running = started(ours(shown(TaskVerdict::Running, false)));
    assert_eq!(due(running), Next::Pause { may_end: true });
    let beside = started(ours(shown(TaskVerdict::Succeeded, false)));
    assert_eq!(due(beside), Next::StopTask(StopReason::Finished));
    let succeeded = || started(ours(shown(TaskVerdict::Succeeded, true)));
    assert_eq!(due(succeeded()), Next::End(End::Succeeded));
    // Not while a service is not seen to serve.
    for verdict in every_verdict().into_iter().skip(1) {
        for run in [succeeded(), PostRun::Due { refused: None }] {
            let mut deployment = serving(run);
            deployment.services = vec![judged(0, verdict.clone())];
            let due = next(&deployment, &spec, now);
            assert!(
                due != Next::End(End::Succeeded) && due != Next::RunTask,
                "{verdict:?}: {due:?}"
            );
        }
    }
}

#[test]
fn a_task_after_the_deployment_that_fails_in_any_way_rolls_it_back_and_is_the_cause() {
    let spec = with_task_after(true, 15);
    let late = STARTED + TASK_LIMIT;
    let stopped = TaskLive {
        stop: Stop::Asked,
        ..ours(shown(TaskVerdict::Running, false))
    };
    let refused = |may_pass| PostRun::Due {
        refused: Some(NotRun {
            why: "no memory".to_owned(),
            may_pass,
        }),
    };
    for (run, now, cause) in [
        (
            started(ours(shown(TaskVerdict::Failed, true))),
            STARTED + IN_TIME,
            "the post-deploy task failed: ",
        ),
        (
            started(stopped),
            late,
            "the post-deploy task was not complete within 15 min, and was stopped (container app)",
        ),
        (
            started(ours(TaskSeen::Missing)),
            late,
            "the post-deploy task is not shown by ECS any more",
        ),
        (
            started(ours(TaskSeen::Unseen {
                why: "denied".to_owned(),
                may_pass: false,
            })),
            STARTED + IN_TIME,
            "how the post-deploy task ended could not be seen (denied)",
        ),
        (
            refused(false),
            STARTED + IN_TIME,
            "the post-deploy task was not started: no memory",
        ),
        (
            refused(true),
            late,
            "the post-deploy task was not started: no memory",
        ),
    ] {
        let mut deployment = serving(run);
        fail_after(&mut deployment, &spec, now);
        let Stage::RollingBack(rollback) = &deployment.stage else {
            panic!("{cause}: {:?}", deployment.stage)
        };
        assert!(rollback.cause.starts_with(cause), "{}", rollback.cause);
        assert_eq!((rollback.owner, rollback.since), (Owner::Job, now));
        // If nobody wants that, it is the end, with the same cause.
        let kept = with_task_after(false, 15);
        let mut deployment = serving(match &rollback.post {
            Some(post) => post.run.clone(),
            None => unreachable!("its task"),
        });
        fail_after(&mut deployment, &kept, now);
        if next(&deployment, &kept, now) == Next::ExplainTask {
            let explained = Event::TaskExplained(Evidence::default());
            deployment = record(deployment, explained, &kept, now);
        }
        let end = End::Failed {
            service: 0,
            is_late: false,
        };
        assert_eq!(next(&deployment, &kept, now), Next::End(end), "{cause}");
        // Also if its service cannot be seen for the moment, or its old tasks still run.
        let unseen = Verdict::NoNews {
            why: "throttled".to_owned(),
        };
        for verdict in [every_verdict().swap_remove(0), draining(), unseen] {
            deployment.services[0].live.verdict = Some(verdict);
            let message = words::failed(&deployment, 0, false, &kept, now).message;
            assert!(
                message.starts_with(&format!("s0 on prod: app:42 failed: {cause}"))
                    && message.contains("Not rolled back (Rollback is false)"),
                "{message}"
            );
        }
    }
    let waits = serving(refused(true));
    let due = next(&waits, &spec, STARTED + IN_TIME);
    assert_eq!(due, Next::Pause { may_end: true });
}

#[test]
fn a_task_that_nobody_can_say_is_ours_rolls_nothing_back() {
    let spec = with_task_after(true, 15);
    let foreign = TaskSeen::Shown {
        verdict: TaskVerdict::Failed,
        is_over: true,
        end: crate::evidence::StoppedTask::default(),
        not_ours: Some("it is somebody's".to_owned()),
    };
    let mut deployment = serving(started(ours(foreign)));
    fail_after(&mut deployment, &spec, STARTED + IN_TIME);
    let end = TaskEnd::NotOurs("it is somebody's".to_owned());
    let due = next(&deployment, &spec, STARTED + IN_TIME);
    assert_eq!(due, Next::End(End::TaskFailed(end)));
    // The parameters do not name one any more.
    let none = crate::testing::spec(true);
    let due = next(&deployment, &none, STARTED + IN_TIME);
    assert_eq!(due, Next::End(End::TaskFailed(TaskEnd::NotAsked)));
}

#[test]
fn a_task_whose_deployment_is_replaced_or_rolled_back_meanwhile_is_stopped_first() {
    let spec = with_task_after(true, 15);
    let now = STARTED + IN_TIME;
    for verdict in every_verdict() {
        let is_over = verdict.has_failed() || matches!(verdict, Verdict::RollingBack { .. });
        let mut deployment = serving(started(ours(shown(TaskVerdict::Running, false))));
        deployment.services = vec![judged(0, verdict.clone())];
        fail_after(&mut deployment, &spec, now);
        let due = next(&deployment, &spec, now);
        let stops = due == Next::StopTask(StopReason::InVain);
        assert_eq!(stops, is_over, "{verdict:?}: {due:?}");
        if stops {
            let stopped = Event::TaskStopped(Stop::Refused("denied".to_owned()));
            let deployment = record(deployment, stopped, &spec, now);
            let due = next(&deployment, &spec, now);
            assert!(
                !matches!(due, Next::StopTask(_) | Next::End(End::Succeeded)),
                "{verdict:?}: {due:?}"
            );
        }
    }
}
