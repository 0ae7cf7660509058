"""Checks the commands of the documents without running them: SAM DOCUMENT…

Every `aws …` of a block of shell goes through the AWS CLI's own parser and through the service's model: an operation, an
option, a value or a missing parameter that the CLI would refuse is an error here, and so is a `--query` that finds nothing in
the operation's answer. Nothing is sent. `--parameter-overrides` are compared with the template, `sam …` with `sam --help`.
"""

import argparse
import contextlib
import functools
import io
import os
import pathlib
import re
import shlex
import subprocess
import sys

os.environ.update(AWS_DEFAULT_REGION="eu-central-1", AWS_ACCESS_KEY_ID="none", AWS_SECRET_ACCESS_KEY="none",
                  AWS_CONFIG_FILE=os.devnull, AWS_SHARED_CREDENTIALS_FILE=os.devnull, AWS_EC2_METADATA_DISABLED="true")

import jmespath
from awscli import clidriver
from awscli.customizations.commands import BasicCommand

ROOT = pathlib.Path(__file__).parent.parent
BLOCK = re.compile(r"^ *```(?:sh|bash|shell)\n(.*?)^ *```", re.M | re.S)
TEMPLATES = {"template.yaml": "install/template.yaml", "pipeline.yaml": "install/pipeline.yaml",
             "deploy-role.yaml": "examples/deploy-role.yaml", "notify.yaml": "examples/notify.yaml"}
# Of version 2 alone, which PyPI does not have: options and how much they take, and whole commands.
ONLY_IN_2 = {"--cli-binary-format": 1, "--no-cli-pager": 0}
# A profile of the reader's.
LEFT_OUT = {**ONLY_IN_2, "--profile": 1}
COMMANDS_ONLY_IN_2 = ["aws configure export-credentials --format env"]
VALUES = {"AWS_REGION": "eu-central-1", "ACCOUNT": "111122223333"}


# Version 2 takes no option that is cut short.
argparse.ArgumentParser.__init__ = functools.partialmethod(argparse.ArgumentParser.__init__, allow_abbrev=False)


# What has to be refused, or this check does not check any more.
REFUSED = """
aws ecs describe-service --cluster prod
aws ecs describe-services --cluster prod --service web
aws ecs describe-services --cluster prod
aws ecs describe-task-definition --task-definition app --query 'taskDefinition.[executionRoleArn, taskRoleARN]'
aws cloudformation describe-stacks --stack-name x --query "Stacks[0].Outputs[?OutputKey=='NoSuchOutput'].OutputValue"
aws cloudformation deploy --stack-name x --template-file template.yaml --capabilities CAPABILITY_IAM --parameter-overrides CodeBucket=x
aws cloudformation deploy --stack-name x --template-file template.yaml --capabilities CAPABILITY_IAM --parameter-overrides NoSuch=x
aws cloudformation deploy --stack-name x --template-file deploy-role.yaml
aws s3 cp . s3://x --recursivly
aws configure export-credentials --format envs
sam deploy --guide
""".strip().splitlines()


class Wrong(Exception):
    pass


def commands(text):
    """Each command of `aws` and `sam` in the blocks of shell."""
    for block in BLOCK.findall(text):
        for line in block.replace("\\\n", " ").splitlines():
            for found in re.finditer(r"(?:^\s*|\$\(|[|;&]\s*)((?:aws|sam) )", line):
                yield upto_end(line[found.start(1):])


def comments(text):
    """Comments behind commands. An interactive zsh, which Macs have, takes them for arguments, and an apostrophe in them for a
    quote."""
    for block in BLOCK.findall(text):
        for line in block.splitlines():
            if re.search(r"(^|\s)#(\s|$)", line):
                yield line


def upto_end(text):
    """Up to the end of the command, or the parenthesis that closes the one before it."""
    depth, quote = 0, ""
    for at, one in enumerate(text):
        if quote:
            quote = "" if one == quote else quote
        elif one in "'\"":
            quote = one
        elif one == "(":
            depth += 1
        elif one == ")":
            depth -= 1
            if depth < 0:
                return text[:at]
        elif one in "|;>":
            return text[:at]
    return text


def words(command):
    UNSEEN.clear()
    known = re.sub(r"\$\{?(\w+)\}?", lambda found: VALUES.get(found[1], "name"), command)
    found, skip = [], 0
    for word in shlex.split(known):
        if skip:
            skip -= 1
        elif word in LEFT_OUT:
            skip = LEFT_OUT[word]
        elif word.startswith("file") and "://" in word and not (ROOT / word.split("://")[1]).exists():
            found.append("{}")
            UNSEEN.append(word)
        else:
            found.append(word)
    return found


# The files of the command that is looked at which are not in the repository: the reader makes them.
UNSEEN = []


def sample(shape, literals, depth=0):
    """An answer of this shape; members that the query compares have what it compares them with."""
    if shape is None or depth > 8:
        return None
    kind = shape.type_name
    if kind == "structure":
        return {name: literals.get(name, sample(of, literals, depth + 1)) for name, of in shape.members.items()}
    if kind == "list":
        return [sample(shape.member, literals, depth + 1)]
    if kind == "map":
        return {"name": sample(shape.value, literals, depth + 1)}
    return {"boolean": True, "string": "text"}.get(kind, 1)


class Checked:
    """Stands where the CLI would send a request."""

    def __init__(self, session):
        self.session = session

    def invoke(self, service, operation, parameters, parsed_globals):
        from awscli.botocore.validate import ParamValidator
        model = self.session.get_service_model(service).operation_model(operation)
        if model.input_shape is not None:
            report = ParamValidator().validate(parameters, model.input_shape)
            wrong = report.generate_report().splitlines()
            if UNSEEN:
                # What such a file holds is not known.
                wrong = [line for line in wrong if not line.startswith("Missing required parameter")]
            if wrong:
                raise Wrong("\n".join(wrong))
        if parsed_globals.query is not None:
            query = getattr(parsed_globals.query, "expression", parsed_globals.query)
            literals = dict(re.findall(r"(\w+) ?== ?[`']([^`']*)[`']", query))
            found = jmespath.search(query, sample(model.output_shape, literals))
            if not found or isinstance(found, list) and None in found:
                raise Wrong(f"{query!r} finds nothing in the answer of {operation}")
            if "OutputKey" in literals and not any(
                    re.search(rf"^  {literals['OutputKey']}:$", outputs, re.M) for outputs in map(section_of_outputs, TEMPLATES)):
                raise Wrong(f"no template has the output {literals['OutputKey']}")
        return 0


def section(text, name):
    found = re.search(rf"^{name}:\n((?:[ #].*\n|\n)*)", text + "\n", re.M)
    return found[1] if found else ""


def section_of_outputs(name):
    return section((ROOT / TEMPLATES[name]).read_text(encoding="utf-8"), "Outputs")


def check_overrides(command, parsed):
    path = TEMPLATES.get(pathlib.Path(parsed.template_file).name)
    if path is None:
        raise Wrong(f"which template is {parsed.template_file}?")
    parameters = section((ROOT / path).read_text(encoding="utf-8"), "Parameters")
    parts = re.split(r"^  (\w+):\n", parameters, flags=re.M)[1:]
    known = {name: "\n    Default:" not in "\n" + part for name, part in zip(parts[::2], parts[1::2])}
    given = {one.split("=", 1)[0] for one in parsed.parameter_overrides or []}
    if not given <= known.keys():
        raise Wrong(f"{path} has no parameter {sorted(given - known.keys())}")
    required = {name for name, is_required in known.items() if is_required}
    # Who gives none of those updates a stack that has them.
    if given & required and not required <= given:
        raise Wrong(f"{path} also requires {sorted(required - given)}")
    needed = "CAPABILITY_NAMED_IAM" if "RoleName" in given else "CAPABILITY_IAM"
    if needed not in (parsed.capabilities or []):
        raise Wrong(f"it makes a role: --capabilities {needed}")


def not_run(self, parsed_args, parsed_globals):
    if self.NAME == "deploy":
        check_overrides(self, parsed_args)
    return 0


def every(of):
    for one in of.__subclasses__():
        yield one
        yield from every(one)


def check_aws(command):
    if command.strip().rstrip('"') in COMMANDS_ONLY_IN_2:
        return
    clidriver.CLIOperationCaller = Checked
    driver = clidriver.create_clidriver()
    for one in every(BasicCommand):
        if "_run_main" in vars(one):
            one._run_main = not_run
    printed = io.StringIO()
    try:
        with contextlib.redirect_stderr(printed), contextlib.redirect_stdout(printed):
            status = driver.main(words(command)[1:])
    except SystemExit as end:
        status = end.code
    if status:
        raise Wrong(printed.getvalue().strip().rpartition("error: ")[2])


def check_sam(sam, command):
    words = shlex.split(command)
    help_text = subprocess.run([sam, words[1], "--help"], check=True, capture_output=True, text=True,
                               env={**os.environ, "SAM_CLI_TELEMETRY": "0"}).stdout
    for word in words:
        if word.startswith("--") and word not in re.findall(r"--[a-z-]+", help_text):
            raise Wrong(f"sam {words[1]} has no {word}")


def check(sam, command):
    if command.startswith("sam "):
        check_sam(sam, command)
    else:
        check_aws(command)


def main(sam, *documents):
    if not list(comments("```sh\nls # a comment\n```\n")):
        sys.exit("no comment is found")
    for command in REFUSED:
        try:
            check(sam, command)
        except Wrong:
            continue
        sys.exit(f"not refused: {command}")
    wrong = seen = 0
    for document in documents:
        text = pathlib.Path(document).read_text(encoding="utf-8")
        for line in comments(text):
            wrong += 1
            print(f"{document}: write the comment above the block: {line}", file=sys.stderr)
        for command in commands(text):
            seen += 1
            try:
                check(sam, command)
            except Wrong as error:
                wrong += 1
                print(f"{document}: {command}\n  {error}", file=sys.stderr)
    print(f"{seen} commands of {len(documents)} documents")
    if wrong or seen < 20:
        sys.exit(f"{wrong} are wrong")


if __name__ == "__main__":
    main(*sys.argv[1:])
