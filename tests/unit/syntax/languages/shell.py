"""Shell scripts."""

from __future__ import annotations

from fimls.syntax import Import
from tests.unit.syntax.languages.case import Case

CASE = Case(
    language_id="shellscript",
    function=["f() {", "  |", "}"],
    broken="if } ((",
    source="""
#!/bin/bash
set -e
source ./lib/util.sh
. "$(dirname "$0")/common.sh"

LIMIT=3
readonly NAME="x"

build() {
  local out=$1
  for file in *.c; do
    cc "$file" -o "$out"
  done
}

function deploy {
  build "$@"
  echo "done: ${1%.*}"
}
""",
    definitions="constant:LIMIT constant:NAME function:build function:deploy",
    imports=[
        Import("./lib/util.sh", (("*", "*"),), ""),
        Import("./common.sh", (("*", "*"),), ""),
    ],
    skeletons={"build": "build() { ... }", "deploy": "function deploy { ... }"},
    known="fi esac done echo grep mktemp",
    files={"lib/util.sh": "retry() {\n  local times=$1\n  shift\n  echo again\n}\n"},
    path="run.sh",
    code='. "$(dirname "$0")/lib/util.sh"\n\nmain() {\n  retry|\n}\n',
    snippets={"lib/util.sh": "retry() { ... }\n"},
    generated=[
        ("if a; then\n  |\nfi\n", "x\nfi\ny", "x"),
        ("if a; then\n  |\n", "x\nfi\n\nf() {\n  y\n}", "x\nfi"),
        ("if a; then\n  |\nfi\n", "x\nelif b; then\n  y\nfi\nz", "x\nelif b; then\n  y"),
        ("for f in *; do\n  |\n\necho\n", "x\ndone\nz", "x\ndone"),
    ],
    bodies={
        'local out=$1\n  for file in *.c; do\n    cc "$file" -o "$out"\n  done',
        'build "$@"\n  echo "done: ${1%.*}"',
    },
)
