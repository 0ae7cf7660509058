"""The commands of the README's installation, and of the steps for another account, as they stand there, against ministack.

Somebody without Rust installs the release in FOLDER: its files, the AWS CLI and nothing else are on PATH. CloudFormation creates the
stack from the release's template, Lambda runs its zip, and a pipeline's job is answered through to success. What ministack lacks:

- AWS::Logs::QueryDefinition, which is left out of the template, and AWS::CodePipeline::Pipeline: pipeline.yaml is not tried
- arm64: the zip for x86_64 is there under both names
- CodePipeline's jobs: a server of this file takes the function's answers
- endpoints for what Lambda runs: they are set once the stack is there
- IAM: nobody is held to a policy

The AWS CLI is version 1, because PyPI has no other.

Usage: readme_story.py AWS FOLDER ENDPOINT
"""

import http.server
import io
import json
import pathlib
import re
import shutil
import subprocess
import sys
import tempfile
import threading
import zipfile

import boto3

ROOT = pathlib.Path(__file__).parent.parent
REGION = "eu-central-1"
EXECUTION_ROLE = "arn:aws:iam::000000000000:role/app-execution"
MARK = "--- the next block"
NOT_IN_MINISTACK = ["AWS::Logs::QueryDefinition"]
# All that the commands may use besides the AWS CLI.
PROGRAMS = ["bash", "sha256sum"]
JOB = "11111111-2222-4333-8444-%012d"
aws, released, endpoint = sys.argv[1:]

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
    """The release, as somebody has unpacked it, without what ministack lacks."""
    subprocess.run(["sha256sum", "--check", "--quiet", "SHA256SUMS"], cwd=released, check=True)
    shutil.copytree(released, folder)
    template = folder / "template.yaml"
    template.write_text(without(template.read_text(encoding="utf-8"), NOT_IN_MINISTACK), encoding="utf-8")
    [archive] = folder.glob("*-x86_64.zip")
    shutil.copy(archive, archive.with_name(archive.name.replace("x86_64", "arm64")))
    names = sorted(path.name for path in folder.iterdir() if path.name != "SHA256SUMS")
    sums = subprocess.run(["sha256sum", *names], cwd=folder, check=True, capture_output=True).stdout
    (folder / "SHA256SUMS").write_bytes(sums)


class CodePipeline(http.server.BaseHTTPRequestHandler):
    """Takes answers: (operation, body)."""
    answers = []

    def do_POST(self):
        operation = self.headers["X-Amz-Target"].split(".")[1]
        self.answers.append((operation, json.loads(self.rfile.read(int(self.headers["Content-Length"])))))
        self.send_response(200)
        self.send_header("Content-Type", "application/x-amz-json-1.1")
        self.send_header("Content-Length", "2")
        self.end_headers()
        self.wfile.write(b"{}")

    def log_message(self, *_):
        pass


def event(number, token):
    """What CodePipeline hands to the function; the build's artifact names another image."""
    parameters = {"ClusterName": "prod", "ServiceName": "web", "DeploymentTimeout": 5}
    data = {
        "actionConfiguration": {"configuration": {"FunctionName": "ecs-deploy-action", "UserParameters": json.dumps(parameters)}},
        "inputArtifacts": [{"name": "BuildOutput", "revision": None, "location": {
            "type": "S3", "s3Location": {"bucketName": "artifacts", "objectKey": "build.zip"}}}],
        "outputArtifacts": [],
        "artifactCredentials": {"accessKeyId": "job", "secretAccessKey": "job", "sessionToken": "job"},
    }
    if token:
        data["continuationToken"] = token
    return {"CodePipeline.job": {"id": JOB % number, "accountId": "000000000000", "data": data}}


def deploy_with_a_pipeline():
    """A job and those that its continuation tokens make; what the last one was answered."""
    memory = io.BytesIO()
    with zipfile.ZipFile(memory, "w") as artifact:
        artifact.writestr("imagedefinitions.json", json.dumps([{"name": "app", "imageUri": "repo/app:v2"}]))
    s3, functions = client("s3"), client("lambda")
    s3.create_bucket(Bucket="artifacts", CreateBucketConfiguration={"LocationConstraint": REGION})
    s3.put_object(Bucket="artifacts", Key="build.zip", Body=memory.getvalue())
    pipeline = http.server.ThreadingHTTPServer(("127.0.0.1", 0), CodePipeline)
    threading.Thread(target=pipeline.serve_forever, daemon=True).start()
    installed = functions.get_function_configuration(FunctionName="ecs-deploy-action")["Environment"]["Variables"]
    installed["AWS_ENDPOINT_URL_CODEPIPELINE"] = f"http://127.0.0.1:{pipeline.server_address[1]}"
    functions.update_function_configuration(FunctionName="ecs-deploy-action", Environment={"Variables": installed})
    functions.get_waiter("function_updated_v2").wait(FunctionName="ecs-deploy-action")
    token = None
    for number in range(20):
        answer = functions.invoke(FunctionName="ecs-deploy-action", Payload=json.dumps(event(number, token)))
        report = json.load(answer["Payload"])
        expect("FunctionError" not in answer, "the function failed", report)
        expect(len(CodePipeline.answers) == number + 1, "one answer for each job", CodePipeline.answers)
        operation, body = CodePipeline.answers[-1]
        expect((operation, body["jobId"]) == ("PutJobSuccessResult", JOB % number), "the job's answer", (operation, body))
        token = body.get("continuationToken")
        if not token:
            return body
    sys.exit(f"the deployment does not end: {CodePipeline.answers}")


def client(service):
    return boto3.client(service, region_name=REGION, endpoint_url=endpoint, aws_access_key_id="test", aws_secret_access_key="test")


client("iam").create_role(RoleName="app-execution", AssumeRolePolicyDocument=json.dumps({
    "Version": "2012-10-17",
    "Statement": [{"Effect": "Allow", "Principal": {"Service": "ecs-tasks.amazonaws.com"}, "Action": "sts:AssumeRole"}]}))
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
    programs.mkdir()
    for program in PROGRAMS:
        (programs / program).symlink_to(shutil.which(program))
    release(folder)
    (programs / "aws").write_text(WRAPPER.format(aws=pathlib.Path(aws).absolute(), endpoint=endpoint), encoding="utf-8")
    (programs / "aws").chmod(0o755)
    for rust in ["cargo", "rustc", "sam", "zig"]:
        expect(not shutil.which(rust, path=programs), "somebody without Rust", rust)
    environment = {"PATH": str(programs), "HOME": scratch, "AWS_ENDPOINT_URL": endpoint,
                   "AWS_ACCESS_KEY_ID": "test", "AWS_SECRET_ACCESS_KEY": "test", "AWS_EC2_METADATA_DISABLED": "true"}
    install = blocks("README.md", "sh", "### Install the function", "### ")
    elsewhere = blocks("docs/permissions.md", "sh", "## Another account", "### ")
    script = "set -euo pipefail\n" + f"\necho {MARK}\n".join(install + elsewhere + ['echo "$DEPLOY_ROLE"'])
    ran = subprocess.run([programs / "bash", "-c", script], cwd=folder, env=environment, capture_output=True, text=True)
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

answer = deploy_with_a_pipeline()
expect(answer["outputVariables"]["Image-app"] == "repo/app:v2", "output variables", answer)
[service] = ecs.describe_services(cluster="prod", services=["web"])["services"]
revision = ecs.describe_task_definition(taskDefinition=service["taskDefinition"])["taskDefinition"]
image = revision["containerDefinitions"][0]["image"]
expect(image == "repo/app:v2", "the service's image", image)
print("a pipeline's job was answered:", answer["executionDetails"]["summary"])
print(f"installed as the README says, without {', '.join(NOT_IN_MINISTACK)}:", dry_run["message"].splitlines()[0])
