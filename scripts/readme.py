"""Fill the README's generated tables: settings from the code, figures from benchmarks/results.

python scripts/readme.py            # rewrite
python scripts/readme.py --check    # exit 1 if it would change
"""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from fimls.config import field_help, workspace_settings

ROOT = Path(__file__).resolve().parent.parent
README = ROOT / "README.md"
RESULTS = ROOT / "benchmarks" / "results"


def settings_table() -> str:
    """Every setting, what it does and takes, and whether a workspace may set it."""
    in_workspace = set(workspace_settings())
    rows = [
        f"| `{name}` | {help_text.replace('|', chr(92) + '|')} | "
        f"{'yes' if name in in_workspace else ''} |"
        for name, help_text in field_help().items()
    ]
    return "\n".join(["| setting | what | a workspace may set it |", "| --- | --- | --- |", *rows])


def measured_table() -> str:
    """The figures, each with the file they come from."""
    rows = [*_typing(), *_adapter_while_typing(), *_quality(), *_editors(), *_latency()]
    head = "| what | with the shipped adapter | the model alone | file |"
    return "\n".join([head, "| --- | --- | --- | --- |", *rows])


def _row(what: str, name: str, *, adapter: str = "", alone: str = "") -> str:
    return f"| {what} | {adapter} | {alone} | `{name}.json` |"


def _typing() -> list[str]:
    name = "keystrokes-human-1"
    all_of_it = _result(name)["figures"]["all"]
    engine, cached = (all_of_it["latency_ms"][key] for key in ("with_engine", "without_engine"))
    rows = {
        "Typing at a human pace: keys answered without the engine": (
            f"{_percent(all_of_it['without_engine_share'])}, p95 {cached['p95']['value']:.0f} ms"
        ),
        "- key to ghost text, for the other keys": (
            f"p50 {engine['p50']['value']:.0f} ms, p95 {engine['p95']['value']:.0f} ms"
        ),
        "- characters saved, of those typed": _percent(all_of_it["saved_share"]),
        "- shown characters that were right": _percent(all_of_it["right_share"]),
        "- prompt tokens reused from the key before": _percent(
            all_of_it["prompts"]["reused_share"]
        ),
    }
    return [_row(what, name, alone=measured) for what, measured in rows.items()]


def _adapter_while_typing() -> list[str]:
    name = "keystrokes-adapter-2"
    sides = [_result(name)[side]["figures"]["all"] for side in ("on", "off")]
    shown = {
        "saved_share": f"Typing {sides[0]['functions']} functions, waiting for each suggestion: "
        "characters saved",
        "right_share": "- shown characters that were right",
    }
    return [
        _with_and_alone(name, what, *(side[measure] for side in sides))
        for measure, what in shown.items()
    ]


def _with_and_alone(
    name: str, what: str, with_it: dict[str, float], alone: dict[str, float]
) -> str:
    return _row(what, name, adapter=_percent(with_it), alone=_percent(alone))


def _percent(figure: dict[str, float]) -> str:
    interval = f" [{100 * figure['low']:.0f}, {100 * figure['high']:.0f}]"
    return f"{100 * figure['value']:.0f} %{interval}"


def _quality() -> list[str]:
    name = "default-adapter"
    result = _result(name)
    suites = {
        "single": "single-line",
        "multi": "multi-line",
        "random-span": "random span, light",
    }
    rows = [
        (
            f"HumanEval-infilling, {title}: pass@1",
            "passed",
            result[suite]["comparisons"][0]["changes"],
        )
        for suite, title in suites.items()
    ]
    unseen = "Middles of unseen packages: exact match"
    rows.append((unseen, "exact", result["held_out_together"]))
    tested = "Emptied functions of unseen packages: tests passed"
    return [
        *(_changed(name, *row) for row in rows),
        _changed("functions", tested, "passed", _result("functions")["together"]),
    ]


def _changed(name: str, title: str, measure: str, changes: Mapping[str, Any]) -> str:
    figures = changes["all"]["all"]
    change = figures[measure]
    return _with_and_alone(
        name, f"{title} (n={figures['items']:,})", change["after"], change["before"]
    )


def _editors() -> list[str]:
    shown = {
        "ghost_after_answer_ms": "server's answer to ghost text on the screen",
        "activation_ms": "activation of the extension",
        "start_up_ms": "start-up time that the plugin adds",
        "window_to_ready_s": "open window to loaded model",
        "window_to_first_ghost_s": "open window to first ghost text",
    }
    editors = {"nvim-0.12": "Neovim 0.12", "nvim-0.12 native": "Neovim 0.12", "vscode": "VS Code"}
    return [
        _row(
            f"{editors[one['editor']]}: {shown[one['name']]}",
            "editors",
            adapter=f"{one['median']:.3g} {one['name'].rpartition('_')[2]}",
        )
        for one in _result("editors")["measured"]
        if one["editor"] in editors
    ]


def _latency() -> list[str]:
    result = _result("latency")
    shown = {
        "First token, cold prompt of {prompt_tokens} tokens": ("cold_ttft_ms", "ms"),
        "First token after a typed character": ("typed_ttft_ms", "ms"),
        "Prompt tokens reused after a typed character": ("typed_reused_percent", "%"),
        "Each further token": ("decode_ms_per_token", "ms"),
        "Cancel to free engine, while decoding": ("cancel_while_decoding_ms", "ms"),
        "Cancel to free engine, during prefill": ("cancel_in_prefill_ms", "ms"),
        "`fimls complete`, including the start of the process": ("complete_s", "s"),
        "`fimls serve`: start to `initialize` reply": ("initialize_ms", "ms"),
    }
    prompt_tokens = f"{result['prompt_tokens']['median']:.0f}"
    rows = [
        _row(
            what.format(prompt_tokens=prompt_tokens),
            "latency",
            alone=f"{result[key]['median']:g} {unit}",
        )
        for what, (key, unit) in shown.items()
    ]
    resident = result["server_resident_mb"]
    return [*rows, _row("Memory of server and engine", "latency", alone=f"{resident:,} MB")]


def _result(name: str) -> dict[str, Any]:
    result: dict[str, Any] = json.loads((RESULTS / f"{name}.json").read_text(encoding="utf-8"))
    return result


def filled(text: str) -> str:
    """The README with its generated parts made anew."""
    for name, table in (("settings", settings_table()), ("measured", measured_table())):
        block = f"<!-- {name}:begin -->\n\n{table}\n\n<!-- {name}:end -->"
        pattern = rf"<!-- {name}:begin -->.*<!-- {name}:end -->"
        before, after = re.split(pattern, text, flags=re.DOTALL)
        text = before + block + after
    return text


def main() -> None:
    """Rewrite, or check."""
    before = README.read_text(encoding="utf-8")
    after = filled(before)
    if "--check" not in sys.argv[1:]:
        README.write_text(after, encoding="utf-8")
    elif before != after:
        sys.exit("README.md is out of date: python scripts/readme.py")


if __name__ == "__main__":
    main()
