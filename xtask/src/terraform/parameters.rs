//! Parameters of the template, which are the module's variables.

use super::hcl::{self, Expression, Item, Part};
use super::yaml::{Node, Pair};
use super::{Error, cell, snake};

pub(super) struct Parameter<'a> {
    pub(super) name: &'a str,
    node: &'a Node,
    comments: Vec<String>,
    kind: Kind,
    description: String,
    default: Option<Expression>,
    allowed: Vec<Expression>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Text,
    Number,
    Switch,
    List,
}

impl Kind {
    fn of_terraform(self) -> &'static str {
        match self {
            Kind::Text => "string",
            Kind::Number => "number",
            Kind::Switch => "bool",
            Kind::List => "list(string)",
        }
    }
}

/// What the module has besides: the zip need not be in a bucket.
const ZIP_PATH: &str = "zip_path";
const ZIP_PATH_DESCRIPTION: &str =
    "Path of the release's zip on the machine that runs Terraform. Or set code_bucket.";

/// Parameters that may be left out here, because of [`ZIP_PATH`].
const OPTIONAL: &[&str] = &["CodeBucket"];

/// Descriptions that say something else here: parameter, place, what is said instead. A place that is not
/// there is an error.
const CHANGES: &[(&str, &str, &str)] = &[
    (
        "CodeBucket",
        "in the Region of this stack.",
        "in the Region of the function. Or set zip_path.",
    ),
    (
        "CodeKey",
        "the zip for Architecture.",
        "the zip for architecture.",
    ),
    (
        "Architecture",
        "It chooses the zip, unless CodeKey does.",
        "It chooses the zip in the bucket, unless code_key does; a zip of zip_path must be built for it.",
    ),
    ("FunctionName", "Each stack in", "Each installation in"),
];

/// Words of CloudFormation, which must not be left.
const FOREIGN: &[&str] = &["stack", "comma"];

impl Parameter<'_> {
    pub(super) fn is_switch(&self) -> bool {
        self.kind == Kind::Switch
    }

    pub(super) fn is_list(&self) -> bool {
        self.kind == Kind::List
    }

    fn is_optional(&self) -> bool {
        OPTIONAL.contains(&self.name)
    }
}

pub(super) fn read(node: &Node) -> Result<Vec<Parameter<'_>>, Error> {
    let mut parameters = Vec::new();
    for (comments, Pair { key, value }) in node.commented()? {
        parameters.push(Parameter {
            comments,
            ..parameter(key.text()?, value)?
        });
    }
    for (name, _, _) in CHANGES {
        if !parameters.iter().any(|parameter| parameter.name == *name) {
            return Err(node.error(format!(
                "the parameter {name} is missing, whose description is changed"
            )));
        }
    }
    Ok(parameters)
}

fn parameter<'a>(name: &'a str, node: &'a Node) -> Result<Parameter<'a>, Error> {
    node.has_only(
        name,
        &[
            "Type",
            "Description",
            "Default",
            "AllowedValues",
            "AllowedPattern",
            "MinLength",
            "MaxLength",
            "MinValue",
            "MaxValue",
        ],
    )?;
    let values = match node.find("AllowedValues")? {
        Some(values) => values.items()?,
        None => &[],
    };
    let mut texts = Vec::new();
    for value in values {
        texts.push(value.text()?);
    }
    texts.sort_unstable();
    let written = node.get("Type")?;
    let kind = match written.text()? {
        "String" if texts == ["false", "true"] => Kind::Switch,
        "String" => Kind::Text,
        "Number" => Kind::Number,
        "CommaDelimitedList" => Kind::List,
        other => return Err(written.error(format!("{name}: the type {other} is not known"))),
    };
    let default = match node.find("Default")? {
        Some(default) => Some(value(kind, default)?),
        None => None,
    };
    let allowed: Result<Vec<Expression>, Error> = match kind {
        Kind::Switch => Ok(Vec::new()),
        Kind::Text | Kind::Number | Kind::List => {
            values.iter().map(|one| value(kind, one)).collect()
        }
    };
    Ok(Parameter {
        name,
        node,
        comments: Vec::new(),
        kind,
        description: description(name, kind, node.get("Description")?)?,
        default,
        allowed: allowed?,
    })
}

/// A value that the template gives a parameter.
fn value(kind: Kind, node: &Node) -> Result<Expression, Error> {
    let text = node.text()?;
    match kind {
        Kind::Text => Ok(hcl::text(text)),
        Kind::Switch if matches!(text, "true" | "false") => Ok(Expression::Raw(text.to_owned())),
        Kind::Number if text.parse::<f64>().is_ok() => Ok(Expression::Raw(text.to_owned())),
        Kind::Switch | Kind::Number => {
            Err(node.error(format!("{text:?} is not a {}", kind.of_terraform())))
        }
        Kind::List => {
            let items = text.split(',').map(str::trim).filter(|one| !one.is_empty());
            let items = items.map(|one| Item {
                comments: Vec::new(),
                value: hcl::text(one),
            });
            Ok(Expression::List(items.collect()))
        }
    }
}

fn description(name: &str, kind: Kind, node: &Node) -> Result<String, Error> {
    let mut text = node.text()?.trim().to_owned();
    if kind == Kind::List {
        text = text.replacen(", separated by commas", "", 1);
    }
    for (parameter, place, instead) in CHANGES {
        if *parameter == name {
            if text.matches(place).count() != 1 {
                return Err(node.error(format!("{name}: expected {place:?} in its description")));
            }
            text = text.replacen(place, instead, 1);
        }
    }
    match FOREIGN.iter().find(|word| text.contains(*word)) {
        None => Ok(text),
        Some(word) => Err(node.error(format!(
            "{name}: its description says {word:?}, which is nothing of Terraform: add to CHANGES"
        ))),
    }
}

/// `variables.tf`.
pub(super) fn variables(parameters: &[Parameter<'_>]) -> Result<Vec<Part>, Error> {
    let raw = |text: &str| Expression::Raw(text.to_owned());
    let mut parts = vec![Part::block(
        format!("variable \"{ZIP_PATH}\""),
        vec![
            Part::argument("description", hcl::text(ZIP_PATH_DESCRIPTION)),
            Part::argument("type", raw("string")),
            Part::argument("default", raw("null")),
        ],
    )];
    for parameter in parameters {
        let mut body = vec![
            Part::argument("description", hcl::text(&parameter.description)),
            Part::argument("type", raw(parameter.kind.of_terraform())),
        ];
        if let Some(default) = &parameter.default {
            body.push(Part::argument("default", default.clone()));
        }
        if parameter.is_optional() {
            body.push(Part::argument("default", raw("null")));
        } else {
            body.push(Part::argument("nullable", raw("false")));
        }
        for (condition, message) in validations(parameter)? {
            body.push(Part::block(
                "validation",
                vec![
                    Part::argument("condition", Expression::Raw(condition)),
                    Part::argument("error_message", hcl::text(&message)),
                ],
            ));
        }
        parts.push(Part::Block {
            comments: parameter.comments.clone(),
            header: format!("variable \"{}\"", snake(parameter.name)),
            body,
        });
    }
    Ok(parts)
}

/// Conditions, and what is wrong otherwise.
fn validations(parameter: &Parameter<'_>) -> Result<Vec<(String, String)>, Error> {
    let name = snake(parameter.name);
    let mut all = Vec::new();
    // Of each item, where there are several.
    let mut check = |condition: &dyn Fn(&str) -> String, message: String| {
        let variable = format!("var.{name}");
        let condition = match parameter.kind {
            Kind::List => format!("alltrue([for one in {variable} : {}])", condition("one")),
            _ if parameter.is_optional() => {
                format!("{variable} == null || {}", condition(&variable))
            }
            _ => condition(&variable),
        };
        all.push((condition, message));
    };
    if !parameter.allowed.is_empty() {
        let values = parameter.allowed.iter().filter_map(Expression::line);
        let values: Vec<String> = values.collect();
        let message = format!(
            "{name} must be one of {}.",
            values.join(", ").replace('"', "")
        );
        check(
            &|one| format!("contains([{}], {one})", values.join(", ")),
            message,
        );
    }
    if let Some(pattern) = parameter.node.find("AllowedPattern")? {
        let text = pattern.text()?;
        if !(text.starts_with('^') && text.ends_with('$')) {
            return Err(pattern.error(format!(
                "{}: a pattern must begin with ^ and end with $",
                parameter.name
            )));
        }
        let quoted = hcl::text(text).line().unwrap_or_default();
        let of_each = match parameter.kind {
            Kind::List => ": each item",
            _ => "",
        };
        check(
            &|one| format!("can(regex({quoted}, {one}))"),
            format!("{name}{of_each} must match {text}."),
        );
    }
    for (key, operator, measure) in [
        ("MinLength", ">=", "length"),
        ("MaxLength", "<=", "length"),
        ("MinValue", ">=", ""),
        ("MaxValue", "<=", ""),
    ] {
        if let Some(limit) = parameter.node.find(key)? {
            let Expression::Raw(limit) = value(Kind::Number, limit)? else {
                continue;
            };
            let words = if measure.is_empty() {
                "be"
            } else {
                "have a length that is"
            };
            check(
                &|one| match measure {
                    "" => format!("{one} {operator} {limit}"),
                    function => format!("{function}({one}) {operator} {limit}"),
                },
                format!("{name} must {words} {operator} {limit}."),
            );
        }
    }
    if parameter.is_list() && parameter.default.is_none() {
        let message = format!("{name} must have at least one item.");
        all.push((format!("length(var.{name}) > 0"), message));
    }
    Ok(all)
}

/// The variables in the groups that the template's metadata has.
pub(super) fn table(parameters: &[Parameter<'_>], metadata: &Node) -> Result<String, Error> {
    let interface = metadata.get("AWS::CloudFormation::Interface")?;
    let mut table = String::new();
    let mut left: Vec<&str> = parameters.iter().map(|one| one.name).collect();
    for group in interface.get("ParameterGroups")?.items()? {
        if !table.is_empty() {
            table.push('\n');
        }
        let label = group.get("Label")?.get("default")?.text()?;
        table.push_str(&format!(
            "**{label}**\n\n| name | type | default | |\n|---|---|---|---|\n"
        ));
        for name in group.get("Parameters")?.items()? {
            let text = name.text()?;
            let parameter = parameters.iter().find(|one| one.name == text);
            let at = left.iter().position(|one| *one == text);
            let (Some(parameter), Some(at)) = (parameter, at) else {
                return Err(name.error(format!("{text} is no parameter, or in two groups")));
            };
            left.remove(at);
            if parameter.is_optional() {
                row(
                    ZIP_PATH,
                    Kind::Text,
                    "`null`",
                    ZIP_PATH_DESCRIPTION,
                    &mut table,
                );
            }
            let default = match &parameter.default {
                Some(default) => format!("`{}`", default.line().unwrap_or_default()),
                None if parameter.is_optional() => "`null`".to_owned(),
                None => "required".to_owned(),
            };
            row(
                &snake(text),
                parameter.kind,
                &default,
                &parameter.description,
                &mut table,
            );
        }
    }
    match left.first() {
        None => Ok(table),
        Some(name) => Err(interface.error(format!("{name} is in no group"))),
    }
}

fn row(name: &str, kind: Kind, default: &str, description: &str, to: &mut String) {
    to.push_str(&format!(
        "| `{name}` | {} | {default} | {} |\n",
        kind.of_terraform(),
        cell(description)
    ));
}
