"""Writes the CloudFormation of the guides as templates that cfn-lint reads: OUT GUIDE…

A block that follows on `<!-- template-… -->` is a template as it is; one that follows on `<!-- stage… -->` is a list of
stages, which gets a pipeline around it and a source action for each artifact that it takes.
"""

import pathlib
import re
import sys

BLOCK = re.compile(r"^<!-- ((?:template|stage)\S*) -->\n```yaml\n(.*?)^```", re.M | re.S)
INPUTS = re.compile(r"InputArtifacts: \[(.*)\]")

PIPELINE = """\
Resources:
  Pipeline:
    Type: AWS::CodePipeline::Pipeline
    Properties:
      PipelineType: V2
      RoleArn: arn:aws:iam::111122223333:role/pipeline
      ArtifactStore: {Type: S3, Location: artifacts}
      Stages:
        - Name: Source
          Actions:
"""

SOURCE = """\
            - Name: NAME
              ActionTypeId: {Category: Source, Owner: AWS, Provider: S3, Version: "1"}
              OutputArtifacts: [{Name: NAME}]
              Configuration: {S3Bucket: releases, S3ObjectKey: NAME.zip, PollForSourceChanges: "false"}
"""


def pipeline(stages: str) -> str:
    names = {name for found in INPUTS.findall(stages) for name in re.findall(r"Name: (\w+)", found)}
    sources = "".join(SOURCE.replace("NAME", name) for name in sorted(names))
    return PIPELINE + sources + "".join(f"        {line}\n" for line in stages.splitlines())


def main(out: str, *guides: str) -> None:
    folder = pathlib.Path(out)
    folder.mkdir(parents=True, exist_ok=True)
    for old in folder.glob("*.yaml"):
        old.unlink()
    written = 0
    for guide in map(pathlib.Path, guides):
        for name, block in BLOCK.findall(guide.read_text(encoding="utf-8")):
            template = block if name.startswith("template") else pipeline(block)
            (folder / f"{guide.stem}-{name}.yaml").write_text(template, encoding="utf-8")
            written += 1
    if not written:
        sys.exit("no template in the guides")


main(*sys.argv[1:])
