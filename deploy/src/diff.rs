//! Where two task definitions differ, in a form that may be printed.
//!
//! Values are shown where they are known to hold no secret, and nowhere else: a container's
//! `environment` is where most people keep them, `command`, labels and options of log drivers are
//! where some do, and what this build has never heard of may hold anything. Of all those only the
//! place is reported.

use std::collections::HashMap;

use serde_json::{Map, Value, json};

use super::{outside, text};

/// So many changes are listed.
const LISTED_LIMIT: usize = 500;

/// A longer path, or value as JSON, is cut.
const PATH_LIMIT_CHARS: usize = 500;
const VALUE_LIMIT_CHARS: usize = 500;

/// A longer part of a path is cut.
const PART_LIMIT_CHARS: usize = 150;

/// Members of `RegisterTaskDefinition` whose values are shown; `*` is any item or member. See the
/// simulator's `model/ecs.json` for all there are.
const SHOWN: [&str; 102] = [
    "family",
    "taskRoleArn",
    "executionRoleArn",
    "networkMode",
    "requiresCompatibilities/*",
    "cpu",
    "memory",
    "tags/*/key",
    "tags/*/value",
    "pidMode",
    "ipcMode",
    "placementConstraints/*/type",
    "placementConstraints/*/expression",
    "proxyConfiguration/type",
    "proxyConfiguration/containerName",
    "inferenceAccelerators/*/deviceName",
    "inferenceAccelerators/*/deviceType",
    "ephemeralStorage/sizeInGiB",
    "runtimePlatform/cpuArchitecture",
    "runtimePlatform/operatingSystemFamily",
    "enableFaultInjection",
    "trustedExecutionConfiguration/isolationMode",
    "volumes/*/name",
    "volumes/*/host/sourcePath",
    "volumes/*/dockerVolumeConfiguration/scope",
    "volumes/*/dockerVolumeConfiguration/autoprovision",
    "volumes/*/dockerVolumeConfiguration/driver",
    "volumes/*/efsVolumeConfiguration/fileSystemId",
    "volumes/*/efsVolumeConfiguration/rootDirectory",
    "volumes/*/efsVolumeConfiguration/transitEncryption",
    "volumes/*/efsVolumeConfiguration/transitEncryptionPort",
    "volumes/*/efsVolumeConfiguration/authorizationConfig/*",
    "volumes/*/s3filesVolumeConfiguration/*",
    "volumes/*/fsxWindowsFileServerVolumeConfiguration/fileSystemId",
    "volumes/*/fsxWindowsFileServerVolumeConfiguration/rootDirectory",
    "volumes/*/fsxWindowsFileServerVolumeConfiguration/authorizationConfig/*",
    "volumes/*/configuredAtLaunch",
    "containerDefinitions/*/name",
    "containerDefinitions/*/image",
    "containerDefinitions/*/repositoryCredentials/credentialsParameter",
    "containerDefinitions/*/cpu",
    "containerDefinitions/*/memory",
    "containerDefinitions/*/memoryReservation",
    "containerDefinitions/*/links/*",
    "containerDefinitions/*/portMappings/*/containerPort",
    "containerDefinitions/*/portMappings/*/hostPort",
    "containerDefinitions/*/portMappings/*/protocol",
    "containerDefinitions/*/portMappings/*/name",
    "containerDefinitions/*/portMappings/*/appProtocol",
    "containerDefinitions/*/portMappings/*/containerPortRange",
    "containerDefinitions/*/essential",
    "containerDefinitions/*/restartPolicy/enabled",
    "containerDefinitions/*/restartPolicy/ignoredExitCodes/*",
    "containerDefinitions/*/restartPolicy/restartAttemptPeriod",
    "containerDefinitions/*/environment/*/name",
    "containerDefinitions/*/environmentFiles/*/value",
    "containerDefinitions/*/environmentFiles/*/type",
    "containerDefinitions/*/mountPoints/*/sourceVolume",
    "containerDefinitions/*/mountPoints/*/containerPath",
    "containerDefinitions/*/mountPoints/*/readOnly",
    "containerDefinitions/*/volumesFrom/*/sourceContainer",
    "containerDefinitions/*/volumesFrom/*/readOnly",
    "containerDefinitions/*/linuxParameters/*",
    "containerDefinitions/*/linuxParameters/capabilities/*/*",
    "containerDefinitions/*/linuxParameters/devices/*/*",
    "containerDefinitions/*/linuxParameters/devices/*/permissions/*",
    "containerDefinitions/*/linuxParameters/tmpfs/*/containerPath",
    "containerDefinitions/*/linuxParameters/tmpfs/*/size",
    "containerDefinitions/*/secrets/*/name",
    "containerDefinitions/*/secrets/*/valueFrom",
    "containerDefinitions/*/dependsOn/*/containerName",
    "containerDefinitions/*/dependsOn/*/condition",
    "containerDefinitions/*/startTimeout",
    "containerDefinitions/*/stopTimeout",
    "containerDefinitions/*/versionConsistency",
    "containerDefinitions/*/hostname",
    "containerDefinitions/*/user",
    "containerDefinitions/*/workingDirectory",
    "containerDefinitions/*/disableNetworking",
    "containerDefinitions/*/privileged",
    "containerDefinitions/*/readonlyRootFilesystem",
    "containerDefinitions/*/dnsServers/*",
    "containerDefinitions/*/dnsSearchDomains/*",
    "containerDefinitions/*/extraHosts/*/*",
    "containerDefinitions/*/interactive",
    "containerDefinitions/*/pseudoTerminal",
    "containerDefinitions/*/ulimits/*/*",
    "containerDefinitions/*/logConfiguration/logDriver",
    "containerDefinitions/*/logConfiguration/options/awslogs-create-group",
    "containerDefinitions/*/logConfiguration/options/awslogs-group",
    "containerDefinitions/*/logConfiguration/options/awslogs-region",
    "containerDefinitions/*/logConfiguration/options/awslogs-stream-prefix",
    "containerDefinitions/*/logConfiguration/options/max-buffer-size",
    "containerDefinitions/*/logConfiguration/options/mode",
    "containerDefinitions/*/logConfiguration/secretOptions/*/*",
    "containerDefinitions/*/healthCheck/interval",
    "containerDefinitions/*/healthCheck/timeout",
    "containerDefinitions/*/healthCheck/retries",
    "containerDefinitions/*/healthCheck/startPeriod",
    "containerDefinitions/*/systemControls/*/*",
    "containerDefinitions/*/resourceRequirements/*/*",
    "containerDefinitions/*/firelensConfiguration/type",
];

/// Members that identify the items of a list: the first one that all items have, each with another
/// value.
const KEYS: [&str; 11] = [
    "name",
    "key",
    "namespace",
    "containerName",
    "hostname",
    "containerPath",
    "hostPath",
    "sourceContainer",
    "containerPort",
    "deviceName",
    "type",
];

/// An item with nothing but its key and one of these is that value under its key's name.
const VALUES: [&str; 2] = ["value", "valueFrom"];

/// One difference.
#[derive(Debug, Clone, PartialEq)]
pub struct Change {
    /// A JSON Pointer (RFC 6901) with an item's name in the place of its index, where it has one:
    /// `/containerDefinitions/app/environment/RELEASE`.
    pub path: String,
    /// What changed there.
    pub what: What,
}

/// What changed at a place.
#[derive(Debug, Clone, PartialEq)]
pub enum What {
    /// Values that may be shown; `None` stands for "not there", which JSON's `null` does not.
    Values {
        /// What stood there before.
        old: Option<Value>,
        /// What stands there now.
        new: Option<Value>,
    },
    /// Something new whose value is not shown.
    Added,
    /// Something is gone whose value is not shown.
    Removed,
    /// Another value, and neither is shown.
    Changed,
}

impl What {
    /// `added`, `removed` or `changed`.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Added | Self::Values { old: None, .. } => "added",
            Self::Removed | Self::Values { new: None, .. } => "removed",
            Self::Changed | Self::Values { .. } => "changed",
        }
    }
}

impl Change {
    /// `{"path", "old", "new"}`, or `{"path", "change": "added" | "removed" | "changed"}` where the
    /// values are not shown.
    pub fn to_json(&self) -> Value {
        match &self.what {
            What::Values { old, new } => json!({"path": self.path, "old": old, "new": new}),
            hidden @ (What::Added | What::Removed | What::Changed) => {
                json!({"path": self.path, "change": hidden.name()})
            }
        }
    }
}

impl std::fmt::Display for Change {
    /// `/cpu: "256" → "512"`, or `/containerDefinitions/app/environment/RELEASE: changed (value not
    /// shown)`; an absent value is `not there`, a long one is cut.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        const LIMIT_CHARS: usize = 120;
        let shown = |value: &Option<Value>| {
            value.as_ref().map_or_else(
                || "not there".to_owned(),
                |value| text::cut(&value.to_string(), LIMIT_CHARS),
            )
        };
        match &self.what {
            What::Values { old, new } => {
                write!(f, "{}: {} → {}", self.path, shown(old), shown(new))
            }
            hidden @ (What::Added | What::Removed | What::Changed) => {
                write!(f, "{}: {} (value not shown)", self.path, hidden.name())
            }
        }
    }
}

/// The differences between two documents.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Changes {
    /// The first of them.
    pub listed: Vec<Change>,
    /// How many more there are.
    pub more: usize,
}

impl Changes {
    /// How many there are in all.
    pub fn count(&self) -> usize {
        self.listed.len() + self.more
    }
}

/// All differences from `old` to `new`, in the order of `old`, what is new to an object or list
/// last. A list whose items have names is compared by them, and its order means nothing.
pub fn changes(old: &Map<String, Value>, new: &Map<String, Value>) -> Changes {
    let mut comparison = Comparison::default();
    comparison.objects(Some(old), Some(new));
    comparison.found
}

#[derive(Default)]
struct Comparison {
    /// The place, as it is reported, and as [`SHOWN`] has it.
    path: Vec<String>,
    place: Vec<String>,
    found: Changes,
}

impl Comparison {
    /// Compares within `part` of the place, which is `kind` for [`SHOWN`].
    fn within(&mut self, part: &str, kind: &str, compare: impl FnOnce(&mut Self)) {
        self.path.push(part.to_owned());
        self.place.push(kind.to_owned());
        compare(self);
        self.place.pop();
        self.path.pop();
    }

    fn objects(&mut self, old: Option<&Map<String, Value>>, new: Option<&Map<String, Value>>) {
        let in_old = |key: &str| old.and_then(|old| old.get(key));
        let in_new = |key: &str| new.and_then(|new| new.get(key));
        for (key, value) in old.into_iter().flatten() {
            self.within(key, key, |this| this.values(Some(value), in_new(key)));
        }
        for (key, value) in new.into_iter().flatten() {
            if in_old(key).is_none() {
                self.within(key, key, |this| this.values(None, Some(value)));
            }
        }
    }

    fn values(&mut self, old: Option<&Value>, new: Option<&Value>) {
        if old == new {
            return;
        }
        match (old, new) {
            (Some(Value::Object(old)), Some(Value::Object(new))) => {
                self.objects(Some(old), Some(new));
            }
            (Some(Value::Array(old)), Some(Value::Array(new))) => self.lists(old, new),
            _ if self.may_show(old) && self.may_show(new) => self.note_values(old, new),
            // As far as its parts may be shown, they are.
            (None, Some(Value::Object(new))) => self.objects(None, Some(new)),
            (Some(Value::Object(old)), None) => self.objects(Some(old), None),
            (None, Some(Value::Array(new))) => self.lists(&[], new),
            (Some(Value::Array(old)), None) => self.lists(old, &[]),
            (None, _) => self.note(What::Added),
            (_, None) => self.note(What::Removed),
            (Some(_), Some(_)) => self.note(What::Changed),
        }
    }

    fn lists(&mut self, old: &[Value], new: &[Value]) {
        let are_scalar = |items: &[Value]| {
            let mut items = items.iter();
            items.all(|item| !item.is_object() && !item.is_array())
        };
        if are_scalar(old) && are_scalar(new) {
            let [old, new] = [old, new].map(|items| Value::Array(items.to_vec()));
            if self.may_show(Some(&old)) && self.may_show(Some(&new)) {
                self.note_values(Some(&old), Some(&new));
            } else {
                self.note(match (&old, &new) {
                    (Value::Array(old), _) if old.is_empty() => What::Added,
                    (_, Value::Array(new)) if new.is_empty() => What::Removed,
                    _ => What::Changed,
                });
            }
            return;
        }
        let key = KEYS
            .into_iter()
            .find(|key| Keyed::of(old, key).is_some() && Keyed::of(new, key).is_some());
        let keyed = key.and_then(|key| Some((key, Keyed::of(old, key)?, Keyed::of(new, key)?)));
        let Some((key, old, new)) = keyed else {
            return self.sequences(old, new);
        };
        for (name, item) in &old.items {
            let now = new.by_name.get(name).copied();
            self.within(name, "*", |this| this.items(key, Some(item), now));
        }
        for (name, item) in &new.items {
            if !old.by_name.contains_key(name) {
                self.within(name, "*", |this| this.items(key, None, Some(item)));
            }
        }
    }

    /// An item with nothing but its name and a value is compared as that value.
    fn items(&mut self, key: &str, old: Option<&Value>, new: Option<&Value>) {
        let of_item = |item: &Value, member: &str| {
            let members = item.as_object()?;
            let value = members.get(member)?;
            (members.len() == 2 && members.contains_key(key)).then(|| value.clone())
        };
        for member in VALUES {
            let old_value = old.map(|item| of_item(item, member));
            let new_value = new.map(|item| of_item(item, member));
            // None of the sides that are there is another kind of item.
            if old_value != Some(None) && new_value != Some(None) {
                self.place.push(member.to_owned());
                self.values(old_value.flatten().as_ref(), new_value.flatten().as_ref());
                self.place.pop();
                return;
            }
        }
        self.values(old, new);
    }

    /// Lists whose items have no names: what both begin and end with is the same, and the rest is
    /// compared item by item.
    fn sequences(&mut self, old: &[Value], new: &[Value]) {
        let same = |(old, new): &(&Value, &Value)| old == new;
        let start = old.iter().zip(new).take_while(same).count();
        let (old, new) = (&old[start..], &new[start..]);
        let end = old.iter().rev().zip(new.iter().rev());
        let end = end.take_while(same).count();
        let (old, new) = (&old[..old.len() - end], &new[..new.len() - end]);
        for index in 0..old.len().max(new.len()) {
            self.within(&(start + index).to_string(), "*", |this| {
                this.values(old.get(index), new.get(index));
            });
        }
    }

    /// Whether all that the value holds may be shown here.
    fn may_show(&mut self, value: Option<&Value>) -> bool {
        match value {
            None | Some(Value::Null) => true,
            Some(Value::Array(items)) => items.iter().all(|item| {
                self.place.push("*".to_owned());
                let may_show = self.may_show(Some(item));
                self.place.pop();
                may_show
            }),
            Some(Value::Object(members)) => members.iter().all(|(key, value)| {
                self.place.push(key.clone());
                let may_show = self.may_show(Some(value));
                self.place.pop();
                may_show
            }),
            Some(_) => SHOWN.iter().any(|shown| {
                let mut parts = shown.split('/');
                let mut place = self.place.iter();
                loop {
                    match (parts.next(), place.next()) {
                        (None, None) => return true,
                        (Some(part), Some(actual)) if part == "*" || part == actual => {}
                        _ => return false,
                    }
                }
            }),
        }
    }

    fn note_values(&mut self, old: Option<&Value>, new: Option<&Value>) {
        if self.found.listed.len() >= LISTED_LIMIT {
            self.found.more += 1;
            return;
        }
        let [old, new] = [old, new].map(|value| value.map(short));
        self.note(What::Values { old, new });
    }

    fn note(&mut self, what: What) {
        if self.found.listed.len() >= LISTED_LIMIT {
            self.found.more += 1;
            return;
        }
        let parts = self.path.iter().map(|part| {
            let part = outside::printable(&text::cut(part, PART_LIMIT_CHARS)).replace('\n', " ");
            format!("/{}", part.replace('~', "~0").replace('/', "~1"))
        });
        let path: String = parts.collect();
        self.found.listed.push(Change {
            path: text::cut(&path, PATH_LIMIT_CHARS),
            what,
        });
    }
}

/// The value with its texts fit to be shown, or the beginning of its JSON.
fn short(value: &Value) -> Value {
    let value = &fit(value);
    let json = value.to_string();
    if json.chars().count() <= VALUE_LIMIT_CHARS {
        value.clone()
    } else {
        Value::String(text::cut(&json, VALUE_LIMIT_CHARS))
    }
}

/// The same value, whose texts steer nothing that shows them and have no secrets of URLs.
fn fit(value: &Value) -> Value {
    match value {
        Value::String(text) => Value::String(outside::shown(text)),
        Value::Array(items) => items.iter().map(fit).collect(),
        Value::Object(members) => {
            let fit = members
                .iter()
                .map(|(name, value)| (outside::shown(name), fit(value)));
            Value::Object(fit.collect())
        }
        Value::Null | Value::Bool(_) | Value::Number(_) => value.clone(),
    }
}

/// The items of a list by their names.
struct Keyed<'a> {
    items: Vec<(String, &'a Value)>,
    by_name: HashMap<String, &'a Value>,
}

impl<'a> Keyed<'a> {
    /// `None` unless each item has a `key` of its own.
    fn of(items: &'a [Value], key: &str) -> Option<Self> {
        let name = |item: &Value| match &item[key] {
            Value::String(name) => Some(name.clone()),
            Value::Number(number) => Some(number.to_string()),
            Value::Null | Value::Bool(_) | Value::Array(_) | Value::Object(_) => None,
        };
        let named = items.iter().map(|item| Some((name(item)?, item)));
        let items: Vec<(String, &Value)> = named.collect::<Option<_>>()?;
        let by_name: HashMap<String, &Value> = items.iter().cloned().collect();
        (by_name.len() == items.len()).then_some(Self { items, by_name })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn reported(old: Value, new: Value) -> Vec<String> {
        let (Value::Object(old), Value::Object(new)) = (old, new) else {
            unreachable!()
        };
        let changes = changes(&old, &new);
        assert_eq!(changes.more, 0);
        changes.listed.iter().map(ToString::to_string).collect()
    }

    fn in_app(old: Value, new: Value) -> Vec<String> {
        let of = |mut container: Value| {
            container["name"] = json!("app");
            json!({"containerDefinitions": [{"name": "other", "image": "x"}, container]})
        };
        let prefix = "/containerDefinitions/app";
        let reported = reported(of(old), of(new));
        let reported = reported
            .iter()
            .map(|one| one.strip_prefix(prefix).unwrap().to_owned());
        reported.collect()
    }

    #[test]
    fn each_difference_is_reported_by_its_path_and_equal_parts_are_not() {
        assert_eq!(
            reported(
                json!({"cpu": "256", "memory": "512", "ephemeralStorage": {"sizeInGiB": 21}, "pidMode": null}),
                json!({"cpu": "512", "memory": "512", "ephemeralStorage": {"sizeInGiB": 30}, "family": "a"}),
            ),
            [
                "/cpu: \"256\" → \"512\"",
                "/ephemeralStorage/sizeInGiB: 21 → 30",
                "/pidMode: null → not there",
                "/family: not there → \"a\"",
            ]
        );
    }

    #[test]
    fn a_variable_is_reported_by_its_name_and_never_by_its_value() {
        let variables = |all: &[(&str, &str)]| {
            let all = all
                .iter()
                .map(|(name, value)| json!({"name": name, "value": value}));
            json!({"environment": all.collect::<Vec<_>>()})
        };
        assert_eq!(
            in_app(
                variables(&[("A", "secret-1"), ("B", "secret-2"), ("C", "secret-3")]),
                variables(&[("NEW", "secret-4"), ("A", "secret-1"), ("B", "secret-5")]),
            ),
            [
                "/environment/B: changed (value not shown)",
                "/environment/C: removed (value not shown)",
                "/environment/NEW: added (value not shown)",
            ]
        );
        let none = json!({"image": "i"});
        let mut one = variables(&[("A", "secret-1")]);
        one["image"] = json!("i");
        let added = ["/environment/A: added (value not shown)"];
        assert_eq!(in_app(none.clone(), one.clone()), added);
        let removed = ["/environment/A: removed (value not shown)"];
        assert_eq!(in_app(one, none), removed);
    }

    #[test]
    fn whatever_shape_an_environment_has_its_values_stay_hidden() {
        let shapes = [
            json!([{"name": "A", "value": "old-secret"}]),
            json!([{"name": "A", "value": "old-secret"}, {"name": "A", "value": "old-secret"}]),
            json!([{"value": "old-secret"}]),
            json!([{"name": "A", "value": "old-secret", "more": "old-secret"}]),
            json!([{"name": "A", "value": {"deep": ["old-secret"]}}]),
            json!([["old-secret"], {"type": "A", "value": "old-secret"}]),
            json!(["A=old-secret"]),
            json!({"A": "old-secret"}),
            json!("old-secret"),
            json!([]),
            Value::Null,
        ];
        for old in &shapes {
            for new in &shapes {
                let new = new.to_string().replace("old-secret", "new-secret");
                let new: Value = serde_json::from_str(&new).unwrap();
                let of = |environment: &Value| {
                    let mut container = json!({"name": "app", "environment": environment});
                    if environment.is_null() {
                        container = json!({"name": "app"});
                    }
                    json!({"containerDefinitions": [container]})
                };
                let reported = reported(of(old), of(&new)).concat();
                assert!(!reported.contains("secret"), "{old} {new}: {reported}");
            }
        }
    }

    #[test]
    fn what_may_hold_a_secret_or_was_never_heard_of_is_reported_without_its_value() {
        assert_eq!(
            in_app(
                json!({"command": ["a", "--password=x"], "dockerLabels": {"k": "x"}, "healthCheck": {"command": ["x"], "interval": 5},
                    "logConfiguration": {"logDriver": "splunk", "options": {"splunk-token": "x"}}, "inventedLater": {"a": {"b": 1}}}),
                json!({"command": ["a", "--password=y"], "dockerLabels": {"k": "y"}, "healthCheck": {"command": ["y"], "interval": 6},
                    "logConfiguration": {"logDriver": "awslogs", "options": {"splunk-token": "y"}}, "inventedLater": {"a": {"b": 2}}}),
            ),
            [
                "/command: changed (value not shown)",
                "/dockerLabels/k: changed (value not shown)",
                "/healthCheck/command: changed (value not shown)",
                "/healthCheck/interval: 5 → 6",
                "/logConfiguration/logDriver: \"splunk\" → \"awslogs\"",
                "/logConfiguration/options/splunk-token: changed (value not shown)",
                "/inventedLater/a/b: changed (value not shown)",
            ]
        );
        assert_eq!(
            reported(
                json!({}),
                json!({"proxyConfiguration": {"type": "APPMESH", "properties": [{"name": "p", "value": "x"}]}})
            ),
            [
                "/proxyConfiguration/type: not there → \"APPMESH\"",
                "/proxyConfiguration/properties/p: added (value not shown)",
            ]
        );
    }

    #[test]
    fn lists_of_named_things_are_compared_by_name_and_one_inserted_is_one_change() {
        for (list, first, second, path) in [
            (
                "secrets",
                json!({"name": "S", "valueFrom": "arn:1"}),
                json!({"name": "T", "valueFrom": "arn:2"}),
                "/secrets/S: not there → \"arn:1\"",
            ),
            (
                "ulimits",
                json!({"name": "nofile", "softLimit": 1, "hardLimit": 2}),
                json!({"name": "core", "softLimit": 1, "hardLimit": 2}),
                "/ulimits/nofile: not there → {",
            ),
            (
                "systemControls",
                json!({"namespace": "net.a", "value": "1"}),
                json!({"namespace": "net.b", "value": "1"}),
                "/systemControls/net.a: not there → \"1\"",
            ),
            (
                "dependsOn",
                json!({"containerName": "db", "condition": "START"}),
                json!({"containerName": "mq", "condition": "START"}),
                "/dependsOn/db: not there → {",
            ),
            (
                "extraHosts",
                json!({"hostname": "h", "ipAddress": "1.1.1.1"}),
                json!({"hostname": "i", "ipAddress": "1.1.1.1"}),
                "/extraHosts/h: not there → {",
            ),
            (
                "mountPoints",
                json!({"sourceVolume": "v", "containerPath": "/a"}),
                json!({"sourceVolume": "v", "containerPath": "/b"}),
                "/mountPoints/~1a: not there → {",
            ),
            (
                "portMappings",
                json!({"containerPort": 80}),
                json!({"containerPort": 81}),
                "/portMappings/80: not there → {",
            ),
            (
                "environmentFiles",
                json!({"value": "arn:1", "type": "s3"}),
                json!({"value": "arn:2", "type": "s3"}),
                "/environmentFiles/0: not there → {",
            ),
        ] {
            let reported = in_app(json!({list: [second]}), json!({list: [first, second]}));
            assert_eq!(reported.len(), 1, "{list}: {reported:?}");
            assert!(reported[0].starts_with(path), "{list}: {reported:?}");
        }
        assert_eq!(
            reported(
                json!({"tags": [{"key": "team", "value": "web"}], "volumes": [{"name": "v", "host": {"sourcePath": "/a"}}]}),
                json!({"tags": [{"key": "cost", "value": "1"}, {"key": "team", "value": "shop"}], "volumes": [{"name": "v", "host": {"sourcePath": "/b"}}]}),
            ),
            [
                "/tags/team: \"web\" → \"shop\"",
                "/tags/cost: not there → \"1\"",
                "/volumes/v/host/sourcePath: \"/a\" → \"/b\"",
            ]
        );
    }

    #[test]
    fn a_container_that_is_new_is_reported_member_by_member_without_its_secrets() {
        assert_eq!(
            reported(
                json!({"containerDefinitions": []}),
                json!({"containerDefinitions": [{"name": "app", "image": "i:1", "portMappings": [{"containerPort": 80}],
                    "environment": [{"name": "A", "value": "secret"}]}]}),
            ),
            [
                "/containerDefinitions/app/name: not there → \"app\"",
                "/containerDefinitions/app/image: not there → \"i:1\"",
                "/containerDefinitions/app/portMappings: not there → [{\"containerPort\":80}]",
                "/containerDefinitions/app/environment/A: added (value not shown)",
            ]
        );
    }

    #[test]
    fn however_much_differs_what_is_reported_is_bounded() {
        let long = "k".repeat(30_000);
        let of = |number: usize| {
            let all: Vec<Value> = (0..10_000).map(|n| json!({"a": n + number})).collect();
            json!({"family": long.repeat(number), long.as_str(): all})
        };
        let (Value::Object(old), Value::Object(new)) = (of(1), of(2)) else {
            unreachable!()
        };
        let changes = changes(&old, &new);
        assert_eq!(changes.count(), 10_001);
        assert_eq!(changes.listed.len(), LISTED_LIMIT);
        let json: String = changes
            .listed
            .iter()
            .map(|one| one.to_json().to_string())
            .collect();
        assert!(json.len() < LISTED_LIMIT * 600, "{}", json.len());
    }

    #[test]
    fn values_that_are_shown_steer_nothing_and_have_no_passwords() {
        let of = |value: &str| json!({"tags": [{"key": "a", "value": value}]});
        let (old, new) = (of("x"), of("postgres://app:PASSWORD@db/x\u{202e}\u{9b}2J"));
        let (Some(old), Some(new)) = (old.as_object(), new.as_object()) else {
            unreachable!("both are objects")
        };
        let listed = changes(old, new).listed;
        let reported = format!("{} {}", listed[0], listed[0].to_json());
        assert!(reported.contains("postgres://…@db/x"), "{reported}");
        for hidden in ["PASSWORD", "\u{202e}", "\u{9b}"] {
            assert!(!reported.contains(hidden), "{reported:?}");
        }
    }

    #[test]
    fn parts_of_a_path_are_escaped_and_steer_nothing_that_shows_them() {
        assert_eq!(
            in_app(
                json!({"dockerLabels": {"a/b~\n\u{202e}\u{1b}[2J": "1"}}),
                json!({"dockerLabels": {"a/b~\n\u{202e}\u{1b}[2J": "2"}})
            ),
            ["/dockerLabels/a~1b~0 : changed (value not shown)"]
        );
    }
}
