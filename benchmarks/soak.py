"""An hour's keystrokes in a few minutes: does the server's memory stay flat?

    python benchmarks/soak.py

The scripted engine answers at once, so that 20,000 keystrokes (an hour at five and a half a second)
pass quickly: the server's own caches, histories and the context's index are what could grow. Memory
is of the server and its processes; growth is from the first quarter, when everything is warm, to
the end.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import random
import tempfile
import time
from pathlib import Path

from record import write_result

from fimls.report.machine import resident_bytes
from training.evaluation.typing.client import Client, server_command

ROOT = Path(__file__).resolve().parent.parent
SCRIPT = [{"after": "= ", "insert": "self.compute(first, second)\n        done = True\n"}]
LINE = "        value{number} = self.compute(first, second)\n"
SAMPLES = 40


async def soak(files: list[tuple[str, str]], keystrokes: int, seed: int) -> list[int]:
    """Type in files, each a URI and a text; the resident bytes at ``SAMPLES`` moments."""
    generator = random.Random(seed)  # noqa: S311 - a choice of places, not a secret
    sampled: list[int] = []
    with tempfile.TemporaryDirectory() as name, tempfile.TemporaryFile() as log:
        folder = Path(name)
        script = folder / "script.json"
        script.write_text(json.dumps(SCRIPT), encoding="utf-8")
        options = ["--engine", "scripted", "--set", f"scripted_file={script}"]
        state = {"XDG_CACHE_HOME": name, "XDG_STATE_HOME": name}
        client = await Client.start(server_command(options), ROOT, environment=state, log=log)
        try:
            await client.ready(60)
            typed = 0
            while typed < keystrokes:
                typed += await _type_in(client, *generator.choice(files), generator)
                if typed >= (len(sampled) + 1) * keystrokes / SAMPLES:
                    sampled.append(resident_bytes(client.pid) or 0)
        finally:
            await client.aclose()
    return sampled


async def _type_in(client: Client, uri: str, text: str, generator: random.Random) -> int:
    """Open a file, type a line in it, and close it; how many keys that took."""
    lines = text.split("\n")
    line = generator.randrange(len(lines))
    document = {"uri": uri, "languageId": "python", "version": 1, "text": text}
    client.notify("textDocument/didOpen", {"textDocument": document})
    typed = LINE.format(number=generator.randrange(1000))
    for column, character in enumerate(typed[:-1]):
        position = {"line": line, "character": column}
        change = {"range": {"start": position, "end": position}, "text": character}
        client.notify(
            "textDocument/didChange",
            {"textDocument": {"uri": uri, "version": column + 2}, "contentChanges": [change]},
        )
        await client.request(
            "textDocument/inlineCompletion",
            {
                "textDocument": {"uri": uri},
                "position": {"line": line, "character": column + 1},
                "context": {"triggerKind": 2},
            },
        )
    client.notify("textDocument/didClose", {"textDocument": {"uri": uri}})
    return len(typed) - 1


def main() -> None:
    """Run and record."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--keystrokes", type=int, default=20_000)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    began = time.perf_counter()
    paths = sorted((ROOT / "fimls").rglob("*.py"))
    files = [(path.as_uri(), path.read_text(encoding="utf-8")) for path in paths]
    sampled = asyncio.run(soak(files, options.keystrokes, options.seed))
    warm = sampled[len(sampled) // 4]
    result = {
        "keystrokes": options.keystrokes,
        "elapsed_s": round(time.perf_counter() - began, 1),
        "resident_mb": [round(one / 1e6, 1) for one in sampled],
        "growth_percent": round(100 * (sampled[-1] - warm) / warm, 2),
    }
    write_result("soak", result, seed=options.seed)


if __name__ == "__main__":
    main()
