//! Is an action the built-in ECS action, and can it be replaced as it stands?

use crate::document::Document;
use crate::node::{Found, Node, Pair, Value};
use crate::parameter::{Given, Parameter, protected};
use crate::place::{Kind, Place};

/// What an action is to this tool.
pub(crate) enum Judged<'a> {
    /// Of no concern.
    Other,
    Replaceable(Action<'a>),
    Left(Left),
}

/// An ECS action that can be replaced.
pub(crate) struct Action<'a> {
    pub(crate) node: &'a Node,
    pub(crate) name: String,
    pub(crate) category: &'a Node,
    pub(crate) provider: &'a Node,
    pub(crate) configuration: &'a Pair,
    /// In the order in which they stand, those of the action itself last.
    pub(crate) parameters: Vec<Parameter<'a>>,
    /// Numbers of the action's pairs that become parameters.
    pub(crate) moved: Vec<usize>,
}

/// Why an action stays as it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Left {
    pub(crate) at: usize,
    pub(crate) name: String,
    pub(crate) why: String,
    pub(crate) provider: Provider,
}

/// Whose action it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Provider {
    /// The built-in ECS action, or what may be it.
    Ecs,
    CodeDeploy,
}

/// What CodePipeline takes as `UserParameters`, in characters.
/// <https://docs.aws.amazon.com/codepipeline/latest/userguide/action-reference-Lambda.html>
const USER_PARAMETERS_LIMIT: usize = 1000;

/// What the built-in action knows.
/// <https://docs.aws.amazon.com/codepipeline/latest/userguide/action-reference-ECS.html>
const NAMES: [&str; 4] = [
    "ClusterName",
    "ServiceName",
    "FileName",
    "DeploymentTimeout",
];

const TIMEOUT_MINUTES: std::ops::RangeInclusive<u32> = 1..=1380;

pub(crate) fn judge<'a>(place: &Place<'a>, kind: Kind, document: &Document<'_>) -> Judged<'a> {
    let action = place.action;
    let written = action.get(&kind.name("Name")).and_then(Node::text);
    let name = written.unwrap_or("?").to_owned();
    let left = |at: &Node, why: String| {
        Judged::Left(Left {
            at: at.span.start,
            name: name.clone(),
            why,
            provider: Provider::Ecs,
        })
    };
    let type_name = kind.name("ActionTypeId");
    let types = match action.find(&type_name) {
        Found::Nothing => return Judged::Other,
        Found::One(pair) => &pair.value,
        Found::Several => {
            let is_ecs = action.any(|node| node.text() == Some("ECS"));
            return if is_ecs {
                left(action, format!("it has {type_name} more than once"))
            } else {
                Judged::Other
            };
        }
    };
    let provider_name = kind.name("Provider");
    let provider = match types.find(&provider_name) {
        Found::One(pair) => &pair.value,
        Found::Nothing | Found::Several => {
            return if types.any(|node| node.text() == Some("ECS")) {
                left(
                    types,
                    format!("its {type_name} does not say {provider_name} once"),
                )
            } else {
                Judged::Other
            };
        }
    };
    match provider.text() {
        Some("ECS") => {}
        Some("CodeDeployToECS") => {
            return Judged::Left(Left {
                at: action.span.start,
                name,
                why: "CodeDeploy deploys it (CodeDeployToECS): docs/from-codedeploy.md tells how to come from there".to_owned(),
                provider: Provider::CodeDeploy,
            });
        }
        Some(_) => return Judged::Other,
        None => {
            let configuration = action.get(&kind.name("Configuration"));
            let is_like_ecs = configuration.is_some_and(|configuration| {
                NAMES[..2]
                    .iter()
                    .all(|name| configuration.get(name).is_some())
            });
            return if is_like_ecs {
                left(provider, format!("its {provider_name} is not written out"))
            } else {
                Judged::Other
            };
        }
    }
    match replaceable(place, kind, document, types, provider) {
        Ok(mut action) => {
            action.name = name;
            Judged::Replaceable(action)
        }
        Err((at, why)) => left(at, why),
    }
}

fn replaceable<'a>(
    place: &Place<'a>,
    kind: Kind,
    document: &Document<'_>,
    types: &'a Node,
    provider: &'a Node,
) -> Result<Action<'a>, (&'a Node, String)> {
    let action = place.action;
    if place.is_shared {
        return Err((
            action,
            "an alias uses it, or what it stands in, a second time".to_owned(),
        ));
    }
    for node in [action, types] {
        if node.has_merge_key() {
            return Err((node, "a part of it comes from elsewhere (<<)".to_owned()));
        }
    }
    if types.any(|node| document.is_shared(node) || matches!(node.value, Value::Alias(_))) {
        return Err((
            types,
            "its type is made with an anchor or an alias".to_owned(),
        ));
    }
    let category = one(types, &kind.name("Category"))?;
    for (name, wanted) in [("Category", "Deploy"), ("Owner", "AWS"), ("Version", "1")] {
        let name = kind.name(name);
        let found = one(types, &name)?;
        if found.text() != Some(wanted) {
            let source = document.source(found);
            let shown = if source.contains(['\n', '\r']) {
                "something else"
            } else {
                source
            };
            return Err((
                found,
                format!("its {name} is {shown}, the ECS action's is {wanted}"),
            ));
        }
    }
    let configuration_name = kind.name("Configuration");
    let configuration = match action.find(&configuration_name) {
        Found::One(pair) => pair,
        Found::Nothing => return Err((action, format!("it has no {configuration_name}"))),
        Found::Several => {
            return Err((
                action,
                format!("it has {configuration_name} more than once"),
            ));
        }
    };
    let values = &configuration.value;
    if document.is_shared(values) {
        return Err((
            values,
            format!("an alias uses its {configuration_name} a second time"),
        ));
    }
    if values.has_merge_key() {
        return Err((
            values,
            format!("a part of its {configuration_name} comes from elsewhere (<<)"),
        ));
    }
    let Some(pairs) = values.pairs().filter(|_| values.function().is_none()) else {
        let why = format!("its {configuration_name} is not a mapping that is written out");
        return Err((values, why));
    };
    let mut parameters = Vec::new();
    for pair in pairs {
        let Some(name) = NAMES.into_iter().find(|name| pair.key.text() == Some(name)) else {
            let key = pair.key.text().unwrap_or("a key that is no text");
            let why =
                format!("its {configuration_name} has {key}, which the ECS action does not know");
            return Err((&pair.key, why));
        };
        one(values, name)?;
        parameters.push(parameter(name, pair, kind, document)?);
    }
    for name in &NAMES[..2] {
        if let Found::Nothing = values.find(name) {
            return Err((values, format!("its {configuration_name} has no {name}")));
        }
    }
    let mut moved = Vec::new();
    for (number, pair) in action.pairs().unwrap_or_default().iter().enumerate() {
        for name in ["RoleArn", "Region"] {
            let key = kind.name(name);
            // With a function as with the service: it is in the Region that the action names.
            let stays = name == "Region" && place.home.is(&pair.value);
            if pair.key.text() == Some(&key) && !stays {
                one(action, &key)?;
                parameters.push(parameter(name, pair, kind, document)?);
                moved.push(number);
            }
        }
    }
    let mut changed = pairs.iter().chain(
        moved
            .iter()
            .filter_map(|number| action.pairs()?.get(*number)),
    );
    if let Some(pair) = changed.find(|pair| {
        document.text[..pair.key.span.start]
            .trim_end()
            .ends_with('?')
    }) {
        return Err((&pair.key, "it is written with explicit keys (?)".to_owned()));
    }
    let action = Action {
        node: action,
        name: String::new(),
        category,
        provider,
        configuration,
        parameters,
        moved,
    };
    let has_functions = action.has_functions();
    for one in &action.parameters {
        if let Given::Literal(text) = &one.given
            && has_functions
            && protected(text).is_none()
        {
            let why = format!("its {} has a ${{ that begins no variable", one.name);
            return Err((&one.pair.value, why));
        }
    }
    let characters = action
        .user_parameters(&|name| name.to_owned())
        .chars()
        .count();
    if characters > USER_PARAMETERS_LIMIT {
        let why = format!(
            "UserParameters would have {characters} characters, and CodePipeline takes {USER_PARAMETERS_LIMIT}"
        );
        return Err((values, why));
    }
    Ok(action)
}

fn one<'a>(node: &'a Node, key: &str) -> Result<&'a Node, (&'a Node, String)> {
    match node.find(key) {
        Found::One(pair) => Ok(&pair.value),
        Found::Nothing => Err((node, format!("it does not say its {key}"))),
        Found::Several => Err((node, format!("it has {key} more than once"))),
    }
}

fn parameter<'a>(
    name: &'static str,
    pair: &'a Pair,
    kind: Kind,
    document: &Document<'_>,
) -> Result<Parameter<'a>, (&'a Node, String)> {
    let given = Given::read(&pair.value, kind, document);
    let given = given.map_err(|what| (&pair.key, format!("its {name} is {what}")))?;
    if let (Given::Literal(text), "DeploymentTimeout") = (&given, name) {
        let minutes = text
            .parse()
            .ok()
            .filter(|minutes| TIMEOUT_MINUTES.contains(minutes));
        let is_plain = text.bytes().all(|byte| byte.is_ascii_digit());
        if (minutes.is_none() || !is_plain) && !text.contains("#{") {
            let why =
                format!("its DeploymentTimeout is not a number of minutes from 1 to 1380: {text}");
            return Err((&pair.key, why));
        }
    }
    Ok(Parameter { name, pair, given })
}

impl Action<'_> {
    /// Whether `UserParameters` must be an `Fn::Sub`.
    pub(crate) fn has_functions(&self) -> bool {
        let mut all = self.parameters.iter();
        all.any(|one| !matches!(one.given, Given::Literal(_)))
    }

    pub(crate) fn variables(&self) -> impl Iterator<Item = &Parameter<'_>> {
        let all = self.parameters.iter();
        all.filter(|one| matches!(one.given, Given::Variable))
    }

    /// The JSON of `UserParameters`, or the text of its `Fn::Sub`. `variable` says how a parameter's
    /// variable is called.
    pub(crate) fn user_parameters(&self, variable: &dyn Fn(&str) -> String) -> String {
        let has_functions = self.has_functions();
        let members = self.parameters.iter().map(|one| {
            let value = match &one.given {
                Given::Literal(text) if has_functions => {
                    let protected = protected(text).unwrap_or_default();
                    crate::parameter::escaped(&protected)
                }
                Given::Literal(text) => crate::parameter::escaped(text),
                Given::Inline(text) => text.clone(),
                Given::Variable => format!("${{{}}}", variable(one.name)),
            };
            format!("\"{}\": \"{value}\"", one.name)
        });
        let members: Vec<String> = members.collect();
        format!("{{{}}}", members.join(", "))
    }
}
