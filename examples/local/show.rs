//! What is seen: drawn on a terminal, plain lines into a pipe, JSON for machines.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::OpenOptions;
use std::io::{IsTerminal as _, Write as _};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};

use ecs_deploy_action::deploy::diff::{Change, Changes, What};
use ecs_deploy_action::deploy::images::Images;
use ecs_deploy_action::deploy::seen::{Look, ServiceDeploymentSeen, ServiceSeen};
use ecs_deploy_action::deploy::spec::Target;
use ecs_deploy_action::deploy::text;
use ecs_deploy_action::deploy::time::Timestamp;
use ecs_deploy_action::observer::Observer;
use ecs_deploy_action::record::herd::{self, Herd};
use ecs_deploy_action::record::{Record, page};
use serde_json::{Value, json};
use simulator::Answer;

use crate::arguments::RealService;
use crate::play::{SPEED, simulated_service};
use crate::scenarios::Scenario;

/// Cells of a bar with this many tasks at most; more are shown by their number alone.
const BAR_CELLS: i32 = 20;

const CLEAR_LINE: &str = "\r\x1b[2K";
const BOLD: &str = "\x1b[1m";
const DIM: &str = "\x1b[2m";
const GREEN: &str = "\x1b[32m";
const RED: &str = "\x1b[31m";
const YELLOW: &str = "\x1b[33m";
const PLAIN: &str = "\x1b[0m";

/// Shows a deployment.
pub(crate) struct Show {
    style: Style,
    /// Where the record's page is to be written.
    report: Option<PathBuf>,
    seen: Mutex<Seen>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Style {
    Drawn,
    Plain,
    Json,
}

#[derive(Default)]
struct Seen {
    started: Option<Timestamp>,
    now: Option<Timestamp>,
    events: BTreeSet<String>,
    /// By service.
    tasks: BTreeMap<String, String>,
    has_bar: bool,
    /// So many lines the table of many pipelines has, once it was drawn.
    herd_lines: usize,
    /// What came of writing the page.
    written: Option<Result<(), String>>,
}

/// Writes a text to standard output.
pub(crate) fn text(message: &str) {
    // Whoever closed the pipe wants no more.
    drop(writeln!(std::io::stdout(), "{message}"));
}

/// Writes a text to standard error.
pub(crate) fn problem(message: &str) {
    drop(writeln!(std::io::stderr(), "{message}"));
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
fn table(states: &[String]) -> String {
    const COLUMNS: usize = 4;
    let rows = states.len().div_ceil(COLUMNS);
    let mut drawn = String::new();
    for row in 0..rows {
        for place in (row..states.len()).step_by(rows) {
            let state = &states[place];
            let colour = match state.as_str() {
                "done" => GREEN,
                "failed" => RED,
                _ => "",
            };
            drawn.push_str(&format!("  app-{place:02}  {colour}{state:<11}{PLAIN}"));
        }
        drawn.push_str("\x1b[K\n");
    }
    drawn
}

impl Show {
    pub(crate) fn new(json: bool, report: Option<PathBuf>) -> Self {
        let style = if json {
            Style::Json
        } else if std::io::stdout().is_terminal() {
            Style::Drawn
        } else {
            Style::Plain
        };
        Self {
            style,
            report,
            seen: Mutex::default(),
        }
    }

    fn seen(&self) -> MutexGuard<'_, Seen> {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// One line with its time, above the bar.
    fn line(&self, colour: &str, message: &str) {
        let mut seen = self.seen();
        let clear = if std::mem::take(&mut seen.has_bar) {
            CLEAR_LINE
        } else {
            ""
        };
        let seconds = match (seen.started, seen.now) {
            (Some(started), Some(now)) => now.since(started).as_secs(),
            _ => 0,
        };
        let at = format!("{:02}:{:02}", seconds / 60, seconds % 60);
        match self.style {
            Style::Drawn => text(&format!(
                "{clear}{DIM}{at}{PLAIN}  {colour}{message}{PLAIN}"
            )),
            Style::Plain => text(&format!("{at}  {message}")),
            Style::Json => {}
        }
    }

    fn step(&self, step: &Value) {
        if self.style == Style::Json {
            text(&step.to_string());
        }
    }

    fn heading(&self, message: &str) {
        match self.style {
            Style::Drawn => text(&format!("{BOLD}{message}{PLAIN}")),
            Style::Plain => text(message),
            Style::Json => {}
        }
    }

    pub(crate) fn begin(
        &self,
        scenario: &Scenario,
        images: &Images,
        is_fast: bool,
        now: Timestamp,
    ) {
        self.seen().started = Some(now);
        self.seen().now = Some(now);
        self.heading(&format!(
            "{}, simulated: {} ({})",
            simulated_service(),
            scenario.name,
            scenario.about
        ));
        let pace = if is_fast {
            "time is skipped".to_owned()
        } else {
            format!("time runs {SPEED} times as fast")
        };
        for (container, image) in images {
            self.line("", &format!("the artifact asks for {container} = {image}"));
        }
        self.line(DIM, &format!("{pace}; --list shows what else can happen"));
        self.step(&json!({"step": "begin", "scenario": scenario.name}));
    }

    /// Many pipelines at once.
    pub(crate) fn begin_herd(&self, pipelines: usize, is_fast: bool, now: Timestamp) {
        self.seen().started = Some(now);
        self.seen().now = Some(now);
        self.heading(&format!(
            "{pipelines} pipelines at the same moment, simulated, with ECS's documented quotas"
        ));
        if !is_fast {
            self.line(DIM, &format!("time runs {SPEED} times as fast"));
        }
        self.step(&json!({"step": "begin", "scenario": "herd"}));
    }

    /// How far each of them is: a table that is drawn anew, or a line with how many are how far.
    pub(crate) fn herd(&self, states: &[String], now: Timestamp) {
        self.seen().now = Some(now);
        let mut counts: BTreeMap<&str, usize> = BTreeMap::new();
        for state in states {
            *counts.entry(state).or_default() += 1;
        }
        self.step(&json!({"step": "herd", "states": counts}));
        if self.style == Style::Drawn {
            let drawn = table(states);
            let lines = drawn.lines().count();
            let up = if std::mem::replace(&mut self.seen().herd_lines, lines) > 0 {
                format!("\x1b[{lines}A")
            } else {
                String::new()
            };
            text(&format!("{up}{}", drawn.trim_end()));
            return;
        }
        let counts: Vec<String> = counts
            .iter()
            .map(|(state, count)| format!("{count} {state}"))
            .collect();
        self.line("", &counts.join(", "));
    }

    /// How they ended, and what they asked of ECS.
    pub(crate) fn herd_ended(&self, herd: &Herd) {
        let message = &herd.message;
        self.line(BOLD, message);
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
        self.step(&json!({"step": "result", "message": message, "calls": calls}));
        self.write_page(|| herd::page(herd));
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
    ) {
        let RealService {
            cluster, service, ..
        } = target;
        self.heading(&format!("{service} on {cluster}, in a real account"));
        if self.style != Style::Json {
            text(&format!("  account     {account} (as {principal})"));
            text(&format!("  Region      {region}"));
        }
        self.step(
            &json!({"step": "begin", "account": account, "principal": principal,
            "region": region, "cluster": cluster, "service": service}),
        );
    }

    /// What a dry run found that came before a real deployment.
    pub(crate) fn rehearsed(&self, report: &Value) {
        if self.style != Style::Json {
            text(&format!(
                "\n{}\n",
                report["message"].as_str().unwrap_or_default()
            ));
        }
        self.step(&json!({"step": "rehearsal", "report": report}));
        self.warnings(report);
        self.plan(report);
    }

    /// What happens between two actions.
    pub(crate) fn between(&self, message: &str, now: Timestamp) {
        self.seen().now = Some(now);
        self.line("", message);
        self.step(&json!({"step": "between", "message": message}));
    }

    pub(crate) fn invocation(&self, number: u32, now: Timestamp) {
        self.seen().now = Some(now);
        self.line(
            DIM,
            &format!("CodePipeline invokes the function (number {number})"),
        );
        self.step(&json!({"step": "invocation", "number": number}));
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
                self.step(&json!({"step": "continuation", "summary": summary,
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
                    &json!({"step": step, "outcome": "Succeeded", "message": summary,
                    "outputVariables": output_variables}),
                );
            }
            Answer::Failure { kind, message, .. } => {
                self.result(false, &format!("Failed ({kind})"), message);
                self.step(&json!({"step": "result", "outcome": "Failed", "kind": kind,
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
        self.step(&json!({"step": "report", "report": report}));
    }

    /// What a report says besides its outcome.
    pub(crate) fn warnings(&self, report: &Value) {
        for warning in report["warnings"].as_array().into_iter().flatten() {
            self.line(YELLOW, warning.as_str().unwrap_or_default());
            self.step(&json!({"step": "warning", "message": warning}));
        }
    }

    /// What a dry run checked, and what it would have called.
    pub(crate) fn plan(&self, report: &Value) {
        let plan = &report["plan"];
        if plan.is_null() {
            return;
        }
        self.step(&json!({"step": "plan", "plan": plan}));
        if self.style == Style::Json {
            return;
        }
        for (heading, member) in [("Checked", "checked"), ("Would be called", "calls")] {
            self.heading(heading);
            for sentence in plan[member].as_array().into_iter().flatten() {
                text(&format!("  - {}", sentence.as_str().unwrap_or_default()));
            }
        }
        text("");
    }

    /// Says where the record's page is, if one was asked for. The deployment has ended as it has,
    /// whatever became of the page.
    pub(crate) fn tell_report(&self) {
        let Some(path) = &self.report else {
            return;
        };
        let written = self.seen().written.take();
        let path = path.display();
        match written {
            Some(Ok(())) => self.line("", &format!("the record of the deployment: {path}")),
            Some(Err(error)) => problem(&format!("The report is not written: {path}: {error}")),
            None => self.line(YELLOW, "no record: nothing was started"),
        }
    }

    fn result(&self, is_good: bool, outcome: &str, message: &str) {
        self.line(
            if is_good { GREEN } else { RED },
            &format!("job: {outcome}"),
        );
        if self.style != Style::Json {
            text(&format!("\n{message}\n"));
        }
    }

    fn variables(&self, variables: &BTreeMap<String, String>) {
        if self.style == Style::Json || variables.is_empty() {
            return;
        }
        self.heading("Output variables");
        for (name, value) in variables {
            text(&format!("  {name:<26}{value}"));
        }
        text("");
    }

    pub(crate) fn difference(&self, old: &str, new: &str, changes: &Changes) {
        let (old, new) = (text::last_part(old), text::last_part(new));
        let step: Vec<Value> = changes.listed.iter().map(Change::to_json).collect();
        self.step(&json!({"step": "difference", "from": old, "to": new, "changes": step, "more": changes.more}));
        if self.style == Style::Json {
            return;
        }
        self.heading(&format!("From {old} to {new}"));
        let (red, green, plain) = match self.style {
            Style::Drawn => (RED, GREEN, PLAIN),
            Style::Plain | Style::Json => ("", "", ""),
        };
        for change in &changes.listed {
            let What::Values { old, new } = &change.what else {
                text(&format!("  {change}"));
                continue;
            };
            text(&format!("  {}", change.path));
            if let Some(old) = old {
                text(&format!("    {red}- {old}{plain}"));
            }
            if let Some(new) = new {
                text(&format!("    {green}+ {new}{plain}"));
            }
        }
        if changes.more > 0 {
            text(&format!("  and {} more", changes.more));
        }
    }

    fn tasks(&self, name: &str, service: &ServiceSeen, own: Option<&ServiceDeploymentSeen>) {
        let primary =
            |one: &&ecs_deploy_action::deploy::seen::DeploymentSeen| one.status == "PRIMARY";
        let Some(new) = service.deployments.iter().find(primary) else {
            return;
        };
        let others = service.deployments.iter().filter(|one| one.id != new.id);
        let old: Vec<String> = others
            .map(|one| {
                format!(
                    "{} {}",
                    text::last_part(&one.task_definition),
                    bar(one.running, 0, one.running)
                )
            })
            .collect();
        let mut task = format!(
            "{} {}",
            text::last_part(&new.task_definition),
            bar(new.running, new.pending, service.desired)
        );
        if !old.is_empty() {
            task.push_str(&format!("   {}", old.join("   ")));
        }
        if let Some(stage) = own.and_then(|own| own.lifecycle_stage.as_deref()) {
            task.push_str(&format!("   {stage}"));
        }
        let is_new = self.seen().tasks.get(name) != Some(&task);
        self.seen().tasks.insert(name.to_owned(), task);
        let all: Vec<String> = match &self.seen().tasks {
            tasks if tasks.len() == 1 => tasks.values().cloned().collect(),
            tasks => tasks
                .iter()
                .map(|(name, task)| format!("{name}: {task}"))
                .collect(),
        };
        let task = all.join("   |   ");
        match self.style {
            Style::Drawn => {
                let mut seen = self.seen();
                let seconds = match (seen.started, seen.now) {
                    (Some(started), Some(now)) => now.since(started).as_secs(),
                    _ => 0,
                };
                seen.has_bar = true;
                let at = format!("{:02}:{:02}", seconds / 60, seconds % 60);
                let mut out = std::io::stdout();
                drop(write!(out, "{CLEAR_LINE}{DIM}{at}{PLAIN}  {task}"));
                drop(out.flush());
            }
            Style::Plain if is_new => self.line("", &task),
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
                    &json!({"step": "look", "service": name, "deployments": deployments,
                    "stage": own.and_then(|own| own.lifecycle_stage.clone())}),
                );
            }
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
            Look::Missing => self.line(YELLOW, "ECS does not know the service any more"),
            Look::NoNews { why } => {
                self.line(YELLOW, &format!("no news: {why}"));
                self.step(&json!({"step": "look", "noNews": why}));
            }
            Look::Seen {
                service,
                service_deployment,
            } => {
                let started = self.seen().started;
                for event in service.events.iter().rev() {
                    let is_old = started.is_some_and(|started| event.at < started);
                    if !is_old && self.seen().events.insert(event.id.clone()) {
                        self.line("", &format!("ECS: {}", event.message));
                        self.step(&json!({"step": "event", "message": event.message}));
                    }
                }
                self.tasks(
                    target.service_name(),
                    service,
                    service_deployment.as_deref(),
                );
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
