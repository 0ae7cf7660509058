"""A release folder is installed by somebody without Rust: from the folder to a stack, and a pipeline's job that its
function answers, against ministack. The commands are those that README.md shows for it.

Usage: install_story.py FOLDER ENDPOINT

ministack 1.5 has no AWS::Logs::QueryDefinition and no AWS::CodePipeline::Pipeline, and hands a function no
endpoint. So both queries are left out of the stack, pipeline.yaml is not tried, CodePipeline is a server of this
file that takes the function's answers, and the endpoints are set once the stack is there. It does not hold anybody
to IAM's policies.
"""

import http.server
import io
import json
import os
import pathlib
import re
import shutil
import subprocess
import sys
import tempfile
import threading
import zipfile

import boto3
import botocore.config

REGION, CLUSTER, SERVICE, FAMILY = "us-east-1", "prod", "web", "app-installed"
JOB = "11111111-2222-4333-8444-%012d"
ROOT = pathlib.Path(__file__).resolve().parent.parent
MARK = re.compile(r"<!-- install-release -->\n```sh\n(.*?)```", re.S)
NOT_THERE = re.compile(r"\n  \w+:\n    Type: AWS::Logs::QueryDefinition\n(?:    .*\n|\n(?=    ))+")
# All that the commands may use. There is no cargo, no rustc and no sam among them.
PROGRAMS = ["aws", "sh", "sha256sum", "python3"]

folder, endpoint = pathlib.Path(sys.argv[1]).resolve(), sys.argv[2]
once = botocore.config.Config(read_timeout=300, retries={"max_attempts": 0})


def client(service):
    return boto3.client(service, region_name=REGION, endpoint_url=endpoint, config=once,
                        aws_access_key_id="test", aws_secret_access_key="test")


def expect(is_so, what, got):
    if not is_so:
        sys.exit(f"{what}: {got if isinstance(got, str) else json.dumps(got, default=str)}")


class CodePipeline(http.server.BaseHTTPRequestHandler):
    """Takes answers: (operation, body)."""
    answers = []

    def do_POST(self):
        operation = self.headers["X-Amz-Target"].split(".")[1]
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        self.answers.append((operation, body))
        self.send_response(200)
        self.send_header("Content-Type", "application/x-amz-json-1.1")
        self.send_header("Content-Length", "2")
        self.end_headers()
        self.wfile.write(b"{}")

    def log_message(self, *_):
        pass


def without_rust(scratch):
    """The environment of somebody who has the AWS CLI and no Rust."""
    programs = scratch / "bin"
    programs.mkdir()
    for program in PROGRAMS:
        found = shutil.which(program, path=f"{os.path.dirname(sys.executable)}:{os.environ['PATH']}")
        expect(found, "a program that the commands need", program)
        # Not a link to it: a program of a virtual environment finds its modules by where it lies.
        (programs / program).write_text(f'#!/bin/sh\nexec {found} "$@"\n', encoding="utf-8")
        (programs / program).chmod(0o755)
    (programs / "sh").unlink()
    (programs / "sh").symlink_to("/bin/sh")
    return {"PATH": str(programs), "HOME": str(scratch), "AWS_ACCESS_KEY_ID": "test", "AWS_SECRET_ACCESS_KEY": "test",
            "AWS_DEFAULT_REGION": REGION, "AWS_ENDPOINT_URL": endpoint, "AWS_PAGER": ""}


def release_without_what_the_emulator_lacks(scratch):
    """A copy of the release in a folder of its own, as it would be unpacked."""
    copy = scratch / folder.name
    shutil.copytree(folder, copy)
    sums = subprocess.run(["sha256sum", "--check", "--quiet", "SHA256SUMS"], cwd=copy, check=False)
    expect(sums.returncode == 0, "SHA256SUMS", str(folder))
    template = copy / "template.yaml"
    text, left_out = NOT_THERE.subn("\n", template.read_text(encoding="utf-8"))
    expect(left_out == 2, "queries that are left out", str(left_out))
    template.write_text(text, encoding="utf-8")
    return copy


def install(scratch):
    """Runs README.md's commands; what they print."""
    commands = MARK.search((ROOT / "README.md").read_text(encoding="utf-8"))
    expect(commands, "README.md", "has no commands after <!-- install-release -->")
    environment = without_rust(scratch)
    for rust in ["cargo", "rustc", "sam"]:
        expect(shutil.which(rust, path=environment["PATH"]) is None, "without Rust", rust)
    copy = release_without_what_the_emulator_lacks(scratch)
    # What a reader puts in for himself.
    script = commands[1]
    for placeholder, value in {"Architecture=arm64": "Architecture=x86_64"}.items():
        script = script.replace(placeholder, value)
    done = subprocess.run(["/bin/sh", "-eu", "-c", script], cwd=copy, env=environment, text=True,
                          stdout=subprocess.PIPE, check=False)
    expect(done.returncode == 0, "README.md's commands", script)
    return done.stdout


def artifact():
    memory = io.BytesIO()
    with zipfile.ZipFile(memory, "w") as archive:
        archive.writestr("imagedefinitions.json", json.dumps([{"name": "app", "imageUri": "repo/app:v2"}]))
    return memory.getvalue()


def event(number, token):
    data = {
        "actionConfiguration": {"configuration": {
            "FunctionName": "ecs-deploy-action",
            "UserParameters": json.dumps({"ClusterName": CLUSTER, "ServiceName": SERVICE, "DeploymentTimeout": 5})}},
        "inputArtifacts": [{"name": "BuildOutput", "revision": None, "location": {
            "type": "S3", "s3Location": {"bucketName": "artifacts", "objectKey": "build.zip"}}}],
        "outputArtifacts": [],
        "artifactCredentials": {"accessKeyId": "job", "secretAccessKey": "job", "sessionToken": "job"},
    }
    if token:
        data["continuationToken"] = token
    return {"CodePipeline.job": {"id": JOB % number, "accountId": "000000000000", "data": data}}


def service():
    ecs, s3 = client("ecs"), client("s3")
    s3.create_bucket(Bucket="artifacts")
    s3.put_object(Bucket="artifacts", Key="build.zip", Body=artifact())
    ecs.create_cluster(clusterName=CLUSTER)
    ecs.register_task_definition(
        family=FAMILY, requiresCompatibilities=["FARGATE"], cpu="256", memory="512",
        containerDefinitions=[{"name": "app", "image": "repo/app:v1", "essential": True}])
    ecs.create_service(cluster=CLUSTER, serviceName=SERVICE, taskDefinition=FAMILY, desiredCount=1, launchType="FARGATE")
    return ecs


def main(scratch):
    printed = install(scratch)
    outputs = client("cloudformation").describe_stacks(StackName="ecs-deploy-action")["Stacks"][0]["Outputs"]
    outputs = {output["OutputKey"]: output["OutputValue"] for output in outputs}
    expect(outputs["FunctionName"] in printed, "the commands print the function's name", printed)
    functions, name = client("lambda"), outputs["FunctionName"]
    installed = functions.get_function_configuration(FunctionName=name)
    for member, wanted in {"Runtime": "provided.al2023", "Handler": "bootstrap", "MemorySize": 128, "Timeout": 300,
                           "Architectures": ["x86_64"], "Role": outputs["RoleArn"]}.items():
        expect(installed[member] == wanted, f"the function's {member}", installed[member])

    pipeline = http.server.ThreadingHTTPServer(("127.0.0.1", 0), CodePipeline)
    threading.Thread(target=pipeline.serve_forever, daemon=True).start()
    variables = installed["Environment"]["Variables"] | {
        "AWS_ENDPOINT_URL": endpoint,
        "AWS_ENDPOINT_URL_CODEPIPELINE": f"http://127.0.0.1:{pipeline.server_address[1]}",
    }
    functions.update_function_configuration(FunctionName=name, Environment={"Variables": variables})
    functions.get_waiter("function_updated_v2").wait(FunctionName=name)

    ecs, token = service(), None
    for number in range(20):
        answer = functions.invoke(FunctionName=name, Payload=json.dumps(event(number, token)))
        report = json.load(answer["Payload"])
        expect("FunctionError" not in answer, "the function failed", report)
        expect(len(CodePipeline.answers) == number + 1, "one answer for each job", CodePipeline.answers)
        operation, body = CodePipeline.answers[-1]
        expect((operation, body["jobId"]) == ("PutJobSuccessResult", JOB % number), "the job's answer", [operation, body])
        token = body.get("continuationToken")
        if not token:
            break
    expect(not token, "the deployment ends", CodePipeline.answers)
    expect(body["outputVariables"]["Image-app"] == "repo/app:v2", "output variables", body)
    [found] = ecs.describe_services(cluster=CLUSTER, services=[SERVICE])["services"]
    revision = ecs.describe_task_definition(taskDefinition=found["taskDefinition"])["taskDefinition"]
    image = revision["containerDefinitions"][0]["image"]
    expect(image == "repo/app:v2", "the service's image", image)
    print("installed from the release folder without Rust; its job was answered:", body["executionDetails"]["summary"])


with tempfile.TemporaryDirectory() as scratch:
    main(pathlib.Path(scratch))
