//! Where in a document the actions of pipelines stand.

use crate::Refusal;
use crate::document::Document;
use crate::node::{Found, Node, Value};

/// What the document is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// What `aws codepipeline get-pipeline` prints, or the pipeline in it.
    Pipeline,
    /// A CloudFormation template.
    Template,
}

/// A pipeline of the document.
pub(crate) struct Pipeline<'a> {
    /// Its logical id, or its name.
    pub(crate) name: String,
    /// The pipeline's own members: `Properties`, or what is under `pipeline`.
    pub(crate) properties: &'a Node,
    pub(crate) actions: Vec<Place<'a>>,
}

/// An action, and where it was found.
pub(crate) struct Place<'a> {
    pub(crate) stage: String,
    pub(crate) action: &'a Node,
    /// It stands in a part that an alias uses a second time.
    pub(crate) is_shared: bool,
    /// Where the pipeline is.
    pub(crate) home: Home,
}

/// The Region of a pipeline.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Home {
    /// Not said; but all its actions are in it. A pipeline with an action elsewhere must have
    /// `artifactStores`, and one that has those has no `artifactStore`.
    /// <https://docs.aws.amazon.com/codepipeline/latest/userguide/pipeline-requirements.html>
    OfAllActions,
    Named(String),
    Unknown,
}

impl Home {
    /// Whether an action's `Region` is where the pipeline is, too.
    pub(crate) fn is(&self, region: &Node) -> bool {
        let is_own = matches!(region.function(), Some(("Ref", name)) if name.argument_text() == Some("AWS::Region"));
        match self {
            _ if is_own => true,
            Home::OfAllActions => true,
            Home::Named(home) => region.text() == Some(home),
            Home::Unknown => false,
        }
    }
}

/// The names of a document's members: a template's begin with capitals.
impl Kind {
    pub(crate) fn name(self, capitalised: &str) -> String {
        let mut letters = capitalised.chars();
        match (self, letters.next()) {
            (Kind::Pipeline, Some(first)) => first.to_lowercase().chain(letters).collect(),
            (Kind::Template, _) | (_, None) => capitalised.to_owned(),
        }
    }
}

/// What kind of document it is, and its pipelines.
pub(crate) fn pipelines<'a>(
    document: &'a Document<'_>,
) -> Result<(Kind, Vec<Pipeline<'a>>), Refusal> {
    let root = &document.root;
    let inner = root.get("pipeline");
    let inner = inner.filter(|pipeline| pipeline.get("stages").is_some());
    if let Some(pipeline) = inner.or(root.get("stages").and(Some(root))) {
        let name = pipeline.get("name").and_then(Node::text).unwrap_or("?");
        let found = pipeline_of(
            document,
            Kind::Pipeline,
            name,
            pipeline,
            document.is_shared(root),
        );
        return Ok((Kind::Pipeline, vec![found]));
    }
    let all = root.get("Resources");
    let Some(resources) = all.and_then(Node::pairs) else {
        let text = "this is neither what get-pipeline prints ('pipeline' or 'stages' at the top) nor a CloudFormation template ('Resources')";
        return Err(Refusal::at(1, 1, text.to_owned()));
    };
    let is_pipeline = |resource: &Node| {
        resource.get("Type").and_then(Node::text) == Some("AWS::CodePipeline::Pipeline")
    };
    let found = resources.iter().filter(|pair| is_pipeline(&pair.value));
    let found = found.filter_map(|pair| {
        let name = pair.key.text()?;
        let properties = pair.value.get("Properties")?;
        let above = [Some(root), all, Some(&pair.value)];
        let is_shared = above
            .into_iter()
            .flatten()
            .any(|node| document.is_shared(node));
        Some(pipeline_of(
            document,
            Kind::Template,
            name,
            properties,
            is_shared,
        ))
    });
    Ok((Kind::Template, found.collect()))
}

fn pipeline_of<'a>(
    document: &Document<'_>,
    kind: Kind,
    name: &str,
    properties: &'a Node,
    is_shared: bool,
) -> Pipeline<'a> {
    let mut actions = Vec::new();
    let is_shared = is_shared || document.is_shared(properties);
    let home = home(document, kind, properties);
    let stages = properties.get(&kind.name("Stages"));
    let mut all = Vec::new();
    if let Some(stages) = stages {
        each(document, stages, is_shared, &mut all);
    }
    for (stage, is_shared) in all {
        let stage_name = stage
            .get(&kind.name("Name"))
            .and_then(Node::text)
            .unwrap_or("?");
        let Some(listed) = stage.get(&kind.name("Actions")) else {
            continue;
        };
        let mut found = Vec::new();
        each(document, listed, is_shared, &mut found);
        actions.extend(found.into_iter().map(|(action, is_shared)| Place {
            stage: stage_name.to_owned(),
            action,
            is_shared,
            home: home.clone(),
        }));
    }
    Pipeline {
        name: name.to_owned(),
        properties,
        actions,
    }
}

fn home(document: &Document<'_>, kind: Kind, properties: &Node) -> Home {
    let arn = document
        .root
        .get("metadata")
        .and_then(|all| all.get("pipelineArn"));
    let region = arn
        .and_then(Node::text)
        .and_then(|arn| arn.split(':').nth(3));
    let has = |name: &str| !matches!(properties.find(&kind.name(name)), Found::Nothing);
    match region {
        Some(region) if kind == Kind::Pipeline => Home::Named(region.to_owned()),
        _ if has("ArtifactStore") && !has("ArtifactStores") => Home::OfAllActions,
        _ => Home::Unknown,
    }
}

/// The mappings of a list, through `Fn::If` wherever that stands.
fn each<'a>(
    document: &Document<'_>,
    node: &'a Node,
    is_shared: bool,
    found: &mut Vec<(&'a Node, bool)>,
) {
    let is_shared = is_shared || document.is_shared(node);
    if let Some(("If", argument)) = node.function() {
        let is_shared = is_shared || document.is_shared(argument);
        for branch in argument.arguments().iter().skip(1) {
            each(document, branch, is_shared, found);
        }
    } else if let Some(items) = node.items() {
        for item in items {
            each(document, item, is_shared, found);
        }
    } else if node.pairs().is_some() {
        found.push((node, is_shared));
    }
}

/// Action types of ECS's that stand where no action was found: behind a macro, an alias, or a
/// function that this does not follow.
pub(crate) fn elsewhere<'a>(root: &'a Node, found: &[&Pipeline<'a>]) -> Vec<(&'a Node, String)> {
    let mut known = std::collections::BTreeSet::new();
    for place in found.iter().flat_map(|pipeline| &pipeline.actions) {
        // Only what an action itself has: what is nested deeper was not looked at.
        for pair in place.action.pairs().unwrap_or_default() {
            known.insert(pair.value.id);
        }
    }
    let mut rest = Vec::new();
    root.walk(&mut |node| {
        if known.contains(&node.id) || !matches!(node.value, Value::Mapping { .. }) {
            return;
        }
        for (category, provider) in [("Category", "Provider"), ("category", "provider")] {
            let named = node.get(provider).and_then(Node::text);
            if let (Some(_), Some(named @ ("ECS" | "CodeDeployToECS"))) =
                (node.get(category), named)
            {
                rest.push((node, named.to_owned()));
            }
        }
    });
    rest
}
