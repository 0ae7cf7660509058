//! Which statements of a template's roles are for deploying to ECS.

use std::collections::BTreeMap;

use crate::document::Document;
use crate::node::{Node, Value};

/// A role of the template.
pub(crate) struct Role {
    pub(crate) logical_id: String,
    pub(crate) line: usize,
    pub(crate) statements: Vec<Statement>,
}

/// A statement, or a managed policy, that lets the role deploy to ECS.
pub(crate) struct Statement {
    pub(crate) line: usize,
    /// What of the template it is a part of.
    pub(crate) policy: String,
    pub(crate) sid: Option<String>,
    /// Those for ECS, as written.
    pub(crate) actions: Vec<String>,
    /// It allows other things, too.
    pub(crate) has_others: bool,
}

/// AWS's managed policies that let their holder deploy to ECS.
const MANAGED: [&str; 4] = [
    "AmazonECS_FullAccess",
    "AmazonEC2ContainerServiceFullAccess",
    "AdministratorAccess",
    "PowerUserAccess",
];

/// The resource that a `RoleArn` means, if it is one of the template.
pub(crate) fn role_named_by(node: &Node) -> Option<String> {
    let (name, argument) = node.function()?;
    let text = match name {
        "GetAtt" => argument.attribute()?,
        "Sub" => {
            let text = argument.argument_text()?;
            text.strip_prefix("${")?.strip_suffix('}')?.to_owned()
        }
        _ => return None,
    };
    text.strip_suffix(".Arn").map(str::to_owned)
}

/// Looks for the roles of one template.
pub(crate) struct Roles<'a> {
    document: &'a Document<'a>,
    anchors: BTreeMap<usize, &'a Node>,
    /// So many nodes are looked at, aliases followed; templates that have more are made to.
    budget: usize,
}

const NODE_BUDGET: usize = 1_000_000;

impl<'a> Roles<'a> {
    pub(crate) fn of(document: &'a Document<'_>) -> Roles<'a> {
        let mut anchors = BTreeMap::new();
        document.root.walk(&mut |node| {
            if let Some(anchor) = node.anchor {
                anchors.insert(anchor, node);
            }
        });
        Roles {
            document,
            anchors,
            budget: NODE_BUDGET,
        }
    }

    /// The role of that logical id, if the template has it.
    pub(crate) fn find(&mut self, logical_id: &str) -> Option<Role> {
        let document = self.document;
        let resources = document.root.get("Resources")?.pairs()?;
        let named = |pair: &&crate::node::Pair| pair.key.text() == Some(logical_id);
        let pair = resources.iter().find(named)?;
        if type_of(&pair.value) != "AWS::IAM::Role" {
            return None;
        }
        let mut role = Role {
            logical_id: logical_id.to_owned(),
            line: document.line(pair.key.span.start),
            statements: Vec::new(),
        };
        let properties = pair.value.get("Properties");
        for policy in self.list(properties.and_then(|all| all.get("Policies"))) {
            let name = policy
                .get("PolicyName")
                .map_or("?", |name| document.source(name));
            self.add(&mut role, policy, &format!("its policy {}", one_line(name)));
        }
        let mut attached = Vec::new();
        for managed in self.list(properties.and_then(|all| all.get("ManagedPolicyArns"))) {
            if let Some(("Ref", name)) = managed.function() {
                attached.extend(name.argument_text());
            }
            let text = document.source(managed);
            if let Some(name) = MANAGED.iter().find(|name| text.contains(**name)) {
                role.statements.push(Statement {
                    line: document.line(managed.span.start),
                    policy: format!("AWS's policy {name}"),
                    sid: None,
                    actions: Vec::new(),
                    has_others: false,
                });
            }
        }
        for resource in resources {
            let kind = match type_of(&resource.value) {
                "AWS::IAM::Policy" => "Policy",
                "AWS::IAM::RolePolicy" => "RolePolicy",
                "AWS::IAM::ManagedPolicy" => "ManagedPolicy",
                _ => continue,
            };
            let (Some(name), Some(properties)) =
                (resource.key.text(), resource.value.get("Properties"))
            else {
                continue;
            };
            let holders = properties.get("Roles").or(properties.get("RoleName"));
            let is_held = holders.is_some_and(|holders| {
                holders.any(|node| {
                    matches!(node.function(), Some(("Ref", role)) if role.argument_text() == Some(logical_id))
                })
            });
            if is_held || attached.contains(&name) {
                self.add(&mut role, properties, &format!("the {kind} {name}"));
            }
        }
        Some(role)
    }

    fn add(&mut self, role: &mut Role, policy: &'a Node, name: &str) {
        let statements = policy
            .get("PolicyDocument")
            .and_then(|all| all.get("Statement"));
        for statement in self.list(statements) {
            if statement.get("Effect").and_then(Node::text) == Some("Deny") {
                continue;
            }
            let written = self.list(statement.get("Action"));
            let written = written.into_iter().filter_map(Node::text);
            let (actions, others): (Vec<&str>, Vec<&str>) =
                written.partition(|one| is_for_ecs(one));
            if !actions.is_empty() {
                role.statements.push(Statement {
                    line: self.document.line(statement.span.start),
                    policy: name.to_owned(),
                    sid: statement.get("Sid").and_then(Node::text).map(str::to_owned),
                    actions: actions.into_iter().map(str::to_owned).collect(),
                    has_others: !others.is_empty(),
                });
            }
        }
    }

    /// The items of a list or the one thing in its place, through `Fn::If` and aliases.
    fn list(&mut self, node: Option<&'a Node>) -> Vec<&'a Node> {
        let mut found = Vec::new();
        if let Some(node) = node {
            self.collect(node, 0, &mut found);
        }
        found
    }

    fn collect(&mut self, node: &'a Node, aliases: usize, found: &mut Vec<&'a Node>) {
        if self.budget == 0 {
            return;
        }
        self.budget -= 1;
        if let Value::Alias(anchor) = node.value {
            let target = self.anchors.get(&anchor).copied();
            if let Some(target) = target.filter(|_| aliases < ALIAS_LIMIT) {
                self.collect(target, aliases + 1, found);
            }
        } else if let Some(("If", argument)) = node.function() {
            for branch in argument.arguments().iter().skip(1) {
                self.collect(branch, aliases, found);
            }
        } else if let Some(items) = node.items() {
            for item in items {
                self.collect(item, aliases, found);
            }
        } else {
            found.push(node);
        }
    }
}

/// Aliases of aliases go no deeper in any template.
const ALIAS_LIMIT: usize = 4;

fn type_of(resource: &Node) -> &str {
    resource
        .get("Type")
        .and_then(Node::text)
        .unwrap_or_default()
}

fn one_line(source: &str) -> &str {
    if source.contains('\n') { "?" } else { source }
}

fn is_for_ecs(action: &str) -> bool {
    let action = action.to_ascii_lowercase();
    action.starts_with("ecs:")
        || ["*", "iam:*", "iam:pass*", "iam:passrole"].contains(&action.as_str())
}
