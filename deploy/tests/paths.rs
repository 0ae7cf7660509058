//! Paths through the machine: from any stage, with any sequence of looks, refusals, deaths, redeliveries
//! and pauses. No HTTP, no clock; thousands of paths in a second.

use std::collections::BTreeSet;
use std::time::Duration;

use deploy::deployment::{
    Attempt, Blocked, Deployment, NotRun, Ours, Owner, PostDeploy, PostRun, Rollback, Service,
    Stage, Stop, Task, TaskLive, TaskSeen,
};
use deploy::evidence::{Evidence, StoppedTask};
use deploy::failure::{Failure, FailureKind};
use deploy::machine::{End, Event, Next, Observed, next, record};
use deploy::revision::Revision;
use deploy::rollback::{Answer, ROLLBACK_ALLOWANCE, Way};
use deploy::seen::{DeploymentSeen, Look, ServiceDeploymentSeen, ServiceSeen};
use deploy::spec::{DeploySpec, StandaloneTask, Target};
use deploy::task::StopReason;
use deploy::time::Timestamp;
use deploy::token::{TOKEN_LIMIT_BYTES, decode, encode};
use deploy::verdict::{TaskVerdict, Verdict};
use deploy::words;
use proptest::prelude::*;

const STARTED: Timestamp = Timestamp::from_secs(1_790_000_000);
const LIMIT: Duration = Duration::from_mins(30);
const TASK_LIMIT: Duration = Duration::from_mins(10);

/// The longest pause between two steps, as between two invocations of which one was lost.
const LONGEST_PAUSE: Duration = Duration::from_mins(3);

/// No path has more steps.
const STEPS: usize = 5000;

/// Numbers from a seed: xorshift64.
struct Dice(u64);

impl Dice {
    fn roll(&mut self, sides: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % sides
    }

    fn happens(&mut self, one_in: u64) -> bool {
        self.roll(one_in) == 0
    }

    fn of<T: Clone>(&mut self, all: &[T]) -> T {
        let place = usize::try_from(self.roll(u64::try_from(all.len()).unwrap())).unwrap();
        all[place].clone()
    }
}

fn target(number: usize) -> Target {
    Target {
        cluster: "prod".to_owned(),
        service: format!("s{number}"),
    }
}

fn revision(number: u64) -> Revision {
    Revision::parse(&format!("app:{number}")).unwrap()
}

fn arn(revision: &str) -> String {
    format!("arn:aws:ecs:eu-central-1:111122223333:task-definition/{revision}")
}

fn spec(services: usize, rollback: bool, has_task_after: bool) -> DeploySpec {
    let task = StandaloneTask {
        container: "app".to_owned(),
        command: Vec::new(),
        timeout: TASK_LIMIT,
        environment: Vec::new(),
        cpu: None,
        memory: None,
    };
    DeploySpec {
        timeout: LIMIT,
        rollback,
        pre_deploy: Some(task.clone()),
        post_deploy: has_task_after.then_some(task),
        ..DeploySpec::of((0..services).map(target).collect())
    }
}

/// A path: the deployment as it stands, and what the world knows of it that the machine does not see.
struct Path {
    dice: Dice,
    spec: DeploySpec,
    deployment: Deployment,
    /// Where a later invocation would go on.
    checkpoint: Deployment,
    now: Timestamp,
    /// By when it has to be at an end.
    last: Timestamp,
    /// Services whose rollback AWS has accepted, ever.
    asked: BTreeSet<usize>,
    /// The same in this invocation.
    asked_now: BTreeSet<usize>,
    /// Refusals of each service in this invocation, and the last one's text.
    refused: Vec<(u8, String)>,
    was_set: bool,
    /// In a world in which nothing moves, what each look shows for ever.
    stuck: Option<Vec<Observed>>,
    stuck_task: Option<TaskSeen>,
    is_stuck: bool,
}

impl Path {
    fn new(mut dice: Dice) -> Self {
        let services = usize::try_from(1 + dice.roll(4)).unwrap();
        let rollback = !dice.happens(4);
        let has_task_after = dice.happens(2);
        let spec = spec(services, rollback, has_task_after);
        let mut all = Vec::new();
        for place in 0..services {
            let previous = (!dice.happens(6)).then(|| revision(41));
            let service_deployment = dice.happens(2).then(|| "sd-ours".to_owned());
            all.push(Service {
                ours: if dice.happens(6) {
                    Ours::Unnamed { service_deployment }
                } else {
                    Ours::Named {
                        deployment: "ecs-svc/2".to_owned(),
                        service_deployment,
                    }
                },
                overwrote: dice.happens(9),
                ..Service::untouched(target(place), revision(42), previous)
            });
        }
        let mut asked = BTreeSet::new();
        let is_ours = dice.happens(2);
        let task = || Task {
            id: "0123456789abcdef0123456789abcdef".to_owned(),
            service: 0,
            live: TaskLive {
                is_ours,
                ..TaskLive::default()
            },
        };
        let post = PostDeploy {
            since: STARTED,
            run: if dice.happens(2) {
                PostRun::Started(Box::new(task()))
            } else {
                PostRun::Due { refused: None }
            },
        };
        let stage = match dice.roll(6) {
            4 if has_task_after => Stage::PostDeploy(Box::new(post)),
            5 if has_task_after && rollback => {
                // What an earlier invocation has found out, which has asked for it.
                asked.insert(0);
                all[0].live.rollback = Attempt::AskedBefore;
                Stage::RollingBack(Rollback {
                    owner: Owner::Job,
                    since: STARTED,
                    failed: 0,
                    cause: "the task after the deployment failed".to_owned(),
                    is_explained: dice.happens(2),
                    post: Some(Box::new(post)),
                })
            }
            0 => {
                for service in &mut all {
                    service.ours = Ours::Untouched;
                }
                Stage::PreDeploy(Box::new(task()))
            }
            1 => {
                let owner = dice.of(&[Owner::Ecs, Owner::Job]);
                let failed = usize::try_from(dice.roll(u64::try_from(services).unwrap())).unwrap();
                // An earlier invocation, which has asked for it if it was to.
                if owner == Owner::Job {
                    asked.insert(failed);
                    all[failed].live.rollback = Attempt::AskedBefore;
                }
                let cause = dice.of(&["", "container app exited with code 1"]);
                Stage::RollingBack(Rollback {
                    owner,
                    since: STARTED,
                    failed,
                    cause: cause.to_owned(),
                    is_explained: !cause.is_empty(),
                    post: None,
                })
            }
            _ => Stage::RollingOut,
        };
        let deployment = Deployment {
            job: "11111111-2222-4333-8444-555555555555".to_owned(),
            started: STARTED,
            stage,
            services: all,
            config_pin: None,
            paused: deploy::deployment::Paused::default(),
            waited: std::time::Duration::ZERO,
            is_from_token: true,
        };
        Self {
            checkpoint: deployment.clone(),
            deployment,
            last: last_of(STARTED + TASK_LIMIT),
            now: STARTED,
            asked,
            asked_now: BTreeSet::new(),
            refused: vec![(0, String::new()); services],
            was_set: false,
            stuck: None,
            stuck_task: None,
            is_stuck: dice.happens(3),
            spec,
            dice,
        }
    }

    /// Goes on to the end; its end, or `None` if an invocation was its end.
    fn run(&mut self) -> Option<End> {
        for _ in 0..STEPS {
            assert!(
                self.now <= self.last,
                "it ends by its deadline: {:?}",
                self.deployment
            );
            let due = next(&self.deployment, &self.spec, self.now);
            let event = match due {
                Next::Look => self.look(),
                Next::Pause { may_end } => {
                    self.pause(may_end);
                    self.look()
                }
                Next::RollBack(due) => self.roll_back(due),
                Next::Explain(place) => {
                    self.keep();
                    Event::Explained(place, Evidence::default())
                }
                Next::Diagnose(place) => Event::Diagnosed(place, self.stopped_tasks()),
                Next::RunTask => self.run_task(),
                Next::StopTask(reason) => self.stop_task(reason),
                Next::ExplainTask => Event::TaskExplained(Evidence::default()),
                Next::SetServices => self.set_services()?,
                Next::End(end) => return Some(end),
            };
            let before = self.deployment.stage.clone();
            self.deployment = record(self.deployment.clone(), event, &self.spec, self.now);
            self.check_asked_at_once(&before);
            if self.dice.happens(if self.is_stuck { 400 } else { 40 }) {
                self.die();
            }
        }
        panic!("no end after {STEPS} steps: {:?}", self.deployment);
    }

    /// Some tasks that have failed, or none.
    fn stopped_tasks(&mut self) -> Evidence {
        let stopped = (0..self.dice.roll(3)).map(|_| StoppedTask {
            stop_code: "TaskFailedToStart".to_owned(),
            stopped_at: Some(self.now),
            ..StoppedTask::default()
        });
        Evidence {
            stopped: stopped.collect(),
            ..Evidence::default()
        }
    }

    fn pause(&mut self, may_end: bool) {
        let pause = if self.dice.happens(3) {
            Duration::from_secs(self.dice.roll(LONGEST_PAUSE.as_secs()))
        } else {
            Duration::from_secs(5)
        };
        if may_end {
            self.keep();
            if self.dice.happens(3) {
                self.hand_back();
            }
        }
        self.now = self.now + pause;
    }

    /// A checkpoint: what it says has been done.
    fn keep(&mut self) {
        self.checkpoint = self.deployment.clone();
        let read = self.read();
        for (place, service) in read.services.iter().enumerate() {
            assert!(
                service.live.rollback != Attempt::AskedBefore || self.asked.contains(&place),
                "a checkpoint says that a rollback was asked for: {place}, {service:?}"
            );
        }
    }

    /// What the next invocation reads of the last checkpoint.
    fn read(&self) -> Deployment {
        let token = encode(&self.checkpoint).expect("a few short names fit");
        assert!(token.len() <= TOKEN_LIMIT_BYTES);
        let read = decode(&token, &self.spec.targets).expect("what we write can be read");
        assert_eq!(saved(&read), saved(&self.checkpoint));
        read
    }

    /// The next invocation goes on with the token.
    fn hand_back(&mut self) {
        let read = self.read();
        self.resume(read);
    }

    /// This invocation dies; the next goes on from the last checkpoint, or is delivered the same again.
    fn die(&mut self) {
        self.hand_back();
        self.now = self.now + Duration::from_secs(self.dice.roll(LONGEST_PAUSE.as_secs()));
    }

    fn resume(&mut self, deployment: Deployment) {
        self.checkpoint = deployment.clone();
        self.deployment = deployment;
        self.asked_now.clear();
        self.refused.fill((0, String::new()));
    }

    fn look(&mut self) -> Event {
        if matches!(self.deployment.stage, Stage::PreDeploy(_)) {
            let seen = self.stuck_task.clone();
            let seen = seen.unwrap_or_else(|| self.look_at_task());
            self.stuck_task = self.is_stuck.then(|| seen.clone());
            return Event::TaskLooked(seen);
        }
        let services = self.deployment.services.clone();
        let mut all = match &self.stuck {
            Some(stuck) => stuck.clone(),
            None => services.iter().map(|one| self.look_at(one)).collect(),
        };
        self.stuck = self.is_stuck.then(|| all.clone());
        for (observed, service) in all.iter_mut().zip(services) {
            observed.ours = service.ours;
        }
        if let Stage::PostDeploy(post) = &self.deployment.stage {
            let is_started = post.task().is_some();
            let seen = self.stuck_task.clone();
            let seen = is_started.then(|| seen.unwrap_or_else(|| self.look_at_task()));
            self.stuck_task = seen.clone().filter(|_| self.is_stuck);
            return Event::LookedAfter(all, seen);
        }
        Event::Looked(all)
    }

    fn look_at_task(&mut self) -> TaskSeen {
        match self.dice.roll(12) {
            0 => TaskSeen::Missing,
            1 => TaskSeen::Unseen {
                why: "503".to_owned(),
                may_pass: !self.dice.happens(10),
            },
            roll => TaskSeen::Shown {
                verdict: match roll {
                    2 => TaskVerdict::Succeeded,
                    3 => TaskVerdict::Failed,
                    _ => TaskVerdict::Running,
                },
                is_over: self.dice.happens(2),
                end: StoppedTask::default(),
                not_ours: self
                    .dice
                    .happens(50)
                    .then(|| "it is somebody else's".to_owned()),
            },
        }
    }

    fn look_at(&mut self, service: &Service) -> Observed {
        let dice = &mut self.dice;
        let observed = |look, ours| Observed {
            look,
            ours,
            service_deployment: None,
        };
        match dice.roll(20) {
            0 => return observed(Look::Missing, service.ours.clone()),
            1 | 2 => {
                let why = "throttled".to_owned();
                return observed(Look::NoNews { why }, service.ours.clone());
            }
            _ => {}
        }
        let shown = seen(dice);
        let own = shown.first_of(&arn("app:42")).map(|own| own.id.clone());
        // As the engine names it, from what is listed.
        let ours = match (&service.ours, own) {
            (Ours::Unnamed { .. }, Some(own)) if own == "ecs-svc/2" => {
                service.ours.clone().named(own)
            }
            (ours, _) => ours.clone(),
        };
        let service_deployment = dice.happens(2).then(|| Box::new(service_deployment(dice)));
        let look = Look::Seen {
            service: Box::new(shown),
            service_deployment,
        };
        observed(look, ours)
    }

    fn roll_back(&mut self, due: Vec<(usize, Way)>) -> Event {
        let places: BTreeSet<usize> = due.iter().map(|(place, _)| *place).collect();
        assert_eq!(places.len(), due.len(), "each service once");
        let mut answers = Vec::new();
        for (place, _) in due {
            assert!(self.spec.rollback, "nobody wants a rollback");
            let service = &self.deployment.services[place];
            let shown = service.live.look.as_ref().and_then(Look::service);
            let primary = shown
                .and_then(ServiceSeen::primary)
                .expect("a service that was seen");
            assert!(
                service.is_our_deployment(&primary.id) && primary.task_definition == arn("app:42"),
                "what is not ours is left alone: {service:?}"
            );
            assert!(
                !self.asked_now.contains(&place),
                "nothing is rolled back twice: {service:?}"
            );
            let (refused, _) = self.refused[place];
            // Three times, and once more when the rollout completes after that.
            assert!(refused < 4, "after three refusals it is given up");
            answers.push((place, self.answer(place)));
        }
        Event::RollbacksAsked(answers)
    }

    fn answer(&mut self, place: usize) -> Answer {
        match self.dice.roll(8) {
            0 | 1 => {
                let (times, text) = &mut self.refused[place];
                *times += 1;
                *text = format!("refusal {times} of {place}");
                Answer::Refused(text.clone())
            }
            2 => Answer::Never(format!("never of {place}")),
            3 => {
                let (times, text) = &mut self.refused[place];
                *times += 1;
                *text = format!("lost {times} of {place}");
                // Whether AWS accepted it is not known.
                self.asked.insert(place);
                Answer::Lost(text.clone())
            }
            _ => {
                self.asked.insert(place);
                self.asked_now.insert(place);
                Answer::Asked
            }
        }
    }

    /// A rollback is asked for as soon as the failure is known, for all services at once.
    fn check_asked_at_once(&self, before: &Stage) {
        let Stage::RollingBack(rollback) = &self.deployment.stage else {
            return;
        };
        if *before != Stage::RollingOut || rollback.owner == Owner::Ecs {
            return;
        }
        let due = match next(&self.deployment, &self.spec, self.now) {
            Next::RollBack(due) => due,
            Next::Look
            | Next::Pause { .. }
            | Next::Explain(_)
            | Next::Diagnose(_)
            | Next::End(_) => Vec::new(),
            Next::RunTask | Next::StopTask(_) | Next::ExplainTask | Next::SetServices => {
                unreachable!("no task")
            }
        };
        for (place, service) in self.deployment.services.iter().enumerate() {
            let shown = service.live.look.as_ref().and_then(Look::service);
            let is_live = shown.is_some_and(|shown| service.is_worked_on(shown));
            let is_open = matches!(service.live.rollback, Attempt::NotAsked { .. });
            let has_failed = place == rollback.failed;
            assert!(
                !(is_live && is_open && has_failed && service.previous.is_some())
                    || due.iter().any(|(other, _)| *other == place),
                "it is asked for at once: {service:?}"
            );
        }
    }

    fn stop_task(&mut self, reason: StopReason) -> Event {
        let task = self.deployment.task().expect("there is a task");
        if reason != StopReason::Finished {
            assert!(task.live.is_ours, "what only a token names is not stopped");
        }
        let since = match &self.deployment.stage {
            Stage::PostDeploy(post) => post.since,
            Stage::PreDeploy(_) | Stage::RollingOut | Stage::RollingBack(_) => STARTED,
        };
        if reason == StopReason::Late {
            assert!(self.now >= since + TASK_LIMIT);
        }
        let refused = Stop::Refused("denied".to_owned());
        Event::TaskStopped(self.dice.of(&[Stop::Asked, refused]))
    }

    /// The task after the deployment is started while all services serve, and not twice.
    fn run_task(&mut self) -> Event {
        let Stage::PostDeploy(post) = &self.deployment.stage else {
            unreachable!("in its stage")
        };
        assert!(post.task().is_none(), "it is started once");
        for service in &self.deployment.services {
            assert!(serves(service), "{service:?}");
        }
        if self.dice.happens(3) {
            return Event::TaskNotRun(NotRun {
                why: "no capacity".to_owned(),
                may_pass: !self.dice.happens(4),
            });
        }
        Event::TaskStarted {
            id: "0123456789abcdef0123456789abcdef".to_owned(),
            service: 0,
        }
    }

    /// What becomes of setting the services: `None` if the job ends with it.
    fn set_services(&mut self) -> Option<Event> {
        assert!(!self.was_set, "each is set once");
        let Stage::PreDeploy(task) = &self.deployment.stage else {
            unreachable!("there is a task")
        };
        assert!(
            matches!(
                task.live.seen,
                Some(TaskSeen::Shown {
                    verdict: TaskVerdict::Succeeded,
                    not_ours: None,
                    ..
                })
            ),
            "only after its task has succeeded: {task:?}"
        );
        match self.dice.roll(4) {
            0 => None,
            1 => Some(Event::Blocked(Blocked {
                failure: Failure::new(FailureKind::Job, "blocked"),
                may_pass: !self.dice.happens(5),
            })),
            _ => {
                self.was_set = true;
                let mut set = self.deployment.clone();
                set.stage = Stage::RollingOut;
                set.started = self.now;
                for service in &mut set.services {
                    service.ours = Ours::Named {
                        deployment: "ecs-svc/2".to_owned(),
                        service_deployment: None,
                    };
                }
                self.last = last_of(self.now);
                // ECS has made it: the invocation after a death finds it.
                self.checkpoint = set.clone();
                Some(Event::Set(Box::new(set)))
            }
        }
    }
}

/// A stage that started at `started` is at an end by then: its limit, a rollback that ECS owes and one that
/// we ask for then, and the pauses in which each of them runs out.
fn last_of(started: Timestamp) -> Timestamp {
    let task_after = TASK_LIMIT + ROLLBACK_ALLOWANCE;
    started + LIMIT + task_after + ROLLBACK_ALLOWANCE * 2 + LONGEST_PAUSE * 10
}

/// What is saved of a deployment.
fn saved(deployment: &Deployment) -> Deployment {
    let mut saved = deployment.clone();
    saved.is_from_token = true;
    for service in &mut saved.services {
        service.live = deploy::deployment::Live::default();
        // It gives way where there is no room.
        service.timeline = deploy::timeline::Timeline::default();
    }
    let of_post = |post: &mut PostDeploy| match &mut post.run {
        PostRun::Started(task) => task.live = TaskLive::default(),
        PostRun::Due { refused } => *refused = None,
    };
    match &mut saved.stage {
        Stage::PreDeploy(task) => task.live = TaskLive::default(),
        Stage::PostDeploy(post) => of_post(post),
        Stage::RollingBack(rollback) => {
            if let Some(post) = &mut rollback.post {
                of_post(post);
                // Its time is over.
                post.since = rollback.since;
            }
        }
        Stage::RollingOut => {}
    }
    saved
}

fn deployment_seen(dice: &mut Dice, id: &str, status: &str, revision: &str) -> DeploymentSeen {
    let rollouts = [
        Some("COMPLETED"),
        Some("IN_PROGRESS"),
        Some("IN_PROGRESS"),
        Some("IN_PROGRESS"),
        Some("FAILED"),
        None,
        Some("PONDERING"),
    ];
    DeploymentSeen {
        id: id.to_owned(),
        status: status.to_owned(),
        task_definition: arn(revision),
        rollout_state: dice.of(&rollouts).map(str::to_owned),
        rollout_state_reason: None,
        desired: 2,
        pending: i32::from(dice.happens(3)),
        running: i32::try_from(dice.roll(3)).unwrap(),
        failed: 0,
        created_at: Some(Timestamp::from_secs(
            STARTED.as_secs() + i64::try_from(dice.roll(20)).unwrap() - 10,
        )),
    }
}

fn seen(dice: &mut Dice) -> ServiceSeen {
    let ours = deployment_seen(dice, "ecs-svc/2", "PRIMARY", "app:42");
    let old = deployment_seen(dice, "ecs-svc/1", "ACTIVE", "app:41");
    let (id, revision) = dice.of(&[
        ("ecs-svc/3", "app:43"),
        ("ecs-svc/3", "app:42"),
        ("ecs-svc/2", "app:43"),
    ]);
    let foreign = deployment_seen(dice, id, "PRIMARY", revision);
    let as_primary = |one: &DeploymentSeen, is: bool| DeploymentSeen {
        status: if is { "PRIMARY" } else { "ACTIVE" }.to_owned(),
        ..one.clone()
    };
    let deployments = match dice.roll(14) {
        0 => vec![as_primary(&old, true), as_primary(&ours, false)],
        1 => vec![as_primary(&old, true)],
        2 => vec![foreign, as_primary(&ours, false)],
        3 => vec![foreign],
        4 => Vec::new(),
        5 | 6 => vec![ours],
        _ => vec![ours, old],
    };
    let statuses = ["ACTIVE"; 18]
        .iter()
        .chain(&["DRAINING", "MIGRATING"])
        .copied();
    ServiceSeen {
        status: dice.of(&statuses.collect::<Vec<_>>()).to_owned(),
        task_definition: if dice.happens(12) {
            arn("app:43")
        } else {
            deployments
                .iter()
                .find(|one| one.status == "PRIMARY")
                .map_or_else(String::new, |primary| primary.task_definition.clone())
        },
        strategy: dice.of(&[None, None, Some("BLUE_GREEN".to_owned())]),
        desired: dice.of(&[0, 2, 2, 2]),
        bake_minutes: dice.of(&[0, 0, 0, 5]),
        breaker_rolls_back: dice.of(&[None, Some(true), Some(false)]),
        deployments,
        ..ServiceSeen::default()
    }
}

fn service_deployment(dice: &mut Dice) -> ServiceDeploymentSeen {
    let statuses = [
        "PENDING",
        "IN_PROGRESS",
        "IN_PROGRESS",
        "IN_PROGRESS",
        "IN_PROGRESS",
        "STOP_REQUESTED",
        "STOPPED",
        "SUCCESSFUL",
        "ROLLBACK_REQUESTED",
        "ROLLBACK_IN_PROGRESS",
        "ROLLBACK_SUCCESSFUL",
        "ROLLBACK_FAILED",
        "PONDERING",
    ];
    ServiceDeploymentSeen {
        arn: "arn:sd-ours".to_owned(),
        id: "sd-ours".to_owned(),
        status: dice.of(&statuses).to_owned(),
        // Somebody else's is none of ours, whatever it says.
        task_definition: Some(arn(dice.of(&["app:42", "app:42", "app:42", "app:43"]))),
        created_at: Some(STARTED),
        finished_at: dice.of(&[None, Some(STARTED)]),
        rollback_to: dice.of(&[None, Some(arn("app:41")), Some(arn("app:38"))]),
        ..ServiceDeploymentSeen::default()
    }
}

/// Whether the last look at the service shows our own deployment, completed, and still what the service is
/// set to: written from PRODUCT's table, not from the code.
fn serves(service: &Service) -> bool {
    let Some((shown, service_deployment)) = service.live.look.as_ref().and_then(Look::seen) else {
        return false;
    };
    let Some(primary) = shown.primary() else {
        return false;
    };
    let is_ours = primary.id == "ecs-svc/2" && primary.task_definition == arn("app:42");
    let is_set_to = shown.task_definition == arn("app:42");
    let is_rolling = shown.strategy.is_none() && shown.bake_minutes == 0;
    let ours = service_deployment.filter(|one| one.task_definition == Some(arn("app:42")));
    let is_full = primary.running == primary.desired && primary.pending == 0;
    let by_itself = match primary.rollout_state.as_deref() {
        Some("COMPLETED") => is_rolling,
        Some(_) => false,
        None => is_rolling && shown.deployments.len() == 1 && is_full,
    };
    let is_complete = ours.map_or(by_itself, |one| one.status == "SUCCESSFUL");
    shown.status == "ACTIVE" && is_ours && is_set_to && is_complete
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 4000, ..ProptestConfig::default() })]

    #[test]
    fn every_path_ends_by_its_deadline_and_only_our_own_completed_deployment_succeeds(
        seed in 1..u64::MAX,
    ) {
        let mut path = Path::new(Dice(seed));
        let end = path.run();
        let Some(End::Succeeded) = end else {
            return Ok(());
        };
        for service in &path.deployment.services {
            prop_assert!(serves(service), "{service:?}");
        }
        match &path.deployment.stage {
            Stage::RollingOut => prop_assert!(path.spec.post_deploy.is_none(), "its task comes first"),
            Stage::PostDeploy(post) => {
                let seen = post.task().and_then(|task| task.live.seen.as_ref());
                prop_assert!(matches!(
                    seen,
                    Some(TaskSeen::Shown { verdict: TaskVerdict::Succeeded, not_ours: None, .. })
                ), "{seen:?}");
            }
            other => prop_assert!(false, "{other:?}"),
        }
        prop_assert!(path.asked_now.is_empty(), "what was rolled back is no success");
    }

    #[test]
    fn a_rollback_that_was_given_up_is_reported_with_its_reason(seed in 1..u64::MAX) {
        let mut path = Path::new(Dice(seed));
        let Some(End::Failed { service, is_late }) = path.run() else {
            return Ok(());
        };
        let failure = words::failed(&path.deployment, service, is_late, &path.spec, path.now);
        prop_assert_eq!(failure.kind, FailureKind::Job);
        let failed = &path.deployment.services[service];
        let begins = format!("{}: ", failed.target);
        prop_assert!(failure.message.starts_with(&begins), "{}", failure.message);
        for (place, one) in path.deployment.services.iter().enumerate() {
            let is_still_ours = matches!(
                one.live.verdict,
                Some(
                    Verdict::InProgress(_)
                        | Verdict::Serving { .. }
                        | Verdict::Failed { .. }
                        | Verdict::Unknown { .. }
                )
            );
            if let Some(why) = one.given_up().filter(|_| is_still_ours) {
                prop_assert!(failure.message.contains(why), "{place}: {why}: {}", failure.message);
            }
        }
    }
}
