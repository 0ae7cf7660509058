"""The usual alternative: a deploy action for CodePipeline as people write it, with boto3.

The benchmarks run it beside our function. It is written plainly and fairly: clients of the function's own are made
once, outside the handler, as AWS recommends; each step is one call; it waits as our function does.

What it does not do, and what a fair reading of the figures must keep in mind:
- It checks nothing before it registers a revision: not the parameters, not the service's state, not the images.
- It does not know whether this job has registered a revision before: an event that comes twice deploys twice.
- It drops fields of the task definition that this list, or this boto3, does not know.
- It does not roll back, gives no evidence, and follows `rolloutState` only: no bake time, no blue/green.
- It reads the whole artifact into memory. Several services are done one after the other.
"""

import io
import json
import os
import time
import zipfile

import boto3

# Seconds that one invocation waits before it hands the job back, and between two looks.
WATCH_SECONDS = int(os.environ.get("WATCH_SECONDS", "40"))
LOOK_EVERY_SECONDS = 5

# What of a described task definition may be registered again.
COPIED = [
    "family", "taskRoleArn", "executionRoleArn", "networkMode", "containerDefinitions", "volumes",
    "placementConstraints", "requiresCompatibilities", "cpu", "memory", "pidMode", "ipcMode", "proxyConfiguration",
    "inferenceAccelerators", "ephemeralStorage", "runtimePlatform", "enableFaultInjection",
]

ecs = boto3.client("ecs")
codepipeline = boto3.client("codepipeline")


def handler(event, context):
    job = event["CodePipeline.job"]
    try:
        token = job["data"].get("continuationToken")
        state = json.loads(token) if token else start(job["data"])
        if watch(state):
            codepipeline.put_job_success_result(jobId=job["id"])
        else:
            codepipeline.put_job_success_result(jobId=job["id"], continuationToken=json.dumps(state))
    except Exception as error:  # whatever it is, the pipeline must hear of it
        codepipeline.put_job_failure_result(
            jobId=job["id"], failureDetails={"type": "JobFailed", "message": str(error)[:5000]}
        )


def start(data):
    """Deploys, and returns what must be remembered: the revision that each service was set to."""
    parameters = json.loads(data["actionConfiguration"]["configuration"]["UserParameters"])
    cluster = parameters["ClusterName"]
    services = parameters.get("Services") or [parameters["ServiceName"]]
    images = {one["name"]: one["imageUri"] for one in read_images(data)}
    registered = {}
    revisions = {}
    for service in services:
        before = describe(cluster, service)["taskDefinition"]
        if before not in registered:
            registered[before] = register(before, images)
        ecs.update_service(cluster=cluster, service=service, taskDefinition=registered[before])
        revisions[service] = registered[before]
    return {"cluster": cluster, "revisions": revisions}


def read_images(data):
    """Downloads the whole artifact, with the job's own credentials, and reads one small file out of it."""
    credentials = data["artifactCredentials"]
    s3 = boto3.client(
        "s3",
        aws_access_key_id=credentials["accessKeyId"],
        aws_secret_access_key=credentials["secretAccessKey"],
        aws_session_token=credentials["sessionToken"],
    )
    location = data["inputArtifacts"][0]["location"]["s3Location"]
    artifact = s3.get_object(Bucket=location["bucketName"], Key=location["objectKey"])["Body"].read()
    with zipfile.ZipFile(io.BytesIO(artifact)) as archive:
        return json.loads(archive.read("imagedefinitions.json"))


def register(before, images):
    """Registers a copy of a revision with these images, and returns its ARN."""
    described = ecs.describe_task_definition(taskDefinition=before, include=["TAGS"])
    definition = {field: described["taskDefinition"][field] for field in COPIED if field in described["taskDefinition"]}
    for container in definition["containerDefinitions"]:
        container["image"] = images.get(container["name"], container["image"])
    if described.get("tags"):
        definition["tags"] = described["tags"]
    return ecs.register_task_definition(**definition)["taskDefinition"]["taskDefinitionArn"]


def watch(state):
    """Looks until all deployments are complete (True) or this invocation has waited long enough (False)."""
    until = time.monotonic() + WATCH_SECONDS
    while True:
        waiting = [service for service in state["revisions"] if not is_complete(state, service)]
        if not waiting:
            return True
        if time.monotonic() + LOOK_EVERY_SECONDS > until:
            return False
        time.sleep(LOOK_EVERY_SECONDS)


def is_complete(state, service):
    revision = state["revisions"][service]
    for deployment in describe(state["cluster"], service)["deployments"]:
        if deployment["taskDefinition"] == revision:
            if deployment["rolloutState"] == "FAILED":
                raise RuntimeError(f"{service}: {deployment.get('rolloutStateReason')}")
            return deployment["rolloutState"] == "COMPLETED"
    raise RuntimeError(f"{service}: the deployment of {revision} was replaced")


def describe(cluster, service):
    answer = ecs.describe_services(cluster=cluster, services=[service])
    if answer["failures"]:
        raise RuntimeError(f"{service}: {answer['failures'][0]['reason']}")
    return answer["services"][0]
