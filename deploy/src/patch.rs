//! `TaskDefinitionPatch`: what a new revision has that its base has not.
//!
//! A JSON merge patch (<https://www.rfc-editor.org/rfc/rfc7396>) in ECS's own field names: objects
//! merge, `null` removes, everything else replaces. ECS has lists where people think of names, and
//! a merge patch can only replace a list as a whole. So the lists whose items have names are
//! written as objects by that name:
//!
//! ```json
//! {"cpu": "512", "containerDefinitions": {"app": {"environment": {"RELEASE": "abc", "OLD": null}}}}
//! ```
//!
//! Three things are not the RFC's. Removing an item from a list that is not there makes no list. An
//! object that meets an array without names is an error instead of its replacement. And where one
//! of those lists is written as an array, its items are made as new ones are: `null` is left out,
//! which ECS takes for the same, and lists within them may be written by name.

use std::collections::HashSet;
use std::fmt;

use serde_json::{Map, Value};

use super::outside::shown;
use super::task_definition::READ_ONLY_FIELDS;
use super::text;

/// Merging is as deep as the patch. ECS's deepest field has seven levels, which is
/// `containerDefinitions[].linuxParameters.devices[].permissions[]`.
const DEPTH_LIMIT: usize = 32;

/// A longer name, or path, is cut.
const NAME_LIMIT_CHARS: usize = 150;
const PATH_LIMIT_CHARS: usize = 400;

const EXAMPLE: &str = r#"{"cpu": "512"}"#;
const TEXT: &str = "a text in double quotes";

/// Members that have names, and what ECS takes in each.
type Fields = &'static [(&'static str, Shape)];

/// What ECS takes in a field, as far as it is checked here.
#[derive(Debug, Clone, Copy)]
enum Shape {
    /// Not checked.
    Any,
    /// A text.
    Text,
    /// An array whose items have no names. It is written whole.
    Array,
    /// An array whose items have names.
    Named(Named),
}

/// An array whose items have names: written as an object by them, or whole.
#[derive(Debug, Clone, Copy)]
struct Named {
    /// The member of an item that names it.
    key: &'static str,
    items: Items,
    /// How the object is written.
    example: &'static str,
}

/// What the items of such an array have besides their names.
#[derive(Debug, Clone, Copy)]
enum Items {
    /// One text, which stands for the item in the patch.
    Texts {
        member: &'static str,
        example: &'static str,
    },
    /// These members, and others.
    Objects(Fields),
    /// Those of [`CONTAINER`]. A container is patched in the bases that have it.
    Containers,
}

/// Fields of `RegisterTaskDefinition` that can be patched (the simulator's `model/ecs.json`).
const TASK_DEFINITION: Fields = &[
    (
        "containerDefinitions",
        Shape::Named(Named {
            key: "name",
            items: Items::Containers,
            example: r#"{"app": {"cpu": 256}}"#,
        }),
    ),
    ("cpu", Shape::Text),
    ("enableFaultInjection", Shape::Any),
    ("ephemeralStorage", Shape::Any),
    ("executionRoleArn", Shape::Text),
    ("inferenceAccelerators", Shape::Array),
    ("ipcMode", Shape::Text),
    ("memory", Shape::Text),
    ("networkMode", Shape::Text),
    ("pidMode", Shape::Text),
    ("placementConstraints", Shape::Array),
    ("proxyConfiguration", Shape::Any),
    ("requiresCompatibilities", Shape::Array),
    ("runtimePlatform", Shape::Any),
    ("taskRoleArn", Shape::Text),
    ("trustedExecutionConfiguration", Shape::Any),
    (
        "volumes",
        Shape::Named(Named {
            key: "name",
            items: Items::Objects(VOLUME),
            example: r#"{"data": {"host": {}}}"#,
        }),
    ),
];

/// Members of `ContainerDefinition` (the same). The key of an item is checked as such.
const CONTAINER: Fields = &[
    ("command", Shape::Array),
    ("cpu", Shape::Any),
    ("credentialSpecs", Shape::Array),
    ("dependsOn", Shape::Array),
    ("disableNetworking", Shape::Any),
    ("dnsSearchDomains", Shape::Array),
    ("dnsServers", Shape::Array),
    ("dockerLabels", Shape::Any),
    ("dockerSecurityOptions", Shape::Array),
    ("entryPoint", Shape::Array),
    (
        "environment",
        Shape::Named(Named {
            key: "name",
            items: Items::Texts {
                member: "value",
                example: "8080",
            },
            example: r#"{"PORT": "8080"}"#,
        }),
    ),
    ("environmentFiles", Shape::Array),
    ("essential", Shape::Any),
    ("extraHosts", Shape::Array),
    ("firelensConfiguration", Shape::Any),
    ("healthCheck", Shape::Any),
    ("hostname", Shape::Text),
    ("image", Shape::Text),
    ("interactive", Shape::Any),
    ("linuxParameters", Shape::Any),
    ("links", Shape::Array),
    ("logConfiguration", Shape::Any),
    ("memory", Shape::Any),
    ("memoryReservation", Shape::Any),
    ("mountPoints", Shape::Array),
    ("name", Shape::Any),
    ("portMappings", Shape::Array),
    ("privileged", Shape::Any),
    ("pseudoTerminal", Shape::Any),
    ("readonlyRootFilesystem", Shape::Any),
    ("repositoryCredentials", Shape::Any),
    ("resourceRequirements", Shape::Array),
    ("restartPolicy", Shape::Any),
    (
        "secrets",
        Shape::Named(Named {
            key: "name",
            items: Items::Texts {
                member: "valueFrom",
                example: "arn:aws:ssm:…",
            },
            example: r#"{"PASSWORD": "arn:aws:ssm:…"}"#,
        }),
    ),
    ("startTimeout", Shape::Any),
    ("stopTimeout", Shape::Any),
    (
        "systemControls",
        Shape::Named(Named {
            key: "namespace",
            items: Items::Texts {
                member: "value",
                example: "1024",
            },
            example: r#"{"net.core.somaxconn": "1024"}"#,
        }),
    ),
    (
        "ulimits",
        Shape::Named(Named {
            key: "name",
            items: Items::Objects(ULIMIT),
            example: r#"{"nofile": {"softLimit": 4096, "hardLimit": 8192}}"#,
        }),
    ),
    ("user", Shape::Text),
    ("versionConsistency", Shape::Text),
    ("volumesFrom", Shape::Array),
    ("workingDirectory", Shape::Text),
];

/// Members of `Volume` (the same).
const VOLUME: Fields = &[
    ("configuredAtLaunch", Shape::Any),
    ("dockerVolumeConfiguration", Shape::Any),
    ("efsVolumeConfiguration", Shape::Any),
    ("fsxWindowsFileServerVolumeConfiguration", Shape::Any),
    ("host", Shape::Any),
    ("name", Shape::Any),
    ("s3filesVolumeConfiguration", Shape::Any),
];

/// Members of `Ulimit` (the same).
const ULIMIT: Fields = &[
    ("hardLimit", Shape::Any),
    ("name", Shape::Any),
    ("softLimit", Shape::Any),
];

/// Each with the other one. ECS refuses a name that is in both ("The secret name must be unique and
/// not shared with any new or existing environment variables",
/// <https://github.com/dagster-io/dagster/issues/11622>).
const VARIABLES: [(&str, &str); 2] = [("environment", "secrets"), ("secrets", "environment")];

/// A patch whose own form is right.
#[derive(Clone, PartialEq)]
pub struct Patch {
    /// What messages call it.
    from: String,
    /// What it changes.
    fields: Map<String, Value>,
}

impl fmt::Debug for Patch {
    /// Without its values: `environment` may hold secrets.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let fields: Vec<&String> = self.fields.keys().collect();
        f.debug_struct("Patch")
            .field("from", &self.from)
            .field("fields", &fields)
            .finish()
    }
}

/// Why a patch cannot be used: a sentence without its end. Never shows a value of the patch or of
/// a base.
///
/// `from` is what the patch is called, `at` that and the place in it, as
/// `TaskDefinitionPatch: containerDefinitions.app.environment.RELEASE`.
#[derive(Debug, Clone, PartialEq, Eq, Hash, thiserror::Error)]
pub enum PatchProblem {
    /// A value of another kind than can stand there.
    #[error("{at} is {found}, expected {expected}")]
    Unexpected {
        /// Where.
        at: String,
        /// Its kind, as `a number`.
        found: &'static str,
        /// What can.
        expected: String,
    },
    /// It says nothing.
    #[error("{from} is empty and changes nothing: write a field, as {EXAMPLE}, or leave it out")]
    Empty {
        /// The patch.
        from: String,
    },
    /// The family is the base's.
    #[error(
        "{from}: family cannot be patched, for a new revision is of the family of its base: leave it out"
    )]
    Family {
        /// The patch.
        from: String,
    },
    /// Tags are no field of a task definition.
    #[error(
        "{from}: tags cannot be patched, for they are carried over from the base: leave them out"
    )]
    Tags {
        /// The patch.
        from: String,
    },
    /// One of [`READ_ONLY_FIELDS`].
    #[error("{from}: {field} cannot be patched, for only ECS writes it: leave it out")]
    ReadOnly {
        /// The patch.
        from: String,
        /// Which.
        field: &'static str,
    },
    /// ECS ignores members that it does not know, so this one would do nothing.
    #[error("{at} is a name that ECS would ignore: write {right}, for names are case-sensitive")]
    OtherCase {
        /// Where.
        at: String,
        /// The name that ECS has.
        right: &'static str,
    },
    /// Deeper than is merged.
    #[error(
        "{at} is nested deeper than {DEPTH_LIMIT} levels, and no field of ECS is: check its brackets"
    )]
    TooDeep {
        /// The field.
        at: String,
    },
    /// An item under an empty name.
    #[error("{at} has an item under an empty {key}: write its {key}")]
    EmptyKey {
        /// The list.
        at: String,
        /// `name` or `namespace`.
        key: &'static str,
    },
    /// An item of an array, without a name.
    #[error("{at} has no {key}: give it one")]
    NoKey {
        /// The item.
        at: String,
        /// `name` or `namespace`.
        key: &'static str,
    },
    /// Several items of an array with one name.
    #[error("{at} has '{name}' more than once: keep one of them")]
    Twice {
        /// The list.
        at: String,
        /// The name.
        name: String,
    },
    /// An item that has another name than it stands under.
    #[error(
        "{at} is not '{name}', under which it stands, and no item can be renamed: leave it out"
    )]
    Renamed {
        /// Its member that says so.
        at: String,
        /// What it stands under.
        name: String,
    },
    /// A container that would have no image.
    #[error(
        "{at} would have no image: write one, or a placeholder as <IMAGE1_NAME> that the image definitions fill"
    )]
    NoImage {
        /// The container.
        at: String,
    },
    /// The patch has a name in both lists.
    #[error(
        "{at} has '{name}' in environment and in secrets, and ECS takes it in one of them only: keep one"
    )]
    InBoth {
        /// The container.
        at: String,
        /// The name.
        name: String,
    },
    /// The base has a name in the other list.
    #[error(
        "{at} is also in {other} of {base}, and ECS takes it in one of them only: set {remove} to null"
    )]
    InBase {
        /// What the patch sets.
        at: String,
        /// The other list.
        other: &'static str,
        /// The revision, `app:41`.
        base: String,
        /// The path of what is to be removed.
        remove: String,
    },
    /// A container that no base has, without an image.
    #[error(
        "{at} is no container of {bases}, which {known}: correct its name, or give it an image to add it"
    )]
    UnknownContainer {
        /// The container.
        at: String,
        /// The revisions, as `app:41 or worker:7`.
        bases: String,
        /// What they have, as `has app and proxy`.
        known: String,
    },
    /// A base would have no containers.
    #[error("{from} removes every container of {base}, and a task definition needs one: keep one")]
    EveryContainer {
        /// The patch.
        from: String,
        /// The revision, `app:41`.
        base: String,
    },
    /// An object for an array of the base that has no names.
    #[error(
        "{at} is an object, and {base} has an array there whose items have no names: write the whole array"
    )]
    ArrayInBase {
        /// Where.
        at: String,
        /// The revision, `app:41`.
        base: String,
    },
}

impl Patch {
    /// Checks everything that can be checked without a base. `from` is what messages call the
    /// patch: the parameter, or a file's name.
    ///
    /// # Errors
    /// Every [`PatchProblem`] found, in the order of the patch, each once.
    pub fn parse(from: &str, value: Value) -> Result<Self, Vec<PatchProblem>> {
        let from = fit(from);
        let mut check = Check {
            problems: Vec::new(),
        };
        let top = Place::Patch(&from);
        let Value::Object(fields) = value else {
            let expected = format!("an object with ECS's field names, as {EXAMPLE}");
            check.unexpected(top, &value, &expected);
            return Err(check.problems);
        };
        if fields.is_empty() {
            return Err(vec![PatchProblem::Empty { from }]);
        }
        for (name, value) in &fields {
            let at = Place::Member(&top, name);
            if let Some(problem) = fixed(&from, name) {
                check.problems.push(problem);
            } else if is_deeper(value, DEPTH_LIMIT - 1) {
                check
                    .problems
                    .push(PatchProblem::TooDeep { at: at.named() });
            } else {
                check.member(at, name, value, TASK_DEFINITION);
            }
        }
        if check.problems.is_empty() {
            Ok(Self { from, fields })
        } else {
            Err(once(check.problems))
        }
    }

    /// The containers whose image it sets, with the image.
    pub fn images(&self) -> Vec<(String, String)> {
        let image = |name: &str, container: &Value| {
            let image = container.get("image")?.as_str()?;
            Some((name.to_owned(), image.to_owned()))
        };
        match self.fields.get("containerDefinitions") {
            Some(Value::Object(by_name)) => {
                let containers = by_name.iter();
                containers
                    .filter_map(|(name, container)| image(name, container))
                    .collect()
            }
            Some(Value::Array(whole)) => {
                let containers = whole.iter();
                containers
                    .filter_map(|container| image(name_of(container, "name")?, container))
                    .collect()
            }
            _ => Vec::new(),
        }
    }

    /// The containers that it needs in a base: it neither removes them nor gives them an image.
    fn needed(&self) -> Vec<&str> {
        let containers = self.fields.get("containerDefinitions");
        let by_name = containers.and_then(Value::as_object).into_iter().flatten();
        by_name
            .filter(|(_, change)| !change.is_null() && change.get("image").is_none())
            .map(|(name, _)| name.as_str())
            .collect()
    }
}

/// Applies `patch` to the `bases` of one deployment: what messages call each, as `app:41`, and its
/// fields. What the patch does not name stays as it is and where it is; what is new comes last.
///
/// A container is patched in the bases that have it. One that none has is added to all of them.
///
/// # Errors
/// Every [`PatchProblem`] found, each once. Then no base is changed.
pub fn apply(
    patch: &Patch,
    bases: &mut [(&str, &mut Map<String, Value>)],
) -> Result<(), Vec<PatchProblem>> {
    let known: HashSet<String> = bases
        .iter()
        .flat_map(|(_, base)| container_names(base))
        .collect();
    let mut problems = unknown_containers(patch, bases, &known);
    let mut patched = Vec::with_capacity(bases.len());
    for (name, base) in bases.iter() {
        let mut fields = (**base).clone();
        let mut merge = Merge {
            from: &patch.from,
            base: fit(name),
            known: &known,
            problems: &mut problems,
        };
        let top = Place::Patch(&patch.from);
        merge.objects(top, &mut fields, &patch.fields, TASK_DEFINITION);
        patched.push(fields);
    }
    if !problems.is_empty() {
        return Err(once(problems));
    }
    for ((_, base), fields) in bases.iter_mut().zip(patched) {
        **base = fields;
    }
    Ok(())
}

/// What the patch changes in containers that there are not.
fn unknown_containers(
    patch: &Patch,
    bases: &[(&str, &mut Map<String, Value>)],
    known: &HashSet<String>,
) -> Vec<PatchProblem> {
    let mut unknown = patch.needed();
    unknown.retain(|name| !known.contains(*name));
    if unknown.is_empty() || bases.is_empty() {
        return Vec::new();
    }
    let names: Vec<String> = bases.iter().map(|(name, _)| fit(name)).collect();
    let has = if bases.len() == 1 { "has" } else { "have" };
    let containers = bases.iter().flat_map(|(_, base)| container_names(base));
    let containers = text::once(containers.map(|name| fit(&name)));
    let known = if containers.is_empty() {
        format!("{has} no containers")
    } else {
        let listed = text::listed(&containers);
        format!("{has} {}", text::cut(&listed, PATH_LIMIT_CHARS))
    };
    let bases = text::cut(&names.join(" or "), PATH_LIMIT_CHARS);
    let top = Place::Patch(&patch.from);
    let list = Place::Member(&top, "containerDefinitions");
    unknown
        .into_iter()
        .map(|name| PatchProblem::UnknownContainer {
            at: Place::Member(&list, name).named(),
            bases: bases.clone(),
            known: known.clone(),
        })
        .collect()
}

/// Why a field, however it is written, is none that can be patched.
fn fixed(from: &str, name: &str) -> Option<PatchProblem> {
    let from = from.to_owned();
    if name.eq_ignore_ascii_case("family") {
        return Some(PatchProblem::Family { from });
    }
    if name.eq_ignore_ascii_case("tags") {
        return Some(PatchProblem::Tags { from });
    }
    let mut read_only = READ_ONLY_FIELDS.into_iter();
    let field = read_only.find(|field| name.eq_ignore_ascii_case(field))?;
    Some(PatchProblem::ReadOnly { from, field })
}

/// A place in a patch.
#[derive(Debug, Clone, Copy)]
enum Place<'a> {
    /// The patch itself, which is called so.
    Patch(&'a str),
    Member(&'a Place<'a>, &'a str),
    /// An item of an array, from 0 as in a JSON path.
    Item(&'a Place<'a>, usize),
}

impl Place<'_> {
    /// Without the patch's name: `containerDefinitions.app.cpu`.
    fn path(&self) -> String {
        text::cut(&self.whole_path(), PATH_LIMIT_CHARS)
    }

    fn whole_path(&self) -> String {
        match self {
            Self::Patch(_) => String::new(),
            Self::Member(Self::Patch(_), name) => fit(name),
            Self::Member(before, name) => format!("{}.{}", before.whole_path(), fit(name)),
            Self::Item(before, index) => format!("{}[{index}]", before.whole_path()),
        }
    }

    /// `TaskDefinitionPatch: containerDefinitions.app.cpu`.
    fn named(&self) -> String {
        let mut place = self;
        loop {
            match place {
                Self::Patch(from) if self.is_patch() => return (*from).to_owned(),
                Self::Patch(from) => return format!("{from}: {}", self.path()),
                Self::Member(before, _) | Self::Item(before, _) => place = before,
            }
        }
    }

    fn is_patch(&self) -> bool {
        matches!(self, Self::Patch(_))
    }
}

/// Checks the form of a patch. As deep as [`Fields`] are, whatever the patch is.
struct Check {
    problems: Vec<PatchProblem>,
}

impl Check {
    fn object(&mut self, at: Place<'_>, members: &Map<String, Value>, fields: Fields) {
        for (name, value) in members {
            self.member(Place::Member(&at, name), name, value, fields);
        }
    }

    fn member(&mut self, at: Place<'_>, name: &str, value: &Value, fields: Fields) {
        let mut others = fields.iter().map(|(field, _)| *field);
        let Some(shape) = shape_of(fields, name) else {
            if let Some(right) = others.find(|field| field.eq_ignore_ascii_case(name)) {
                let at = at.named();
                self.problems.push(PatchProblem::OtherCase { at, right });
            }
            return;
        };
        match (shape, value) {
            (Shape::Named(named), Value::Null) => self.removed(at, named, value),
            (_, Value::Null)
            | (Shape::Any, _)
            | (Shape::Text, Value::String(_))
            | (Shape::Array, Value::Array(_)) => {}
            (Shape::Text, _) => self.unexpected(at, value, TEXT),
            (Shape::Array, _) => self.unexpected(at, value, "an array, which is written whole"),
            (Shape::Named(named), Value::Object(items)) => self.by_name(at, named, items),
            (Shape::Named(named), Value::Array(items)) if items.is_empty() => {
                self.removed(at, named, value);
            }
            (Shape::Named(named), Value::Array(items)) => self.whole(at, named, items),
            (Shape::Named(named), _) => {
                let Named { key, example, .. } = named;
                let expected =
                    format!("an object by {key}, as {example}, or an array that replaces all");
                self.unexpected(at, value, &expected);
            }
        }
    }

    /// All of a list is removed by `value`.
    fn removed(&mut self, at: Place<'_>, named: Named, value: &Value) {
        if let Items::Containers = named.items {
            self.unexpected(at, value, "at least one container");
        }
    }

    fn by_name(&mut self, at: Place<'_>, named: Named, items: &Map<String, Value>) {
        for (name, item) in items {
            let key = named.key;
            if name.is_empty() {
                let at = at.named();
                self.problems.push(PatchProblem::EmptyKey { at, key });
                continue;
            }
            let at = Place::Member(&at, name);
            match (named.items, item) {
                (_, Value::Null) | (Items::Texts { .. }, Value::String(_)) => {}
                (Items::Texts { example, .. }, _) => self.not_a_text(at, item, example),
                (Items::Objects(_) | Items::Containers, Value::Object(members)) => {
                    if members.get(key).is_some_and(|inner| inner != name) {
                        self.problems.push(PatchProblem::Renamed {
                            at: Place::Member(&at, key).named(),
                            name: fit(name),
                        });
                    }
                    self.item(at, named, members);
                }
                (Items::Objects(_) | Items::Containers, _) => {
                    self.unexpected(at, item, "an object, or null to remove it");
                }
            }
        }
    }

    fn whole(&mut self, list: Place<'_>, named: Named, items: &[Value]) {
        let mut met = HashSet::new();
        for (index, item) in items.iter().enumerate() {
            let key = named.key;
            let at = Place::Item(&list, index);
            let Value::Object(members) = item else {
                self.unexpected(at, item, &format!("an object with a {key}"));
                continue;
            };
            let name = match members.get(key) {
                Some(Value::String(name)) if !name.is_empty() => Some(name),
                None | Some(Value::Null | Value::String(_)) => {
                    let at = at.named();
                    self.problems.push(PatchProblem::NoKey { at, key });
                    None
                }
                Some(other) => {
                    self.unexpected(Place::Member(&at, key), other, TEXT);
                    None
                }
            };
            if let Some(name) = name
                && !met.insert(name)
            {
                self.problems.push(PatchProblem::Twice {
                    at: list.named(),
                    name: fit(name),
                });
            }
            let at = name.map_or(at, |name| Place::Member(&list, name));
            if let Items::Containers = named.items
                && !members.contains_key("image")
            {
                let at = at.named();
                self.problems.push(PatchProblem::NoImage { at });
            }
            self.item(at, named, members);
        }
    }

    /// The members of an item, but for its key.
    fn item(&mut self, at: Place<'_>, named: Named, members: &Map<String, Value>) {
        match named.items {
            Items::Texts { member, example } => {
                if let Some(value) = members.get(member).filter(|value| !value.is_string()) {
                    self.not_a_text(Place::Member(&at, member), value, example);
                }
            }
            Items::Objects(fields) => self.object(at, members, fields),
            Items::Containers => {
                self.object(at, members, CONTAINER);
                let is_blank = |image: &Value| {
                    image.is_null() || image.as_str().is_some_and(|text| text.trim().is_empty())
                };
                if members.get("image").is_some_and(is_blank) {
                    let at = at.named();
                    self.problems.push(PatchProblem::NoImage { at });
                }
                let secrets: HashSet<&str> = set_names(members, "secrets").into_iter().collect();
                for name in set_names(members, "environment") {
                    if secrets.contains(name) {
                        self.problems.push(PatchProblem::InBoth {
                            at: at.named(),
                            name: fit(name),
                        });
                    }
                }
            }
        }
    }

    fn not_a_text(&mut self, at: Place<'_>, value: &Value, example: &str) {
        let expected = format!("{TEXT}, as \"{example}\": ECS takes nothing else here");
        self.unexpected(at, value, &expected);
    }

    fn unexpected(&mut self, at: Place<'_>, value: &Value, expected: &str) {
        self.problems.push(PatchProblem::Unexpected {
            at: at.named(),
            found: kind_of(value),
            expected: expected.to_owned(),
        });
    }
}

/// Merges a patch into one base. As deep as the patch, which [`DEPTH_LIMIT`] bounds.
struct Merge<'a> {
    /// What the patch is called.
    from: &'a str,
    /// What the base is called.
    base: String,
    /// The containers that any of the bases has.
    known: &'a HashSet<String>,
    problems: &'a mut Vec<PatchProblem>,
}

impl Merge<'_> {
    fn objects(
        &mut self,
        at: Place<'_>,
        target: &mut Map<String, Value>,
        patch: &Map<String, Value>,
        fields: Fields,
    ) {
        for (name, value) in patch {
            let at = Place::Member(&at, name);
            match (shape_of(fields, name), value) {
                (_, Value::Null) => {
                    // Plain `remove` would move the last member to this place.
                    target.shift_remove(name);
                }
                (Some(Shape::Named(named)), Value::Object(items)) => {
                    self.by_name(at, target, name, named, items);
                }
                (Some(Shape::Named(named)), Value::Array(items)) => {
                    let items = items.iter().map(|item| self.made(at, named, item));
                    let items = Value::Array(items.collect());
                    target.insert(name.clone(), items);
                }
                (_, Value::Object(members)) => {
                    let slot = target.entry(name.as_str()).or_insert(Value::Null);
                    if slot.is_array() {
                        self.problems.push(PatchProblem::ArrayInBase {
                            at: at.named(),
                            base: self.base.clone(),
                        });
                        continue;
                    }
                    if !slot.is_object() {
                        *slot = Value::Object(Map::new());
                    }
                    if let Value::Object(slot) = slot {
                        self.objects(at, slot, members, &[]);
                    }
                }
                (_, other) => {
                    target.insert(name.clone(), other.clone());
                }
            }
        }
    }

    /// Merges into the list `field` of `target`, which is made if something is to be in it.
    fn by_name(
        &mut self,
        at: Place<'_>,
        target: &mut Map<String, Value>,
        field: &str,
        named: Named,
        items: &Map<String, Value>,
    ) {
        let are_containers = matches!(named.items, Items::Containers);
        let mut met = HashSet::new();
        if let Some(Value::Array(list)) = target.get_mut(field) {
            list.retain_mut(|item| {
                let change = name_of(item, named.key).and_then(|name| items.get_key_value(name));
                let (Some((name, change)), Value::Object(members)) = (change, item) else {
                    return true;
                };
                met.insert(name);
                self.change(Place::Member(&at, name), named, members, change);
                !change.is_null()
            });
        }
        let new = items.iter().filter(|(name, change)| {
            let is_elsewhere = are_containers && self.known.contains(*name);
            !change.is_null() && !met.contains(name) && !is_elsewhere
        });
        let new: Vec<(&String, &Value)> = new.collect();
        let new: Vec<Value> = new
            .into_iter()
            .map(|(name, change)| {
                let mut item = Map::new();
                item.insert(named.key.to_owned(), Value::String(name.clone()));
                self.change(Place::Member(&at, name), named, &mut item, change);
                Value::Object(item)
            })
            .collect();
        let mut is_emptied = false;
        if let Some(Value::Array(list)) = target.get_mut(field) {
            list.extend(new);
            is_emptied = list.is_empty() && !met.is_empty();
        } else if !new.is_empty() {
            target.insert(field.to_owned(), Value::Array(new));
        }
        if are_containers && is_emptied {
            self.problems.push(PatchProblem::EveryContainer {
                from: self.from.to_owned(),
                base: self.base.clone(),
            });
        }
    }

    /// Makes an item of an array that replaces all. In it, too, lists may be written by name.
    fn made(&mut self, at: Place<'_>, named: Named, item: &Value) -> Value {
        let Value::Object(members) = item else {
            return item.clone();
        };
        let mut made = Map::new();
        let at = Place::Member(&at, name_of(item, named.key).unwrap_or_default());
        self.objects(at, &mut made, members, named.items.fields());
        Value::Object(made)
    }

    /// Changes one item by what stands under its name.
    fn change(
        &mut self,
        at: Place<'_>,
        named: Named,
        item: &mut Map<String, Value>,
        change: &Value,
    ) {
        match (named.items, change) {
            (Items::Texts { member, .. }, Value::String(_)) => {
                item.insert(member.to_owned(), change.clone());
            }
            (_, Value::Object(members)) => {
                self.objects(at, item, members, named.items.fields());
                if let Items::Containers = named.items {
                    self.in_one_only(at, item, members);
                }
            }
            _ => {}
        }
    }

    /// What `patch` sets in one of the two lists of variables is not in the other one.
    fn in_one_only(
        &mut self,
        container: Place<'_>,
        patched: &Map<String, Value>,
        patch: &Map<String, Value>,
    ) {
        for (list, other) in VARIABLES {
            let set = set_names(patch, list);
            if set.is_empty() {
                continue;
            }
            let in_other: HashSet<&str> = set_names(patched, other).into_iter().collect();
            for name in set.into_iter().filter(|name| in_other.contains(name)) {
                let list = Place::Member(&container, list);
                let remove = Place::Member(&container, other);
                self.problems.push(PatchProblem::InBase {
                    at: Place::Member(&list, name).named(),
                    other,
                    base: self.base.clone(),
                    remove: Place::Member(&remove, name).path(),
                });
            }
        }
    }
}

impl Items {
    fn fields(self) -> Fields {
        match self {
            Self::Texts { .. } => &[],
            Self::Objects(fields) => fields,
            Self::Containers => CONTAINER,
        }
    }
}

fn shape_of(fields: Fields, name: &str) -> Option<Shape> {
    let mut fields = fields.iter();
    fields
        .find(|(field, _)| *field == name)
        .map(|(_, shape)| *shape)
}

/// The names that `members`, of a container or of a patch for one, have in `list` and do not
/// remove.
fn set_names<'a>(members: &'a Map<String, Value>, list: &str) -> Vec<&'a str> {
    match members.get(list) {
        Some(Value::Object(by_name)) => {
            let items = by_name.iter().filter(|(_, value)| !value.is_null());
            items.map(|(name, _)| name.as_str()).collect()
        }
        Some(Value::Array(items)) => {
            let names = items.iter().filter_map(|item| name_of(item, "name"));
            names.collect()
        }
        _ => Vec::new(),
    }
}

/// The names of the containers of a base.
fn container_names(base: &Map<String, Value>) -> Vec<String> {
    let containers = base.get("containerDefinitions").and_then(Value::as_array);
    let containers = containers.into_iter().flatten();
    containers
        .filter_map(|container| Some(name_of(container, "name")?.to_owned()))
        .collect()
}

fn name_of<'a>(item: &'a Value, key: &str) -> Option<&'a str> {
    item.get(key)?.as_str()
}

/// Whether objects and arrays are nested in `value` more than `levels` deep, itself included.
fn is_deeper(value: &Value, levels: usize) -> bool {
    let Some(within) = levels.checked_sub(1) else {
        return value.is_object() || value.is_array();
    };
    match value {
        Value::Array(items) => items.iter().any(|item| is_deeper(item, within)),
        Value::Object(members) => members.values().any(|value| is_deeper(value, within)),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => false,
    }
}

fn kind_of(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "true or false",
        Value::Number(_) => "a number",
        Value::String(_) => "a text",
        Value::Array(items) if items.is_empty() => "an empty array",
        Value::Array(_) => "an array",
        Value::Object(_) => "an object",
    }
}

/// A name fit to be shown.
fn fit(name: &str) -> String {
    text::cut(&shown(name), NAME_LIMIT_CHARS)
}

/// Each problem once, in the order of its first.
fn once(mut problems: Vec<PatchProblem>) -> Vec<PatchProblem> {
    let mut known = HashSet::new();
    problems.retain(|problem| known.insert(problem.clone()));
    problems
}

#[cfg(test)]
mod tests;
