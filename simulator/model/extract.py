"""Extracts what requests must look like from botocore's API models into the JSON files beside this one.

Only facts are taken: names of members, their types, which are required, enumerations and bounds.
Usage: extract.py          writes the files
       extract.py --check  fails if they differ from what would be written
Needs botocore of the version below.
"""

import json
import pathlib
import sys

import botocore
import botocore.loaders

BOTOCORE = "1.44.5"

OPERATIONS = {
    "codepipeline": ["PutJobFailureResult", "PutJobSuccessResult"],
    "ecr": ["BatchGetImage", "DescribeImages", "GetDownloadUrlForLayer"],
    "ecs": [
        "ContinueServiceDeployment",
        "DeregisterTaskDefinition",
        "DescribeServiceDeployments",
        "DescribeServiceRevisions",
        "DescribeServices",
        "DescribeTaskDefinition",
        "DescribeTasks",
        "ListClusters",
        "ListServiceDeployments",
        "ListServices",
        "ListTaskDefinitions",
        "ListTasks",
        "RegisterTaskDefinition",
        "RunTask",
        "StopServiceDeployment",
        "StopTask",
        "UpdateService",
    ],
    "events": ["ListEventBuses", "ListRuleNamesByTarget", "ListTargetsByRule", "PutTargets"],
    "logs": ["GetLogEvents"],
    "scheduler": ["GetSchedule", "ListSchedules", "UpdateSchedule"],
}

FACTS = {"structure": ["required"], "list": ["min", "max"], "string": ["enum", "min", "max", "pattern"],
         "integer": ["min", "max"], "long": ["min", "max"], "map": ["min", "max"]}


def facts(shape):
    kept = {"type": shape["type"]}
    for fact in FACTS.get(shape["type"], []):
        if shape.get(fact) is not None and shape.get(fact) != []:
            kept[fact] = shape[fact]
    if shape["type"] == "structure":
        kept["members"] = {name: member["shape"] for name, member in shape["members"].items()}
    elif shape["type"] == "list":
        kept["member"] = shape["member"]["shape"]
    elif shape["type"] == "map":
        kept["key"], kept["value"] = shape["key"]["shape"], shape["value"]["shape"]
    return kept


def extracted(service):
    model = botocore.loaders.Loader().load_service_model(service, "service-2")
    operations, shapes, open_shapes = {}, {}, []
    for name in OPERATIONS[service]:
        operations[name] = model["operations"][name]["input"]["shape"]
        open_shapes.append(operations[name])
    while open_shapes:
        name = open_shapes.pop()
        if name in shapes:
            continue
        shapes[name] = facts(model["shapes"][name])
        kept = shapes[name]
        open_shapes += kept.get("members", {}).values()
        open_shapes += [kept[part] for part in ("member", "key", "value") if part in kept]
    # A service of the REST protocol is not addressed by X-Amz-Target.
    target = {"target": model["metadata"]["targetPrefix"]} if "targetPrefix" in model["metadata"] else {}
    return {"source": f"botocore {BOTOCORE}", **target,
            "operations": operations, "shapes": dict(sorted(shapes.items()))}


def main():
    if botocore.__version__ != BOTOCORE:
        sys.exit(f"botocore {BOTOCORE} is needed, this is {botocore.__version__}")
    differ = []
    for service in OPERATIONS:
        file = pathlib.Path(__file__).with_name(f"{service}.json")
        text = json.dumps(extracted(service), indent=1) + "\n"
        if "--check" not in sys.argv:
            file.write_text(text)
        elif not file.exists() or file.read_text() != text:
            differ.append(file.name)
    if differ:
        sys.exit(f"not as botocore {BOTOCORE} says: {', '.join(differ)}")


main()
