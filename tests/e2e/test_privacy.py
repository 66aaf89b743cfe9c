"""No command but ``fimls pull`` reaches for another machine, by any of its processes, and none
leaves a file in the home directory that isn't fimls' own.
"""

from __future__ import annotations

import ast
import json
import re
import shutil
import subprocess
import sys
from collections.abc import Sequence
from importlib.util import find_spec
from pathlib import Path

import pytest
from lsprotocol import types as lsp

from tests.e2e.session import editor
from tests.unit.store.test_merge import lora, write_adapter
from tests.unit.store.tiny import write_model
from tests.watching import ROOT, Watch, watch

__all__ = ["watch"]

CODE = "def area(width, height):\n    return width\n\n\ndef half(number):\n    return number / 2\n"


@pytest.fixture
def model(tmp_path: Path, empty_home: Path) -> Path:
    """A tiny model that the default engine loads, and an empty store."""
    return write_model(tmp_path / "tiny-qwen2.5-coder.gguf")


@pytest.fixture
def code(tmp_path: Path) -> Path:
    """A small folder of code."""
    folder = tmp_path / "code"
    folder.mkdir()
    for name in "abcd":
        text = CODE.replace("area", f"area_{name}").replace("half", f"half_{name}")
        (folder / f"{name}.py").write_text(text * 3)
    return folder


def command(*arguments: object) -> list[str]:
    """``fimls ARGUMENTS...``."""
    return [sys.executable, "-m", "fimls", *map(str, arguments)]


def fimls(cwd: Path, *arguments: object) -> str:
    """Run it to its end; returns its standard output."""
    done = subprocess.run(
        command(*arguments), cwd=cwd, capture_output=True, text=True, check=False, timeout=300
    )
    assert 0 == done.returncode, done.stderr
    return done.stdout


async def suggest(folder: Path, *options: str) -> None:
    """Start a server, and ask it for a suggestion in a folder once it is ready."""
    async with editor(*options, folder=folder) as session:
        await session.until("ready")
        uri = (folder / "a.py").as_uri()
        session.open(CODE, uri)
        await session.client.text_document_inline_completion_async(
            lsp.InlineCompletionParams(
                context=lsp.InlineCompletionContext(lsp.InlineCompletionTriggerKind.Invoked),
                text_document=lsp.TextDocumentIdentifier(uri),
                position=lsp.Position(1, 11),
            )
        )


def stays_at_home(watch: Watch, *processes: str) -> None:
    """Nothing was reached for and nothing left, by these processes among others."""
    for name in processes:
        assert name in watch.processes
    assert [] == watch.reached
    assert [] == watch.left


def test_it_would_be_seen(watch: Watch, tmp_path: Path) -> None:
    """A child's child that looks a name up, connects, or writes a file is caught at it."""
    reach = "import socket; socket.create_connection(('example.invalid', 80))"
    send = "import socket as s; s.socket(type=s.SOCK_DGRAM).sendto(b'x', ('192.0.2.1', 9))"
    write = "from pathlib import Path; (Path.home() / 'intel').write_text('id')"
    for line in (reach, send, write):
        child = f"import subprocess, sys; subprocess.run([sys.executable, '-c', {line!r}])"
        subprocess.run([sys.executable, "-c", child], check=True, capture_output=True)
    assert [
        ("socket.getaddrinfo", "example.invalid"),
        ("socket.sendto", "192.0.2.1"),
    ] == watch.reached
    assert ["intel"] == watch.left


def test_complete(watch: Watch, model: Path, code: Path) -> None:
    """The default engine converts a model, loads it and completes."""
    fimls(code, "complete", "a.py:2:12", "--model", model, "--json")
    stays_at_home(watch, "fimls.store.convert", "fimls.engines.openvino_worker")


def test_pull(watch: Watch, model: Path, tmp_path: Path) -> None:
    """Of a file that is here."""
    fimls(tmp_path, "pull", model)
    stays_at_home(watch, "fimls.store.convert")


async def test_serve(watch: Watch, model: Path, code: Path) -> None:
    """From the start over the first suggestion to the end, with the index of a folder."""
    await suggest(code, "--model", str(model))
    stays_at_home(watch, "serve --stdio", "fimls.engines.openvino_worker", "indexer_worker")


def test_prepare_and_evaluate(watch: Watch, code: Path, tmp_path: Path) -> None:
    """A dataset is made, and evaluated by the references and by a scripted engine."""
    fimls(tmp_path, "prepare", code, "-o", "data", "--no-context", "--jobs", 2)
    (tmp_path / "script.json").write_text(json.dumps([{"after": "return ", "insert": ["width"]}]))
    scripted = ("--engine", "scripted", "--set", f"scripted_file={tmp_path / 'script.json'}")
    fimls(tmp_path, "eval", f"spans:{code}", "-o", "report", "--limit", 2, "--jobs", 1, *scripted)
    stays_at_home(watch, " prepare ", " eval ")


def test_export(watch: Watch, model: Path, tmp_path: Path) -> None:
    """An adapter is merged and converted for the default engine."""
    from tests.training.export.test_export import manifest_of

    manifest = json.loads(manifest_of(model).to_json())
    adapter = write_adapter(tmp_path / "mine", lora(), manifest=manifest)
    fimls(tmp_path, "export", adapter, "--to", "openvino", "-o", "out", "--model", model)
    stays_at_home(watch, " export ", "fimls.store.convert")


@pytest.mark.slow
@pytest.mark.timeout(1200)
@pytest.mark.skipif(find_spec("peft") is None, reason="the training extra isn't installed")
async def test_train_and_serve_it_with_torch(
    watch: Watch, model: Path, code: Path, tmp_path: Path
) -> None:
    """A repository becomes an adapter, which the torch engine then serves."""
    shutil.copytree(ROOT / "fimls" / "fim", tmp_path / "repository" / "fim")
    changes = {
        "tokens": 600,
        "prefix_tokens": 32,
        "suffix_tokens": 16,
        "snippet_tokens": 32,
        "row_tokens": 600,
        "step_tokens": 300,
        "validations": 1,
        "validation_examples": 2,
        "general_examples": 1,
    }
    options = [f"--recipe-set={key}={value}" for key, value in changes.items()]
    fimls(
        *(tmp_path, "train", "repository", "-o", "adapter", "--model", model),
        *("--recipe", "cpu-small", "--device", "cpu", "--tensorboard", *options),
    )
    stays_at_home(watch, " train ")
    tokens = {"prefix": 64, "suffix": 32, "snippet": 0}
    small = [f"--set={key}_tokens={value}" for key, value in tokens.items()]
    small += [f"--set=max_tokens_{mode}=8" for mode in ("single", "multi")]
    adapter = ("--model", str(model), "--adapter", str(tmp_path / "adapter"))
    await suggest(code, "--engine", "torch", *adapter, *small)
    stays_at_home(watch, "serve --stdio")


@pytest.mark.weights
@pytest.mark.usefixtures("default_model")
@pytest.mark.timeout(1200)
@pytest.mark.parametrize("words", [("pull", "0.5b"), ("complete", "examples/shapes.py:23:15")])
def test_the_default_model(watch: Watch, words: Sequence[str]) -> None:
    """A model that is here is not asked for anywhere, nor is anybody told that it is used."""
    fimls(ROOT, *words)
    stays_at_home(watch, f" {words[0]} ")


@pytest.mark.slow
def test_no_system_call_reaches_out(watch: Watch, model: Path, code: Path, tmp_path: Path) -> None:
    """Native code doesn't either, as strace sees it in the whole tree."""
    strace = shutil.which("strace")
    probe = [strace or "", "-f", "-qq", "-e", "trace=connect", "true"]
    if strace is None or subprocess.run(probe, check=False, capture_output=True).returncode:
        pytest.skip("strace is not installed, or may not trace")
    log = tmp_path / "calls"
    calls = [strace, "-f", "-qq", "-o", str(log), "-e", "trace=connect,sendto,sendmsg,sendmmsg"]
    words = ("complete", "a.py:2:12", "--model", model, "--json")
    subprocess.run([*calls, *command(*words)], cwd=code, check=True, capture_output=True)
    stays_at_home(watch, "fimls.store.convert", "fimls.engines.openvino_worker")
    internet = [line for line in log.read_text("utf-8").splitlines() if "sa_family=AF_INET" in line]
    assert [] == [line for line in internet if not re.search(r'"127\.|"::1"', line)]


def test_openvino_is_imported_in_one_place() -> None:
    """Tests and benchmarks too: who imports it otherwise has its telemetry."""
    importing = []
    for folder in ("benchmarks", "fimls", "scripts", "tests", "training"):
        for path in (ROOT / folder).rglob("*.py"):
            for node in ast.walk(ast.parse(path.read_text("utf-8"))):
                names = [one.name for one in node.names] if isinstance(node, ast.Import) else []
                if isinstance(node, ast.ImportFrom) and not node.level:
                    names = [node.module or ""]
                if any(re.match(r"openvino(_\w+)?(\.|$)", name) for name in names):
                    importing.append(path.relative_to(ROOT).as_posix())
    assert {"fimls/openvino.py"} == set(importing)


def test_openvino_goes_on_without_its_telemetry() -> None:
    """Its tools, which would import it, are imported with a stub in its place."""
    lines = (
        "import sys, fimls.openvino, openvino.tools.ovc.telemetry_utils as used",
        "print(used.tm.__name__, sys.modules['openvino_telemetry'])",
    )
    done = subprocess.run(
        [sys.executable, "-c", "\n".join(lines)], check=True, capture_output=True, text=True
    )
    assert "openvino.tools.ovc.telemetry_stub None\n" == done.stdout
