"""Checks the migration guide's snippets: a synthesised CloudFormation template (JSON on standard input)
and a Terraform file (its path) must both add our action to a pipeline."""

import json
import sys

import hcl2

PARAMETERS = {"ClusterName", "ServiceName", "DeploymentTimeout"}
# The function, wherever it was installed with another name.
LOOKED_UP = "data.aws_lambda_function.deploy"


def same(what, got, expected):
    if got != expected:
        sys.exit(f"{what}: expected {expected!r}, got {got!r}")


def check_cloudformation(template):
    resources = template["Resources"].values()
    [pipeline] = [one["Properties"] for one in resources if one["Type"] == "AWS::CodePipeline::Pipeline"]
    stage = pipeline["Stages"][-1]
    same("stage", stage["Name"], "Deploy")
    [action] = stage["Actions"]
    same("type", action["ActionTypeId"], {"Category": "Invoke", "Owner": "AWS", "Provider": "Lambda", "Version": "1"})
    same("inputs", action["InputArtifacts"], [{"Name": "BuildOutput"}])
    same("namespace", action["Namespace"], "Deploy")
    # The name is taken out of an ARN that CloudFormation puts together.
    if ":function:ecs-deploy-action" not in json.dumps(action["Configuration"]["FunctionName"]):
        sys.exit(f"function: {action['Configuration']['FunctionName']}")
    same("parameters", set(json.loads(action["Configuration"]["UserParameters"])), PARAMETERS)
    granted = json.dumps([one for one in resources if one["Type"] == "AWS::IAM::Policy"])
    for permission in ["lambda:InvokeFunction", "lambda:ListFunctions", "s3:GetObject*"]:
        if permission not in granted:
            sys.exit(f"no role of the pipeline has {permission}")


def plain(value):
    """Without the quotes and the block markers that the parser keeps."""
    if isinstance(value, list):
        return [plain(one) for one in value]
    if isinstance(value, dict):
        return {plain(name): plain(one) for name, one in value.items() if name != "__is_block__"}
    return value.strip('"') if isinstance(value, str) else value


def check_terraform(path):
    with open(path, encoding="utf-8") as file:
        parsed = plain(hcl2.load(file))
    [resource] = [one for one in parsed["resource"] if "aws_codepipeline" in one]
    [stage] = resource["aws_codepipeline"]["web"]["stage"]
    [action] = stage["action"]
    for name, expected in {"category": "Invoke", "owner": "AWS", "provider": "Lambda", "version": "1",
                           "input_artifacts": ["BuildOutput"], "namespace": "Deploy"}.items():
        same(name, action[name], expected)
    configuration = action["configuration"]
    [function] = [one["aws_lambda_function"]["deploy"] for one in parsed["data"] if "aws_lambda_function" in one]
    same("function", function["function_name"], "ecs-deploy-action")
    same("its name", configuration["FunctionName"].strip("${}"), f"{LOOKED_UP}.function_name")
    if f"{LOOKED_UP}.arn" not in json.dumps(parsed["data"]):
        sys.exit("the grant does not name the function")
    for parameter in PARAMETERS | {"PipelineExecutionId"}:
        if parameter not in configuration["UserParameters"]:
            sys.exit(f"{parameter} is not in UserParameters")


check_cloudformation(json.load(sys.stdin))
check_terraform(sys.argv[1])
