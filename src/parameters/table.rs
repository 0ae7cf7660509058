//! The table of the parameters: a row for each.
//!
//! `tests/it/readme.rs` compares the README's table with it.

use std::time::Duration;

use super::grammar;
use super::kinds::{Absent, Boolean, Is, Kind, NO_MAX, Number, Text, Threshold, Unset};
use super::objects::{Continue, Entry, Patch, Services, TIMEOUT_DEFAULT_MINUTES, Task};
use super::reader::Reader;
use crate::deploy::region::Region;
use crate::deploy::spec::{
    AssumedRole, BaseFrom, ContinueDeployment, DeploySpec, EventBus, Existing, FILE_NAME_DEFAULT,
    FailureThreshold, IfDeploying, PatchFrom, StandaloneTask, TIMEOUT_MAX_MINUTES, Target, WaitFor,
};
use Reason::{ChoosesTheAccount, FindsTheFile};
use SetBy::{ActionAlone, ActionOrFile};

/// Fewer revisions are never kept: the newest, and the one to roll back to.
const KEEP_REVISIONS_MIN: u64 = 2;

/// A message has room for the end of a log, not for the log.
const LOG_LINES_MAX: u32 = 20;

/// Unit of a number, as errors name it.
const MINUTES: &str = " of minutes";
const LINES: &str = " of lines";

/// A parameter, as the table describes it to people.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Parameter {
    /// Its name, as it is written.
    pub name: &'static str,
    /// What holds if it is not written, in the README's text, without backquotes.
    pub default: String,
    /// The numeric bounds of its value, in the README's text: `1 to 1380`, `2 or more`, `up to 10`.
    pub bounds: Option<String>,
    /// Who may set it.
    pub set_by: SetBy,
}

/// Who may set a parameter.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SetBy {
    /// The action, or its `ConfigFile`.
    ActionOrFile,
    /// The action, never its `ConfigFile`.
    ActionAlone(Reason),
}

/// Why a `ConfigFile` must not set a parameter.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reason {
    /// The parameter is needed to find that file.
    FindsTheFile,
    /// Otherwise people who may change the artifact would choose the account that is deployed to.
    ChoosesTheAccount,
}

impl Reason {
    /// Every reason, in the order in which they are reported.
    pub(super) const ALL: [Self; 2] = [FindsTheFile, ChoosesTheAccount];
}

/// The fields of [`DeploySpec`] that several parameters make together.
pub(super) struct Combined {
    pub(super) targets: Vec<Target>,
    pub(super) file_is_named: bool,
    pub(super) base: BaseFrom,
    pub(super) role: Option<AssumedRole>,
}

/// Makes the rows into [`TypedParameters`], its two stages, [`NAMES`] and [`table`].
///
/// A row is `field: Type { … }`: the field of `TypedParameters`, which is an `Option<Type>`, and
/// - `name`: what people write;
/// - `value`: the [`Kind`] that reads it;
/// - `default`: [`Is`] a value, or [`Unset`], with the README's text for what that means;
/// - `set_by`: whether a `ConfigFile` may set it;
/// - `spec`: the field of [`DeploySpec`] that it becomes, and the function that makes it, if its
///   type is another. A row without `spec` is one of those that `parse.rs` makes into [`Combined`].
macro_rules! parameters {
    ($(
        $(#[$attribute:meta])*
        $field:ident: $type:ty {
            name: $name:literal,
            value: $value:expr,
            default: $default:expr,
            set_by: $set_by:expr,
            $(spec: $spec:ident $(= $function:path)?,)?
        }
    )*) => {
        /// Each parameter as its type, exactly what was written: `None` if it was not.
        pub(super) struct TypedParameters {
            $($(#[$attribute])* pub(super) $field: Option<$type>,)*
        }

        impl TypedParameters {
            /// Reads every parameter, in the order of the table.
            pub(super) fn read(reader: &mut Reader) -> Self {
                Self { $($field: reader.read::<$type>($name, &$value),)* }
            }

            /// Applies the defaults.
            pub(super) fn into_spec(self, combined: Combined) -> DeploySpec {
                let Combined { targets, file_is_named, base, role } = combined;
                DeploySpec {
                    $($($spec: $($function)? (Absent::<$type>::meaning($default, self.$field)),)?)*
                    targets,
                    file_is_named,
                    base,
                    role,
                }
            }
        }

        /// The name of each parameter, in the order of the table.
        pub(super) const NAMES: &[&str] = &[$($name),*];

        /// Every parameter, in the order in which errors list them.
        pub fn table() -> Vec<Parameter> {
            vec![$(Parameter {
                name: $name,
                default: Absent::<$type>::shown(&$default),
                bounds: Kind::<$type>::bounds(&$value),
                set_by: $set_by,
            }),*]
        }
    };
}

parameters! {
    cluster: String {
        name: "ClusterName",
        value: Text(grammar::cluster),
        default: Unset("required"),
        set_by: ActionOrFile,
    }
    service: String {
        name: "ServiceName",
        value: Text(grammar::service),
        default: Unset("required, or Services"),
        set_by: ActionOrFile,
    }
    services: Vec<Entry> {
        name: "Services",
        value: Services,
        default: Unset("none"),
        set_by: ActionOrFile,
    }
    file_name: String {
        name: "FileName",
        value: Text(grammar::path_in_artifact),
        default: Is(FILE_NAME_DEFAULT),
        set_by: ActionOrFile,
        spec: file_name,
    }
    input_artifact: String {
        name: "InputArtifact",
        value: Text(grammar::any),
        default: Unset("the only one that has the file"),
        set_by: ActionAlone(FindsTheFile),
        spec: input_artifact,
    }
    timeout_minutes: u64 {
        name: "DeploymentTimeout",
        value: Number { min: 1, max: TIMEOUT_MAX_MINUTES, unit: MINUTES },
        default: Is(TIMEOUT_DEFAULT_MINUTES),
        set_by: ActionOrFile,
        spec: timeout = Duration::from_mins,
    }
    failure_threshold: FailureThreshold {
        name: "FailureThreshold",
        value: Threshold,
        default: Is(FailureThreshold::Auto),
        set_by: ActionOrFile,
        spec: failure_threshold,
    }
    if_deploying: IfDeploying {
        name: "IfDeploying",
        value: Text(grammar::if_deploying),
        default: Is(IfDeploying::Replace),
        set_by: ActionOrFile,
        spec: if_deploying,
    }
    skip_if_unchanged: bool {
        name: "SkipIfUnchanged",
        value: Boolean,
        default: Is(false),
        set_by: ActionOrFile,
        spec: skip_if_unchanged,
    }
    wait_for: WaitFor {
        name: "WaitFor",
        value: Text(grammar::wait_for),
        default: Is(WaitFor::Complete),
        set_by: ActionOrFile,
        spec: wait_for,
    }
    continue_deployment: ContinueDeployment {
        name: "ContinueDeployment",
        value: Continue,
        default: Unset("none"),
        set_by: ActionOrFile,
        spec: continues,
    }
    rollback: bool {
        name: "Rollback",
        value: Boolean,
        default: Is(true),
        set_by: ActionOrFile,
        spec: rollback,
    }
    dry_run: bool {
        name: "DryRun",
        value: Boolean,
        default: Is(false),
        set_by: ActionOrFile,
        spec: dry_run,
    }
    base_revision: BaseFrom {
        name: "BaseRevision",
        value: Text(grammar::base_revision),
        default: Unset("service"),
        set_by: ActionOrFile,
    }
    verify_images: bool {
        name: "VerifyImages",
        value: Boolean,
        default: Is(true),
        set_by: ActionOrFile,
        spec: verify_images,
    }
    verify_dependencies: bool {
        name: "VerifyDependencies",
        value: Boolean,
        default: Is(true),
        set_by: ActionOrFile,
        spec: verify_dependencies,
    }
    container: String {
        name: "ContainerName",
        value: Text(grammar::container),
        default: Unset("the only container"),
        set_by: ActionOrFile,
        spec: container,
    }
    pipeline_execution_id: String {
        name: "PipelineExecutionId",
        value: Text(grammar::pipeline_execution_id),
        default: Unset("none"),
        set_by: ActionOrFile,
        spec: pipeline_execution_id,
    }
    region: Region {
        name: "Region",
        value: Text(grammar::region),
        default: Unset("the function's own"),
        set_by: ActionAlone(ChoosesTheAccount),
        spec: region,
    }
    role_arn: String {
        name: "RoleArn",
        value: Text(grammar::role_arn),
        default: Unset("the function's own"),
        set_by: ActionAlone(ChoosesTheAccount),
    }
    external_id: String {
        name: "ExternalId",
        value: Text(grammar::any),
        default: Unset("none"),
        set_by: ActionAlone(ChoosesTheAccount),
    }
    task_definition: Existing {
        name: "TaskDefinition",
        value: Text(grammar::task_definition),
        default: Unset("none"),
        set_by: ActionOrFile,
    }
    task_definition_file: String {
        name: "TaskDefinitionFile",
        value: Text(grammar::path_in_artifact),
        default: Unset("none"),
        set_by: ActionOrFile,
    }
    task_definition_patch: PatchFrom {
        name: "TaskDefinitionPatch",
        value: Patch,
        default: Unset("none"),
        set_by: ActionOrFile,
        spec: patch,
    }
    pin_digests: bool {
        name: "PinDigests",
        value: Boolean,
        default: Is(false),
        set_by: ActionOrFile,
        spec: pin_digests,
    }
    pre_deploy: StandaloneTask {
        name: "PreDeployTask",
        value: Task,
        default: Unset("none"),
        set_by: ActionOrFile,
        spec: pre_deploy,
    }
    post_deploy: StandaloneTask {
        name: "PostDeployTask",
        value: Task,
        default: Unset("none"),
        set_by: ActionOrFile,
        spec: post_deploy,
    }
    keep_revisions: usize {
        name: "KeepRevisions",
        value: Number { min: KEEP_REVISIONS_MIN, max: NO_MAX, unit: "" },
        default: Unset("keep all"),
        set_by: ActionOrFile,
        spec: keep_revisions,
    }
    scheduled_tasks: bool {
        name: "ScheduledTasks",
        value: Boolean,
        default: Is(false),
        set_by: ActionOrFile,
        spec: scheduled_tasks,
    }
    event_bus: EventBus {
        name: "EventBus",
        value: Text(grammar::event_bus),
        default: Unset("none"),
        set_by: ActionOrFile,
        spec: event_bus,
    }
    log_lines: u32 {
        name: "LogLines",
        value: Number { min: 0, max: u64::from(LOG_LINES_MAX), unit: LINES },
        default: Is(LOG_LINES_MAX),
        set_by: ActionOrFile,
        spec: log_lines,
    }
    #[expect(dead_code, reason = "config_file() reads it before the rest; here it is checked")]
    config_file: String {
        name: "ConfigFile",
        value: Text(grammar::path_in_artifact),
        default: Unset("none"),
        set_by: ActionAlone(FindsTheFile),
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn each_name_has_one_row() {
        let names: BTreeSet<&str> = NAMES.iter().copied().collect();
        assert_eq!(names.len(), table().len());
    }
}
