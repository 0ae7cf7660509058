"""Terraform's aws provider as far as a plan needs it: its real names of arguments and blocks, and values that
we make up for what AWS would answer. It calls nobody.

The names are those of `@cdktf/provider-aws` on npm, which is generated of the provider's own schema:
<https://developer.hashicorp.com/terraform/cdktf>. Terraform speaks the plugin protocol, version 5, to it:
<https://developer.hashicorp.com/terraform/plugin/terraform-plugin-protocol>."""

import concurrent.futures
import json
import os
import pathlib
import re
import subprocess
import tarfile

import grpc
import msgpack

ACCOUNT, REGION, PARTITION, SUFFIX = "111122223333", "eu-central-1", "aws", "amazonaws.com"

# Types whose arguments are known.
RESOURCES = [
    "aws_cloudwatch_dashboard", "aws_cloudwatch_event_bus", "aws_cloudwatch_log_group",
    "aws_cloudwatch_metric_alarm", "aws_cloudwatch_query_definition", "aws_codepipeline", "aws_ecs_cluster",
    "aws_ecs_service", "aws_ecs_task_definition", "aws_iam_role", "aws_iam_role_policy", "aws_lambda_function",
    "aws_lambda_function_event_invoke_config", "aws_s3_bucket", "aws_s3_object", "aws_sns_topic",
]
DATA = [
    "aws_caller_identity", "aws_cloudformation_stack", "aws_iam_policy_document", "aws_iam_role", "aws_lambda_function",
    "aws_partition", "aws_region",
]


def lambda_arn(name):
    return f"arn:{PARTITION}:lambda:{REGION}:{ACCOUNT}:function:{name}"


def log_group_arn(name):
    return f"arn:{PARTITION}:logs:{REGION}:{ACCOUNT}:log-group:{name}"


def role_name(value):
    return value.get("name") or value.get("name_prefix", "") + "0001"


# What AWS would make up for a resource.
COMPUTED = {
    "aws_iam_role": lambda one: {
        "name": role_name(one), "id": role_name(one),
        "arn": f"arn:{PARTITION}:iam::{ACCOUNT}:role/{role_name(one)}"},
    "aws_lambda_function": lambda one: {"id": one["function_name"], "arn": lambda_arn(one["function_name"])},
    "aws_cloudwatch_log_group": lambda one: {"id": one["name"], "arn": log_group_arn(one["name"])},
}
ANSWERS = {
    "aws_partition": lambda one: {"id": PARTITION, "partition": PARTITION, "dns_suffix": SUFFIX},
    "aws_region": lambda one: {"id": REGION, "name": REGION, "region": REGION},
    "aws_caller_identity": lambda one: {"id": ACCOUNT, "account_id": ACCOUNT},
    "aws_iam_policy_document": lambda one: {"json": json.dumps(one["statement"])},
    "aws_lambda_function": lambda one: {"id": one["function_name"], "arn": lambda_arn(one["function_name"])},
}


# --- the names: package → schemas ---

def fetch(version, folder):
    """The schemas of a version of the package, kept in `folder`."""
    kept = pathlib.Path(folder) / f"{version}.json"
    wanted = {"resources": RESOURCES, "data": DATA}
    if kept.exists():
        schemas = json.loads(kept.read_text())
        if schemas.pop("wanted") == wanted:
            return schemas
    kept.parent.mkdir(parents=True, exist_ok=True)
    subprocess.run(["npm", "pack", "--silent", "--pack-destination", folder, f"@cdktf/provider-aws@{version}"],
                   check=True, stdout=subprocess.DEVNULL)
    archive = kept.parent / f"cdktf-provider-aws-{version}.tgz"
    folders = {"package/lib/provider": "aws"}
    folders |= {"package/lib/" + name[4:].replace("_", "-"): name for name in RESOURCES}
    folders |= {"package/lib/data-" + name.replace("_", "-"): "data." + name for name in DATA}
    texts = {}
    with tarfile.open(archive) as tar:
        for member in tar:
            place, _, file = member.name.rpartition("/")
            if place in folders and file in ("index.js", "index.d.ts"):
                texts[folders[place], file] = tar.extractfile(member).read().decode()
    archive.unlink()
    found = {name: schema(texts[name, "index.js"], texts[name, "index.d.ts"]) for name in folders.values()}
    schemas = {
        "version": re.search(r"/hashicorp/aws/([0-9.]+)/docs", texts["aws", "index.d.ts"])[1],
        "provider": found["aws"],
        "resources": {name: found[name] for name in RESOURCES},
        "data": {name: found["data." + name] for name in DATA},
    }
    kept.write_text(json.dumps(schemas | {"wanted": wanted}))
    return schemas


def schema(code, types):
    """Arguments, blocks and computed attributes of one resource."""
    # Interface → argument → whether it is required.
    required = {}
    for interface in re.finditer(r"^export interface (\w+)[^{]*\{\n(.*?)^\}", types, re.M | re.S):
        fields = re.findall(r"#(\w+) \w+#\w+\}.*?readonly \w+(\??):", interface[2], re.S)
        fields += re.findall(r"\w+#(\w+)\}.*?readonly \w+(\??):", interface[2], re.S)
        required[interface[1]] = {name: mark == "" for name, mark in fields}
    [config] = re.findall(r"^export interface (\w+Config) extends cdktf\.Terraform(?:MetaArguments|ProviderConfig)?", types, re.M) \
        or re.findall(r"^export interface (Aws\w*ProviderConfig) ", types, re.M)
    # Where each is described in the code: functions of nested blocks, and the class's own.
    owners = [(match.start(), match[1][0].upper() + match[1][1:])
              for match in re.finditer(r"^function (\w+)ToHclTerraform\(", code, re.M)]
    owners += [(match.start(), config) for match in re.finditer(r"^    synthesizeHclAttributes\(", code, re.M)]
    owners.sort()
    blocks = {name: {} for _, name in owners}
    entry = re.compile(r"^ +(\w+): \{\n +value: .*?,\n +isBlock: (\w+),\n +type: \"(\w+)\",\n +storageClassType: \"(\w+)\"",
                       re.M)
    for match in entry.finditer(code):
        owner = [name for start, name in owners if start < match.start()][-1]
        blocks[owner][match[1]] = (match[2] == "true", match[3], match[4])

    def block(owner):
        attributes, nested = {}, {}
        for name, (is_block, nesting, kind) in blocks[owner].items():
            must = required[owner][name]
            if is_block and kind not in TYPES:
                inner = kind if nesting == "struct" else re.sub("(List|Set)$", "", kind)
                nested[name] = {"nesting": nesting, "required": must, "block": block(inner)}
            else:
                attributes[name] = {"type": type_of(nesting, kind), "required": must}
        return {"attributes": attributes, "blocks": nested}

    own = block(config)
    start = code.find("extends cdktf.Terraform")
    for kind, name in re.findall(r"this\.get(String|Number|Boolean|List)Attribute\('(\w+)'\)", code[start:]):
        kind = ["list", "string"] if kind == "List" else TYPES[kind.lower()]
        own["attributes"].setdefault(name, {"type": kind, "computed": True})
    return own


TYPES = {"string": "string", "number": "number", "boolean": "bool"}


def type_of(nesting, kind):
    if nesting == "simple":
        return TYPES[kind]
    inner = re.sub("(List|Map)$", "", kind)
    if inner not in TYPES:
        return "dynamic"
    return [nesting, TYPES[inner]]


# --- the protocol ---

def varint(number):
    text = bytearray()
    while number > 127:
        text.append(number & 127 | 128)
        number >>= 7
    return bytes(text + bytes([number]))


def message(*fields):
    """Number and value of each field; those without a value are left out."""
    text = b""
    for number, value in fields:
        if isinstance(value, int):
            text += varint(number << 3) + varint(int(value)) if value else b""
        else:
            value = value.encode() if isinstance(value, str) else value
            text += varint(number << 3 | 2) + varint(len(value)) + value
    return text


def read(text):
    """The last of each field that is text."""
    fields, at = {}, 0

    def number():
        nonlocal at
        value, shift = 0, 0
        while True:
            byte = text[at]
            at += 1
            value |= (byte & 127) << shift
            shift += 7
            if byte < 128:
                return value

    while at < len(text):
        key = number()
        length = number()
        if key & 7 == 2:
            fields[key >> 3] = text[at:at + length]
            at += length
    return fields


NESTING = {"struct": 1, "list": 2, "set": 3}


def block_message(block):
    attributes = [
        message((1, name), (2, json.dumps(one["type"])), (4, one.get("required", False)),
                (5, not one.get("required") and not one.get("computed")), (6, not one.get("required")))
        for name, one in sorted(block["attributes"].items())
    ]
    blocks = [
        message((1, name), (2, block_message(one["block"])), (3, NESTING[one["nesting"]]),
                (4, int(one["required"] and one["nesting"] != "struct")))
        for name, one in sorted(block["blocks"].items())
    ]
    return message(*[(2, one) for one in attributes], *[(3, one) for one in blocks])


def schema_message(block):
    return message((2, block_message(block)))


def value(dynamic):
    return msgpack.unpackb(read(dynamic)[1], raw=False, strict_map_key=False)


def dynamic(of):
    return message((1, msgpack.packb(of)))


class Provider(grpc.GenericRpcHandler):
    """Each call of the protocol that a plan makes."""

    def __init__(self, schemas):
        self.schemas = schemas

    def service(self, details):
        name = details.method.removeprefix("/tfplugin5.Provider/")
        method = getattr(self, name, None) if name != details.method else None
        return method and grpc.unary_unary_rpc_method_handler(lambda request, _: method(read(request)))

    def GetSchema(self, _):
        def entries(number, of):
            return [(number, message((1, name), (2, schema_message(one)))) for name, one in of.items()]

        return message((1, schema_message(self.schemas["provider"])), *entries(2, self.schemas["resources"]),
                       *entries(3, self.schemas["data"]))

    def PrepareProviderConfig(self, request):
        return message((1, request[1]))

    def nothing(self, _):
        return b""

    ValidateResourceTypeConfig = ValidateDataSourceConfig = Configure = Stop = nothing

    def PlanResourceChange(self, request):
        kind, planned = request[1].decode(), value(request[3])
        computed = COMPUTED.get(kind, lambda one: {})(planned)
        # It may plan what the configuration leaves open, as the real one's library does.
        return message((1, dynamic(planned | computed)), (5, True))

    def ReadDataSource(self, request):
        kind, config = request[1].decode(), value(request[2])
        answer = ANSWERS.get(kind, lambda one: {})(config)
        return message((1, dynamic(config | {name: one for name, one in answer.items() if name in config})))


def environment(folder):
    """What a process needs in whose `folder` the provider is served: Terraform, as a library, sees the environment
    that the process began with."""
    folder = pathlib.Path(folder)
    # It asks nobody else, and has no settings but these.
    settings = folder / "terraformrc"
    settings.write_text("")
    aws = {"Protocol": "grpc", "ProtocolVersion": 5, "Pid": os.getpid(), "Test": True,
           "Addr": {"Network": "unix", "String": str(folder / "provider")}}
    return {"TF_CLI_CONFIG_FILE": str(settings), "CHECKPOINT_DISABLE": "1",
            "TF_REATTACH_PROVIDERS": json.dumps({"registry.terraform.io/hashicorp/aws": aws})}


def serve(schemas, folder):
    """Until it is stopped."""
    server = grpc.server(concurrent.futures.ThreadPoolExecutor(4), handlers=[Provider(schemas)],
                         options=[("grpc.max_send_message_length", -1)])
    server.add_insecure_port("unix:" + str(pathlib.Path(folder) / "provider"))
    server.start()
    return server
