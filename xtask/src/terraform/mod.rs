//! The parts of `install/terraform` that are made of `install/template.yaml`: its variables, grants,
//! resources and outputs, and their tables in its README.
//!
//! The template is the only source: an intrinsic function, a property or a parameter's key that this module
//! does not know is an [`Error`](struct@Error) that names it and its line, and never left out.

mod hcl;
mod kinds;
mod parameters;
mod yaml;

use hcl::{Expression, Item, Member, Part};
use kinds::{Kind, To};
use parameters::Parameter;
use thiserror::Error;
use yaml::{Node, Pair, Style, Value};

/// The template has something that Terraform is not taught yet, in `xtask/src/terraform`.
#[derive(Debug, Error, PartialEq, Eq)]
#[error("install/template.yaml:{line}: {text}")]
pub struct Error {
    /// From 1.
    pub line: usize,
    /// What is there, and what is wrong with it.
    pub text: String,
}

/// Files of the module, and tables.
#[derive(Debug)]
pub struct Module {
    /// `variables.tf`
    pub variables: String,
    /// `grants.tf`
    pub grants: String,
    /// `resources.tf`
    pub resources: String,
    /// `outputs.tf`
    pub outputs: String,
    /// What stands in the README between the marks for inputs.
    pub inputs_table: String,
    /// The same for outputs.
    pub outputs_table: String,
}

/// First line of each file.
const MADE: &str =
    "Made by `cargo xtask generate` of install/template.yaml; change template.yaml instead.";

/// What CloudFormation gives every template.
const PSEUDO_PARAMETERS: &[(&str, &str)] = &[
    ("AWS::AccountId", "local.account_id"),
    ("AWS::Partition", "local.partition"),
    ("AWS::Region", "local.region"),
    // A stack is called as its function is, if nobody says otherwise.
    ("AWS::StackName", "var.function_name"),
    ("AWS::URLSuffix", "local.dns_suffix"),
    ("AWS::NoValue", NOTHING),
];

/// An argument that is not there.
const NOTHING: &str = "null";

struct Resource<'a> {
    name: &'a str,
    kind: &'static Kind,
    node: &'a Node,
    comments: Vec<String>,
}

impl Resource<'_> {
    fn address(&self) -> String {
        format!("{}.{}", self.kind.terraform, snake(self.name))
    }
}

struct Template<'a> {
    parameters: Vec<Parameter<'a>>,
    conditions: &'a Node,
    resources: Vec<Resource<'a>>,
    outputs: &'a [Pair],
}

/// What `text`, a template, is as a module.
pub fn module(text: &str) -> Result<Module, Error> {
    let root = yaml::read(text)?;
    root.has_only(
        "the template",
        &[
            "AWSTemplateFormatVersion",
            "Description",
            "Metadata",
            "Parameters",
            "Conditions",
            "Resources",
            "Outputs",
        ],
    )?;
    let template = Template {
        parameters: parameters::read(root.get("Parameters")?)?,
        conditions: root.get("Conditions")?,
        resources: resources(root.get("Resources")?)?,
        outputs: root.get("Outputs")?.pairs()?,
    };
    let (outputs, outputs_table) = template.outputs()?;
    Ok(Module {
        variables: file(parameters::variables(&template.parameters)?),
        grants: file(template.grants()?),
        resources: file(template.resources()?),
        outputs: file(outputs),
        inputs_table: parameters::table(&template.parameters, root.get("Metadata")?)?,
        outputs_table,
    })
}

/// `readme` with what is between `<!-- name -->` and `<!-- end of name -->` replaced.
pub fn with_table(readme: &str, name: &str, table: &str) -> Option<String> {
    let (before, rest) = readme.split_once(&format!("<!-- {name} -->\n"))?;
    let end = format!("<!-- end of {name} -->\n");
    let (_, after) = rest.split_once(&end)?;
    Some(format!("{before}<!-- {name} -->\n{table}{end}{after}"))
}

fn file(parts: Vec<Part>) -> String {
    let mut all = vec![Part::Comments(vec![MADE.to_owned()])];
    all.extend(parts);
    hcl::file(&all)
}

fn resources(node: &Node) -> Result<Vec<Resource<'_>>, Error> {
    let mut resources = Vec::new();
    for (comments, Pair { key, value }) in node.commented()? {
        let name = key.text()?;
        value.has_only(
            name,
            &[
                "Type",
                "DeletionPolicy",
                "UpdateReplacePolicy",
                "Properties",
            ],
        )?;
        for policy in ["DeletionPolicy", "UpdateReplacePolicy"] {
            // What Terraform does with every resource.
            if let Some(wanted) = value.find(policy)?
                && wanted.text()? != "Delete"
            {
                return Err(wanted.error(format!("{policy}: only Delete is known")));
            }
        }
        let node = value.get("Type")?;
        let kind = kinds::of(node.text()?).ok_or_else(|| {
            node.error(format!(
                "{name}: {} is not known",
                node.text().unwrap_or_default()
            ))
        })?;
        resources.push(Resource {
            name,
            kind,
            node: value,
            comments,
        });
    }
    Ok(resources)
}

impl Template<'_> {
    fn parameter(&self, name: &str) -> Option<&Parameter<'_>> {
        self.parameters.iter().find(|one| one.name == name)
    }

    /// What `Ref` gives.
    fn reference(&self, node: &Node, name: &str) -> Result<String, Error> {
        if let Some((_, pseudo)) = PSEUDO_PARAMETERS.iter().find(|(known, _)| *known == name) {
            return Ok((*pseudo).to_owned());
        }
        if self.parameter(name).is_some() {
            return Ok(format!("var.{}", snake(name)));
        }
        match self.resources.iter().find(|one| one.name == name) {
            Some(resource) => Ok(format!(
                "{}.{}",
                resource.address(),
                resource.kind.reference
            )),
            None => Err(node.error(format!("there is no parameter and no resource {name}"))),
        }
    }

    /// What `Fn::GetAtt` gives, as a template.
    fn attribute(&self, node: &Node, path: &str) -> Result<String, Error> {
        let found = path.split_once('.').and_then(|(name, attribute)| {
            let resource = self.resources.iter().find(|one| one.name == name)?;
            let mut attributes = resource.kind.attributes.iter();
            let (_, terraform, end) = attributes.find(|(known, _, _)| *known == attribute)?;
            Some(format!("${{{}.{terraform}}}{end}", resource.address()))
        });
        found.ok_or_else(|| node.error(format!("{path} is not known")))
    }

    /// What `Fn::Sub` makes of a text, as a template.
    fn substituted(&self, node: &Node) -> Result<String, Error> {
        let mut rest = node.scalar()?;
        let mut template = String::new();
        while let Some((before, after)) = rest.split_once("${") {
            template.push_str(&hcl::literal(before));
            let (name, after) = after
                .split_once('}')
                .ok_or_else(|| node.error("${ has no end"))?;
            if let Some(itself) = name.strip_prefix('!') {
                template.push_str(&hcl::literal(&format!("${{{itself}}}")));
            } else if name.contains('.') {
                template.push_str(&self.attribute(node, name)?);
            } else {
                if self.parameter(name).is_some_and(Parameter::is_list) {
                    return Err(node.error(format!("{name} is a list, and no text")));
                }
                template.push_str(&format!("${{{}}}", self.reference(node, name)?));
            }
            rest = after;
        }
        template.push_str(&hcl::literal(rest));
        Ok(template)
    }

    /// A condition that has a name.
    fn named_condition(&self, node: &Node) -> Result<String, Error> {
        let name = node.scalar()?;
        for pair in self.conditions.pairs()? {
            if pair.key.text()? == name {
                return Ok(format!("local.{}", snake(name)));
            }
        }
        Err(node.error(format!("there is no condition {name}")))
    }

    /// What stands in Conditions, and how tightly it is bound.
    fn condition(&self, node: &Node) -> Result<(String, Binding), Error> {
        let all = |operator: &str, binding: Binding| {
            let mut texts = Vec::new();
            for one in node.items()? {
                let (text, inner) = self.condition(one)?;
                texts.push(inner.within(binding, text));
            }
            Ok((texts.join(operator), binding))
        };
        match node.tag.as_deref() {
            Some("!Condition") => Ok((self.named_condition(node)?, Binding::Name)),
            Some("!Equals") => Ok((self.equals(node, "==")?, Binding::Comparison)),
            Some("!And") => all(" && ", Binding::And),
            Some("!Or") => all(" || ", Binding::Or),
            Some("!Not") => {
                let [one] = node.items()? else {
                    return Err(node.error("!Not takes one condition"));
                };
                if one.tag.as_deref() == Some("!Equals") {
                    return Ok((self.equals(one, "!=")?, Binding::Comparison));
                }
                let (text, inner) = self.condition(one)?;
                Ok((
                    format!("!{}", inner.within(Binding::Name, text)),
                    Binding::Name,
                ))
            }
            Some(tag) => Err(node.error(format!("{tag} is not known in Conditions"))),
            None => Err(node.error("a condition is expected here")),
        }
    }

    fn equals(&self, node: &Node, operator: &str) -> Result<String, Error> {
        let [left, right] = node.items()? else {
            return Err(node.error("!Equals takes two values"));
        };
        // "true" and "false" are booleans there.
        if left.tag.as_deref() == Some("!Ref")
            && self
                .parameter(left.scalar()?)
                .is_some_and(Parameter::is_switch)
        {
            let name = self.reference(left, left.scalar()?)?;
            return match (right.text()?, operator) {
                ("true", "==") | ("false", "!=") => Ok(name),
                ("true" | "false", _) => Ok(format!("!{name}")),
                (other, _) => Err(right.error(format!("{other:?} is neither true nor false"))),
            };
        }
        Ok(format!(
            "{} {operator} {}",
            self.line(left)?,
            self.line(right)?
        ))
    }

    /// An expression that has to fit into one line.
    fn line(&self, node: &Node) -> Result<String, Error> {
        let expression = self.expression(node)?;
        expression
            .line()
            .ok_or_else(|| node.error("this is not known in more than one line"))
    }

    /// Any value of a property.
    fn expression(&self, node: &Node) -> Result<Expression, Error> {
        match node.tag.as_deref() {
            None => self.plain(node),
            Some("!Ref") => Ok(Expression::Raw(self.reference(node, node.scalar()?)?)),
            Some("!GetAtt") => Ok(unwrapped(&self.attribute(node, node.scalar()?)?)),
            Some("!Sub") => Ok(written(node, &self.substituted(node)?)),
            Some("!If") => {
                let [condition, yes, no] = node.items()? else {
                    return Err(node.error("!If takes a condition and two values"));
                };
                Ok(Expression::Raw(format!(
                    "{} ? {} : {}",
                    self.named_condition(condition)?,
                    self.line(yes)?,
                    self.line(no)?
                )))
            }
            Some("!Join") => {
                let [separator, list] = node.items()? else {
                    return Err(node.error("!Join takes a separator and a list"));
                };
                Ok(Expression::Raw(format!(
                    "join({}, {})",
                    self.line(separator)?,
                    self.line(list)?
                )))
            }
            Some(tag) => Err(node.error(format!("the function {tag} is not known"))),
        }
    }

    /// A value inside of another, where `null` is not the same as nothing.
    fn something(&self, node: &Node) -> Result<Expression, Error> {
        if may_be_nothing(node)? {
            return Err(node.error("AWS::NoValue is known for a whole property or statement only"));
        }
        self.expression(node)
    }

    /// What is no function.
    fn plain(&self, node: &Node) -> Result<Expression, Error> {
        match &node.value {
            Value::Scalar {
                text,
                style: Style::Plain,
            } => match text.as_str() {
                "" | "~" | "null" => Err(node.error("there is no value")),
                "true" | "false" => Ok(Expression::Raw(text.clone())),
                number if number.parse::<f64>().is_ok() => Ok(Expression::Raw(text.clone())),
                other => Ok(hcl::text(other)),
            },
            Value::Scalar { text, .. } => Ok(written(node, &hcl::literal(text))),
            Value::Sequence(items) => {
                let mut list = Vec::new();
                for (index, item) in items.iter().enumerate() {
                    let first = if index == 0 {
                        node.comments.as_slice()
                    } else {
                        &[]
                    };
                    // A mapping writes its own at its first name.
                    let own = match item.value {
                        Value::Scalar { .. } | Value::Sequence(_) => item.comments.as_slice(),
                        Value::Mapping(_) => &[],
                    };
                    list.push(Item {
                        comments: [first, own].concat(),
                        value: self.something(item)?,
                    });
                }
                Ok(Expression::List(list))
            }
            Value::Mapping(_) => {
                let mut members = Vec::new();
                for (comments, Pair { key, value }) in node.commented()? {
                    let name = key.text()?;
                    if name == "Ref" || name.starts_with("Fn::") {
                        return Err(key.error(format!(
                            "{name}: functions are known in their short form only"
                        )));
                    }
                    members.push(Member {
                        comments,
                        name: hcl::name(name),
                        value: self.something(value)?,
                    });
                }
                Ok(Expression::Object(members))
            }
        }
    }

    /// `grants.tf`: the conditions, and the statements of the only policy.
    fn grants(&self) -> Result<Vec<Part>, Error> {
        let mut conditions = Vec::new();
        for (comments, Pair { key, value }) in self.conditions.commented()? {
            let (text, _) = self.condition(value)?;
            conditions.push(Part::Argument(Member {
                comments,
                name: snake(key.text()?),
                value: Expression::Raw(text),
            }));
        }
        let mut statements = Vec::new();
        for resource in &self.resources {
            if let Some(policies) = resource.node.get("Properties")?.find("Policies")? {
                let (_, document) = policy(policies)?;
                for (index, statement) in document.items()?.iter().enumerate() {
                    let mut grant = self.grant(statement)?;
                    if index == 0 {
                        grant.comments = [document.comments.as_slice(), &grant.comments].concat();
                    }
                    statements.push(grant);
                }
            }
        }
        let locals = |comments: &[&str], body| Part::Block {
            comments: comments.iter().map(|line| (*line).to_owned()).collect(),
            header: "locals".to_owned(),
            body,
        };
        Ok(vec![
            locals(&["What the variables turn on."], conditions),
            locals(
                &[
                    "The statements of the role's policy, each with what turns it on. A comment says who needs it: a file of",
                    "the function's source, or a service.",
                ],
                vec![Part::argument("grants", Expression::List(statements))],
            ),
        ])
    }

    fn grant(&self, node: &Node) -> Result<Item, Error> {
        let (when, statement) = if node.tag.as_deref() == Some("!If") {
            let [condition, statement, otherwise] = node.items()? else {
                return Err(node.error("!If takes a condition and two values"));
            };
            if self.line(otherwise)? != NOTHING {
                return Err(otherwise.error("a statement that is not there must be AWS::NoValue"));
            }
            (self.named_condition(condition)?, statement)
        } else {
            ("true".to_owned(), node)
        };
        statement.has_only(
            "a statement",
            &["Sid", "Effect", "Action", "Resource", "Condition"],
        )?;
        for key in ["Sid", "Effect", "Action", "Resource"] {
            statement.get(key)?;
        }
        let Expression::Object(mut members) = self.expression(statement)? else {
            return Err(statement.error("a statement is expected here"));
        };
        let own = members
            .first_mut()
            .map(|first| std::mem::take(&mut first.comments));
        let mut comments = own.unwrap_or_default();
        if !std::ptr::eq(node, statement) {
            comments = [node.comments.as_slice(), &comments].concat();
        }
        let member = |name: &str, value| Member {
            comments: Vec::new(),
            name: name.to_owned(),
            value,
        };
        Ok(Item {
            comments,
            value: Expression::Object(vec![
                member("when", Expression::Raw(when)),
                member("statement", Expression::Object(members)),
            ]),
        })
    }

    /// `resources.tf`.
    fn resources(&self) -> Result<Vec<Part>, Error> {
        let mut parts = Vec::new();
        for resource in &self.resources {
            self.resource(resource, &mut parts)?;
        }
        Ok(parts)
    }

    fn resource(&self, resource: &Resource<'_>, to: &mut Vec<Part>) -> Result<(), Error> {
        let Resource {
            name, kind, node, ..
        } = *resource;
        let mut inside: Vec<String> = Vec::new();
        for (comments, _) in node.commented()? {
            inside.extend(comments);
        }
        let mut arguments: Vec<Part> = Vec::new();
        for (argument, value) in kind.added {
            arguments.push(Part::argument(
                *argument,
                Expression::Raw((*value).to_owned()),
            ));
        }
        let mut blocks = Vec::new();
        let mut after_blocks = Vec::new();
        let mut after = Vec::new();
        for (comments, Pair { key, value }) in node.get("Properties")?.commented()? {
            let property = key.text()?;
            let Some((_, into)) = kind.properties.iter().find(|(known, _)| *known == property)
            else {
                return Err(key.error(format!(
                    "{name}: the property {property} of {} is not known",
                    kind.cloudformation
                )));
            };
            let argument = |name: &str, value: Expression| {
                Part::Argument(Member {
                    comments: comments.clone(),
                    name: name.to_owned(),
                    value,
                })
            };
            match into {
                To::Argument(terraform) => {
                    arguments.push(argument(terraform, self.expression(value)?));
                }
                To::Json(terraform) => {
                    let object = Box::new(self.expression(value)?);
                    arguments.push(argument(terraform, Expression::Call("jsonencode", object)));
                }
                To::Map(terraform) => arguments.push(argument(terraform, self.map(value)?)),
                To::Block(header, known) => blocks.push(Part::Block {
                    comments: comments.clone(),
                    header: (*header).to_owned(),
                    body: self.block(property, value, known)?,
                }),
                To::Code => {
                    arguments.extend(self.code(value)?);
                    after_blocks.push(self.after_the_grants()?);
                    after_blocks.push(one_place_of_the_code());
                }
                To::Policies => after.push(policy_of(name, &resource.address(), value)?),
            }
        }
        match arguments.first_mut() {
            Some(Part::Argument(first)) => {
                first.comments = [inside, std::mem::take(&mut first.comments)].concat();
            }
            _ if inside.is_empty() => {}
            _ => arguments.insert(0, Part::Comments(inside)),
        }
        arguments.extend(blocks);
        arguments.extend(after_blocks);
        to.push(Part::Block {
            comments: resource.comments.clone(),
            header: format!("resource \"{}\" \"{}\"", kind.terraform, snake(name)),
            body: arguments,
        });
        to.extend(after);
        Ok(())
    }

    /// CloudFormation makes a role with its policies, and then what uses it.
    fn after_the_grants(&self) -> Result<Part, Error> {
        let mut policies = Vec::new();
        for resource in &self.resources {
            if resource.node.get("Properties")?.find("Policies")?.is_some() {
                policies.push(Item {
                    comments: Vec::new(),
                    value: Expression::Raw(format!("aws_iam_role_policy.{}", snake(resource.name))),
                });
            }
        }
        Ok(Part::argument("depends_on", Expression::List(policies)))
    }

    /// A list of `Name` and `Value`.
    fn map(&self, node: &Node) -> Result<Expression, Error> {
        let mut members = Vec::new();
        for item in node.items()? {
            item.has_only("a name and its value", &["Name", "Value"])?;
            members.push(Member {
                comments: item.comments.clone(),
                name: hcl::name(item.get("Name")?.text()?),
                value: self.expression(item.get("Value")?)?,
            });
        }
        Ok(Expression::Object(members))
    }

    fn block(
        &self,
        property: &str,
        node: &Node,
        known: &[(&str, &str)],
    ) -> Result<Vec<Part>, Error> {
        let mut body = Vec::new();
        for (comments, Pair { key, value }) in node.commented()? {
            let inner = key.text()?;
            let Some((_, argument)) = known.iter().find(|(name, _)| *name == inner) else {
                return Err(key.error(format!("{property}: {inner} is not known")));
            };
            body.push(Part::Argument(Member {
                comments,
                name: (*argument).to_owned(),
                value: self.expression(value)?,
            }));
        }
        Ok(body)
    }

    /// The zip: a file, or what the template says.
    fn code(&self, node: &Node) -> Result<Vec<Part>, Error> {
        node.has_only("Code", &["S3Bucket", "S3Key"])?;
        let unless_path = |argument: &str, value: String| {
            let value = Expression::Raw(format!("var.zip_path == null ? {value} : null"));
            Part::argument(argument, value)
        };
        Ok(vec![
            Part::argument("filename", Expression::Raw("var.zip_path".to_owned())),
            Part::argument(
                "source_code_hash",
                Expression::Raw(
                    "var.zip_path == null ? null : filebase64sha256(var.zip_path)".to_owned(),
                ),
            ),
            unless_path("s3_bucket", self.line(node.get("S3Bucket")?)?),
            unless_path("s3_key", format!("({})", self.line(node.get("S3Key")?)?)),
        ])
    }

    /// `outputs.tf`, and its table.
    fn outputs(&self) -> Result<(Vec<Part>, String), Error> {
        let mut blocks = Vec::new();
        let mut table = "| name | |\n|---|---|\n".to_owned();
        for Pair { key, value } in self.outputs {
            let name = key.text()?;
            value.has_only(name, &["Description", "Value"])?;
            let description = value.get("Description")?.text()?;
            blocks.push(Part::block(
                format!("output \"{}\"", snake(name)),
                vec![
                    Part::argument("description", hcl::text(description)),
                    Part::argument("value", self.expression(value.get("Value")?)?),
                ],
            ));
            table.push_str(&format!("| `{}` | {} |\n", snake(name), cell(description)));
        }
        Ok((blocks, table))
    }
}

/// How tightly operators bind.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Binding {
    Or,
    And,
    Comparison,
    Name,
}

impl Binding {
    /// `text`, which is bound like this, as part of what is bound like `outer`.
    fn within(self, outer: Binding, text: String) -> String {
        if self > outer || self == Binding::Name {
            text
        } else {
            format!("({text})")
        }
    }
}

/// The name and the statements of a role's only policy.
fn policy(policies: &Node) -> Result<(&str, &Node), Error> {
    let [only] = policies.items()? else {
        return Err(policies.error("one policy is expected here"));
    };
    only.has_only("a policy", &["PolicyName", "PolicyDocument"])?;
    let document = only.get("PolicyDocument")?;
    document.has_only("a policy", &["Version", "Statement"])?;
    let version = document.get("Version")?;
    if version.text()? != POLICY_VERSION {
        return Err(version.error(format!("only the version {POLICY_VERSION} is known")));
    }
    Ok((only.get("PolicyName")?.text()?, document.get("Statement")?))
}

const POLICY_VERSION: &str = "2012-10-17";

/// The policy as a resource of its own.
fn policy_of(role: &str, address: &str, policies: &Node) -> Result<Part, Error> {
    let (name, _) = policy(policies)?;
    let member = |name: &str, value| Member {
        comments: Vec::new(),
        name: name.to_owned(),
        value,
    };
    let statements = "[for grant in local.grants : grant.statement if grant.when]";
    let document = Expression::Object(vec![
        member("Version", hcl::text(POLICY_VERSION)),
        member("Statement", Expression::Raw(statements.to_owned())),
    ]);
    Ok(Part::block(
        format!("resource \"aws_iam_role_policy\" \"{}\"", snake(role)),
        vec![
            Part::argument("name", hcl::text(name)),
            Part::argument("role", Expression::Raw(format!("{address}.id"))),
            Part::argument("policy", Expression::Call("jsonencode", Box::new(document))),
        ],
    ))
}

/// Either is enough, and with both nobody knows which is meant.
fn one_place_of_the_code() -> Part {
    Part::block(
        "lifecycle",
        vec![Part::block(
            "precondition",
            vec![
                Part::argument(
                    "condition",
                    Expression::Raw(
                        "(var.zip_path == null) != (var.code_bucket == null)".to_owned(),
                    ),
                ),
                Part::argument(
                    "error_message",
                    hcl::text(
                        "Set zip_path or code_bucket, and not both: it says where the function's zip is.",
                    ),
                ),
            ],
        )],
    )
}

/// Whether a value is left out, always or under a condition.
fn may_be_nothing(node: &Node) -> Result<bool, Error> {
    match node.tag.as_deref() {
        Some("!Ref") => Ok(node.scalar()? == "AWS::NoValue"),
        Some("!If") => {
            let mut is = false;
            for one in node.items()?.iter().skip(1) {
                is |= may_be_nothing(one)?;
            }
            Ok(is)
        }
        _ => Ok(false),
    }
}

/// A template as it is best written: as lines where `node` has lines.
fn written(node: &Node, template: &str) -> Expression {
    match &node.value {
        Value::Scalar {
            style: Style::Literal,
            ..
        } if template.ends_with('\n') => Expression::Lines(template.to_owned()),
        _ => unwrapped(template),
    }
}

/// `"${x}"` is written `x`.
fn unwrapped(template: &str) -> Expression {
    match template
        .strip_prefix("${")
        .and_then(|rest| rest.strip_suffix('}'))
    {
        Some(inner) if !inner.contains(['{', '}']) => Expression::Raw(inner.to_owned()),
        _ => hcl::quoted(template),
    }
}

/// Text in a cell of a table.
fn cell(text: &str) -> String {
    text.replace('|', "\\|").replace('*', "\\*")
}

/// `TaskRoleArns` is `task_role_arns`.
fn snake(name: &str) -> String {
    let letters: Vec<char> = name.chars().collect();
    let mut snake = String::new();
    for (index, letter) in letters.iter().enumerate() {
        let follows_small = index > 0 && !letters[index - 1].is_ascii_uppercase();
        let ends_acronym =
            index > 0 && letters.get(index + 1).is_some_and(char::is_ascii_lowercase);
        if letter.is_ascii_uppercase() && (follows_small || ends_acronym) {
            snake.push('_');
        }
        snake.push(letter.to_ascii_lowercase());
    }
    snake
}

#[cfg(test)]
mod tests;
