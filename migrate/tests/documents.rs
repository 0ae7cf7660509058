//! What becomes of a document. The shapes are those of public samples; names and accounts are ours.

use migrate::{Migrated, migrate};

fn migrated(text: &str) -> Migrated {
    migrate(text.as_bytes(), "ecs-deploy-action").unwrap()
}

/// The whole template around stages that are indented by eight.
fn template(stages: &str) -> String {
    format!(
        "Resources:\n  Pipeline:\n    Type: AWS::CodePipeline::Pipeline\n    Properties:\n      Stages:\n{stages}"
    )
}

/// A template with one block action that has these lines, indented by fourteen.
fn action(lines: &str) -> String {
    template(&format!(
        "        - Name: Deploy\n          Actions:\n            - Name: Web\n{lines}"
    ))
}

const ECS: &str =
    "              ActionTypeId: {Category: Deploy, Owner: AWS, Provider: ECS, Version: \"1\"}\n";
const OURS: &str = "              ActionTypeId: {Category: Invoke, Owner: AWS, Provider: Lambda, Version: \"1\"}\n";

/// All of the action is replaced, and this is what it becomes; nothing is left to do after that.
fn becomes(before: &str, after: &str) -> Migrated {
    let done = migrated(before);
    assert_eq!(done.text, after, "{}", done.report);
    assert_eq!((done.report.replaced, done.report.left), (1, 0));
    let again = migrated(after);
    assert_eq!((again.text.as_str(), again.report.replaced), (after, 0));
    done
}

/// The configuration's lines become those others, indented by sixteen.
fn configuration_becomes(before: &str, after: &str) {
    let head = "              Configuration:\n";
    becomes(
        &action(&format!("{ECS}{head}{before}")),
        &action(&format!("{OURS}{head}{after}")),
    );
}

/// The document stays, and the report says at which line and why.
fn is_left(text: &str, line: usize, why: &str) {
    let done = migrated(text);
    assert_eq!(done.text, text);
    assert_eq!(done.report.replaced, 0);
    let report = done.report.to_string();
    let named = report
        .lines()
        .any(|one| one.starts_with(&format!("  line {line}: ")) && one.contains(why));
    assert!(named, "{why}: {report}");
}

/// The line of a text.
fn line_of(text: &str, part: &str) -> usize {
    text[..text.find(part).unwrap()].matches('\n').count() + 1
}

// awslabs/ecs-refarch-continuous-deployment: templates/deployment-pipeline.yaml
#[test]
fn references_become_variables_of_a_sub_and_the_rest_of_the_template_stays() {
    let head = "---\nAWSTemplateFormatVersion: 2010-09-09\n\n\nParameters:\n  Cluster:\n    Type: String\n\n\n";
    let body = action(
        "              ActionTypeId:\n                Category: Deploy\n                Owner: AWS\n                Version: 1\n                Provider: ECS\n              Configuration:\n                ClusterName: !Ref Cluster\n                ServiceName: !Ref Service\n                FileName: images.json\n              InputArtifacts:\n                - Name: BuildOutput\n              RunOrder: 1\n\n\nOutputs:\n  Url:\n    Value: !Sub https://example.com/${Pipeline}\n",
    );
    let after = body
        .replace("Category: Deploy", "Category: Invoke")
        .replace("Provider: ECS", "Provider: Lambda")
        .replace(
            "                ClusterName: !Ref Cluster\n                ServiceName: !Ref Service\n                FileName: images.json\n",
            "                FunctionName: ecs-deploy-action\n                UserParameters: !Sub '{\"ClusterName\": \"${Cluster}\", \"ServiceName\": \"${Service}\", \"FileName\": \"images.json\"}'\n",
        );
    becomes(&format!("{head}{body}"), &format!("{head}{after}"));
}

#[test]
fn literals_become_a_plain_string_of_json() {
    configuration_becomes(
        "                ClusterName: prod\n                ServiceName: web\n                DeploymentTimeout: 15\n",
        "                FunctionName: ecs-deploy-action\n                UserParameters: '{\"ClusterName\": \"prod\", \"ServiceName\": \"web\", \"DeploymentTimeout\": \"15\"}'\n",
    );
}

#[test]
fn quotes_backslashes_and_dollars_of_a_literal_are_the_same_text_afterwards() {
    configuration_becomes(
        "                ClusterName: 'it''s \"prod\"'\n                ServiceName: \"a\\\\b\\tc${X}\"\n",
        "                FunctionName: 'ecs-deploy-action'\n                UserParameters: '{\"ClusterName\": \"it''s \\\"prod\\\"\", \"ServiceName\": \"a\\\\b\\u0009c${X}\"}'\n",
    );
    configuration_becomes(
        "                ClusterName: !Ref Cluster\n                ServiceName: 'a${X}b'\n",
        "                FunctionName: 'ecs-deploy-action'\n                UserParameters: !Sub '{\"ClusterName\": \"${Cluster}\", \"ServiceName\": \"a${!X}b\"}'\n",
    );
}

#[test]
fn variables_of_the_pipeline_stay_as_they_are() {
    configuration_becomes(
        "                ClusterName: prod\n                ServiceName: \"web-#{Source.BranchName}\"\n",
        "                FunctionName: ecs-deploy-action\n                UserParameters: '{\"ClusterName\": \"prod\", \"ServiceName\": \"web-#{Source.BranchName}\"}'\n",
    );
}

#[test]
fn a_text_of_sub_stands_in_the_new_one_and_its_literal_variables_stay_literal() {
    configuration_becomes(
        "                ClusterName: !Sub '${Project}-${Environment}'\n                ServiceName: !Sub \"x\\\"${!Literal}\"\n",
        "                FunctionName: ecs-deploy-action\n                UserParameters: !Sub '{\"ClusterName\": \"${Project}-${Environment}\", \"ServiceName\": \"x\\\"${!Literal}\"}'\n",
    );
}

// A guide's template (2024): ClusterName is imported from another stack
#[test]
fn a_function_that_is_no_reference_becomes_a_variable_with_its_own_bytes() {
    configuration_becomes(
        "                ClusterName: !ImportValue shop-cluster\n                ServiceName: !GetAtt Service.Name\n",
        "                FunctionName: ecs-deploy-action\n                UserParameters: !Sub\n                  - '{\"ClusterName\": \"${ClusterName}\", \"ServiceName\": \"${Service.Name}\"}'\n                  - ClusterName: !ImportValue shop-cluster\n",
    );
}

#[test]
fn a_value_of_several_lines_is_moved_to_the_right_with_its_comments() {
    configuration_becomes(
        "                ClusterName: !Join\n                # inner\n                - '-'\n                - - shop\n                  - !Ref Stage\n                ServiceName:\n                  Fn::ImportValue:\n                    !Sub \"${Stack}-service\"\n",
        "                FunctionName: ecs-deploy-action\n                UserParameters: !Sub\n                  - '{\"ClusterName\": \"${ClusterName}\", \"ServiceName\": \"${ServiceName}\"}'\n                  - ClusterName: !Join\n                    # inner\n                    - '-'\n                    - - shop\n                      - !Ref Stage\n                    ServiceName:\n                      Fn::ImportValue:\n                        !Sub \"${Stack}-service\"\n",
    );
}

/// A variable of `Fn::Sub` hides the parameter of that name.
#[test]
fn a_variable_gets_another_name_where_a_parameter_of_the_template_has_it() {
    configuration_becomes(
        "                ClusterName: !ImportValue shop\n                ServiceName: !Sub ${ClusterName}-web\n",
        "                FunctionName: ecs-deploy-action\n                UserParameters: !Sub\n                  - '{\"ClusterName\": \"${ClusterNameOfAction}\", \"ServiceName\": \"${ClusterName}-web\"}'\n                  - ClusterNameOfAction: !ImportValue shop\n",
    );
}

#[test]
fn comments_of_the_configuration_stand_above_its_new_lines() {
    configuration_becomes(
        "                # above\n                ClusterName: prod   # which cluster\n\n                # which service\n                ServiceName: web # behind\n                # below\n",
        "                # above\n                # which cluster\n                # which service\n                # behind\n                FunctionName: ecs-deploy-action\n                UserParameters: '{\"ClusterName\": \"prod\", \"ServiceName\": \"web\"}'\n                # below\n",
    );
}

#[test]
fn what_is_written_in_one_line_stays_in_one_line() {
    let before = action(&format!(
        "{ECS}              Configuration: {{ClusterName: !ImportValue c, ServiceName: web,DeploymentTimeout: '9'}} # flow\n"
    ));
    let after = action(&format!(
        "{OURS}              Configuration: {{FunctionName: ecs-deploy-action, UserParameters: !Sub ['{{\"ClusterName\": \"${{ClusterName}}\", \"ServiceName\": \"web\", \"DeploymentTimeout\": \"9\"}}', {{ClusterName: !ImportValue c}}]}} # flow\n"
    ));
    becomes(&before, &after);
}

#[test]
fn a_comment_in_a_flow_of_several_lines_stays_a_comment() {
    let before = action(&format!(
        "{ECS}              Configuration: {{ClusterName: prod, # one\n                ServiceName: web # two\n              }}\n"
    ));
    let done = migrated(&before);
    assert_eq!(done.report.replaced, 1, "{}", done.report);
    assert!(done.text.contains("{ # one\n"), "{}", done.text);
    assert!(done.text.contains(" # two\n"), "{}", done.text);
}

#[test]
fn the_long_form_of_functions_stays_the_long_form() {
    configuration_becomes(
        "                ClusterName:\n                  Ref: Cluster\n                ServiceName: {'Fn::GetAtt': [Service, Name]}\n",
        "                FunctionName: ecs-deploy-action\n                UserParameters:\n                  Fn::Sub: '{\"ClusterName\": \"${Cluster}\", \"ServiceName\": \"${Service.Name}\"}'\n",
    );
    configuration_becomes(
        "                ClusterName:\n                  Fn::ImportValue: shop\n                ServiceName: web\n",
        "                FunctionName: ecs-deploy-action\n                UserParameters:\n                  Fn::Sub:\n                    - '{\"ClusterName\": \"${ClusterName}\", \"ServiceName\": \"web\"}'\n                    - ClusterName:\n                        Fn::ImportValue: shop\n",
    );
}

// A template in JSON of a public exercise: the cluster is the stack's own or a given one
#[test]
fn json_keeps_its_indentation() {
    let before = r#"{
  "Resources": {
    "Pipeline": {
      "Type": "AWS::CodePipeline::Pipeline",
      "Properties": {
        "Stages": [
          {
            "Name": "Deploy",
            "Actions": [
              {
                "Name": "Web",
                "ActionTypeId": {
                  "Category": "Deploy",
                  "Owner": "AWS",
                  "Provider": "ECS",
                  "Version": "1"
                },
                "Configuration": {
                  "ClusterName": {
                    "Fn::If": [
                      "OwnCluster",
                      {
                        "Ref": "Cluster"
                      },
                      "prod"
                    ]
                  },
                  "ServiceName": {
                    "Ref": "Service"
                  }
                },
                "RunOrder": 1
              }
            ]
          }
        ]
      }
    }
  }
}
"#;
    let start = before.find("                  \"ClusterName\"").unwrap();
    let end = before
        .find("                },\n                \"RunOrder\"")
        .unwrap();
    let after = format!(
        "{}{}{}",
        before[..start]
            .replace(
                "\"Deploy\",\n                  \"Owner\"",
                "\"Invoke\",\n                  \"Owner\""
            )
            .replace("\"ECS\"", "\"Lambda\""),
        r#"                  "FunctionName": "ecs-deploy-action",
                  "UserParameters": {
                    "Fn::Sub": [
                      "{\"ClusterName\": \"${ClusterName}\", \"ServiceName\": \"${Service}\"}",
                      {
                        "ClusterName": {
                          "Fn::If": [
                            "OwnCluster",
                            {
                              "Ref": "Cluster"
                            },
                            "prod"
                          ]
                        }
                      }
                    ]
                  }
"#,
        &before[end..]
    );
    becomes(before, &after);
    // The same with tabs, in Windows' lines, behind a byte order mark.
    let other = |text: &str| {
        let tabs = text.replace("  ", "\t").replace('\n', "\r\n");
        format!("\u{feff}{tabs}")
    };
    becomes(&other(before), &other(&after));
    // And without any.
    let packed = |text: &str| {
        let lines: Vec<&str> = text.lines().map(str::trim_start).collect();
        lines
            .concat()
            .replace("\": ", "\":")
            .replace("\\\":\\\"", "\\\": \\\"")
            .replace("\\\":\"", "\\\": \"")
    };
    let done = migrated(&packed(before));
    assert_eq!(done.report.replaced, 1);
    assert!(
        !done.text.contains('\n') && !done.text.contains("\": {"),
        "{}",
        done.text
    );
}

// aws/aws-cdk v1.30, integ.pipeline-ecs-deploy.expected.json: each action has a role of its own
#[test]
fn the_role_of_an_action_becomes_a_parameter_and_its_statements_are_not_said_to_move() {
    let before = r#"{"Resources": {
 "Pipeline": {"Type": "AWS::CodePipeline::Pipeline", "Properties": {"RoleArn": {"Fn::GetAtt": ["PipelineRole", "Arn"]}, "Stages": [{"Name": "Deploy", "Actions": [{
  "ActionTypeId": {"Category": "Deploy", "Owner": "AWS", "Provider": "ECS", "Version": "1"},
  "Configuration": {"ClusterName": {"Ref": "Cluster1A2B"}, "ServiceName": {"Fn::GetAtt": ["Service3C4D", "Name"]}},
  "Name": "Web",
  "RoleArn": {"Fn::GetAtt": ["ActionRole5E6F", "Arn"]},
  "RunOrder": 1}]}]}},
 "PipelineRole": {"Type": "AWS::IAM::Role", "Properties": {}},
 "ActionRole5E6F": {"Type": "AWS::IAM::Role", "Properties": {}}
}}"#;
    let after = before
        .replace("\"Category\": \"Deploy\"", "\"Category\": \"Invoke\"")
        .replace("\"ECS\"", "\"Lambda\"")
        .replace(
            r#""ClusterName": {"Ref": "Cluster1A2B"}, "ServiceName": {"Fn::GetAtt": ["Service3C4D", "Name"]}"#,
            r#""FunctionName": "ecs-deploy-action", "UserParameters": {"Fn::Sub": "{\"ClusterName\": \"${Cluster1A2B}\", \"ServiceName\": \"${Service3C4D.Name}\", \"RoleArn\": \"${ActionRole5E6F.Arn}\"}"}"#,
        )
        .replace("  \"RoleArn\": {\"Fn::GetAtt\": [\"ActionRole5E6F\", \"Arn\"]},\n", "");
    let report = becomes(before, &after).report.to_string();
    for part in [
        "RoleArn moved into UserParameters: Deploy/Web (RoleArn ${ActionRole5E6F.Arn}).",
        "DeployRoleArns of the function's stack",
        "None: these actions have roles of their own (RoleArn).",
        "ActionRole5E6F (line 9) deploys as before",
    ] {
        assert!(report.contains(part), "{part}: {report}");
    }
}

#[test]
fn role_and_region_of_an_action_go_with_their_lines_and_leave_their_comments() {
    let before = action(&format!(
        "{ECS}              RoleArn: arn:aws:iam::111122223333:role/deploy  # the other account's\n              Configuration:\n                ClusterName: prod\n                ServiceName: web\n              Region: eu-west-1\n              RunOrder: 1\n"
    ));
    let after = action(&format!(
        "{OURS}              # the other account's\n              Configuration:\n                FunctionName: ecs-deploy-action\n                UserParameters: '{{\"ClusterName\": \"prod\", \"ServiceName\": \"web\", \"RoleArn\": \"arn:aws:iam::111122223333:role/deploy\", \"Region\": \"eu-west-1\"}}'\n              RunOrder: 1\n"
    ));
    let report = becomes(&before, &after).report.to_string();
    assert!(
        report.contains("Region moved into UserParameters"),
        "{report}"
    );
    // In the line of the dash.
    let first = |rest: &str| {
        template(&format!(
            "        - Name: Deploy\n          Actions:\n            - {rest}"
        ))
    };
    let before = first(&format!(
        "Region: eu-west-1\n              RoleArn: !Ref Role # who\n              Name: Web\n{ECS}              Configuration: {{ClusterName: a, ServiceName: b}}\n"
    ));
    let after = first(&format!(
        "# who\n              Name: Web\n{OURS}              Configuration: {{FunctionName: ecs-deploy-action, UserParameters: !Sub '{{\"ClusterName\": \"a\", \"ServiceName\": \"b\", \"Region\": \"eu-west-1\", \"RoleArn\": \"${{Role}}\"}}'}}\n"
    ));
    becomes(&before, &after);
    // All at once, and last, in one line.
    let flow = |action: &str| {
        template(&format!(
            "        - {{Name: Deploy, Actions: [{{{action}}}]}}\n"
        ))
    };
    becomes(
        &flow(
            "Name: Web, ActionTypeId: {Category: Deploy, Owner: AWS, Provider: ECS, Version: 1}, Configuration: {ClusterName: a, ServiceName: b}, Region: r, RoleArn: x",
        ),
        &flow(
            "Name: Web, ActionTypeId: {Category: Invoke, Owner: AWS, Provider: Lambda, Version: 1}, Configuration: {FunctionName: ecs-deploy-action, UserParameters: '{\"ClusterName\": \"a\", \"ServiceName\": \"b\", \"Region\": \"r\", \"RoleArn\": \"x\"}'}",
        ),
    );
}

/// As `get-pipeline` prints a pipeline that was made in the console: each action has its Region.
fn of_console(region: &str, configuration: &str, types: [&str; 2]) -> String {
    let [category, provider] = types;
    format!(
        r#"{{
    "pipeline": {{
        "name": "shop",
        "roleArn": "arn:aws:iam::111122223333:role/service-role/shop",
        "artifactStore": {{
            "type": "S3",
            "location": "codepipeline-eu-central-1-1"
        }},
        "stages": [
            {{
                "name": "Deploy",
                "actions": [
                    {{
                        "name": "Web",
                        "actionTypeId": {{
                            "category": "{category}",
                            "owner": "AWS",
                            "provider": "{provider}",
                            "version": "1"
                        }},
                        "runOrder": 1,
                        "configuration": {{
{configuration}
                        }},
                        "outputArtifacts": [],
                        "inputArtifacts": [
                            {{
                                "name": "BuildArtifact"
                            }}
                        ],{region}
                        "namespace": "DeployVariables"
                    }}
                ]
            }}
        ],
        "version": 3,
        "pipelineType": "V2"
    }},
    "metadata": {{
        "pipelineArn": "arn:aws:codepipeline:eu-central-1:111122223333:shop",
        "created": "2026-01-02T03:04:05.678000+01:00",
        "updated": "2026-01-02T03:04:05.678000+01:00"
    }}
}}
"#
    )
}

#[test]
fn what_get_pipeline_prints_keeps_its_own_region_and_its_metadata_which_is_named() {
    let configuration = "                            \"ClusterName\": \"prod\",\n                            \"ServiceName\": \"web\",\n                            \"FileName\": \"images.json\"";
    let own = "\n                        \"region\": \"eu-central-1\",";
    let ours = "                            \"FunctionName\": \"ecs-deploy-action\",\n                            \"UserParameters\": \"{\\\"ClusterName\\\": \\\"prod\\\", \\\"ServiceName\\\": \\\"web\\\", \\\"FileName\\\": \\\"images.json\\\"}\"";
    let report = becomes(
        &of_console(own, configuration, ["Deploy", "ECS"]),
        &of_console(own, ours, ["Invoke", "Lambda"]),
    )
    .report
    .to_string();
    for part in [
        "lines 16 to 25: shop, Deploy/Web: ClusterName prod, ServiceName web, FileName images.json",
        "Remove metadata (line 42) before aws codepipeline update-pipeline",
        "arn:aws:lambda:eu-central-1:111122223333:function:ecs-deploy-action",
        "--parameter-overrides CodeBucket=BUCKET TaskRoleArns=EXECUTION_ROLE_ARN,TASK_ROLE_ARN ClusterName=prod ServiceName=web",
        "ecs:RegisterTaskDefinition",
    ] {
        assert!(report.contains(part), "{part}: {report}");
    }
    let other = "\n                        \"region\": \"us-east-1\",";
    let ours = ours.replace("}\"", ", \\\"Region\\\": \\\"us-east-1\\\"}\"");
    becomes(
        &of_console(other, configuration, ["Deploy", "ECS"]),
        &of_console("", &ours, ["Invoke", "Lambda"]),
    );
}

#[test]
fn a_pipeline_is_read_bare_and_as_yaml_too() {
    let bare = |category, provider, configuration| {
        format!(
            "name: shop\nstages:\n- actions:\n  - actionTypeId:\n      category: {category}\n      owner: AWS\n      provider: {provider}\n      version: '1'\n    configuration:\n{configuration}    name: Web\n    runOrder: 1\n  name: Deploy\n"
        )
    };
    let before = bare(
        "Deploy",
        "ECS",
        "      ClusterName: prod\n      ServiceName: web\n",
    );
    let after = bare(
        "Invoke",
        "Lambda",
        "      FunctionName: ecs-deploy-action\n      UserParameters: '{\"ClusterName\": \"prod\", \"ServiceName\": \"web\"}'\n",
    );
    becomes(&before, &after);
    let nested = |text: &str| {
        let inner: Vec<String> = text.lines().map(|line| format!("  {line}\n")).collect();
        format!("pipeline:\n{}", inner.concat())
    };
    becomes(&nested(&before), &nested(&after));
}

// A public exercise has its approval stage behind a condition, examples/pipeline.yaml an action
#[test]
fn conditions_around_stages_and_actions_are_followed() {
    let text = |ours: bool| {
        let types = if ours {
            OURS.trim_start()
        } else {
            ECS.trim_start()
        };
        let configuration = if ours {
            "{FunctionName: ecs-deploy-action, UserParameters: '{\"ClusterName\": \"a\", \"ServiceName\": \"b\"}'}"
        } else {
            "{ClusterName: a, ServiceName: b}"
        };
        template(&format!(
            "        Fn::If:\n          - Long\n          - - !If\n              - Approved\n              - Name: Deploy\n                Actions:\n                  - !If\n                    - Web\n                    - Name: Web\n                      {types}                      Configuration: {configuration}\n                    - !Ref AWS::NoValue\n              - !Ref AWS::NoValue\n          - []\n"
        ))
    };
    becomes(&text(false), &text(true));
}

#[test]
fn several_actions_of_several_pipelines_are_all_replaced() {
    let one = action(&format!(
        "{ECS}              Configuration: {{ClusterName: a, ServiceName: b}}\n"
    ));
    let other = one.replace("Resources:\n  Pipeline:", "  Other:");
    let done = migrated(&format!("{one}{other}"));
    assert_eq!(done.report.replaced, 2);
    assert_eq!(done.text.matches("Provider: Lambda").count(), 2);
    assert_eq!(done.edits.len(), 6);
}

#[test]
fn another_name_of_the_function_is_written_and_said() {
    let before = action(&format!(
        "{ECS}              Configuration: {{ClusterName: a, ServiceName: b}}\n"
    ));
    let done = migrate(before.as_bytes(), "shop-deploy").unwrap();
    assert!(done.text.contains("FunctionName: shop-deploy,"));
    let report = done.report.to_string();
    assert!(
        report.contains("FunctionName=shop-deploy") && report.contains("function:shop-deploy"),
        "{report}"
    );
    let quoted = migrate(before.as_bytes(), "12").unwrap();
    assert!(quoted.text.contains("FunctionName: '12',"));
    for name in [
        "",
        "a b",
        "arn:aws:lambda:eu-central-1:111122223333:function:x",
    ] {
        assert!(migrate(before.as_bytes(), name).is_err());
    }
}

// Guides have keys that the action does not know (Image1, TaskDefinitionTemplatePath)
#[test]
fn a_configuration_that_is_not_understood_is_left_and_named() {
    for (lines, part, why) in [
        (
            "ClusterName: a\n                ServiceName: b\n                Image1: x",
            "Image1",
            "has Image1, which the ECS action does not know",
        ),
        (
            "ClusterName: a\n                ServiceName: b\n                ClusterName: c",
            "Configuration",
            "it has ClusterName more than once",
        ),
        ("ClusterName: a", "ClusterName", "has no ServiceName"),
        (
            "ClusterName:\n                ServiceName: b",
            "ClusterName",
            "its ClusterName is empty",
        ),
        (
            "ClusterName: [a]\n                ServiceName: b",
            "ClusterName",
            "its ClusterName is a list",
        ),
        (
            "ClusterName: {a: b}\n                ServiceName: b",
            "ClusterName",
            "its ClusterName is a mapping",
        ),
        (
            "ClusterName: 012\n                ServiceName: b",
            "ClusterName",
            "its ClusterName is 012, which YAML may read as something else",
        ),
        (
            "ClusterName: a\n                ServiceName: !Foo b",
            "ServiceName",
            "a function that this does not carry over (Foo)",
        ),
        (
            "ClusterName: a\n                ServiceName: {'Fn::Transform': {Name: M}}",
            "ServiceName",
            "a function that this does not carry over (Transform)",
        ),
        (
            "ClusterName: a\n                ServiceName: !If [C, b, !Ref AWS::NoValue]",
            "ServiceName",
            "left out under a condition (AWS::NoValue)",
        ),
        (
            "ClusterName: a\n                ServiceName: !Select [0, !Foo x]",
            "ServiceName",
            "made with a function that this does not know",
        ),
        (
            "ClusterName: a\n                ServiceName: b\n                DeploymentTimeout: 0",
            "DeploymentTimeout",
            "not a number of minutes from 1 to 1380",
        ),
        (
            "ClusterName: a\n                ServiceName: b\n                DeploymentTimeout: '1381'",
            "DeploymentTimeout",
            "not a number of minutes from 1 to 1380",
        ),
        (
            "<<: *x\n                ClusterName: a\n                ServiceName: b",
            "<<",
            "(<<)",
        ),
        (
            "ClusterName: *x\n                ServiceName: b",
            "ClusterName",
            "its ClusterName is an alias",
        ),
        (
            "ClusterName: !Ref A\n                ServiceName: 'a${ b'",
            "'a${",
            "has a ${ that begins no variable",
        ),
        (
            "? ClusterName\n                : a\n                ? ServiceName\n                : b",
            "ClusterName",
            "explicit keys",
        ),
    ] {
        let text = action(&format!(
            "{ECS}              Configuration:\n                {lines}\n"
        ));
        let text = format!("X: &x {{}}\n{text}");
        let line = line_of(&text, part);
        let line = if part == "Configuration" {
            line + 1
        } else {
            line
        };
        is_left(&text, line, why);
    }
    let long = format!(
        "{ECS}              Configuration:\n                ClusterName: {}\n                ServiceName: b\n",
        "a".repeat(970)
    );
    is_left(
        &action(&long),
        11,
        "UserParameters would have 1009 characters",
    );
    let whole = action(&format!(
        "{ECS}              Configuration: !If [A, {{}}, {{}}]\n"
    ));
    is_left(&whole, 10, "not a mapping that is written out");
    is_left(&action(ECS), 8, "it has no Configuration");
}

#[test]
fn another_type_than_the_ecs_actions_is_left_and_named() {
    for (types, why) in [
        (
            "{Category: Test, Owner: AWS, Provider: ECS, Version: 1}",
            "its Category is Test",
        ),
        (
            "{Category: Deploy, Owner: Custom, Provider: ECS, Version: 1}",
            "its Owner is Custom",
        ),
        (
            "{Category: Deploy, Owner: AWS, Provider: ECS, Version: \"2\"}",
            "its Version is \"2\"",
        ),
        (
            "{Category: Deploy, Owner: AWS, Provider: ECS}",
            "it does not say its Version",
        ),
        (
            "{Category: Deploy, Owner: AWS, Provider: !Ref P, Version: 1}",
            "its Provider is not written out",
        ),
        (
            "{Category: Deploy, Owner: AWS, Provider: CodeDeployToECS, Version: 1}",
            "docs/from-codedeploy.md",
        ),
        (
            "!If [C, {Category: Deploy, Owner: AWS, Provider: ECS, Version: 1}, {Category: Build}]",
            "does not say Provider once",
        ),
    ] {
        let text = action(&format!(
            "              ActionTypeId: {types}\n              Configuration: {{ClusterName: a, ServiceName: b}}\n"
        ));
        let line = if why.contains("docs") { 8 } else { 9 };
        is_left(&text, line, why);
    }
}

#[test]
fn what_an_alias_uses_a_second_time_is_left_and_named() {
    let shared = template(
        "        - Name: Deploy\n          Actions:\n            - &deploy\n              Name: Web\n              ActionTypeId: &type {Category: Deploy, Owner: AWS, Provider: ECS, Version: 1}\n              Configuration: &conf {ClusterName: a, ServiceName: b}\n",
    );
    let again = |anchor: &str| format!("{shared}X: *{anchor}\n");
    is_left(&again("deploy"), 8, "an alias uses it");
    is_left(
        &again("type"),
        10,
        "its type is made with an anchor or an alias",
    );
    is_left(
        &again("conf"),
        11,
        "an alias uses its Configuration a second time",
    );
    // An anchor that nobody uses is in nobody's way.
    assert_eq!(migrated(&shared).report.replaced, 1);
    let stage = template(
        "        - &stage\n          Name: Deploy\n          Actions:\n            - {Name: Web, ActionTypeId: {Category: Deploy, Owner: AWS, Provider: ECS, Version: 1}, Configuration: {ClusterName: a, ServiceName: b}}\n        - *stage\n",
    );
    is_left(&stage, 9, "an alias uses it");
}

#[test]
fn an_ecs_action_where_no_pipeline_has_one_is_left_and_named() {
    let types = "{Category: Deploy, Owner: AWS, Provider: ECS, Version: 1}";
    for (text, line) in [
        (
            format!(
                "X: &x [{{ActionTypeId: {types}}}]\n{}",
                template("        - Name: D\n          Actions: *x\n")
            ),
            1,
        ),
        (
            template(&format!(
                "        - Fn::Transform: {{Parameters: {{ActionTypeId: {types}}}}}\n"
            )),
            6,
        ),
        (
            format!("Resources:\n  Fn::ForEach::P: [A, [b], {{P: {{ActionTypeId: {types}}}}}]\n"),
            2,
        ),
        (
            template(&format!(
                "        - Name: D\n          BeforeEntry: {{Rules: [{{RuleTypeId: {types}}}]}}\n          Actions: []\n"
            )),
            7,
        ),
    ] {
        is_left(
            &text,
            line,
            "does not stand where a pipeline has its actions",
        );
    }
}

/// Lines cannot be carried over into braces.
#[test]
fn an_action_that_cannot_be_written_as_intended_is_left_and_the_others_are_replaced() {
    let odd = format!(
        "{ECS}              RoleArn:\n                Fn::ImportValue: role\n              Configuration: {{ClusterName: a, ServiceName: b}}\n"
    );
    is_left(
        &action(&odd),
        8,
        "could not be written so that it reads as intended",
    );
    let plain = format!(
        "            - Name: Other\n{ECS}              Configuration: {{ClusterName: a, ServiceName: b}}\n"
    );
    let done = migrated(&format!("{}{plain}", action(&odd)));
    assert_eq!(
        (done.report.replaced, done.report.left),
        (1, 1),
        "{}",
        done.report
    );
    assert!(
        done.text
            .contains("Fn::ImportValue: role\n              Configuration: {ClusterName")
    );
}

#[test]
fn a_document_without_ecs_actions_comes_out_byte_for_byte() {
    for text in [
        include_str!("../../examples/pipeline.yaml"),
        include_str!("../../template.yaml"),
        "\u{feff}Resources: {}\r\n# end",
        "{\"stages\": []}",
        "stages: [{name: a, actions: [{actionTypeId: {provider: S3}, configuration: {ClusterName: x}}]}]",
    ] {
        let done = migrated(text);
        assert_eq!(done.text, text);
        assert!(done.edits.is_empty());
        assert!(
            done.report
                .to_string()
                .starts_with("There is no ECS action to replace")
        );
    }
}

#[test]
fn what_cannot_be_read_is_refused_with_line_and_column() {
    for (bytes, line, column, why) in [
        (&b"a: [1, 2\n"[..], 1, 4, "unclosed"),
        (
            b"{\"pipeline\": {\"name\": \"a\"\n \"x\": 1}}",
            2,
            2,
            "expected `,` or `}`",
        ),
        (b"Resources:\n\t- a", 2, 2, "tab"),
        (b"a: \xff", 1, 4, "UTF-8"),
        (b"\xff\xfea\0", 1, 1, "UTF-16"),
        (b"", 1, 1, "empty"),
        (b"a: b", 1, 1, "neither what get-pipeline prints"),
        (b"a: b\n---\nc: d", 2, 1, "second document"),
        (b"a: *b", 1, 4, "anchor"),
    ] {
        let wrong = migrate(bytes, "f").unwrap_err();
        assert_eq!((wrong.line, wrong.column), (line, column), "{wrong}");
        assert!(wrong.text.contains(why), "{wrong}");
        assert!(!wrong.to_string().contains('\n'));
    }
    let deep = format!("{}1{}", "[".repeat(101), "]".repeat(101));
    assert!(
        migrate(deep.as_bytes(), "f")
            .unwrap_err()
            .text
            .contains("nested too deeply")
    );
    let large = "#".repeat(migrate::LIMIT_BYTES + 1);
    assert!(
        migrate(large.as_bytes(), "f")
            .unwrap_err()
            .text
            .contains("1048577 bytes")
    );
}

/// A template with a role that has its statements in all places.
fn with_role(extra: &str) -> String {
    format!(
        "{}      RoleArn: !GetAtt Role.Arn\n  Role:\n    Type: AWS::IAM::Role\n    Properties:\n      ManagedPolicyArns:\n        - arn:aws:iam::aws:policy/AmazonECS_FullAccess\n        - !Ref Managed\n      Policies:\n        - PolicyName: deploy\n          PolicyDocument:\n            Statement:\n              - Sid: Artifacts\n                Effect: Allow\n                Action: s3:GetObject\n                Resource: '*'\n              - Sid: Deploy\n                Effect: Allow\n                Action: [ecs:UpdateService, codebuild:StartBuild, iam:PassRole]\n                Resource: '*'\n              - Effect: Deny\n                Action: ecs:DeleteService\n                Resource: '*'\n              - !If\n                - A\n                - {{Effect: Allow, Action: 'ecs:*', Resource: '*'}}\n                - !Ref AWS::NoValue\n  Managed:\n    Type: AWS::IAM::ManagedPolicy\n    Properties:\n      PolicyDocument: {{Statement: {{Effect: Allow, Action: ecs:ListTasks, Resource: '*'}}}}\n  Inline:\n    Type: AWS::IAM::Policy\n    Properties:\n      Roles: [!Ref Role]\n      PolicyDocument: {{Statement: [{{Effect: Allow, Action: iam:PassRole, Resource: '*'}}]}}\n  Others:\n    Type: AWS::IAM::Policy\n    Properties:\n      Roles: [!Ref Other]\n      PolicyDocument: {{Statement: [{{Effect: Allow, Action: ecs:RunTask, Resource: '*'}}]}}\n{extra}",
        action(&format!(
            "{ECS}              Configuration: {{ClusterName: prod, ServiceName: !Ref S}}\n"
        ))
    )
}

#[test]
fn statements_of_the_pipelines_role_that_move_are_named_with_policy_sid_and_line() {
    let text = with_role("");
    let report = migrated(&text).report.to_string();
    let deploy = line_of(&text, "- Sid: Deploy");
    for part in [
        format!("line {deploy}: Role, its policy deploy, Sid Deploy: ecs:UpdateService, iam:PassRole; what else the statement allows stays"),
        format!("line {}: Role, its policy deploy: ecs:*", line_of(&text, "'ecs:*'")),
        format!("line {}: Role, AWS's policy AmazonECS_FullAccess", line_of(&text, "AmazonECS_Full")),
        format!("line {}: Role, the ManagedPolicy Managed: ecs:ListTasks", line_of(&text, "ecs:ListTasks")),
        format!("line {}: Role, the Policy Inline: iam:PassRole", line_of(&text, "{Statement: [{Effect: Allow, Action: iam:")),
        "- Effect: Allow\n  Action: lambda:InvokeFunction\n  Resource: !Sub arn:${AWS::Partition}:lambda:${AWS::Region}:${AWS::AccountId}:function:ecs-deploy-action\n".to_owned(),
        "ClusterName=prod\n".to_owned(),
        "ServiceName can be narrowed, too".to_owned(),
    ] {
        assert!(report.contains(&part), "{part}: {report}");
    }
    for part in [
        "ecs:RunTask",
        "ecs:DeleteService",
        "s3:GetObject",
        "may be needed by another",
    ] {
        assert!(!report.contains(part), "{part}: {report}");
    }
    let other = with_role(
        "  Second:\n    Type: AWS::CodePipeline::Pipeline\n    Properties:\n      Stages: [{Name: D, Actions: [{Name: B, ActionTypeId: {Category: Deploy, Provider: CodeDeployToECS}}]}]\n",
    );
    let report = migrated(&other).report.to_string();
    assert!(
        report.contains("They may be needed by another action"),
        "{report}"
    );
}

#[test]
fn a_literal_that_a_terminal_would_obey_is_not_printed_as_it_is() {
    let text = action(&format!(
        "{ECS}              Configuration: {{ClusterName: \"a\\e[2Jb\\nc\", ServiceName: b}}\n"
    ));
    let done = migrated(&text);
    assert_eq!(done.report.replaced, 1);
    assert!(done.text.contains("a\\u001b[2Jb\\u000ac"), "{}", done.text);
    let report = done.report.to_string();
    assert!(
        !report.contains('\x1b') && report.contains("ClusterName a [2Jb c"),
        "{report}"
    );
}
