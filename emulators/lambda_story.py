"""The release zip in somebody else's Lambda: ministack runs it, and its ECS service runs the new revision, or
is rolled back and the report says why.

Usage: lambda_story.py ZIP ENDPOINT
"""

import json
import pathlib
import sys

import boto3
import botocore.config

REGION = "us-east-1"
CLUSTER, SERVICE, FAMILY = "prod-lambda", "web", "app-lambda"

archive, endpoint = pathlib.Path(sys.argv[1]), sys.argv[2]
once = botocore.config.Config(read_timeout=300, retries={"max_attempts": 0})


def client(service):
    return boto3.client(service, region_name=REGION, endpoint_url=endpoint, config=once,
                        aws_access_key_id="test", aws_secret_access_key="test")


ecs, functions = client("ecs"), client("lambda")


def expect(is_so, what, got):
    if not is_so:
        sys.exit(f"{what}: {json.dumps(got, default=str)}")


def running_image():
    [service] = ecs.describe_services(cluster=CLUSTER, services=[SERVICE])["services"]
    revision = ecs.describe_task_definition(taskDefinition=service["taskDefinition"])["taskDefinition"]
    return revision["containerDefinitions"][0]["image"]


def deploy(image):
    event = {"ClusterName": CLUSTER, "ServiceName": SERVICE, "DeploymentTimeout": 5,
             "ImageDefinitions": [{"name": "app", "imageUri": image}]}
    answer = functions.invoke(FunctionName="ecs-deploy-action", Payload=json.dumps(event))
    report = json.load(answer["Payload"])
    expect("FunctionError" not in answer, "the function failed", report)
    return report


ecs.create_cluster(clusterName=CLUSTER)
ecs.register_task_definition(
    family=FAMILY, requiresCompatibilities=["FARGATE"], cpu="256", memory="512",
    containerDefinitions=[{"name": "app", "image": "repo/app:v1", "essential": True}])
ecs.create_service(
    cluster=CLUSTER, serviceName=SERVICE, taskDefinition=FAMILY, desiredCount=1, launchType="FARGATE",
    deploymentConfiguration={"deploymentCircuitBreaker": {"enable": True, "rollback": True}})
functions.create_function(
    FunctionName="ecs-deploy-action", Runtime="provided.al2023", Handler="bootstrap", Architectures=["x86_64"],
    Role="arn:aws:iam::000000000000:role/deploy", Code={"ZipFile": archive.read_bytes()}, Timeout=120, MemorySize=128,
    Environment={"Variables": {"AWS_ENDPOINT_URL": endpoint}})
functions.get_waiter("function_active_v2").wait(FunctionName="ecs-deploy-action")

report = deploy("repo/app:v2")
expect(report["outcome"] == "Succeeded", "a healthy image", report)
expect(report["outputVariables"]["Image-app"] == "repo/app:v2", "output variables", report)
expect(running_image() == "repo/app:v2", "the service's image", running_image())

report = deploy("repo/app:crash")
expect(report["outcome"] == "Failed", "an image that crashes", report)
expect(report["message"].startswith(f"{SERVICE} on {CLUSTER}: {FAMILY}:3 failed: "), "the reason", report)
expect("Rolled back" in report["message"], "what was done about it", report)
expect(running_image() == "repo/app:v2", "the service's image", running_image())
print("the release zip deployed, and told of a rollback:", report["message"].splitlines()[0])
