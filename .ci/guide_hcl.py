"""Parses the Terraform in documents: DOCUMENT…

Each block must be what Terraform's grammar takes.
"""

import pathlib
import re
import sys

import hcl2

BLOCK = re.compile(r"^```(?:hcl|terraform)\n(.*?)^```", re.M | re.S)


def main(*documents: str) -> None:
    parsed = 0
    for document in map(pathlib.Path, documents):
        for found in BLOCK.finditer(document.read_text(encoding="utf-8")):
            line = document.read_text(encoding="utf-8").count("\n", 0, found.start(1)) + 1
            try:
                content = hcl2.loads(found.group(1))
            except Exception as error:  # the parser has no class of its own for all of them
                sys.exit(f"{document}, line {line}: {error}")
            if not set(content) & {"resource", "data", "module"}:
                sys.exit(f"{document}, line {line}: no resource, data source or module")
            parsed += 1
    if not parsed:
        sys.exit("no Terraform in the documents")


main(*sys.argv[1:])
