//! What was done, what was not, and what else is to do, for people.

use std::collections::BTreeMap;
use std::fmt;

use crate::Replacement;
use crate::action::{Left, Provider};
use crate::document::{Document, Language};
use crate::edit::{Editor, Functions};
use crate::node::Node;
use crate::parameter::{Given, Parameter};
use crate::permissions::{Role, Roles, role_named_by};
use crate::place::{Kind, Pipeline};

/// What CodePipeline's documentation has the pipeline's role need for the built-in action.
/// <https://docs.aws.amazon.com/codepipeline/latest/userguide/action-reference-ECS.html>
const BUILT_IN: &str = "ecs:DescribeServices, ecs:DescribeTaskDefinition, ecs:RegisterTaskDefinition, ecs:TagResource, ecs:UpdateService, in older policies ecs:DescribeTasks and ecs:ListTasks besides, and iam:PassRole on the tasks' roles to ecs-tasks.amazonaws.com and ecs.amazonaws.com";

/// What was replaced, what was left, which permissions move.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Report {
    /// How many actions were replaced.
    pub replaced: usize,
    /// How many ECS actions were left as they are.
    pub left: usize,
    text: String,
}

impl fmt::Display for Report {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.text)
    }
}

struct Writer<'a> {
    document: &'a Document<'a>,
    kind: Kind,
    editor: &'a Editor<'a>,
    text: String,
}

impl Report {
    pub(crate) fn of(
        document: &Document<'_>,
        kind: Kind,
        pipelines: &[Pipeline<'_>],
        done: &[Replacement<'_>],
        left: &[(String, Left)],
        editor: &Editor<'_>,
    ) -> Report {
        let mut writer = Writer {
            document,
            kind,
            editor,
            text: String::new(),
        };
        writer.replaced(pipelines, done);
        writer.left(left);
        if !done.is_empty() {
            writer.metadata();
            writer.values(done);
            writer.permissions(pipelines, done, left);
        }
        let is_ours = |(_, one): &&(String, Left)| one.provider == Provider::Ecs;
        Report {
            replaced: done.len(),
            left: left.iter().filter(is_ours).count(),
            text: writer.text,
        }
    }
}

impl Writer<'_> {
    fn line(&mut self, text: &str) {
        self.text += text;
        self.text.push('\n');
    }

    fn replaced(&mut self, pipelines: &[Pipeline<'_>], done: &[Replacement<'_>]) {
        if done.is_empty() {
            self.line("There is no ECS action to replace: the document is as it was.");
            return;
        }
        self.line(&format!("Replaced ({}):", done.len()));
        for one in done {
            let (first, last) = one
                .edits
                .iter()
                .fold((usize::MAX, 0), |(first, last), edit| {
                    (first.min(edit.range.start), last.max(edit.range.end))
                });
            let last = self.document.text[..last].trim_end().len().max(first + 1) - 1;
            let lines = (self.document.line(first), self.document.line(last));
            let places = match lines {
                (first, last) if first == last => format!("line {first}"),
                (first, last) => format!("lines {first} to {last}"),
            };
            let target: Vec<String> = one
                .action
                .parameters
                .iter()
                .map(|given| self.shown(given))
                .collect();
            self.line(&format!(
                "  {places}: {}, {}/{}: {}",
                pipelines[one.pipeline].name,
                one.place.stage,
                one.action.name,
                target.join(", ")
            ));
        }
    }

    /// A parameter in one line.
    fn shown(&self, one: &Parameter<'_>) -> String {
        let value = match &one.given {
            Given::Literal(text) | Given::Inline(text) => text.clone(),
            Given::Variable => {
                let source = self.document.source(&one.pair.value);
                source.split_whitespace().collect::<Vec<_>>().join(" ")
            }
        };
        format!("{} {}", one.name, printable(&value))
    }

    fn left(&mut self, left: &[(String, Left)]) {
        if left.is_empty() {
            return;
        }
        self.line(&format!("Left as they are ({}):", left.len()));
        for (stage, one) in left {
            let line = self.document.line(one.at);
            self.line(&format!(
                "  line {line}: {stage}/{}: {}",
                one.name,
                printable(&one.why)
            ));
        }
    }

    fn metadata(&mut self) {
        if let Some(metadata) = self.document.root.get("metadata")
            && self.kind == Kind::Pipeline
        {
            let line = self.document.line(metadata.span.start);
            self.line(&format!(
                "Remove metadata (line {line}) before aws codepipeline update-pipeline, which does not take it: --cli-input-json and --cli-input-yaml read the rest."
            ));
        }
    }

    fn values(&mut self, done: &[Replacement<'_>]) {
        let has_functions = done.iter().any(|one| one.action.has_functions());
        if has_functions {
            self.line("Values of parameters and resources are put into the JSON of UserParameters as they are: none may have a quotation mark or a backslash in it.");
        }
        let moved = |name: &str| -> Vec<String> {
            let all = done.iter().flat_map(|one| {
                let given = one
                    .action
                    .parameters
                    .iter()
                    .filter(move |given| given.name == name);
                given.map(move |given| (one, given))
            });
            all.map(|(one, given)| {
                format!(
                    "{}/{} ({})",
                    one.place.stage,
                    one.action.name,
                    self.shown(given)
                )
            })
            .collect()
        };
        let (roles, regions) = (moved("RoleArn"), moved("Region"));
        if !roles.is_empty() {
            self.line(&format!(
                "RoleArn moved into UserParameters: {}.",
                roles.join("; ")
            ));
            self.line("  With the action it would say who invokes the function; in UserParameters it says, as before, who deploys.");
            self.line("  The function's role must be let in: DeployRoleArns of the function's stack, and the trust policy of that role. What that role needs is in examples/deploy-role.yaml.");
            self.line("  If the role is of the function's own account, RoleArn can go from UserParameters: then the function's own role deploys.");
            self.line("  The pipeline's own role reads the artifact now. It no longer needs sts:AssumeRole on these roles, unless other actions have them.");
        }
        if !regions.is_empty() {
            self.line(&format!(
                "Region moved into UserParameters: {}.",
                regions.join("; ")
            ));
            self.line("  With the action it would say where the function is; in UserParameters it says, as before, where the service is.");
            self.line("  The function is invoked in the pipeline's Region and reads the artifact there. The artifact store of the other Region is needed only if other actions are in it. template.yaml grants the function its own Region: elsewhere it needs a RoleArn (examples/deploy-role.yaml).");
        }
    }

    fn permissions(
        &mut self,
        pipelines: &[Pipeline<'_>],
        done: &[Replacement<'_>],
        left: &[(String, Left)],
    ) {
        let role_name = self.kind.name("RoleArn");
        let mut roles = Roles::of(self.document);
        let mut holders: BTreeMap<String, Vec<&str>> = BTreeMap::new();
        let mut is_elsewhere = false;
        let mut numbers: Vec<usize> = done.iter().map(|one| one.pipeline).collect();
        numbers.dedup();
        for pipeline in numbers.into_iter().map(|number| &pipelines[number]) {
            let named = pipeline.properties.get(&role_name).and_then(role_named_by);
            match named {
                Some(name) => holders.entry(name).or_default().push(&pipeline.name),
                None => is_elsewhere = true,
            }
        }
        let has_role = |one: &Replacement<'_>| {
            one.action
                .parameters
                .iter()
                .any(|given| given.name == "RoleArn")
        };
        self.line("");
        self.line("Permissions that move from the pipeline's role to the function's:");
        if done.iter().all(has_role) {
            self.line("  None: these actions have roles of their own (RoleArn).");
            holders.clear();
            is_elsewhere = false;
        }
        for name in holders.keys() {
            match roles.find(name) {
                Some(role) => self.statements(&role),
                None => is_elsewhere = true,
            }
        }
        if is_elsewhere {
            self.line(&format!("  {BUILT_IN}."));
        }
        if !left.is_empty() {
            self.line("  They may be needed by another action: not all were replaced.");
        }
        let mut acting: Vec<String> = done
            .iter()
            .flat_map(|one| &one.action.parameters)
            .filter(|one| one.name == "RoleArn")
            .filter_map(|one| role_named_by(&one.pair.value))
            .collect();
        acting.sort_unstable();
        acting.dedup();
        for role in acting.iter().filter_map(|name| roles.find(name)) {
            self.line(&format!(
                "  {} (line {}) deploys as before, if its trust policy lets the function's role in, and keeps its statements.",
                role.logical_id, role.line
            ));
        }
        self.line("What the pipeline's role needs instead:");
        let statement = self.statement(pipelines);
        self.line(&statement);
        self.function_role(done);
    }

    fn statements(&mut self, role: &Role) {
        if role.statements.is_empty() {
            self.line(&format!(
                "  {} (line {}) has none of them in this template: {BUILT_IN}.",
                role.logical_id, role.line
            ));
        }
        for one in &role.statements {
            let sid = one
                .sid
                .as_ref()
                .map_or(String::new(), |sid| format!(", Sid {sid}"));
            let actions = if one.actions.is_empty() {
                String::new()
            } else {
                format!(": {}", one.actions.join(", "))
            };
            let others = if one.has_others {
                "; what else the statement allows stays"
            } else {
                ""
            };
            self.line(&printable(&format!(
                "  line {}: {}, {}{sid}{actions}{others}",
                one.line, role.logical_id, one.policy
            )));
        }
        let passes = role
            .statements
            .iter()
            .flat_map(|one| &one.actions)
            .any(|one| {
                let one = one.to_ascii_lowercase();
                one.starts_with("iam:") || one == "*"
            });
        if passes {
            self.line("  Of iam:PassRole that is what goes to ecs-tasks.amazonaws.com and ecs.amazonaws.com; other actions may pass roles to other services.");
        }
    }

    /// The statement to add, in the document's language.
    fn statement(&self, pipelines: &[Pipeline<'_>]) -> String {
        let function = self.editor.function;
        let arn = match self.kind {
            Kind::Template => format!(
                "arn:${{AWS::Partition}}:lambda:${{AWS::Region}}:${{AWS::AccountId}}:function:{function}"
            ),
            Kind::Pipeline => {
                let (partition, region, account) = self.whereabouts(pipelines);
                format!("arn:{partition}:lambda:{region}:{account}:function:{function}")
            }
        };
        let is_template = self.kind == Kind::Template;
        if self.document.language == Language::Yaml {
            let resource = match (is_template, self.editor.functions) {
                (false, _) => format!("  Resource: {arn}"),
                (true, Functions::Short) => format!("  Resource: !Sub {arn}"),
                (true, Functions::Long) => format!("  Resource:\n    Fn::Sub: {arn}"),
            };
            return format!(
                "- Effect: Allow\n  Action: lambda:InvokeFunction\n{resource}\n- Effect: Allow\n  Action: lambda:ListFunctions\n  Resource: \"*\""
            );
        }
        let resource = if is_template {
            format!("{{\"Fn::Sub\": \"{arn}\"}}")
        } else {
            format!("\"{arn}\"")
        };
        format!(
            "{{\"Effect\": \"Allow\", \"Action\": \"lambda:InvokeFunction\", \"Resource\": {resource}}},\n{{\"Effect\": \"Allow\", \"Action\": \"lambda:ListFunctions\", \"Resource\": \"*\"}}"
        )
    }

    /// Partition, Region and account of a pipeline, as far as its document says them.
    fn whereabouts(&self, pipelines: &[Pipeline<'_>]) -> (String, String, String) {
        let pipeline = self.document.root.get("metadata");
        let pipeline = pipeline.and_then(|all| all.get("pipelineArn"));
        let role = pipelines
            .first()
            .and_then(|all| all.properties.get("roleArn"));
        let parts = |node: Option<&Node>| -> Vec<String> {
            let text = node.and_then(Node::text).unwrap_or_default();
            text.splitn(6, ':').map(str::to_owned).collect()
        };
        let (of_pipeline, of_role) = (parts(pipeline), parts(role));
        let part = |number: usize, unknown: &str| {
            let mut known = [&of_pipeline, &of_role]
                .into_iter()
                .filter_map(|parts| parts.get(number));
            let is_plain = |part: &&String| {
                !part.is_empty()
                    && part
                        .chars()
                        .all(|one| one.is_ascii_alphanumeric() || one == '-')
            };
            known
                .find(is_plain)
                .map_or_else(|| unknown.to_owned(), Clone::clone)
        };
        (part(1, "aws"), part(3, "REGION"), part(4, "ACCOUNT"))
    }

    /// How the function's role comes to what it needs.
    fn function_role(&mut self, done: &[Replacement<'_>]) {
        let own: Vec<&Replacement<'_>> = done
            .iter()
            .filter(|one| {
                one.action
                    .parameters
                    .iter()
                    .all(|given| given.name != "RoleArn")
            })
            .collect();
        let deploys_itself = !own.is_empty();
        let mut overrides = vec!["TaskRoleArns=EXECUTION_ROLE_ARN,TASK_ROLE_ARN".to_owned()];
        let mut open = Vec::new();
        for name in ["ClusterName", "ServiceName"] {
            match only(&own, name) {
                Only::Literal(value) => overrides.push(format!("{name}={value}")),
                Only::Unknown => open.push(name),
                Only::Several => {}
            }
        }
        if self.editor.function != "ecs-deploy-action" {
            overrides.push(format!("FunctionName={}", self.editor.function));
        }
        if deploys_itself {
            self.line("The function's role gets what the parameters of its stack say (template.yaml); install it in the pipeline's Region:");
            self.line(&format!(
                "  aws cloudformation deploy --stack-name ecs-deploy-action --template-file template.yaml --capabilities CAPABILITY_IAM --parameter-overrides CodeBucket=BUCKET {}",
                overrides.join(" ")
            ));
            self.line("  TaskRoleArns: the roles that the task definitions name; TaskDefinitionFamily narrows it further.");
        }
        if !open.is_empty() && deploys_itself {
            self.line(&format!(
                "  {} can be narrowed, too, to what the document does not write out.",
                open.join(" and ")
            ));
        }
    }
}

/// The value that all have, as far as it is one that the stack's parameter takes.
fn only(done: &[&Replacement<'_>], name: &str) -> Only {
    let all = done.iter().flat_map(|one| &one.action.parameters);
    let mut all = all
        .filter(|one| one.name == name)
        .map(|one| match &one.given {
            Given::Literal(text) => Some(text.as_str()),
            Given::Inline(_) | Given::Variable => None,
        });
    let Some(first) = all.next() else {
        return Only::Several;
    };
    if all.any(|one| one != first) {
        return Only::Several;
    }
    let is_name = |text: &&str| {
        text.chars()
            .all(|one| one.is_ascii_alphanumeric() || one == '-' || one == '_')
    };
    match first.filter(is_name) {
        Some(text) => Only::Literal(text.to_owned()),
        None => Only::Unknown,
    }
}

enum Only {
    Literal(String),
    /// Not written out.
    Unknown,
    /// More than one, for which the parameter has no form.
    Several,
}

/// What a terminal shows as it is, in one line and not too long.
fn printable(text: &str) -> String {
    const LONGEST: usize = 300;
    let shown = text
        .chars()
        .map(|one| if one.is_control() { ' ' } else { one });
    let mut shown: String = shown.take(LONGEST + 1).collect();
    if shown.chars().count() > LONGEST {
        shown.pop();
        shown.push('…');
    }
    shown
}
