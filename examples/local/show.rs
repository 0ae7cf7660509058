//! What is seen, in the style of the screen.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::OpenOptions;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use ecs_deploy_action::deploy::diff::{Change, Changes, What};
use ecs_deploy_action::deploy::images::Images;
use ecs_deploy_action::deploy::seen::{
    DeploymentSeen, Held, Look, ServiceDeploymentSeen, ServiceSeen,
};
use ecs_deploy_action::deploy::spec::Target;
use ecs_deploy_action::deploy::text;
use ecs_deploy_action::deploy::time::{Timestamp, human};
use ecs_deploy_action::observer::Observer;
use ecs_deploy_action::record::herd::{self, Herd};
use ecs_deploy_action::record::{Record, page};
use serde_json::{Value, json};
use simulator::Answer;

use crate::arguments::RealService;
use crate::play::{SPEED, simulated_service};
use crate::scenarios::Scenario;
use crate::screen::{
    self, BOLD, DIM, GREEN, PLAIN, RED, Screen, Span, Style, YELLOW, problem, stdout_columns,
};

/// Cells of a bar with this many tasks at most; more are shown by their number alone.
const BAR_CELLS: i32 = 20;

/// The pipelines of the table side by side, at most.
const TABLE_COLUMNS_LIMIT: usize = 4;
/// What each of them takes, with the space behind it.
const TABLE_CELL_CHARS: usize = 20;
/// Into a pipe.
const TABLE_WIDTH_DEFAULT: usize = 80;

/// Shows a deployment.
pub(crate) struct Show {
    screen: Arc<Screen>,
    /// Where the record's page is to be written.
    report: Option<PathBuf>,
    seen: Mutex<Seen>,
}

#[derive(Default)]
struct Seen {
    started: Option<Timestamp>,
    now: Option<Timestamp>,
    events: BTreeSet<String>,
    /// By service.
    tasks: BTreeMap<String, String>,
    /// The deployment that the action has made, by service.
    ours: BTreeMap<String, Ours>,
    /// There is more than one service.
    has_several: bool,
    /// Hooks that were seen to hold a deployment.
    held: BTreeSet<String>,
    /// What came of writing the page.
    written: Option<Result<(), String>>,
}

/// The deployment that the action has made of a service.
struct Ours {
    id: String,
    /// The revisions that ran when it began.
    old: BTreeSet<String>,
}

/// What a simulated deployment begins with.
pub(crate) struct Beginning<'a> {
    pub(crate) scenario: &'a Scenario,
    /// What was given, if it is not the sample.
    pub(crate) artifact: Option<&'a PathBuf>,
    pub(crate) images: &'a Images,
    /// Of the simulated service.
    pub(crate) containers: &'a Images,
    /// What the scenario adds to the artifact.
    pub(crate) files: &'a [(&'static str, String)],
    /// Those are what the artifact's file names.
    pub(crate) is_checked_alone: bool,
    /// As they are configured.
    pub(crate) user_parameters: &'a str,
    pub(crate) is_fast: bool,
    pub(crate) has_log: bool,
}

/// Whether the record's page can be written, before there is anything to write.
///
/// # Errors
/// A sentence, if not.
pub(crate) fn can_be_written(path: &Path) -> Result<(), String> {
    let is_there = path.exists();
    let opened = OpenOptions::new().append(true).create(true).open(path);
    opened.map_err(|error| {
        format!(
            "The report cannot be written to {}: {error}. Nothing was done.",
            path.display()
        )
    })?;
    if !is_there {
        // It may be that there will be nothing to write.
        drop(std::fs::remove_file(path));
    }
    Ok(())
}

/// Pipelines side by side, each with its state.
fn table(states: &[String], width: usize) -> Vec<Vec<Span>> {
    let columns = (width / TABLE_CELL_CHARS).clamp(1, TABLE_COLUMNS_LIMIT);
    let rows = states.len().div_ceil(columns);
    let mut drawn = Vec::new();
    for row in 0..rows {
        let mut line = Vec::new();
        for place in (row..states.len()).step_by(rows) {
            let state = &states[place];
            let colour = match state.as_str() {
                "done" => GREEN,
                "failed" => RED,
                _ => PLAIN,
            };
            line.push((PLAIN, format!("app-{place:02} ")));
            line.push((colour, format!("{state:<12}")));
            line.push((PLAIN, " ".to_owned()));
        }
        drawn.push(line);
    }
    drawn
}

impl Show {
    pub(crate) fn new(screen: Arc<Screen>, report: Option<PathBuf>) -> Self {
        Self {
            screen,
            report,
            seen: Mutex::default(),
        }
    }

    fn seen(&self) -> MutexGuard<'_, Seen> {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes the status lines away.
    pub(crate) fn end(&self) {
        self.screen.end_status();
    }

    /// Minutes and seconds since the beginning.
    fn time(&self) -> String {
        let seen = self.seen();
        let seconds = match (seen.started, seen.now) {
            (Some(started), Some(now)) => now.since(started).as_secs(),
            _ => 0,
        };
        format!("{:02}:{:02}", seconds / 60, seconds % 60)
    }

    /// One line with its time, above the status.
    fn line(&self, colour: &'static str, message: &str) {
        self.screen.at(&self.time(), colour, message);
    }

    /// A line of JSON, with the time of what it is about.
    fn step(&self, mut step: Value) {
        if let Some(now) = self.seen().now {
            step["time"] = json!(now.rfc3339());
        }
        self.screen.json(&step);
    }

    fn heading(&self, message: &str) {
        self.screen.text(BOLD, message);
    }

    fn text(&self, message: &str) {
        self.screen.text(PLAIN, message);
    }

    pub(crate) fn begin(&self, beginning: &Beginning<'_>, now: Timestamp) {
        let Beginning {
            scenario,
            artifact,
            images,
            containers,
            files,
            user_parameters,
            ..
        } = beginning;
        self.seen().started = Some(now);
        self.seen().now = Some(now);
        self.seen().has_several = scenario.has_worker;
        self.heading(&format!(
            "{}, simulated: {} ({})",
            simulated_service(),
            scenario.name,
            scenario.about
        ));
        let names: Vec<&str> = containers.iter().map(|(name, _)| name.as_str()).collect();
        let pace = if beginning.is_fast {
            "time is skipped".to_owned()
        } else {
            format!("time runs {SPEED} times as fast")
        };
        let mut notes = Vec::new();
        if let Some(artifact) = artifact {
            notes.push(format!("the artifact is {}", artifact.display()));
        }
        for (container, image) in *images {
            notes.push(format!("the artifact asks for {container} = {image}"));
        }
        for (name, content) in *files {
            notes.push(format!("the artifact has {name}: {}", spaced(content)));
        }
        notes.push(format!("UserParameters is {}", spaced(user_parameters)));
        for note in &notes {
            self.line(PLAIN, note);
        }
        self.line(DIM, &format!("{pace}; --list shows what else can happen"));
        self.step(json!({"step": "begin", "scenario": scenario.name,
            "artifact": artifact.map(|path| path.display().to_string()), "images": as_object(images),
            "containers": names, "userParameters": user_parameters}));
        if beginning.is_checked_alone {
            self.note(
                "The simulated service has the containers that your file names; only the file is checked. --container NAME says which it really has.",
            );
        }
        if beginning.has_log {
            self.note("the times in the log are this machine's, not the simulation's");
        }
    }

    /// Something to know besides.
    pub(crate) fn note(&self, message: &str) {
        self.line(PLAIN, message);
        self.step(json!({"step": "note", "message": message}));
    }

    /// Many pipelines at once.
    pub(crate) fn begin_herd(
        &self,
        pipelines: usize,
        is_fast: bool,
        has_log: bool,
        now: Timestamp,
    ) {
        self.seen().started = Some(now);
        self.seen().now = Some(now);
        self.heading(&format!(
            "{pipelines} pipelines at the same moment, simulated, with ECS's documented quotas"
        ));
        if !is_fast {
            self.line(DIM, &format!("time runs {SPEED} times as fast"));
        }
        self.step(json!({"step": "begin", "scenario": "herd"}));
        if has_log {
            self.note("the times in the log are this machine's, not the simulation's");
        }
    }

    /// How far each of them is: a table that is drawn anew, or a line with how many are how far.
    pub(crate) fn herd(&self, states: &[String], now: Timestamp) {
        self.seen().now = Some(now);
        let mut counts: BTreeMap<&str, usize> = BTreeMap::new();
        for state in states {
            *counts.entry(state).or_default() += 1;
        }
        self.step(json!({"step": "herd", "states": counts}));
        if self.screen.style() == Style::Drawn {
            let width = stdout_columns().unwrap_or(TABLE_WIDTH_DEFAULT);
            self.screen.status(table(states, width));
            return;
        }
        let counts: Vec<String> = counts
            .iter()
            .map(|(state, count)| format!("{count} {state}"))
            .collect();
        self.line(PLAIN, &counts.join(", "));
    }

    /// How they ended, and what they asked of ECS.
    pub(crate) fn herd_ended(&self, herd: &Herd) {
        self.screen.end_status();
        let message = &herd.message;
        self.line(BOLD, message);
        for failed in herd.pipelines.iter().filter(|one| !one.succeeded) {
            self.line(RED, &format!("{}: {}", failed.name, failed.headline));
        }
        for quota in &herd.quotas {
            self.line(
                DIM,
                &format!(
                    "{}: {} calls, {} of them refused",
                    quota.category, quota.asked, quota.refused
                ),
            );
        }
        let calls = herd.quotas.iter().map(|quota| {
            json!({"category": quota.category, "asked": quota.asked, "refused": quota.refused})
        });
        let calls: Vec<Value> = calls.collect();
        self.write_page(|| herd::page(herd));
        self.note_report();
        self.step(json!({"step": "result", "message": message, "calls": calls}));
        self.tell_report();
    }

    /// Writes the page, if one was asked for.
    fn write_page(&self, page: impl FnOnce() -> String) {
        if let Some(path) = &self.report {
            let written = std::fs::write(path, page()).map_err(|error| error.to_string());
            self.seen().written = Some(written);
        }
    }

    /// Where a real deployment would go.
    pub(crate) fn begin_on_aws(
        &self,
        target: &RealService,
        account: &str,
        principal: &str,
        region: &str,
        now: Timestamp,
    ) {
        self.seen().started = Some(now);
        self.seen().now = Some(now);
        let RealService {
            cluster, service, ..
        } = target;
        self.heading(&format!("{service} on {cluster}, in a real account"));
        self.text(&format!("  account     {account} (as {principal})"));
        self.text(&format!("  Region      {region}"));
        self.step(
            json!({"step": "begin", "account": account, "principal": principal,
            "region": region, "cluster": cluster, "service": service}),
        );
    }

    /// What a dry run found that came before a real deployment.
    pub(crate) fn rehearsed(&self, report: &Value) {
        let message = report["message"].as_str().unwrap_or_default();
        self.text(&format!("\n{message}\n"));
        self.step(json!({"step": "rehearsal", "report": report}));
        self.warnings(report);
        self.plan(report);
    }

    /// What happens between two actions; the second makes `another` deployment, or none.
    pub(crate) fn between(
        &self,
        message: &str,
        user_parameters: &str,
        is_another: bool,
        now: Timestamp,
    ) {
        self.seen().now = Some(now);
        if is_another {
            self.seen().ours.clear();
        }
        self.line(PLAIN, message);
        let shown = spaced(user_parameters);
        self.line(
            PLAIN,
            &format!("UserParameters of the next action is {shown}"),
        );
        self.step(json!({"step": "between", "message": message,
            "userParameters": user_parameters}));
    }

    /// An invocation: the first of its action, or a later `check`.
    pub(crate) fn invocation(&self, number: u32, check: u32, now: Timestamp) {
        self.seen().now = Some(now);
        let message = if check == 1 {
            "CodePipeline invokes the function".to_owned()
        } else {
            format!("CodePipeline checks again ({check})")
        };
        self.line(DIM, &message);
        self.step(json!({"step": "invocation", "number": number}));
    }

    /// An answer of an action, which is the scenario's last or not.
    pub(crate) fn answer(&self, answer: &Answer, is_last: bool, now: Timestamp) {
        self.seen().now = Some(now);
        let step = if is_last { "result" } else { "action" };
        match answer {
            Answer::Success {
                continuation_token: Some(token),
                summary,
                percent_complete,
                ..
            } => {
                let summary = summary.as_deref().unwrap_or_default();
                self.line(DIM, &format!("not yet: {summary}"));
                self.step(json!({"step": "continuation", "summary": summary,
                    "percentComplete": percent_complete, "tokenCharacters": token.chars().count()}));
            }
            Answer::Success {
                summary,
                output_variables,
                ..
            } => {
                let summary = summary.as_deref().unwrap_or_default();
                self.result(true, "Succeeded", summary);
                self.variables(output_variables);
                self.step(
                    json!({"step": step, "outcome": "Succeeded", "message": summary,
                    "outputVariables": output_variables}),
                );
            }
            Answer::Failure { kind, message, .. } => {
                self.result(false, &format!("Failed ({kind})"), message);
                self.step(json!({"step": "result", "outcome": "Failed", "kind": kind,
                    "message": message}));
            }
        }
    }

    /// The report of a manual deployment.
    pub(crate) fn report(&self, report: &Value, now: Timestamp) {
        self.seen().now = Some(now);
        let outcome = report["outcome"].as_str().unwrap_or_default();
        let message = report["message"].as_str().unwrap_or_default();
        match outcome {
            "InProgress" => self.line(DIM, &format!("not yet: {message}")),
            _ => self.result(outcome == "Succeeded", outcome, message),
        }
        self.warnings(report);
        let variables = report["outputVariables"].as_object().into_iter().flatten();
        let variables = variables
            .map(|(name, value)| (name.clone(), value.as_str().unwrap_or_default().to_owned()));
        self.variables(&variables.collect());
        self.step(json!({"step": "report", "report": report}));
    }

    /// What a report says besides its outcome.
    pub(crate) fn warnings(&self, report: &Value) {
        for warning in report["warnings"].as_array().into_iter().flatten() {
            self.line(YELLOW, warning.as_str().unwrap_or_default());
            self.step(json!({"step": "warning", "message": warning}));
        }
    }

    /// What a dry run checked, and what it would have called.
    pub(crate) fn plan(&self, report: &Value) {
        let plan = &report["plan"];
        if plan.is_null() {
            return;
        }
        self.step(json!({"step": "plan", "plan": plan}));
        for (heading, member) in [("Checked", "checked"), ("Would be called", "calls")] {
            self.heading(heading);
            for sentence in plan[member].as_array().into_iter().flatten() {
                self.text(&format!("  - {}", sentence.as_str().unwrap_or_default()));
            }
        }
        self.text("");
    }

    /// What became of the record's page, if one was asked for, and whether that was a failure.
    fn report_state(&self) -> Option<(bool, String)> {
        let path = self.report.as_ref()?.display();
        Some(match &self.seen().written {
            Some(Ok(())) => (true, format!("the record of the deployment: {path}")),
            Some(Err(error)) => (
                false,
                format!("The report was not written: {path}: {error}"),
            ),
            None => (
                true,
                "no report was written: no service was changed".to_owned(),
            ),
        })
    }

    /// Says to a machine what became of the record's page: before the result, which stays the last step.
    pub(crate) fn note_report(&self) {
        if let Some((_, message)) = self.report_state() {
            self.step(json!({"step": "note", "message": message}));
        }
    }

    /// Says where the record's page is, if one was asked for. The deployment has ended as it has,
    /// whatever became of the page.
    pub(crate) fn tell_report(&self) {
        match self.report_state() {
            Some((true, message)) => self.line(PLAIN, &message),
            Some((false, message)) => {
                self.end();
                problem(&message);
                screen::lost();
            }
            None => {}
        }
    }

    /// What there is of the record's page after Ctrl-C: a sentence to add, or nothing.
    pub(crate) fn interrupted_report(&self) -> String {
        let Some(path) = &self.report else {
            return String::new();
        };
        let path = path.display();
        match &self.seen().written {
            // That of the first of two actions.
            Some(Ok(())) => format!(" The report {path} has what ended before."),
            Some(Err(_)) | None => format!(" No report was written to {path}."),
        }
    }

    fn result(&self, is_good: bool, outcome: &str, message: &str) {
        self.end();
        self.line(
            if is_good { GREEN } else { RED },
            &format!("job: {outcome}"),
        );
        self.text(&format!("\n{message}\n"));
    }

    fn variables(&self, variables: &BTreeMap<String, String>) {
        if variables.is_empty() {
            return;
        }
        self.heading("Output variables");
        let longest = variables.keys().map(|name| name.chars().count()).max();
        let longest = longest.unwrap_or_default();
        let columns = stdout_columns();
        for (name, value) in variables {
            let line = format!("  {name:<longest$}  {value}");
            // An ARN is copied: better whole on a line of its own.
            if columns.is_some_and(|columns| line.chars().count() > columns) {
                self.text(&format!("  {name}\n    {value}"));
            } else {
                self.text(&line);
            }
        }
        self.text("");
    }

    /// What is new in the revision of a service.
    pub(crate) fn difference(&self, service: &str, old: &str, new: &str, changes: &Changes) {
        let (old, new) = (text::last_part(old), text::last_part(new));
        let step: Vec<Value> = changes.listed.iter().map(Change::to_json).collect();
        self.step(
            json!({"step": "difference", "service": service, "from": old, "to": new,
            "changes": step, "more": changes.more}),
        );
        if changes.listed.is_empty() {
            self.line(PLAIN, &format!("{service}: {new} is as {old}"));
            return;
        }
        self.line(PLAIN, &format!("{service}: {new} differs from {old} in"));
        let below = |colour: &'static str, text: &str| self.screen.at(" ", colour, text);
        for change in &changes.listed {
            let place = place(&change.path);
            match &change.what {
                What::Values { old, new } => {
                    below(PLAIN, &format!("  {place}"));
                    if let Some(old) = old {
                        below(RED, &format!("    - {}", plain(old)));
                    }
                    if let Some(new) = new {
                        below(GREEN, &format!("    + {}", plain(new)));
                    }
                }
                hidden @ (What::Added | What::Removed | What::Changed) => {
                    let text = format!("  {place}: {} (value not shown)", hidden.name());
                    below(PLAIN, &text);
                }
            }
        }
        if changes.more > 0 {
            below(PLAIN, &format!("  and {} more", changes.more));
        }
    }

    fn tasks(&self, name: &str, service: &ServiceSeen, own: Option<&ServiceDeploymentSeen>) {
        let Some(primary) = service.primary() else {
            return;
        };
        let task = self.bars(name, service, primary, own);
        let is_new = self.seen().tasks.get(name) != Some(&task);
        self.seen().tasks.insert(name.to_owned(), task.clone());
        let is_only = !self.seen().has_several;
        match self.screen.style() {
            Style::Drawn => {
                let time = self.time();
                let seen = self.seen();
                let longest = seen.tasks.keys().map(|name| name.chars().count()).max();
                let longest = longest.unwrap_or_default();
                let lines = seen.tasks.iter().enumerate().map(|(number, (name, task))| {
                    let time = if number == 0 { time.as_str() } else { "" };
                    let name = if is_only {
                        String::new()
                    } else {
                        format!("{name:<longest$}  ")
                    };
                    vec![
                        (DIM, format!("{time:<7}")),
                        (PLAIN, format!("{name}{task}")),
                    ]
                });
                self.screen.status(lines.collect());
            }
            Style::Plain if is_new && is_only => self.line(PLAIN, &task),
            Style::Plain if is_new => self.line(PLAIN, &format!("{name}: {task}")),
            Style::Plain => {}
            Style::Json => {
                let deployments: Vec<Value> = service
                    .deployments
                    .iter()
                    .map(|one| {
                        json!({"revision": text::last_part(&one.task_definition),
                            "status": one.status, "rolloutState": one.rollout_state,
                            "desired": one.desired, "pending": one.pending,
                            "running": one.running, "failed": one.failed})
                    })
                    .collect();
                self.step(
                    json!({"step": "look", "service": name, "deployments": deployments,
                    "stage": own.and_then(|own| own.lifecycle_stage.clone())}),
                );
            }
        }
    }

    /// Each deployment of the service as what it is: new, old, rolled back.
    fn bars(
        &self,
        name: &str,
        service: &ServiceSeen,
        primary: &DeploymentSeen,
        own: Option<&ServiceDeploymentSeen>,
    ) -> String {
        let mut seen = self.seen();
        let now = seen.now;
        let ours = seen.ours.entry(name.to_owned()).or_insert_with(|| Ours {
            id: primary.id.clone(),
            old: service
                .deployments
                .iter()
                .filter(|one| one.id != primary.id)
                .map(|one| one.task_definition.clone())
                .collect(),
        });
        let is_rollback = primary.id != ours.id && ours.old.contains(&primary.task_definition);
        let role = |one: &DeploymentSeen| match (one.id == ours.id, one.id == primary.id) {
            (true, true) if one.rollout_state.as_deref() == Some("FAILED") => "failed",
            (true, true) => "new",
            (true, false) if is_rollback => "rolled back",
            (true, false) => "replaced",
            (false, true) if is_rollback => "rollback to",
            (false, true) => "somebody else's",
            (false, false) => "old",
        };
        let others = service.deployments.iter().filter(|one| {
            let has_tasks = one.running > 0 || one.pending > 0;
            one.id != primary.id && has_tasks
        });
        let mut bars = vec![format!(
            "{} {} {}",
            role(primary),
            text::last_part(&primary.task_definition),
            bar(primary.running, primary.pending, service.desired)
        )];
        bars.extend(others.map(|one| {
            let revision = text::last_part(&one.task_definition);
            let tasks = bar(one.running, one.pending, one.running + one.pending);
            format!("{} {revision} {tasks}", role(one))
        }));
        if let Some(own) = own {
            bars.extend(own.lifecycle_stage.clone());
            let until = own.held.iter().find_map(|one| one.until);
            // In a line of its own it would be another one each time.
            if let (Style::Drawn, Some(until), Some(now)) = (self.screen.style(), until, now) {
                bars.push(format!("{} left", human(until.since(now))));
            }
        }
        bars.join("   ")
    }

    /// Says once of each PAUSE hook how to let it go on.
    fn held(&self, service: &str, own: &ServiceDeploymentSeen) {
        for held in &own.held {
            let Held {
                hook: Some(hook),
                stage,
                until,
                then,
            } = held
            else {
                continue;
            };
            if !self.seen().held.insert(hook.clone()) {
                continue;
            }
            let now = self.seen().now;
            let left = match (until, now) {
                (Some(until), Some(now)) => format!("{} left", human(until.since(now))),
                _ => "no time limit known".to_owned(),
            };
            let then = then.as_deref().unwrap_or("ROLLBACK");
            self.line(
                YELLOW,
                &format!(
                    "{service}: the PAUSE hook {hook} holds the deployment: {left}, then {then}"
                ),
            );
            self.line(
                DIM,
                &format!(
                    "to let it go on: an action with ContinueDeployment, or aws ecs continue-service-deployment --service-deployment-arn {} --hook-id {hook} --action CONTINUE",
                    own.arn
                ),
            );
            self.step(
                json!({"step": "held", "service": service, "hook": hook, "stage": stage,
                "until": until.map(Timestamp::rfc3339), "then": then}),
            );
        }
    }
}

impl Show {
    /// The record of a deployment in an account.
    pub(crate) fn recorded_in_account(&self, record: &Record) {
        self.write_page(|| page::page(record));
    }
}

impl Observer for Show {
    fn wants_record(&self) -> bool {
        self.report.is_some()
    }

    fn recorded(&self, record: &Record) {
        self.write_page(|| page::simulated(record));
    }

    fn looked(&self, target: &Target, look: &Look, now: Timestamp) {
        self.seen().now = Some(now);
        match look {
            Look::Missing => {
                let why = "ECS does not know the service any more";
                self.line(YELLOW, why);
                self.step(json!({"step": "look", "service": target.service_name(), "noNews": why}));
            }
            Look::NoNews { why } => {
                self.line(YELLOW, &format!("no news: {why}"));
                self.step(json!({"step": "look", "service": target.service_name(), "noNews": why}));
            }
            Look::Seen {
                service,
                service_deployment,
            } => {
                let started = self.seen().started;
                for event in service.events.iter().rev() {
                    let is_old = started.is_some_and(|started| event.at < started);
                    if !is_old && self.seen().events.insert(event.id.clone()) {
                        self.line(PLAIN, &format!("ECS: {}", event.message));
                        self.step(json!({"step": "event", "message": event.message}));
                    }
                }
                self.tasks(
                    target.service_name(),
                    service,
                    service_deployment.as_deref(),
                );
                if let Some(own) = service_deployment {
                    self.held(target.service_name(), own);
                }
            }
        }
    }
}

/// `██░░ 1/2`: running, starting and missing tasks.
fn bar(running: i32, pending: i32, desired: i32) -> String {
    let counted = format!("{running}/{desired}");
    if desired > BAR_CELLS || running > BAR_CELLS {
        return counted;
    }
    let cells = |count: i32, cell: &str| cell.repeat(usize::try_from(count).unwrap_or(0));
    let missing = desired - running - pending;
    format!(
        "{}{}{} {counted}",
        cells(running, "█"),
        cells(pending.min(desired - running), "▒"),
        cells(missing, "░")
    )
}

fn as_object(images: &Images) -> Value {
    let images = images
        .iter()
        .map(|(name, image)| (name.clone(), json!(image)));
    Value::Object(images.collect())
}

/// A JSON object with a space between its members, where a line can be broken.
fn spaced(json: &str) -> String {
    let Ok(Value::Object(members)) = serde_json::from_str(json) else {
        return json.to_owned();
    };
    let members: Vec<String> = members
        .iter()
        .map(|(name, value)| format!("{}: {value}", json!(name)))
        .collect();
    format!("{{{}}}", members.join(", "))
}

/// `/containerDefinitions/app/image` as `container app: image`.
fn place(path: &str) -> String {
    let unescaped = |part: &str| part.replace("~1", "/").replace("~0", "~");
    let parts: Vec<String> = path.split('/').skip(1).map(unescaped).collect();
    match parts.as_slice() {
        [list, name, rest @ ..] if list == "containerDefinitions" && !rest.is_empty() => {
            format!("container {name}: {}", rest.join(" "))
        }
        [list, name] if list == "containerDefinitions" => format!("container {name}"),
        parts => parts.join(" "),
    }
}

/// A text without quotation marks, anything else as JSON.
fn plain(value: &Value) -> String {
    value
        .as_str()
        .map_or_else(|| value.to_string(), str::to_owned)
}
