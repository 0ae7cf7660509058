//! The templates that a release is installed with: those that SAM builds, with the code in a bucket.
//!
//! Each is one text with some places changed, so that comments, order and grants are the same. A place
//! that is not there any more is an [`Error`](struct@Error), not a template that lacks something.

use thiserror::Error;

/// The template has changed so that this module has to change, too.
#[derive(Debug, Error, PartialEq, Eq)]
#[error("{template}: expected once, and found {found} times: {place:?}")]
pub struct Error {
    template: &'static str,
    place: &'static str,
    found: usize,
}

/// One place, and what stands there in its stead.
struct Change {
    place: &'static str,
    instead: String,
}

impl Change {
    fn new(place: &'static str, instead: impl Into<String>) -> Self {
        Self {
            place,
            instead: instead.into(),
        }
    }
}

fn changed(template: &'static str, text: &str, changes: Vec<Change>) -> Result<String, Error> {
    let mut text = text.to_owned();
    for Change { place, instead } in changes {
        let found = text.matches(place).count();
        if found != 1 {
            return Err(Error {
                template,
                place,
                found,
            });
        }
        text = text.replacen(place, &instead, 1);
    }
    Ok(text)
}

/// First line of both: who edits here loses it.
const MADE: &str = "# Made by `cargo xtask generate`; change ";

/// The parameters that say where the code is; what they need is one bucket of the stack's own Region
/// (<https://docs.aws.amazon.com/lambda/latest/api/API_FunctionCode.html>).
const CODE_PARAMETERS: &str = r#"Parameters:
  CodeBucket:
    Type: String
    Description: >-
      Bucket that the release's zip was copied to. It must be in the Region of this stack.
    AllowedPattern: ^[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]$
  CodeKey:
    Type: String
    Description: >-
      Key of the zip in that bucket, if it is not the file's own name. It must be the zip for Architecture.
    Default: ""
    MaxLength: 1024
"#;

/// What `Code` is then. The key names the version: with the same key CloudFormation would not see that
/// the code is another.
fn code(version: &str) -> String {
    format!(
        "      Code:
        S3Bucket: !Ref CodeBucket
        S3Key: !If [HasCodeKey, !Ref CodeKey, !Sub \"ecs-deploy-action-{version}-${{Architecture}}.zip\"]
"
    )
}

/// `install/template.yaml`, made of the text of `template.yaml`.
pub fn function(text: &str, version: &str) -> Result<String, Error> {
    const TEMPLATE: &str = "template.yaml";
    // SAM's own metadata up to the groups of the console.
    let begin = text.find("  # What is built from this folder");
    let end = text.find("  AWS::CloudFormation::Interface:");
    let mut text = text.to_owned();
    match (begin, end) {
        (Some(begin), Some(end)) if begin < end => text.replace_range(begin..end, ""),
        _ => {
            return Err(Error {
                template: TEMPLATE,
                place: "Metadata of SAM before AWS::CloudFormation::Interface",
                found: 0,
            });
        }
    }
    changed(
        TEMPLATE,
        &text,
        vec![
            Change::new(
                "AWSTemplateFormatVersion: \"2010-09-09\"\n",
                format!("{MADE}template.yaml instead.\nAWSTemplateFormatVersion: \"2010-09-09\"\n"),
            ),
            Change::new("\nParameters:\n", format!("\n{CODE_PARAMETERS}")),
            Change::new(
                "        Parameters: [FunctionName, Architecture,",
                "        Parameters: [CodeBucket, CodeKey, FunctionName, Architecture,",
            ),
            Change::new(
                "      CPU of the function, not of the tasks that it deploys. It must be what the function was built
      for (samconfig.toml tells both), or it cannot start.
",
                "      CPU of the function, not of the tasks that it deploys. It chooses the zip, unless CodeKey does.\n",
            ),
            Change::new(
                "\nConditions:\n",
                "\nConditions:\n  HasCodeKey: !Not [!Equals [!Ref CodeKey, \"\"]]\n",
            ),
            Change::new(
                "    Metadata:
      BuildMethod: rust-cargolambda
      BuildProperties:
        Binary: ecs-deploy-action
",
                "",
            ),
            Change::new("      Code: .\n", code(version)),
        ],
    )
}

/// `install/pipeline.yaml`, made of the text of `examples/pipeline.yaml`: its function is the template
/// that lies beside the zip.
pub fn pipeline(text: &str) -> Result<String, Error> {
    let templates = "https://${CodeBucket}.s3.${AWS::Region}.${AWS::URLSuffix}/template.yaml";
    changed(
        "examples/pipeline.yaml",
        text,
        vec![
            Change::new(
                "AWSTemplateFormatVersion: \"2010-09-09\"\n",
                format!(
                    "{MADE}examples/pipeline.yaml instead.\nAWSTemplateFormatVersion: \"2010-09-09\"\n"
                ),
            ),
            Change::new(
                // A path that is read where the template is packaged.
                "Metadata:\n  # For who builds the function; install/pipeline.yaml is made of it for those who install a release.\n  cfn-lint: {config: {ignore_checks: [W3002]}}\n\n",
                "",
            ),
            Change::new(
                "the deploy function (../template.yaml),",
                "the deploy function (template.yaml),",
            ),
            Change::new(
                "\nParameters:\n",
                "\nParameters:
  CodeBucket:
    Type: String
    Description: >-
      Bucket that the release's zip and template.yaml were copied to. It must be in the Region of this stack.
    AllowedPattern: ^[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]$
",
            ),
            Change::new(
                "      CPU of the deploy function, not of the service's tasks. It must be what the function was built
      for (samconfig.toml tells both), or it cannot start.
",
                "      CPU of the deploy function, not of the service's tasks. It chooses the zip.\n",
            ),
            Change::new(
                "      TemplateURL: ../template.yaml\n      Parameters:\n",
                format!(
                    "      TemplateURL: !Sub {templates}\n      Parameters:\n        CodeBucket: !Ref CodeBucket\n"
                ),
            ),
        ],
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn template() -> String {
        crate::generated::read("template.yaml").unwrap()
    }

    #[test]
    fn a_template_that_has_lost_a_place_is_an_error_that_names_it() {
        let without = template().replace("      Code: .\n", "      Code: src\n");
        let error = function(&without, "1.2.3").unwrap_err();
        assert_eq!((error.place, error.found), ("      Code: .\n", 0));
        let twice = template() + "      Code: .\n";
        assert_eq!(function(&twice, "1.2.3").unwrap_err().found, 2);
        let without = template().replace("AWS::CloudFormation::Interface", "Interface");
        assert!(function(&without, "1.2.3").is_err());
    }

    #[test]
    fn it_needs_nothing_of_sam_and_names_the_zip_of_its_version() {
        let plain = function(&template(), "1.2.3").unwrap();
        for sam in ["Serverless", "samconfig", "cargolambda", "Code: .", "W3002"] {
            assert!(!plain.contains(sam), "{sam}");
        }
        assert!(
            plain.contains("ecs-deploy-action-1.2.3-${Architecture}.zip"),
            "{plain}"
        );
    }

    #[test]
    fn all_else_is_the_line_that_it_was() {
        let (before, after) = (template(), function(&template(), "1.2.3").unwrap());
        let (_, role) = before.split_once("\n  Role:\n").unwrap();
        assert!(after.ends_with(role), "what it grants");
        let added = after.lines().filter(|line| !before.contains(line)).count();
        assert!(added < 22, "{added} lines that the template does not have");
    }
}
