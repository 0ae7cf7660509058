//! The command line.

use std::path::PathBuf;

use ecs_deploy_action::deploy::text;
use lexopt::prelude::{Long, Short};
use lexopt::{Error, ValueExt as _};

use crate::migration::Migration;
use crate::scenarios::{self, Scenario};

pub(crate) const USAGE: &str = "\
cargo local [options]

Deploys to a simulated Amazon ECS on this machine and shows what happens.

  --scenario NAME   what happens (default: healthy)
  --list            all scenarios, and how each of them ends
  --artifact PATH   a folder or a zip instead of examples/artifact
  --container NAME  a container of the simulated service; repeat it for each
                    (default: those that the artifact's file names)
  --fast            skips the time instead of waiting
  --json            one line of JSON for each step (docs/local.md)
  --report FILE     writes the record of the deployment as a page
  --log [FILE]      writes the function's own log, all of it, to FILE
                    (default: standard error)

  --aws --cluster NAME --service NAME --artifact PATH
                    deploys to the AWS account that the environment has
                    credentials for: shows what it would change, and asks
    --dry-run       shows it, and changes nothing
    --yes           does not ask

  --migrate FILE    deploys nothing: reads what `aws codepipeline get-pipeline`
                    has printed, or a CloudFormation template, and prints it
                    with its ECS actions replaced by the function; reports to
                    standard error; FILE may be -, for standard input
    --function NAME
                    the function's name there (default: ecs-deploy-action)

  --help            this
  --version         the version

Exit status: 0 the job succeeded, 1 it failed, 2 it was not started or output
is lost, 130 interrupted. With --migrate: 0 every ECS action was replaced,
1 some were left as they are or there are none, 2 the file cannot be read.";

/// All options, for what may be meant by another.
const OPTIONS: [&str; 17] = [
    "--scenario",
    "--list",
    "--artifact",
    "--container",
    "--fast",
    "--json",
    "--report",
    "--log",
    "--aws",
    "--cluster",
    "--service",
    "--dry-run",
    "--yes",
    "--migrate",
    "--function",
    "--help",
    "--version",
];

/// ECS takes no longer name of a container.
const CONTAINER_LIMIT_CHARS: usize = 255;

/// What the command line asks for.
pub(crate) enum Asked {
    Run(Box<Arguments>),
    Migrate(Migration),
    List,
    Help,
    Version,
}

/// Where the function's log goes.
pub(crate) enum Log {
    StandardError,
    File(PathBuf),
}

/// How to run.
pub(crate) struct Arguments {
    pub(crate) scenario: &'static Scenario,
    /// What is to be deployed.
    pub(crate) artifact: PathBuf,
    /// It is not the sample.
    pub(crate) has_own_artifact: bool,
    /// The containers of the simulated service, if they are given.
    pub(crate) containers: Vec<String>,
    pub(crate) is_fast: bool,
    pub(crate) json: bool,
    pub(crate) log: Option<Log>,
    /// Where the page is to be written.
    pub(crate) report: Option<PathBuf>,
    /// The service of a real account.
    pub(crate) account: Option<RealService>,
}

/// A service of the account that the environment has credentials for.
pub(crate) struct RealService {
    pub(crate) cluster: String,
    pub(crate) service: String,
    /// Nothing is to be changed.
    pub(crate) is_dry_run: bool,
    /// Nobody needs to be asked.
    pub(crate) is_agreed: bool,
}

/// Reads the command line.
///
/// # Errors
/// One line that says what to write instead.
pub(crate) fn parse() -> Result<Asked, String> {
    read().map_err(|error| {
        let sentence = sentence(&error);
        if sentence.ends_with('.') {
            sentence
        } else {
            format!("{sentence}. See --help.")
        }
    })
}

fn sentence(error: &Error) -> String {
    match error {
        Error::UnexpectedOption(option) => {
            let nearest = text::nearest(option, OPTIONS);
            let hint = nearest.map(|near| format!(": did you mean {near}?"));
            let hint = hint.unwrap_or_else(|| ".".to_owned());
            format!("There is no option {option}{hint} See --help.")
        }
        Error::UnexpectedArgument(argument) => {
            let argument = argument.to_string_lossy();
            let hint = scenarios::nearest(&argument).map_or_else(
                || ".".to_owned(),
                |near| format!(": did you mean --scenario {near}?"),
            );
            format!("{argument:?} is no option{hint} See --help.")
        }
        Error::MissingValue {
            option: Some(option),
        } => format!("{option} needs a value"),
        Error::UnexpectedValue { option, .. } => format!("{option} takes no value"),
        other => other.to_string(),
    }
}

fn read() -> Result<Asked, Error> {
    let mut scenario: Option<String> = None;
    let (mut artifact, mut report): (Option<PathBuf>, Option<PathBuf>) = (None, None);
    let (mut is_fast, mut json, mut log, mut is_aws) = (false, false, None, false);
    let (mut is_dry_run, mut is_agreed) = (false, false);
    let (mut cluster, mut service) = (None, None);
    let (mut migrate, mut function): (Option<PathBuf>, _) = (None, None);
    let mut containers: Vec<String> = Vec::new();
    // `cargo local -- --list` brings the `--` along: the alias ends with one of its own.
    let written = std::env::args_os().skip(1);
    let written = written.enumerate();
    let written = written.filter(|(place, one)| *place > 0 || one != "--");
    let mut parser = lexopt::Parser::from_args(written.map(|(_, one)| one));
    let mut alone = None;
    let mut count = 0;
    while let Some(argument) = parser.next()? {
        count += 1;
        match argument {
            Long("scenario") => once(&mut scenario, "scenario", parser.value()?.string()?)?,
            Long("artifact") => once(&mut artifact, "artifact", parser.value()?.into())?,
            Long("container") => containers.push(container(parser.value()?.string()?)?),
            Long("report") => once(&mut report, "report", parser.value()?.into())?,
            Long("fast") => is_fast = true,
            Long("json") => json = true,
            Long("log") => once(&mut log, "log", log_place(&mut parser)?)?,
            Long("aws") => is_aws = true,
            Long("dry-run") => is_dry_run = true,
            Long("yes") => is_agreed = true,
            Long("cluster") => once(&mut cluster, "cluster", parser.value()?.string()?)?,
            Long("service") => once(&mut service, "service", parser.value()?.string()?)?,
            Long("migrate") => once(&mut migrate, "migrate", parser.value()?.into())?,
            Long("function") => once(&mut function, "function", parser.value()?.string()?)?,
            Long("list") => alone = alone.or(Some(("--list", Asked::List))),
            Long("help") | Short('h') => alone = Some(("--help", Asked::Help)),
            Long("version") => alone = alone.or(Some(("--version", Asked::Version))),
            other => return Err(other.unexpected()),
        }
    }
    if let Some((option, asked)) = alone {
        // What stands beside it would be taken for done; help is asked for in the middle of a command.
        return if count == 1 || matches!(asked, Asked::Help) {
            Ok(asked)
        } else {
            Err(format!("{option} goes with nothing else").into())
        };
    }
    if let Some(file) = migrate {
        let flags = [is_fast, json, log.is_some(), is_aws, is_dry_run, is_agreed];
        let is_more = flags.contains(&true)
            || [&scenario, &cluster, &service]
                .iter()
                .any(|one| one.is_some())
            || [&artifact, &report].iter().any(|one| one.is_some())
            || !containers.is_empty();
        if is_more {
            return Err("--migrate goes with nothing but --function".into());
        }
        let function = function.unwrap_or_else(|| "ecs-deploy-action".to_owned());
        if !migrate::is_function_name(&function) {
            let wrong = "--function is a function's name: 1 to 64 letters, digits, - and _";
            return Err(wrong.into());
        }
        return Ok(Asked::Migrate(Migration { file, function }));
    }
    if function.is_some() {
        return Err("--function is for --migrate".into());
    }
    if is_aws && (scenario.is_some() || is_fast || !containers.is_empty()) {
        return Err("--aws goes with none of --scenario, --container and --fast".into());
    }
    if !is_aws && (is_dry_run || is_agreed) {
        return Err(
            "--dry-run and --yes are for --aws; a dry run on the simulator is --scenario dry-run"
                .into(),
        );
    }
    let account = match (is_aws, cluster, service) {
        (false, None, None) => None,
        // The sample's images are nothing to run in a real service.
        (true, Some(_), Some(_)) if artifact.is_none() => {
            return Err("--aws needs --artifact PATH: what is to be deployed".into());
        }
        (true, Some(cluster), Some(service)) => Some(RealService {
            cluster,
            service,
            is_dry_run,
            is_agreed,
        }),
        (true, ..) => {
            return Err(
                "--aws needs --cluster NAME and --service NAME, and --artifact PATH".into(),
            );
        }
        (false, ..) => return Err("--cluster and --service are for --aws".into()),
    };
    let name = scenario.as_deref().unwrap_or(scenarios::DEFAULT);
    let scenario = scenarios::find(name).ok_or_else(|| {
        let nearest = scenarios::nearest(name);
        let hint = nearest.map_or_else(String::new, |near| format!(": did you mean {near}?"));
        let end = if hint.is_empty() { "." } else { "" };
        format!("There is no scenario {name:?}{hint}{end} --list shows all, --help the options.")
    })?;
    if scenario.name == scenarios::HERD && !containers.is_empty() {
        return Err("--container does not go with the scenario herd".into());
    }
    let sample = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("examples/artifact");
    Ok(Asked::Run(Box::new(Arguments {
        scenario,
        has_own_artifact: artifact.is_some(),
        artifact: artifact.unwrap_or(sample),
        containers,
        is_fast,
        json,
        log,
        report,
        account,
    })))
}

/// The value of an option that can have only one.
fn once<T>(known: &mut Option<T>, option: &str, value: T) -> Result<(), Error> {
    if known.replace(value).is_some() {
        return Err(format!("--{option} is given twice").into());
    }
    Ok(())
}

/// A container's name, as ECS takes it.
fn container(name: String) -> Result<String, Error> {
    let is_name = !name.is_empty()
        && name.chars().count() <= CONTAINER_LIMIT_CHARS
        && name
            .chars()
            .all(|c| c.is_ascii_alphanumeric() || c == '-' || c == '_');
    if is_name {
        return Ok(name);
    }
    Err(format!(
        "--container is a container's name: 1 to {CONTAINER_LIMIT_CHARS} letters, digits, - and _"
    )
    .into())
}

/// What stands behind `--log`: a file, unless the next option comes.
fn log_place(parser: &mut lexopt::Parser) -> Result<Log, Error> {
    if let Some(file) = parser.optional_value() {
        return Ok(Log::File(PathBuf::from(file)));
    }
    let file = parser
        .raw_args()?
        .next_if(|next| !next.to_string_lossy().starts_with('-'));
    Ok(file.map_or(Log::StandardError, |file| Log::File(PathBuf::from(file))))
}
