use super::*;

/// A template of one function, its parameters and its policy.
const SMALL: &str = r#"Metadata:
  AWS::CloudFormation::Interface:
    ParameterGroups:
      - Label: {default: Everything}
        Parameters: [CodeBucket, CodeKey, FunctionName, Architecture, Roles, AllowMore]
Parameters:
  CodeBucket: {Type: String, Description: Bucket in the Region of this stack., AllowedPattern: "^[a-z]+$"}
  CodeKey: {Type: String, Description: the zip for Architecture., Default: ""}
  FunctionName: {Type: String, Description: Each stack in an account has one., Default: deploy}
  Architecture:
    Type: String
    Description: "It chooses the zip, unless CodeKey does."
    Default: arm64
    AllowedValues: [arm64, x86_64]
  Roles: {Type: CommaDelimitedList, Description: "Roles, separated by commas."}
  AllowMore: {Type: String, Description: More., Default: "false", AllowedValues: ["true", "false"]}
Conditions:
  HasMore: !And [!Equals [!Ref AllowMore, "true"], !Not [!Equals [!Join ["", !Ref Roles], ""]]]
Resources:
  Function:
    Type: AWS::Lambda::Function
    Properties:
      # as long as CodePipeline waits
      Timeout: 300
      Description: !Sub "100% of ${FunctionName}, ${!literally}"
      Environment: {Variables: {WATCH_SECONDS: "40"}}
  Role:
    Type: AWS::IAM::Role
    Properties:
      Policies:
        - PolicyName: deploy
          PolicyDocument:
            Version: "2012-10-17"
            Statement:
              # who needs it
              - {Sid: Always, Effect: Allow, Action: "a:B", Resource: "*"}
              - !If
                - HasMore
                - {Sid: More, Effect: Allow, Action: ["a:C", "a:D"], Resource: !Ref Roles}
                - !Ref AWS::NoValue
Outputs:
  RoleArn: {Description: The role., Value: !GetAtt Role.Arn}
"#;

fn small(place: &str, instead: &str) -> Result<Module, Error> {
    assert_eq!(SMALL.matches(place).count(), 1, "{place}");
    module(&SMALL.replace(place, instead))
}

#[test]
fn a_statement_has_its_comment_and_the_condition_that_turns_it_on() {
    let grants = module(SMALL).unwrap().grants;
    let expected = r#"  grants = [
    # who needs it
    {
      when = true
      statement = {
        Sid      = "Always"
        Effect   = "Allow"
        Action   = "a:B"
        Resource = "*"
      }
    },
    {
      when = local.has_more
      statement = {
        Sid      = "More"
        Effect   = "Allow"
        Action   = ["a:C", "a:D"]
        Resource = var.roles
      }
    },
  ]
"#;
    assert!(grants.contains(expected), "{grants}");
    let condition = "  has_more = var.allow_more && join(\"\", var.roles) != \"\"\n";
    assert!(grants.contains(condition), "{grants}");
}

#[test]
fn text_of_the_template_is_text_in_terraform() {
    let resources = module(SMALL).unwrap().resources;
    for expected in [
        r#"description = "100% of ${var.function_name}, $${literally}""#,
        r#"variables = { WATCH_SECONDS = "40" }"#,
        "  # as long as CodePipeline waits\n  timeout     = 300\n",
    ] {
        assert!(resources.contains(expected), "{expected} in {resources}");
    }
    let resources = small("100% of", r#"%{if} \"a\" \\"#).unwrap().resources;
    assert!(
        resources.contains(r#""%%{if} \"a\" \\ ${var"#),
        "{resources}"
    );
}

#[test]
fn a_variable_has_the_type_the_default_and_the_checks_of_its_parameter() {
    let variables = module(SMALL).unwrap().variables;
    for expected in [
        "variable \"allow_more\" {\n  description = \"More.\"\n  type        = bool\n  default     = false\n  nullable    = false\n}",
        "condition     = contains([\"arm64\", \"x86_64\"], var.architecture)",
        "condition     = var.code_bucket == null || can(regex(\"^[a-z]+$\", var.code_bucket))",
        "description = \"Roles.\"\n  type        = list(string)\n  nullable    = false\n\n  validation {\n    condition     = length(var.roles) > 0",
    ] {
        assert!(variables.contains(expected), "{expected} in {variables}");
    }
}

#[test]
fn what_it_does_not_know_is_an_error_with_its_name_and_line() {
    for (place, instead, name) in [
        (
            "Timeout: 300",
            "Timeout: !FindInMap [A, B, C]",
            "!FindInMap",
        ),
        (
            "Timeout: 300",
            "Timeout: {Fn::Select: [0, [1]]}",
            "Fn::Select",
        ),
        ("Timeout: 300", "Timeout: !Ref Nothing", "Nothing"),
        (
            "Timeout: 300",
            "Timeout: !GetAtt Role.RoleId",
            "Role.RoleId",
        ),
        (
            "Timeout: 300",
            "Timeout: !If [HasNothing, 1, 2]",
            "HasNothing",
        ),
        ("Timeout: 300", "Layers: [a]", "Layers"),
        ("Timeout: 300", "Timeout: &anchor 300", "anchors"),
        ("{WATCH_SECONDS: \"40\"}}", "{}, Other: 1}", "Other"),
        (
            "{WATCH_SECONDS: \"40\"}",
            "{A: !If [HasMore, b, !Ref AWS::NoValue]}",
            "AWS::NoValue",
        ),
        (
            "[\"a:C\", \"a:D\"]",
            "[a, !Ref AWS::NoValue]",
            "AWS::NoValue",
        ),
        (
            "AWS::Lambda::Function",
            "AWS::Lambda::Alias",
            "AWS::Lambda::Alias",
        ),
        (
            "    Type: AWS::IAM::Role\n",
            "    Type: AWS::IAM::Role\n    Condition: HasMore\n",
            "Condition",
        ),
        (
            "    Type: AWS::IAM::Role\n",
            "    Type: AWS::IAM::Role\n    DeletionPolicy: Retain\n",
            "DeletionPolicy",
        ),
        ("!And [", "!Nand [", "!Nand"),
        ("Sid: Always,", "Sid: Always, NotAction: x,", "NotAction"),
        (
            "                - !Ref AWS::NoValue\n",
            "                - !Ref Roles\n",
            "NoValue",
        ),
        (
            "Default: deploy}",
            "Default: deploy, NoEcho: true}",
            "NoEcho",
        ),
        (
            "Type: CommaDelimitedList",
            "Type: List<Number>",
            "List<Number>",
        ),
        ("Each stack in an account", "Each one", "Each stack in"),
        (
            "Description: More.",
            "Description: More of this stack.",
            "stack",
        ),
        ("\"^[a-z]+$\"", "\"[a-z]+\"", "pattern"),
        (", Roles, AllowMore]", ", Roles]", "AllowMore"),
        ("Conditions:\n", "Mappings: {}\nConditions:\n", "Mappings"),
        (
            "Value: !GetAtt Role.Arn",
            "Value: !GetAtt Role.Arn, Export: {Name: a}",
            "Export",
        ),
    ] {
        let error = small(place, instead).unwrap_err();
        assert!(error.text.contains(name), "{name}: {error}");
        // The groups are in the metadata, at the beginning.
        let line = SMALL[..SMALL.find(place).unwrap()].lines().count();
        let near = error.line.abs_diff(line) <= 3;
        assert!(near, "{error}, and it stands in {line}");
    }
}

#[test]
fn names_are_written_as_terraform_writes_them() {
    for (name, expected) in [
        ("TaskRoleArns", "task_role_arns"),
        ("LogRetentionInDays", "log_retention_in_days"),
        ("ECSCluster", "ecs_cluster"),
        ("Role", "role"),
    ] {
        assert_eq!(snake(name), expected);
    }
}

#[test]
fn a_table_is_put_between_its_marks_and_nowhere_else() {
    let readme = "a\n<!-- inputs -->\nold\n<!-- end of inputs -->\nb\n";
    let expected = "a\n<!-- inputs -->\nnew\n<!-- end of inputs -->\nb\n";
    assert_eq!(with_table(readme, "inputs", "new\n").unwrap(), expected);
    assert_eq!(with_table(readme, "outputs", "new\n"), None);
}

#[test]
fn equals_signs_stand_below_each_other_as_terraform_fmt_has_them() {
    let lines = Expression::Lines("a\n".to_owned());
    let object = Expression::Object(vec![
        Member {
            comments: Vec::new(),
            name: "b".to_owned(),
            value: hcl::text("1"),
        },
        Member {
            comments: vec!["why".to_owned()],
            name: "long_one".to_owned(),
            value: hcl::text("2"),
        },
    ]);
    let body = vec![
        Part::argument("a", hcl::text("1")),
        Part::argument("text", lines),
        Part::argument("after", hcl::text("2")),
        Part::argument("an_object", object),
        Part::argument("last", hcl::text("3")),
    ];
    let expected = r#"x {
  a    = "1"
  text = <<-EOT
    a
  EOT
  after = "2"
  an_object = {
    b = "1"
    # why
    long_one = "2"
  }
  last = "3"
}
"#;
    assert_eq!(hcl::file(&[Part::block("x", body)]), expected);
}
