"""The commands of the README's installation, and of the steps for another account, as they stand there, against ministack.

Its CloudFormation creates the stack from the release's template, its Lambda runs ZIP. The AWS CLI is version 1, because PyPI has no
other. The folder is made like a release's. What ministack lacks is left out of the template, and said.

Usage: readme_story.py AWS ZIP ENDPOINT
"""

import json
import os
import pathlib
import re
import shutil
import subprocess
import sys
import tempfile

import boto3

ROOT = pathlib.Path(__file__).parent.parent
REGION = "eu-central-1"
EXECUTION_ROLE = "arn:aws:iam::000000000000:role/app-execution"
MARK = "--- the next block"
NOT_IN_MINISTACK = ["AWS::Logs::QueryDefinition"]
aws, archive, endpoint = sys.argv[1:]
version = re.search(r'^version = "(.*)"$', (ROOT / "Cargo.toml").read_text(encoding="utf-8"), re.M)[1]

# Version 2's own option is left out, and its variable for the Region is version 1's. There is one account. The stack's function
# is in ministack's Lambda, and has to find AWS there, too.
WRAPPER = """\
#!/usr/bin/env bash
export AWS_DEFAULT_REGION=$AWS_REGION
arguments=()
while [ $# -gt 0 ]; do
  case $1 in
    --cli-binary-format | --profile) shift ;;
    *) arguments+=("$1") ;;
  esac
  shift
done
{aws} "${{arguments[@]}}" || exit
if [ "${{arguments[0]}} ${{arguments[1]}}" = "cloudformation deploy" ]; then
  {aws} lambda update-function-configuration --function-name ecs-deploy-action \\
    --environment 'Variables={{AWS_ENDPOINT_URL={endpoint}}}' >&2
fi
"""


def expect(is_so, what, got):
    if not is_so:
        sys.exit(f"{what}: {got}")


def blocks(path, language, begin, end):
    """The blocks in a language between two lines of a document."""
    text = (ROOT / path).read_text(encoding="utf-8")
    section = text.split(f"\n{begin}\n")[1].split(f"\n{end}")[0]
    return re.findall(rf"^```{language}\n(.*?)^```", section, re.M | re.S)


def without(template, unknown):
    """Without the resources of these types."""
    begin, rest = template.split("\nResources:\n")
    resources, end = rest.split("\nOutputs:\n")
    parts = re.split(r"^(?=  \w+:\n)", resources, flags=re.M)
    kept = [part for part in parts if not any(f"    Type: {kind}\n" in part for kind in unknown)]
    expect(len(parts) - len(kept) >= len(unknown), "the template has what ministack lacks", unknown)
    return f"{begin}\nResources:\n{''.join(kept)}\nOutputs:\n{end}"


def release(folder):
    for path in ["install/pipeline.yaml", "examples/deploy-role.yaml"]:
        shutil.copy(ROOT / path, folder)
    template = (ROOT / "install/template.yaml").read_text(encoding="utf-8")
    (folder / "template.yaml").write_text(without(template, NOT_IN_MINISTACK), encoding="utf-8")
    for architecture in ["arm64", "x86_64"]:
        shutil.copy(archive, folder / f"ecs-deploy-action-{version}-{architecture}.zip")
    names = sorted(path.name for path in folder.iterdir())
    sums = subprocess.run(["sha256sum", *names], cwd=folder, check=True, capture_output=True).stdout
    (folder / "SHA256SUMS").write_bytes(sums)


def client(service):
    return boto3.client(service, region_name=REGION, endpoint_url=endpoint, aws_access_key_id="test", aws_secret_access_key="test")


ecs = client("ecs")
ecs.create_cluster(clusterName="prod")
ecs.register_task_definition(
    family="app-readme", requiresCompatibilities=["FARGATE"], networkMode="awsvpc", cpu="256", memory="512",
    executionRoleArn=EXECUTION_ROLE,
    containerDefinitions=[{"name": "app", "image": "repo/app:v1", "essential": True}])
ecs.create_service(
    cluster="prod", serviceName="web", taskDefinition="app-readme", desiredCount=1, launchType="FARGATE",
    networkConfiguration={"awsvpcConfiguration": {"subnets": ["subnet-1"], "securityGroups": ["sg-1"]}})

with tempfile.TemporaryDirectory() as scratch:
    folder, programs = pathlib.Path(scratch, "release"), pathlib.Path(scratch, "bin")
    folder.mkdir()
    programs.mkdir()
    release(folder)
    (programs / "aws").write_text(WRAPPER.format(aws=pathlib.Path(aws).absolute(), endpoint=endpoint), encoding="utf-8")
    (programs / "aws").chmod(0o755)
    environment = {"PATH": f"{programs}:{os.environ['PATH']}", "HOME": scratch, "AWS_ENDPOINT_URL": endpoint,
                   "AWS_ACCESS_KEY_ID": "test", "AWS_SECRET_ACCESS_KEY": "test", "AWS_EC2_METADATA_DISABLED": "true"}
    install = blocks("README.md", "sh", "### Install the function", "### ")
    elsewhere = blocks("docs/permissions.md", "sh", "## Another account", "### ")
    script = "set -euo pipefail\n" + f"\necho {MARK}\n".join(install + elsewhere + ['echo "$DEPLOY_ROLE"'])
    ran = subprocess.run(["bash", "-c", script], cwd=folder, env=environment, capture_output=True, text=True)
    expect(ran.returncode == 0, "a command failed", f"{ran.stdout[-2000:]}\n{ran.stderr[-2000:]}")

printed = ran.stdout.split(f"{MARK}\n")
# The report, then what the CLI says of the invocation.
first, dry_run = (json.JSONDecoder().raw_decode(text)[0] for text in printed[len(install) - 2:len(install)])
[written] = blocks("README.md", "json", "### Install the function", "### ")
expect(first == json.loads(written), "the first answer is not the README's", first)
expect(dry_run["outcome"] == "Succeeded", "the dry run", dry_run)

functions, iam = client("lambda"), client("iam")
role_arn = functions.get_function_configuration(FunctionName="ecs-deploy-action")["Role"]
[policy] = iam.list_role_policies(RoleName=role_arn.split("/")[-1])["PolicyNames"]
document = iam.get_role_policy(RoleName=role_arn.split("/")[-1], PolicyName=policy)["PolicyDocument"]
granted = {one["Sid"]: one["Resource"] for one in document["Statement"]}
expect(granted["PassTheTasksRoles"] in (EXECUTION_ROLE, [EXECUTION_ROLE]), "the roles that were looked up", granted)
deploy_role = printed[-1].strip()
expect(granted["AssumeTheRolesOfOtherAccounts"] in (deploy_role, [deploy_role]), "the role of the other account", granted)
made = iam.get_role(RoleName="ecs-deploy")["Role"]["Arn"]
expect(made == deploy_role, "the role that the other stack makes", made)
print(f"installed as the README says, without {', '.join(NOT_IN_MINISTACK)}:", dry_run["message"].splitlines()[0])
