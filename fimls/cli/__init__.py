"""The ``fimls`` command: arguments in, exit codes out; the work is done elsewhere.

Exit codes: 0 done, 1 a failure that is explained in a line, 2 wrong usage, 130 interrupted.
Results go to standard output; progress, timings and errors to standard error. Commands of other
packages (``fimls train``, ``fimls bench``) come from the entry-point group ``fimls.commands``: each
entry is a function that takes the Typer application, adds commands to it, and may return the names
of those that may be followed by the global options.
"""

from __future__ import annotations

import sys
from importlib.metadata import entry_points
from pathlib import Path
from typing import Annotated, Literal

import typer

from fimls import __version__
from fimls.cli.options import Invocation, command_of, hoist, parse_assignments
from fimls.libraries import go_offline, tame
from fimls.types import FimlsError, Mode

PLUGIN_GROUP = "fimls.commands"
_BUILT_IN = ("complete", "doctor", "prompt", "pull", "serve", "stats", "why")
_OF_TRAINING = ("adapters", "bench", "eval", "export", "prepare", "train")
_PULLING = ("pull", "serve")  # serve only after its user has agreed
_INTERRUPTED = 130

app = typer.Typer(
    name="fimls",
    no_args_is_help=True,
    rich_markup_mode="markdown",
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
    epilog="Global options may also follow the command: `fimls complete x.py:3:5 --model 1.5b`.",
)

Position = Annotated[
    str,
    typer.Argument(
        metavar="FILE:LINE:COL", help="The cursor; LINE and COL count from 1, in characters."
    ),
]
Json = Annotated[bool, typer.Option("--json", help="Print one JSON object.")]


def _print_version(wanted: bool) -> None:  # noqa: FBT001 - Typer calls it with the flag's value
    if wanted:
        print(f"fimls {__version__}")
        raise typer.Exit


@app.callback()
def _globals(
    context: typer.Context,
    *,
    engine: Annotated[
        str | None, typer.Option(help="openvino (default), torch, http or scripted.")
    ] = None,
    model: Annotated[
        str | None, typer.Option(help="A name of `fimls pull --list`, or a GGUF file.")
    ] = None,
    adapter: Annotated[str | None, typer.Option(help="The folder of a LoRA adapter.")] = None,
    url: Annotated[str | None, typer.Option(help="The http engine's address.")] = None,
    assignments: Annotated[
        list[str] | None,
        typer.Option("--set", metavar="KEY=VALUE", help="Any other setting; may be repeated."),
    ] = None,
    _version: Annotated[
        bool, typer.Option("--version", callback=_print_version, is_eager=True, help="Print it.")
    ] = False,
) -> None:
    """Fill-in-the-middle code completion: on this machine, tuned on your code, measured."""
    named = {"engine": engine, "model": model, "adapter": adapter, "url": url}
    overrides: dict[str, object] = {key: value for key, value in named.items() if value is not None}
    context.obj = Invocation({**overrides, **parse_assignments(assignments or ())})


@app.command()
def complete(
    context: typer.Context,
    position: Position,
    *,
    multi: Annotated[
        bool | None, typer.Option("--multi/--single", help="Several lines, or the rest of one.")
    ] = None,
    candidates: Annotated[
        int, typer.Option("-n", "--candidates", min=1, max=8, help="How many to generate.")
    ] = 1,
    as_json: Json = False,
) -> None:
    """Complete a file at a position, once.

    The completion goes to standard output, its timings to standard error.
    """
    from fimls.cli.complete import run

    mode = None if multi is None else Mode.MULTI if multi else Mode.SINGLE
    run(context.obj, position, mode=mode, candidates=candidates, as_json=as_json)


@app.command()
def prompt(context: typer.Context, position: Position, *, as_json: Json = False) -> None:
    """Show what the model would see, coloured by part, with token counts."""
    from fimls.cli.prompt import run

    run(context.obj, position, as_json=as_json)


@app.command()
def why(
    context: typer.Context,
    position: Annotated[
        str | None,
        typer.Argument(metavar="[FILE:LINE:COL]", help="Default: the running server's last."),
    ] = None,
    *,
    as_json: Json = False,
) -> None:
    """Explain a completion, or why there was none.

    Without a position: the last request of the running server; the file it leaves for this holds no
    code. With one: what would happen there while typing, step by step.
    """
    from fimls.cli.why import run

    run(context.obj, position, as_json=as_json)


@app.command()
def pull(
    context: typer.Context,
    model: Annotated[str | None, typer.Argument(help="Default: the model in use.")] = None,
    *,
    known: Annotated[bool, typer.Option("--list", help="List the known models.")] = False,
    source: Annotated[
        Path | None, typer.Option("--from", help="Take the bytes from this file instead.")
    ] = None,
    verify: Annotated[bool, typer.Option(help="Check the hash of what is already here.")] = False,
) -> None:
    """Fetch a model, verify it, and convert it for the engine.

    This is the only command that uses the network. It resumes where it was interrupted.
    """
    from fimls.cli.pull import list_models, run

    if known:
        list_models()
    else:
        run(context.obj, model, source=source, verify=verify)


@app.command()
def doctor(
    context: typer.Context,
    *,
    quick: Annotated[bool, typer.Option(help="Don't load the model to measure it.")] = False,
    as_json: Json = False,
) -> None:
    """Say what is installed, what is missing, and how fast the model runs here."""
    from fimls.cli.doctor import run

    run(context.obj, quick=quick, as_json=as_json)


@app.command()
def stats(
    *,
    days: Annotated[int, typer.Option(min=1, help="How far back.")] = 30,
    by: Annotated[
        Literal["day", "language", "model"] | None, typer.Option(help="Only this table.")
    ] = None,
    output: Annotated[
        Path | None, typer.Option("-o", "--output", metavar="FILE", help="Write a page with plots.")
    ] = None,
    as_json: Json = False,
    clear: Annotated[bool, typer.Option("--clear", help="Delete what was kept.")] = False,
) -> None:
    """Show what was suggested, taken and kept: on this machine alone, without code.

    The setting `feedback = false` keeps nothing.
    """
    from fimls.cli.stats import run

    run(days=days, by=by or "", output=output, as_json=as_json, clear=clear)


@app.command()
def serve(
    context: typer.Context,
    *,
    stdio: Annotated[bool, typer.Option("--stdio", help="Speak LSP on stdio (default).")] = False,
    tcp: Annotated[
        str | None, typer.Option("--tcp", metavar="HOST:PORT", help="Speak LSP on a socket.")
    ] = None,
    shared: Annotated[
        bool,
        typer.Option(
            "--shared", help="One server, with one model in memory, for all editors that say so."
        ),
    ] = False,
    replace: Annotated[
        bool,
        typer.Option(
            "--replace", help="With --shared: start a new server; the old one keeps its editors."
        ),
    ] = False,
) -> None:
    """Run the language server."""
    from fimls.server import serve as run

    if tcp and (stdio or shared):
        raise typer.BadParameter("--tcp goes with neither --stdio nor --shared")
    if replace and not shared:
        raise typer.BadParameter("--replace goes with --shared")
    address = None if tcp is None else _address(tcp)
    raise typer.Exit(run(context.obj.overrides, tcp=address, shared=shared, replace=replace))


def _address(text: str) -> tuple[str, int]:
    host, _, port = text.rpartition(":")
    if not host or not port.isdigit() or int(port) >= 1 << 16:
        raise typer.BadParameter(f"--tcp takes HOST:PORT, not {text!r}")
    return host, int(port)


def main() -> None:
    """Run the command line; the console script's entry."""
    arguments = sys.argv[1:]
    command = command_of(arguments)
    hoisted = {*_BUILT_IN}
    (tame if command in _PULLING else go_offline)()
    try:
        if command not in _BUILT_IN:
            # Other packages are imported only for their own commands, or to be listed.
            entries = entry_points(group=PLUGIN_GROUP)
            if command in _OF_TRAINING and not entries:
                raise ModuleNotFoundError(name="training")
            for entry in entries:
                hoisted.update(entry.load()(app) or ())
        app(hoist(arguments, hoisted))
    except ModuleNotFoundError as error:
        if command in _BUILT_IN:
            raise
        asked = f"fimls {command}" if command else "fimls"
        print(f"error: `{asked}` needs {error.name}, which isn't installed", file=sys.stderr)
        print('hint: pip install "fimls[train]"', file=sys.stderr)
        sys.exit(1)
    except FimlsError as error:
        print(f"error: {error}", file=sys.stderr)
        if error.hint:
            print(f"hint: {error.hint}", file=sys.stderr)
        sys.exit(1)
    except KeyboardInterrupt:
        print("interrupted", file=sys.stderr)
        sys.exit(_INTERRUPTED)
