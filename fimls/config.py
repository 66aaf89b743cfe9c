"""Settings: one frozen object, merged from its sources and checked as it is made.

Precedence: defaults < the workspace's files < the editor's settings < command line. A workspace's
file is untrusted, since it arrives with whatever repository was cloned: it may set budgets,
triggers and exclusions, never what is run or where code is sent. Secrets are no settings: the http
engine reads ``FIMLS_API_KEY`` from the environment.
"""

from __future__ import annotations

import dataclasses
import difflib
import re
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, cast
from urllib.parse import urlsplit

from fimls.types import ConfigError

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

PYPROJECT_FILE = "pyproject.toml"
WORKSPACE_FILE = ".fimls.toml"

SNIPPET_SOURCES = (
    "imports",
    "names",
    "same-file",
    "siblings",
    "lexical",
    "recent",
    "git",
)
"""Where snippets of other files come from; ``fimls/context`` has one file for each."""

NO_ADAPTER = "none"
"""As the setting ``adapter``: the model alone, even where an adapter serves it otherwise."""

_MAX_WINDOW_TOKENS = 16_384  # half the default model's context of 32,768
_MAX_GENERATED_TOKENS = 4_096
_MAX_DEADLINE_MS = 600_000
_SHOWN_VALUE_CHARACTERS = 60


@dataclass(frozen=True, slots=True)
class Source:
    """Where overrides come from. name: stands in errors. trusted: may set every field."""

    name: str
    trusted: bool = True


EDITOR = Source("editor settings (initializationOptions or didChangeConfiguration)")
COMMAND_LINE = Source("command line")


Scope = Literal["engine", "user", "workspace"]
"""engine: a change needs another engine; user: doesn't; workspace: a workspace may set it too."""


@dataclass(frozen=True, slots=True)
class _Rule:
    """What a field takes. Empty ``choices`` and equal bounds mean: whatever the type allows."""

    description: str
    scope: Scope
    choices: tuple[str, ...] = ()
    minimum: float = 0
    maximum: float = 0

    @property
    def bounded(self) -> bool:
        """Whether the field is a number with a range."""
        return self.minimum < self.maximum


def _setting(
    description: str,
    scope: Scope,
    *,
    default: object,
    choices: tuple[str, ...] = (),
    between: tuple[float, float] = (0, 0),
) -> Any:  # as dataclasses.field does: the annotation beside it is the type
    """Declare a field: its help, who may set it, its default (of the field's type), its values."""
    rule = _Rule(description, scope, choices, *between)
    return dataclasses.field(default=default, metadata={"rule": rule})


@dataclass(frozen=True, slots=True)
class Settings:
    """All that a user may choose. Every source uses these names.

    Raises:
        ConfigError: a value has the wrong type or is out of range.
    """

    engine: Literal["openvino", "torch", "http", "scripted"] = _setting(
        "what runs the model",
        "engine",
        default="openvino",
        choices=("openvino", "torch", "http", "scripted"),
    )
    model: str = _setting(
        "a model's name (`fimls pull --list`) or the path of a GGUF file or model folder",
        "engine",
        default="qwen2.5-coder-0.5b-instruct-q4_k_m",
    )
    adapter: str = _setting(
        "a LoRA adapter trained for the model: a folder or a registered name; none: the model "
        "alone; empty: the promoted one, else the one that comes with fimls (`fimls adapters`)",
        "engine",
        default="",
    )
    quantization: Literal["int8", "q8_0", "q4_0", "int8bnb", "nf4"] = _setting(
        "how weights are kept: the last two on CUDA by torch, the others by openvino",
        "engine",
        default="int8",
        choices=("int8", "q8_0", "q4_0", "int8bnb", "nf4"),
    )
    device: str = _setting(
        "where the engine runs: auto, or a name the engine knows (cpu, cuda)",
        "engine",
        default="auto",
    )
    order: Literal["spm", "psm"] = _setting(
        "suffix first (reuses more while typing) or prefix first",
        "engine",
        default="spm",
        choices=("spm", "psm"),
    )
    url: str = _setting("the http engine's base address", "engine", default="")
    http_format: str = _setting(
        "the http engine's prompt format; empty: found by the model's name", "engine", default=""
    )
    scripted_file: str = _setting("the script that the scripted engine plays", "engine", default="")

    prefix_tokens: int = _setting(
        "most prompt tokens spent on text before the cursor",
        "workspace",
        default=512,
        between=(16, _MAX_WINDOW_TOKENS),
    )
    suffix_tokens: int = _setting(
        "most prompt tokens spent on text after the cursor",
        "workspace",
        default=256,
        between=(0, _MAX_WINDOW_TOKENS),
    )
    snippet_tokens: int = _setting(
        "most prompt tokens spent on snippets of other files",
        "workspace",
        default=256,
        between=(0, _MAX_WINDOW_TOKENS),
    )
    max_tokens_single: int = _setting(
        "most tokens generated for the rest of a line",
        "workspace",
        default=48,
        between=(1, _MAX_GENERATED_TOKENS),
    )
    max_tokens_multi: int = _setting(
        "most tokens generated for several lines",
        "workspace",
        default=160,
        between=(1, _MAX_GENERATED_TOKENS),
    )
    deadline_ms: int = _setting(
        "milliseconds after which a generation ends with what it has; 0: never",
        "workspace",
        default=5000,
        between=(0, _MAX_DEADLINE_MS),
    )
    answer_ms: int = _setting(
        "milliseconds after which typing is answered with what is finished; 0: never",
        "workspace",
        default=900,
        between=(0, _MAX_DEADLINE_MS),
    )
    min_likelihood: float = _setting(
        "unasked, text is cut where the model is less sure of it than this; 0: never",
        "workspace",
        default=0.4,
        between=(0.0, 1.0),
    )
    show_above: float = _setting(
        "unasked, what is less likely to be right than this is not shown; 0: show all",
        "workspace",
        default=0.25,
        between=(0.0, 1.0),
    )
    ahead: bool = _setting(
        "go on generating behind a finished line while it is shown", "workspace", default=True
    )
    multiline: Literal["auto", "always", "never"] = _setting(
        "when to offer several lines",
        "workspace",
        default="auto",
        choices=("auto", "always", "never"),
    )
    candidates: int = _setting(
        "how many completions to offer when asked explicitly",
        "workspace",
        default=3,
        between=(1, 8),
    )
    temperature: float = _setting(
        "sampling temperature; 0 is greedy", "user", default=0.0, between=(0.0, 2.0)
    )
    healing: bool = _setting(
        "back up to a token boundary when the cursor stands inside a token",
        "workspace",
        default=True,
    )

    automatic: bool = _setting(
        "complete while typing, not only when asked", "workspace", default=True
    )
    context: bool = _setting(
        "take snippets of other files into the prompt", "workspace", default=True
    )
    context_off: tuple[str, ...] = _setting(
        "sources of snippets that are not used",
        "workspace",
        default=(),
        choices=SNIPPET_SOURCES,
    )
    languages_off: tuple[str, ...] = _setting(
        "LSP language ids without completions", "workspace", default=()
    )
    exclude: tuple[str, ...] = _setting(
        "globs of files that are neither completed nor read for context", "workspace", default=()
    )
    feedback: bool = _setting(
        "count on this machine what is shown, taken and kept, without code (`fimls stats`)",
        "user",
        default=True,
    )
    feedback_code: bool = _setting(
        "keep the texts of suggestions with the counts, on this machine", "user", default=False
    )
    log_level: Literal["error", "warning", "info", "debug"] = _setting(
        "how much the server logs, never code; debug: how each request was answered",
        "user",
        default="info",
        choices=("error", "warning", "info", "debug"),
    )

    @property
    def snippet_sources(self) -> tuple[str, ...]:
        """The sources of snippets that are used."""
        off = self.context_off if self.context else SNIPPET_SOURCES
        return tuple(name for name in SNIPPET_SOURCES if name not in off)

    def __post_init__(self) -> None:
        """Check every field, so that no invalid settings exist."""
        for field in dataclasses.fields(self):
            problem = _problem(field, getattr(self, field.name))
            if problem:
                raise ConfigError(problem)


_FIELDS: dict[str, dataclasses.Field[Any]] = {
    field.name: field for field in dataclasses.fields(Settings)
}


def merge(base: Settings, overrides: Mapping[str, object], source: Source) -> Settings:
    """Return ``base`` with ``overrides``, each checked first. Lists become tuples.

    Raises:
        ConfigError: an unknown key (names the nearest), a wrong type, a value out of range, or a
            key that an untrusted source may not set. The message starts with the source's name.
    """
    values: dict[str, Any] = {}
    for name, given in overrides.items():
        field = _FIELDS.get(name)
        if field is None:
            raise _unknown(name, source)
        if not source.trusted and _rule(field).scope != "workspace":
            raise ConfigError(
                f"{source.name}: a workspace may not set '{name}'",
                hint=f"set '{name}' in the editor's settings or as a command-line option",
            )
        value = tuple(given) if isinstance(given, list) else given
        problem = _problem(field, value)
        if problem:
            raise ConfigError(f"{source.name}: {problem}", hint=f"{name}: {describe(name)}")
        values[name] = float(cast("float", value)) if type(field.default) is float else value
    return dataclasses.replace(base, **values)


def load(
    workspace: Path | None,
    initialization_options: Mapping[str, object] | None = None,
    command_line: Mapping[str, object] | None = None,
) -> Settings:
    """Merge every source, the later ones winning key by key.

    workspace: the folder that holds pyproject.toml (``[tool.fimls]``) or .fimls.toml (keys at the
        top level; wins over pyproject.toml); either may be missing.
    initialization_options: from the client, so of any JSON type whatever the annotation says.
    command_line: an option that was not given may stand as None.

    Raises:
        ConfigError: as :func:`merge`; or a file can't be read or is no TOML (names file and line).
    """
    settings = Settings()
    if workspace is not None:
        pyproject = workspace / PYPROJECT_FILE
        table = _read_toml(pyproject).get("tool", {})
        section = table.get("fimls", {}) if isinstance(table, dict) else {}
        settings = _merge_workspace(settings, section, f"{pyproject} [tool.fimls]")
        own = workspace / WORKSPACE_FILE
        settings = _merge_workspace(settings, _read_toml(own), str(own))
    if initialization_options is not None:
        if not isinstance(initialization_options, Mapping):
            raise ConfigError(
                f"{EDITOR.name}: expected an object, got {_shown(initialization_options)}",
                hint="send an object whose keys are setting names",
            )
        settings = merge(settings, initialization_options, EDITOR)
    given = {name: value for name, value in (command_line or {}).items() if value is not None}
    return merge(settings, given, COMMAND_LINE)


def needs_reload(old: Settings, new: Settings) -> bool:
    """Whether going from ``old`` to ``new`` needs another engine, not just other requests."""
    return engine_key(old) != engine_key(new)


def engine_key(settings: Settings) -> tuple[object, ...]:
    """The settings that an engine is loaded by: the same key, the same engine."""
    return tuple(
        getattr(settings, name) for name, field in _FIELDS.items() if _rule(field).scope == "engine"
    )


def field_help() -> dict[str, str]:
    """Return each setting's one line of help, with what it takes and its default."""
    return {name: describe(name) for name in _FIELDS}


def describe(name: str) -> str:
    """Return one setting's line of help. Raises KeyError where there is no such setting."""
    field = _FIELDS[name]
    rule = _rule(field)
    takes = ""
    if rule.choices:
        takes = " | ".join(rule.choices) + "; "
    elif rule.bounded:
        takes = f"{rule.minimum} to {rule.maximum}; "
    return f"{rule.description} ({takes}default {_toml(field.default)})"


_JSON_TYPES = {bool: "boolean", int: "integer", float: "number", str: "string", tuple: "array"}


def setting_schema(name: str) -> dict[str, Any]:
    """Return one setting as a JSON schema, for editors' settings pages.

    ``workspace`` says whether a workspace may set it. Raises KeyError where there is no such
    setting.
    """
    field = _FIELDS[name]
    rule = _rule(field)
    default: Any = field.default
    is_list = isinstance(default, tuple)
    schema: dict[str, Any] = {
        "type": _JSON_TYPES[type(default)],
        "default": list(default) if is_list else default,
        "markdownDescription": f"{rule.description[0].upper()}{rule.description[1:]}.",
        "workspace": rule.scope == "workspace",
    }
    if is_list:
        values = {"enum": list(rule.choices)} if rule.choices else {}
        schema["items"] = {"type": "string", **values}
    elif rule.choices:
        schema["enum"] = list(rule.choices)
    if rule.bounded:
        schema |= {"minimum": rule.minimum, "maximum": rule.maximum}
    return schema


def workspace_settings() -> tuple[str, ...]:
    """Return the names that a workspace's file may set."""
    return tuple(name for name, field in _FIELDS.items() if _rule(field).scope == "workspace")


def _rule(field: dataclasses.Field[Any]) -> _Rule:
    return cast("_Rule", field.metadata["rule"])


def _problem(field: dataclasses.Field[Any], value: object) -> str:
    """Return what is wrong with a value, "" if nothing is."""
    rule = _rule(field)
    if not _has_type(value, field.default):
        return f"'{field.name}' must be {_type_name(field.default)}, got {_shown(value)}"
    chosen = value if isinstance(value, tuple) else (value,)
    if rule.choices and (wrong := [one for one in chosen if one not in rule.choices]):
        near = difflib.get_close_matches(str(wrong[0]), rule.choices, n=1)
        meant = f" (did you mean '{near[0]}'?)" if near else ""
        return (
            f"'{field.name}' must be one of {', '.join(rule.choices)}; "
            f"got {_shown(wrong[0])}{meant}"
        )
    # Written so that NaN, which compares false with everything, is out of range.
    if rule.bounded and not rule.minimum <= cast("float", value) <= rule.maximum:
        return (
            f"'{field.name}' must be between {rule.minimum} and {rule.maximum}, got {_shown(value)}"
        )
    if field.name == "url" and value:
        return _url_problem(str(value))
    return ""


def _has_type(value: object, default: object) -> bool:
    if isinstance(default, tuple):
        return isinstance(value, tuple) and all(isinstance(item, str) and item for item in value)
    if isinstance(default, float):
        return isinstance(value, (int, float)) and not isinstance(value, bool)
    return type(value) is type(default)  # isinstance would take True for an int


def _type_name(default: object) -> str:
    names = {
        bool: "true or false",
        int: "a whole number",
        float: "a number",
        str: "a string",
        tuple: "a list of non-empty strings",
    }
    return names[type(default)]


def _url_problem(url: str) -> str:
    """Return why ``url`` is no usable base address. It is not quoted: it may hold a password."""
    bad_address = "'url' must be an address like http://127.0.0.1:8080"
    try:
        parts = urlsplit(url)
        usable = parts.scheme in {"http", "https"} and bool(parts.hostname) and parts.port != 0
    except ValueError:  # an unclosed IPv6 bracket, a port that is no number
        return bad_address
    if not usable:
        return bad_address
    if "@" in parts.netloc:
        return "'url' must not hold a user name or password: secrets come from FIMLS_API_KEY"
    return ""


def _shown(value: object) -> str:
    text = repr(value)
    short = text if len(text) <= _SHOWN_VALUE_CHARACTERS else text[:_SHOWN_VALUE_CHARACTERS] + "..."
    return f"{short} ({type(value).__name__})"


def _toml(value: object) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, str):
        return f'"{value}"'
    return "[]" if value == () else str(value)


def _unknown(name: object, source: Source) -> ConfigError:
    if str(name).lower().replace("_", "").replace("-", "") == "apikey":
        hint = "secrets are no settings: export FIMLS_API_KEY in the environment"
        return ConfigError(f"{source.name}: unknown setting '{name}'", hint=hint)
    nearest = difflib.get_close_matches(str(name), _FIELDS, n=1, cutoff=0.0)[0]
    return ConfigError(
        f"{source.name}: unknown setting '{name}'; the nearest is '{nearest}'",
        hint=f"{nearest}: {describe(nearest)}",
    )


def _merge_workspace(base: Settings, section: object, name: str) -> Settings:
    if not isinstance(section, dict):
        raise ConfigError(
            f"{name}: expected a table, got {_shown(section)}",
            hint="write the settings as key = value lines",
        )
    return merge(base, section, Source(name, trusted=False))


def _read_toml(path: Path) -> dict[str, Any]:
    """Parse a TOML file; {} where there is none.

    What is no regular file counts as none: a repository may contain a symbolic link to a named
    pipe, and reading that would wait for ever.
    """
    try:
        if not path.is_file():
            return {}
        data = path.read_bytes()
    except OSError as error:
        reason = error.strerror or type(error).__name__
        raise ConfigError(
            f"{path}: can't be read: {reason}", hint="check the file's permissions"
        ) from error
    try:
        return tomllib.loads(data.decode("utf-8-sig"))
    except UnicodeDecodeError as error:
        line = data[: error.start].count(b"\n") + 1
        raise ConfigError(f"{path}:{line}: not UTF-8", hint="save the file as UTF-8") from error
    except tomllib.TOMLDecodeError as error:
        # Before Python 3.14 the line stands only in the message; at the end it doesn't stand there.
        found = re.search(r"at line (\d+)", str(error))
        line = int(found[1]) if found else data.count(b"\n") + 1
        raise ConfigError(f"{path}:{line}: {error}", hint="correct the TOML syntax") from error
    except RecursionError as error:
        raise ConfigError(f"{path}: nested too deeply", hint="flatten the file") from error
