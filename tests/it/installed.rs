//! What documents, migration guide, templates and SAM's settings say of the installed function is one
//! and the same.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use regex_lite::Regex;
use serde_json::Value;

fn file(path: &str) -> String {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    std::fs::read_to_string(root.join(path)).unwrap()
}

/// What stands below `name:` at the beginning of a line, up to the next such line.
#[track_caller]
fn section<'a>(template: &'a str, name: &str) -> &'a str {
    let (_, rest) = template.split_once(&format!("\n{name}:\n")).unwrap();
    let end = Regex::new(r"\n[A-Za-z]").unwrap();
    end.find(rest).map_or(rest, |found| &rest[..found.start()])
}

/// The parts of `section` that begin with a name indented by two, by that name.
fn parts(section: &str) -> BTreeMap<String, String> {
    let name = Regex::new(r"^  ([A-Za-z]+):(.*)$").unwrap();
    let mut parts: BTreeMap<String, String> = BTreeMap::new();
    let mut current = String::new();
    for line in section.lines() {
        match name.captures(line) {
            Some(found) => {
                current = found[1].to_owned();
                parts.insert(current.clone(), found[2].to_owned());
            }
            None if current.is_empty() => {}
            None => {
                let part = parts.get_mut(&current).unwrap();
                part.push('\n');
                part.push_str(line.trim_end());
            }
        }
    }
    parts
}

/// The value behind `name:` in a part.
fn value<'a>(part: &'a str, name: &str) -> &'a str {
    let begin = format!("{name}: ");
    let line = part
        .lines()
        .find_map(|line| line.trim().strip_prefix(&begin));
    line.unwrap_or_default().trim_matches('"')
}

/// The statements of the policy `deploy` by their Sid, with the condition that grants them.
fn statements(template: &str) -> BTreeMap<String, String> {
    let (_, policy) = template
        .split_once("\n        - PolicyName: deploy\n")
        .unwrap();
    let (_, all) = policy.split_once("\n            Statement:\n").unwrap();
    let end = Regex::new(r"\n {0,10}[A-Za-z]").unwrap();
    let all = end.find(all).map_or(all, |found| &all[..found.start()]);
    let mut lines = all
        .lines()
        .filter(|line| !line.trim_start().starts_with('#'))
        .peekable();
    let mut statements = BTreeMap::new();
    while lines.next().is_some_and(|line| {
        let mut text = line.trim().to_owned();
        while let Some(line) = lines.next_if(|line| !line.starts_with("              - ")) {
            text.push('\n');
            text.push_str(line.trim());
        }
        let sid = Regex::new(r"Sid: ([A-Za-z]+)").unwrap();
        let sid = sid.captures(&text).unwrap()[1].to_owned();
        statements.insert(sid, text);
        true
    }) {}
    statements
}

/// What only the function's own role has: it logs, answers, and reads by hand where it is; and it is
/// the one that becomes the other role.
const OF_THE_FUNCTION_ONLY: [&str; 6] = [
    "WriteTheLog",
    "AnswerTheJob",
    "ReadArtifactsOfManualDeployments",
    "DecryptArtifactsOfManualDeployments",
    "AssumeTheRolesOfOtherAccounts",
    "TellTheEventBus",
];

#[test]
fn the_role_in_a_target_account_grants_what_the_functions_own_does() {
    let mut ours = statements(&file("template.yaml"));
    for sid in OF_THE_FUNCTION_ONLY {
        assert!(ours.remove(sid).is_some(), "{sid}");
    }
    let theirs = statements(&file("examples/deploy-role.yaml"));
    assert!(theirs.len() > 15, "{}", theirs.len());
    // The role is for all Regions, the function's own for the one that it is in.
    for (sid, statement) in &ours {
        let anywhere = statement.replace("${AWS::Region}", "*");
        assert_eq!(
            theirs.get(sid),
            Some(&anywhere),
            "{sid} of deploy-role.yaml"
        );
    }
    let more: Vec<&String> = theirs
        .keys()
        .filter(|sid| !ours.contains_key(*sid))
        .collect();
    assert!(more.is_empty(), "only in deploy-role.yaml: {more:?}");
}

#[test]
fn the_switches_of_both_roles_are_the_same_and_off_unless_asked_for() {
    let ours = file("template.yaml");
    let theirs = file("examples/deploy-role.yaml");
    let (own, other) = (section(&ours, "Parameters"), section(&theirs, "Parameters"));
    let (own, other) = (parts(own), parts(other));
    for (name, part) in &other {
        if ["FunctionRoleArn", "ExternalId", "RoleName"].contains(&name.as_str()) {
            continue;
        }
        for member in ["Type", "Default", "AllowedPattern", "AllowedValues"] {
            assert_eq!(value(&own[name], member), value(part, member), "{name}");
        }
    }
    let switches: BTreeSet<&String> = own
        .keys()
        .filter(|name| name.starts_with("Allow"))
        .collect();
    assert_eq!(switches.len(), 5, "{switches:?}");
    for name in switches {
        // What only looks needs nobody's word.
        let only_looks = name == "AllowVerifyDependencies";
        let default = if only_looks { "true" } else { "false" };
        assert_eq!(value(&own[name], "Default"), default, "{name}");
        assert!(other.contains_key(name), "{name}");
    }
    let (own, other) = (section(&ours, "Conditions"), section(&theirs, "Conditions"));
    let own = parts(own);
    for (name, condition) in parts(other) {
        if name != "HasRoleName" {
            assert_eq!(own[&name], condition, "{name}");
        }
    }
}

#[test]
fn the_role_that_the_examples_name_is_what_the_steps_of_its_template_make() {
    let template = file("examples/deploy-role.yaml");
    let made = parts(section(&template, "Resources"));
    assert_eq!(
        value(&made["Role"], "RoleName"),
        "!If [HasRoleName, !Ref RoleName, !Ref AWS::NoValue]"
    );
    let given = Regex::new(r"--parameter-overrides RoleName=(\S+)").unwrap();
    let name = given.captures(&template).unwrap()[1].to_owned();
    let arn = format!("arn:aws:iam::444455556666:role/{name}");
    for path in [
        "events/other-account.json",
        "examples/local/scenarios.rs",
        "examples/deploy-role.yaml",
    ] {
        assert!(file(path).contains(&arn), "{path}");
    }
    // In the action and in the trust policy it is the same.
    let event = file("events/other-account.json");
    let external_id = Regex::new(r"ExternalId=(\S+)").unwrap();
    let external_id = &external_id.captures(&template).unwrap()[1];
    let written = format!("\\\"ExternalId\\\": \\\"{external_id}\\\"");
    assert!(event.contains(&written), "{written}");
}

#[test]
fn what_verify_dependencies_is_granted_only_looks_and_no_secret_can_be_read_with_it() {
    let all = statements(&file("template.yaml"));
    let own = all.values();
    let own: Vec<&String> = own
        .filter(|one| one.starts_with("- !If\n- VerifiesDependencies\n"))
        .collect();
    let (forbids, own): (Vec<&String>, Vec<&String>) = own
        .into_iter()
        .partition(|one| one.contains("Effect: Deny"));
    let [forbids] = &forbids[..] else {
        unreachable!("{forbids:?}")
    };
    assert!(
        forbids.contains("Action: kms:Decrypt")
            && forbids.contains("kms:ViaService: !Sub \"ssm.*."),
        "{forbids}"
    );
    assert_eq!(own.len(), 4, "{own:?}");
    let action = Regex::new(r"\b[a-z]+:([A-Z][A-Za-z]+)\b").unwrap();
    let actions: BTreeSet<&str> = own
        .iter()
        .flat_map(|one| action.find_iter(one))
        .map(|found| found.as_str())
        .collect();
    assert_eq!(
        actions,
        BTreeSet::from([
            "cloudwatch:DescribeAlarms",
            "iam:GetRole",
            "logs:DescribeLogStreams",
            "secretsmanager:DescribeSecret",
            "ssm:GetParameters",
        ])
    );
    for path in ["template.yaml", "examples/deploy-role.yaml"] {
        for forbidden in ["GetSecretValue", "ssm:GetParameter\n", "kms:*"] {
            assert!(!file(path).contains(forbidden), "{path}: {forbidden}");
        }
    }
}

#[test]
fn every_parameter_of_a_template_is_used_and_stands_in_a_group_of_the_console() {
    for path in ["template.yaml", "examples/deploy-role.yaml"] {
        let template = file(path);
        let groups = section(&template, "Metadata").to_owned();
        for name in parts(section(&template, "Parameters")).keys() {
            let word = Regex::new(&format!(r"[\[ ]{name}[,\]]")).unwrap();
            assert!(word.is_match(&groups), "{path}: {name}");
            let uses = Regex::new(&format!(r"!Ref {name}\b|\$\{{{name}\}}")).unwrap();
            assert!(uses.is_match(&template), "{path}: {name}");
        }
    }
}

#[test]
fn services_are_set_to_revisions_of_the_family_and_only_tasks_of_our_own_are_stopped() {
    let all = statements(&file("template.yaml"));
    let of = |action: &str| -> Vec<&String> {
        let word = Regex::new(&format!(r"\b{action}\b")).unwrap();
        all.values().filter(|one| word.is_match(one)).collect()
    };
    let [update] = of("ecs:UpdateService")[..] else {
        unreachable!("one statement for it");
    };
    assert!(
        update.contains("ArnLike: {ecs:task-definition: !Sub \"arn:")
            && update.contains(":task-definition/${TaskDefinitionFamily}:*\"}"),
        "{update}"
    );
    let code = file("src/aws/ecs.rs");
    let tags = Regex::new(r#"(?:PRE|POST)_DEPLOY_TAG: &str = "([^"]+)""#).unwrap();
    let tags: Vec<&str> = tags
        .captures_iter(&code)
        .map(|found| found.get(1).unwrap().as_str())
        .collect();
    assert_eq!(tags.len(), 2);
    let stops = of("ecs:StopTask");
    assert_eq!(stops.len(), 2, "one statement for each kind of task");
    for tag in &tags {
        let condition = format!("StringLike: {{aws:ResourceTag/{tag}: \"?*\"}}");
        let of_tag = stops.iter().filter(|stop| stop.contains(&condition));
        assert_eq!(of_tag.count(), 1, "{tag}");
    }
    let tagging = &all["TagPreDeployTasks"];
    assert!(
        tagging.contains("ecs:CreateAction: RunTask")
            && tagging.contains(&format!("aws:TagKeys: [{}]", tags.join(", "))),
        "{tagging}"
    );
    for statement in [stops[0], stops[1], tagging, &all["RunPreDeployTasks"]] {
        assert!(
            statement.starts_with("- !If\n- HasPreDeployTasks\n"),
            "{statement}"
        );
    }
    // A tag that services pass on to their tasks would let those be stopped.
    assert!(!tags.contains(&ecs_deploy_action::deploy::task_definition::JOB_TAG));
}

#[test]
fn the_function_has_the_name_that_every_text_calls_it_by() {
    let template = file("template.yaml");
    let parameters = parts(section(&template, "Parameters"));
    let name = value(&parameters["FunctionName"], "Default");
    assert_eq!(name, "ecs-deploy-action");
    let function = parts(section(&template, "Resources"));
    assert_eq!(
        value(&function["Function"], "FunctionName"),
        "!Ref FunctionName"
    );
    assert_eq!(
        value(&function["LogGroup"], "LogGroupName"),
        "!Sub /aws/lambda/${FunctionName}"
    );
    let called = Regex::new(
        r#"(?:FunctionName"?: *"?|function_name *= *"|--function-name |:function:|, 'DeployFunction', ')([A-Za-z0-9_-]+)"#,
    )
    .unwrap();
    let mut places = 0;
    for path in [
        "README.md",
        "docs/by-hand.md",
        "docs/features.md",
        "docs/permissions.md",
        "examples/approval.yaml",
        "examples/migrate.md",
        "examples/migrate/cdk/deploy-stage.ts",
        "examples/migrate/terraform/deploy-stage.tf",
        "events/start.json",
    ] {
        for found in called.captures_iter(&file(path)) {
            assert_eq!(&found[1], name, "{path}: {}", &found[0]);
            places += 1;
        }
    }
    assert!(places >= 12, "{places}");
}

/// `sam deploy` installs what `sam build` made, and takes its parameters from nowhere else but the
/// command line and samconfig.toml: if both name another CPU, the function never starts.
#[test]
fn what_is_built_and_what_is_installed_are_for_the_same_cpu() {
    let config = file("samconfig.toml");
    let global = Regex::new(
        r#"\[default\.global\.parameters\]\nparameter_overrides = "Architecture=([a-z0-9_]+)""#,
    )
    .unwrap();
    let chosen = global.captures(&config).unwrap()[1].to_owned();
    assert_eq!(config.matches("Architecture=").count(), 1, "in one place");
    for path in ["template.yaml", "examples/pipeline.yaml"] {
        let template = file(path);
        let parameters = parts(section(&template, "Parameters"));
        assert_eq!(
            value(&parameters["Architecture"], "Default"),
            chosen,
            "{path}"
        );
    }
    assert!(file("template.yaml").contains("Architectures: [!Ref Architecture]"));
    assert!(file("examples/pipeline.yaml").contains("        Architecture: !Ref Architecture\n"));
    // Every command of the documents finds that file: SAM looks for it beside the template.
    let from_source = file("docs/from-source.md");
    let commands: Vec<&str> = from_source
        .lines()
        .filter(|line| line.starts_with("sam build") || line.starts_with("sam deploy"))
        .collect();
    assert!(commands.len() >= 4, "{commands:?}");
    for command in commands {
        assert!(!command.contains("Architecture="), "{command}");
        if let Some((_, path)) = command.split_once("--template ") {
            let depth = path.split(' ').next().unwrap().matches('/').count();
            let config = format!("--config-file {}samconfig.toml", "../".repeat(depth));
            assert!(command.contains(&config), "{command}: {config}");
        }
    }
}

#[test]
fn the_instructions_say_how_to_see_that_it_starts() {
    let readme = file("README.md");
    let (_, install) = readme.split_once("\n## Use it\n").unwrap();
    let (install, _) = install.split_once("\n## ").unwrap();
    assert!(
        install.contains("aws lambda invoke --function-name ecs-deploy-action"),
        "{install}"
    );
}

#[test]
fn the_approval_pipeline_hands_on_what_the_first_action_leaves() {
    let template = file("examples/approval.yaml");
    let written = Regex::new(r"(?s)UserParameters: !Sub\s+(?:- )?>-\n(.*?\})\n *- ").unwrap();
    let actions: Vec<Value> = written
        .captures_iter(&template)
        .map(|found| serde_json::from_str(&found[1]).unwrap())
        .collect();
    let [deploy, resume] = &actions[..] else {
        unreachable!("one deploys, one continues: {actions:?}");
    };
    let known: BTreeSet<&str> = ecs_deploy_action::parameters::table()
        .iter()
        .map(|parameter| parameter.name)
        .collect();
    for action in &actions {
        for name in action.as_object().unwrap().keys() {
            assert!(known.contains(name.as_str()), "{name}");
        }
    }
    assert_eq!(deploy["WaitFor"], "Pause");
    for name in ["ClusterName", "ServiceName"] {
        assert_eq!(deploy[name], resume[name], "{name}");
    }
    assert!(template.contains("              Namespace: Deploy\n"));
    let answer = &resume["ContinueDeployment"];
    assert_eq!(answer["DeploymentId"], "#{Deploy.ServiceDeploymentArn}");
    assert_eq!(answer["HookId"], "#{Deploy.HookId}");
    // Whatever is used of the first action is an output variable.
    let code = file("src/engine/end.rs");
    let variable = Regex::new(r"#\{Deploy\.([A-Za-z]+)\}").unwrap();
    for found in variable.captures_iter(&template) {
        let is_set = code.contains(&format!("(\"{}\", ", &found[1]));
        assert!(is_set, "{}", &found[0]);
    }
}

/// `install/cdk/test/user-parameters.json` is what the construct's tests have made of each of its properties.
#[test]
fn what_the_cdk_construct_makes_is_understood_and_names_every_parameter() {
    use ecs_deploy_action::parameters;
    let all = file("install/cdk/test/user-parameters.json");
    let all: Vec<Value> = serde_json::from_str(&all).unwrap();
    let mut names = BTreeSet::new();
    for element in &all {
        // As CodePipeline hands them over.
        let mut text = element.to_string();
        for (variable, resolved) in [
            ("#{codepipeline.PipelineExecutionId}", "an-id"),
            ("#{SourceVariables.CommitId}", "0123abc"),
            (
                "#{Deploy.ServiceDeploymentArn}",
                "arn:aws:ecs:eu-central-1:111122223333:service-deployment/prod/web/a1",
            ),
            ("#{Deploy.HookId}", "hook-a1"),
        ] {
            text = text.replace(variable, resolved);
        }
        let mut written = parameters::written_in("UserParameters", &text).unwrap();
        names.extend(written.iter().map(|(name, _)| name.clone()));
        if let Some(config) = parameters::config_file(&written) {
            let in_file = r#"{"ClusterName": "prod", "ServiceName": "web"}"#;
            let in_file = parameters::written_in(&config.file, in_file).unwrap();
            written = parameters::merged(written, in_file, &config.file).unwrap();
        }
        let problems = parameters::parse(written).err().unwrap_or_default();
        assert!(problems.is_empty(), "{text}: {problems:?}");
    }
    let table = parameters::table();
    let table: BTreeSet<String> = table.iter().map(|row| row.name.to_owned()).collect();
    assert_eq!(names, table);
}

#[test]
fn the_cdk_package_has_the_functions_version() {
    let package: Value = serde_json::from_str(&file("install/cdk/package.json")).unwrap();
    assert_eq!(package["version"], env!("CARGO_PKG_VERSION"));
}

/// The parameters that a condition of the template asks, also by way of others.
fn asked_by(
    condition: &str,
    conditions: &BTreeMap<String, String>,
    names: &BTreeSet<String>,
) -> BTreeSet<String> {
    let body = &conditions[condition];
    let word = Regex::new(r"!(Ref|Condition) ([A-Za-z]+)").unwrap();
    let mut asked = BTreeSet::new();
    for found in word.captures_iter(body) {
        if &found[1] == "Ref" && names.contains(&found[2]) {
            asked.insert(found[2].to_owned());
        } else if &found[1] == "Condition" {
            asked.extend(asked_by(&found[2], conditions, names));
        }
    }
    asked
}

/// The actions of a statement, and the parameters that narrow or grant it.
type Row = (BTreeSet<String>, BTreeSet<String>);

#[test]
fn the_table_of_permissions_has_every_statement_with_its_actions_and_parameters() {
    let template = file("template.yaml");
    let names: BTreeSet<String> = parts(section(&template, "Parameters"))
        .into_keys()
        .collect();
    let conditions = parts(section(&template, "Conditions"));
    let action = Regex::new(r"\b[a-z0-9]+:[A-Z][A-Za-z]+\b").unwrap();
    let parameter = Regex::new(r"!Ref ([A-Za-z]+)|\$\{([A-Za-z]+)\}").unwrap();
    let mut granted: BTreeMap<String, Row> = BTreeMap::new();
    for (sid, statement) in statements(&template) {
        let (_, rest) = statement.split_once("Action:").unwrap();
        let (actions, _) = rest.split_once("\nResource:").unwrap();
        let actions = action.find_iter(actions).map(|it| it.as_str().to_owned());
        let used = parameter.captures_iter(&statement).filter_map(|found| {
            let name = found.get(1).or(found.get(2)).unwrap().as_str();
            names.contains(name).then(|| name.to_owned())
        });
        let mut used: BTreeSet<String> = used.collect();
        if let Some(condition) = statement.strip_prefix("- !If\n- ") {
            let condition = condition.lines().next().unwrap();
            used.extend(asked_by(condition, &conditions, &names));
        }
        granted.insert(sid, (actions.collect(), used));
    }
    let document = file("docs/permissions.md");
    let quoted = |cell: &str| -> BTreeSet<String> {
        let parts = cell.split('`').skip(1).step_by(2);
        parts.map(str::to_owned).collect()
    };
    let mut written: BTreeMap<String, Row> = BTreeMap::new();
    for line in document.lines().filter(|line| line.starts_with("| `")) {
        let cells: Vec<&str> = line.split(" | ").collect();
        let [sid, actions, _, _, parameters] = cells[..] else {
            unreachable!("{line}");
        };
        let sid = sid.trim_matches(['|', ' ', '`']).to_owned();
        written.insert(sid, (quoted(actions), quoted(parameters)));
    }
    assert_eq!(written, granted);
}

#[test]
fn the_document_names_what_the_role_in_another_account_lacks() {
    let document = file("docs/permissions.md");
    let (_, section) = document.split_once("\n## Another account\n").unwrap();
    let (section, _) = section.split_once("\n**1.**").unwrap();
    for sid in OF_THE_FUNCTION_ONLY {
        assert!(section.contains(&format!("`{sid}`")), "{sid}");
    }
}
