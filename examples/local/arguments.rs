//! The command line.

use std::path::PathBuf;

use lexopt::ValueExt as _;
use lexopt::prelude::{Long, Short};

use crate::migration::Migration;
use crate::scenarios::{self, Scenario};

pub(crate) const USAGE: &str = "\
cargo local [options]

Deploys to a simulated Amazon ECS on this machine and shows what happens.

  --scenario NAME   what happens (default: healthy)
  --list            the scenarios, each in one line
  --artifact PATH   a folder or a zip instead of examples/artifact
  --fast            without waiting: time does not pass, it is skipped
  --json            one line of JSON for each step
  --report FILE     the record of the deployment as a page
  --log             the function's own log, all of it, to standard error
  --aws --cluster NAME --service NAME --artifact PATH
                    deploy to the account that the environment has credentials for:
                    shows what it would change, and asks
    --dry-run       shows it, and changes nothing
    --yes           does not ask
  --migrate FILE    deploys nothing: prints what `aws codepipeline get-pipeline` has printed, or
                    a CloudFormation template, with its ECS actions replaced by the function,
                    and reports what changed and what is left to do to standard error;
                    FILE may be -, for standard input
    --function NAME the function's name there (default: ecs-deploy-action)
  --help            this

Exit status: 0 the job succeeded, 1 it failed, 2 it was not started, 130 interrupted.
With --migrate: 0 every ECS action was replaced, 1 some were left as they are or there are none,
2 the file cannot be read.";

/// What the command line asks for.
pub(crate) enum Asked {
    Run(Arguments),
    Migrate(Migration),
    List,
    Help,
}

/// How to run.
pub(crate) struct Arguments {
    pub(crate) scenario: &'static Scenario,
    pub(crate) artifact: PathBuf,
    pub(crate) is_fast: bool,
    pub(crate) json: bool,
    pub(crate) log: bool,
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

impl Arguments {
    pub(crate) fn parse() -> Result<Asked, lexopt::Error> {
        let mut scenario = None;
        let mut artifact = None;
        let mut report = None;
        let (mut is_fast, mut json, mut log, mut is_aws) = (false, false, false, false);
        let (mut is_dry_run, mut is_agreed) = (false, false);
        let (mut cluster, mut service) = (None, None);
        let (mut migrate, mut function) = (None, None);
        // `cargo local -- --list` brings the `--` along: the alias ends with one of its own.
        let written = std::env::args_os().skip(1);
        let written = written.enumerate();
        let written = written.filter(|(place, one)| *place > 0 || one != "--");
        let mut parser = lexopt::Parser::from_args(written.map(|(_, one)| one));
        while let Some(argument) = parser.next()? {
            match argument {
                Long("scenario") => scenario = Some(parser.value()?.string()?),
                Long("artifact") => artifact = Some(PathBuf::from(parser.value()?)),
                Long("report") => report = Some(PathBuf::from(parser.value()?)),
                Long("fast") => is_fast = true,
                Long("json") => json = true,
                Long("log") => log = true,
                Long("aws") => is_aws = true,
                Long("dry-run") => is_dry_run = true,
                Long("yes") => is_agreed = true,
                Long("cluster") => cluster = Some(parser.value()?.string()?),
                Long("service") => service = Some(parser.value()?.string()?),
                Long("migrate") => migrate = Some(PathBuf::from(parser.value()?)),
                Long("function") => function = Some(parser.value()?.string()?),
                Long("list") => return Ok(Asked::List),
                Long("help") | Short('h') => return Ok(Asked::Help),
                other => return Err(other.unexpected()),
            }
        }
        if let Some(file) = migrate {
            let flags = [is_fast, json, log, is_aws, is_dry_run, is_agreed];
            let is_more = flags.contains(&true)
                || [&scenario, &cluster, &service]
                    .iter()
                    .any(|one| one.is_some())
                || [&artifact, &report].iter().any(|one| one.is_some());
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
        if is_aws && (scenario.is_some() || is_fast) {
            return Err("--aws goes with neither --scenario nor --fast".into());
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
        let scenario = scenarios::find(name)
            .ok_or_else(|| format!("there is no scenario '{name}':\n{}", scenarios::listed()))?;
        let sample = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("examples/artifact");
        Ok(Asked::Run(Arguments {
            scenario,
            artifact: artifact.unwrap_or(sample),
            is_fast,
            json,
            log,
            report,
            account,
        }))
    }
}
