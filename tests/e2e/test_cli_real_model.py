"""The `fimls` command as people run it: its own process, the default model, real files."""

from __future__ import annotations

import ast
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

pytestmark = [
    pytest.mark.weights,
    pytest.mark.usefixtures("default_model"),
    pytest.mark.timeout(600),
]

ROOT = Path(__file__).parents[2]
SHAPES = ROOT / "examples" / "shapes.py"
PLACE = f"{SHAPES}:23:15"


def fimls(*arguments: object) -> subprocess.CompletedProcess[str]:
    """Run `fimls ARGUMENTS...` in a process of its own."""
    return subprocess.run(
        [sys.executable, "-m", "fimls", *map(str, arguments)],
        capture_output=True,
        text=True,
        encoding="utf-8",
        timeout=500,
        check=False,
        cwd=ROOT,
    )


def report(done: subprocess.CompletedProcess[str]) -> dict[str, Any]:
    """The one JSON object on standard output."""
    assert 0 == done.returncode, done.stderr
    assert 1 == done.stdout.count("\n"), done.stdout
    value = json.loads(done.stdout)
    assert isinstance(value, dict)
    return value


def test_complete_json() -> None:
    """The real model fills in a method of a real file, and every number is there."""
    found = report(fimls("complete", PLACE, "--json"))
    source = SHAPES.read_text(encoding="utf-8")
    head = source.split("\n")[22]
    assert "        return" == head
    ast.parse("def f(self):\n" + head + found["text"])
    assert "self.width * self.height" == found["text"].strip()
    expected = {
        "mode": "single",
        "model": "qwen2.5-coder-0.5b-instruct-q4_k_m",
        "adapter": "fimls-0.5b",
        "reused_tokens": 0,
        "suppressed": None,
        "finish_reason": "stop",
    }
    assert expected == {key: found[key] for key in expected}
    assert 0 < found["confidence"] <= 1
    assert 100 < found["prompt_tokens"] < 400
    assert 0 < found["generated_tokens"] <= 48
    assert 0 < found["ttft_ms"] <= found["total_ms"]


def test_prompt_is_safe_from_literal_tokens(tmp_path: Path) -> None:
    """Control tokens in a file are shown and sent as text; the layout's own stand once each."""
    path = tmp_path / "tokens.py"
    literal = "<|fim_prefix|><|fim_middle|><|endoftext|>"
    path.write_text(f'x = "{literal}"\ny = \nz = "{literal}"\n')
    found = report(fimls("prompt", f"{path}:2:5", "--json"))
    control = [part["text"] for part in found["parts"] if part["kind"] == "control"]
    assert ["<|fim_prefix|>", "<|fim_suffix|>", "<|fim_middle|>"] == control
    # Ids from 151,643 on are Qwen's control tokens.
    assert 3 == sum(token >= 151_643 for token in found["token_ids"])
    code = {part["kind"]: part["text"] for part in found["parts"]}
    assert path.read_text() == code["prefix"] + found["healing"] + code["suffix"]


def test_adapter_of_another_base(tmp_path: Path) -> None:
    """An adapter of another base is refused before anything is merged; the error names both."""
    (tmp_path / "adapter_config.json").write_text('{"peft_type": "LORA"}')
    (tmp_path / "adapter_model.safetensors").write_bytes(b"")
    manifest = {"base": "another-base-1b", "base_sha256": "0" * 64}
    (tmp_path / "fimls_manifest.json").write_text(json.dumps(manifest))
    done = fimls("complete", PLACE, "--json", "--adapter", tmp_path)
    assert (1, "") == (done.returncode, done.stdout)
    assert "another-base-1b" in done.stderr
    assert "qwen2.5-coder-0.5b-instruct-q4_k_m" in done.stderr
    assert "hint: " in done.stderr
    assert "Traceback" not in done.stderr


def test_doctor_knows_the_model_is_here() -> None:
    """The quick report finds the model that other tests use."""
    found = report(fimls("doctor", "--quick", "--json"))
    assert "here" == found["store"]["qwen2.5-coder-0.5b-instruct-q4_k_m"]
