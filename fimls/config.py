"""Settings: one frozen object, merged from its sources and checked as it is made.

Precedence: defaults < the workspace's files < the editor's settings < command line. A workspace's
file is untrusted, since it arrives with whatever repository was cloned: it may set budgets,
triggers and exclusions, never what is run or where code is sent. Secrets are no settings: the http
engine reads ``FIMLS_API_KEY`` from the environment.
"""

from __future__ import annotations

import dataclasses
import difflib
import math
import re
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, cast, get_args, get_origin, get_type_hints
from urllib.parse import urlsplit

from fimls.types import ConfigError

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

PYPROJECT_FILE = "pyproject.toml"
WORKSPACE_FILE = ".fimls.toml"

SnippetSource = Literal["imports", "names", "same-file", "siblings", "lexical", "recent", "git"]
SNIPPET_SOURCES: tuple[str, ...] = get_args(SnippetSource)
"""Where snippets of other files come from; ``fimls/context/sources`` has one file for each."""

NO_ADAPTER = "none"
"""As the setting ``adapter``: the model alone, even where an adapter serves it otherwise."""

_WINDOW_TOKENS = 16_384  # half the default model's context of 32,768
_GENERATED_TOKENS = 4_096
_DEADLINE_MS = 600_000
_SHOWN_VALUE_CHARACTERS = 60


@dataclass(frozen=True, slots=True)
class Source:
    """Where overrides come from."""

    name: str
    """For errors."""

    trusted: bool = True
    """Whether it may set every field."""


EDITOR = Source("editor settings (initializationOptions or didChangeConfiguration)")
COMMAND_LINE = Source("command line")

Scope = Literal["engine", "user", "workspace"]
"""engine: a change needs another engine; user: doesn't; workspace: a workspace may set it too."""


@dataclass(frozen=True, slots=True)
class _Rule:
    """What a field takes, besides its type and the choices that are named there."""

    scope: Scope
    description: str
    between: tuple[float, float] | None
    """The range of a number, both ends included."""


def _setting(
    scope: Scope, default: object, description: str, between: tuple[float, float] | None = None
) -> Any:  # as dataclasses.field does: the annotation beside it is the type
    """Declare a field: who may set it, its default (of the field's type), its help, its range."""
    rule = _Rule(scope, description, between)
    return dataclasses.field(default=default, metadata={"rule": rule})


@dataclass(frozen=True, slots=True)
class Settings:
    """All that a user may choose. Every source uses these names.

    Raises:
        ConfigError: a value has the wrong type or is out of range.
    """

    engine: Literal["openvino", "torch", "http", "scripted"] = _setting(
        "engine", "openvino", "what runs the model"
    )
    model: str = _setting(
        "engine",
        "qwen2.5-coder-0.5b-instruct-q4_k_m",
        "a model's name (`fimls pull --list`) or the path of a GGUF file or model folder",
    )
    adapter: str = _setting(
        "engine",
        "",
        "a LoRA adapter trained for the model: a folder or a registered name; none: the model "
        "alone; empty: the promoted one, else the one that comes with fimls (`fimls adapters`)",
    )
    quantization: Literal["int8", "q8_0", "q4_0", "int8bnb", "nf4"] = _setting(
        "engine",
        "int8",
        "how weights are kept: the last two on CUDA by torch, the others by openvino",
    )
    device: str = _setting(
        "engine", "auto", "where the engine runs: auto, or a name the engine knows (cpu, cuda)"
    )
    order: Literal["spm", "psm"] = _setting(
        "engine", "spm", "suffix first (reuses more while typing) or prefix first"
    )
    url: str = _setting("engine", "", "the http engine's base address")
    http_format: str = _setting(
        "engine", "", "the http engine's prompt format; empty: found by the model's name"
    )
    scripted_file: str = _setting("engine", "", "the script that the scripted engine plays")

    prefix_tokens: int = _setting(
        "workspace", 512, "most prompt tokens spent on text before the cursor", (16, _WINDOW_TOKENS)
    )
    suffix_tokens: int = _setting(
        "workspace", 256, "most prompt tokens spent on text after the cursor", (0, _WINDOW_TOKENS)
    )
    snippet_tokens: int = _setting(
        "workspace", 256, "most prompt tokens spent on snippets of other files", (0, _WINDOW_TOKENS)
    )
    max_tokens_single: int = _setting(
        "workspace", 48, "most tokens generated for the rest of a line", (1, _GENERATED_TOKENS)
    )
    max_tokens_multi: int = _setting(
        "workspace", 160, "most tokens generated for several lines", (1, _GENERATED_TOKENS)
    )
    deadline_ms: int = _setting(
        "workspace",
        5000,
        "milliseconds after which a generation ends with what it has; 0: never",
        (0, _DEADLINE_MS),
    )
    answer_ms: int = _setting(
        "workspace",
        900,
        "milliseconds after which typing is answered with what is finished; 0: never",
        (0, _DEADLINE_MS),
    )
    min_likelihood: float = _setting(
        "workspace",
        0.4,
        "unasked, text is cut where the model is less sure of it than this; 0: never",
        (0.0, 1.0),
    )
    show_above: float = _setting(
        "workspace",
        0.25,
        "unasked, what is less likely to be right than this is not shown; 0: show all",
        (0.0, 1.0),
    )
    ahead: bool = _setting(
        "workspace", True, "go on generating after a finished line while it is shown"
    )
    multiline: Literal["auto", "always", "never"] = _setting(
        "workspace", "auto", "when to offer several lines"
    )
    candidates: int = _setting(
        "workspace", 3, "how many completions to offer when asked explicitly", (1, 8)
    )
    temperature: float = _setting("user", 0.0, "sampling temperature; 0 is greedy", (0.0, 2.0))
    healing: bool = _setting(
        "workspace", True, "back up to a token boundary when the cursor is inside a token"
    )

    automatic: bool = _setting("workspace", True, "complete while typing, not only when asked")
    context: bool = _setting("workspace", True, "take snippets of other files into the prompt")
    context_off: tuple[SnippetSource, ...] = _setting(
        "workspace", (), "sources of snippets that are not used"
    )
    languages_off: tuple[str, ...] = _setting(
        "workspace", (), "LSP language ids without completions"
    )
    exclude: tuple[str, ...] = _setting(
        "workspace", (), "globs of files that are neither completed nor read for context"
    )
    feedback: bool = _setting(
        "user",
        True,
        "count on this machine what is shown, taken and kept, without code (`fimls stats`)",
    )
    feedback_code: bool = _setting(
        "user", False, "keep the texts of suggestions with the counts, on this machine"
    )
    log_level: Literal["error", "warning", "info", "debug"] = _setting(
        "user", "info", "how much the server logs, never code; debug: how each request was answered"
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


_FIELDS = {field.name: field for field in dataclasses.fields(Settings)}
_RULES: dict[str, _Rule] = {name: field.metadata["rule"] for name, field in _FIELDS.items()}


def _choices_of(hint: Any) -> tuple[str, ...]:
    """The values of a ``Literal``, or of a tuple of them; () for other types."""
    inner = get_args(hint)[0] if get_origin(hint) is tuple else hint
    return get_args(inner) if get_origin(inner) is Literal else ()


_CHOICES = {name: _choices_of(hint) for name, hint in get_type_hints(Settings).items()}


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
        if not source.trusted and _RULES[name].scope != "workspace":
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
    command_line: an option that was not given may be None.

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


def engine_key(settings: Settings) -> tuple[object, ...]:
    """The settings that an engine is loaded by: the same key, the same engine."""
    return tuple(getattr(settings, name) for name, rule in _RULES.items() if rule.scope == "engine")


def field_help() -> dict[str, str]:
    """Return each setting's one line of help, with what it takes and its default."""
    return {name: describe(name) for name in _FIELDS}


def describe(name: str) -> str:
    """Return one setting's line of help. Raises KeyError where there is no such setting."""
    field, rule = _FIELDS[name], _RULES[name]
    takes = ""
    if choices := _CHOICES[name]:
        takes = " | ".join(choices) + "; "
    elif rule.between:
        takes = f"{rule.between[0]} to {rule.between[1]}; "
    return f"{rule.description} ({takes}default {_toml(field.default)})"


# The type of a default: its name in a JSON schema, and in an error.
_TYPES = {
    bool: ("boolean", "true or false"),
    int: ("integer", "a whole number"),
    float: ("number", "a number"),
    str: ("string", "a string"),
    tuple: ("array", "a list of non-empty strings"),
}


def setting_schema(name: str) -> dict[str, Any]:
    """Return one setting as a JSON schema, for editors' settings pages.

    ``workspace`` says whether a workspace may set it. Raises KeyError where there is no such
    setting.
    """
    field, rule = _FIELDS[name], _RULES[name]
    default: Any = field.default
    is_list = isinstance(default, tuple)
    schema: dict[str, Any] = {
        "type": _TYPES[type(default)][0],
        "default": list(default) if is_list else default,
        "markdownDescription": f"{rule.description[0].upper()}{rule.description[1:]}.",
        "workspace": rule.scope == "workspace",
    }
    values = {"enum": list(_CHOICES[name])} if _CHOICES[name] else {}
    if is_list:
        schema["items"] = {"type": "string", **values}
    else:
        schema |= values
    if rule.between:
        schema["minimum"], schema["maximum"] = rule.between
    return schema


def workspace_settings() -> tuple[str, ...]:
    """Return the names that a workspace's file may set."""
    return tuple(name for name, rule in _RULES.items() if rule.scope == "workspace")


def _problem(field: dataclasses.Field[Any], value: object) -> str:
    """Return what is wrong with a value, "" if nothing is."""
    rule, choices = _RULES[field.name], _CHOICES[field.name]
    if not _has_type(value, field.default):
        return f"'{field.name}' must be {_TYPES[type(field.default)][1]}, got {_shown(value)}"
    chosen = value if isinstance(value, tuple) else (value,)
    if choices and (wrong := [one for one in chosen if one not in choices]):
        near = difflib.get_close_matches(str(wrong[0]), choices, n=1)
        meant = f" (did you mean '{near[0]}'?)" if near else ""
        return f"'{field.name}' must be one of {', '.join(choices)}; got {_shown(wrong[0])}{meant}"
    # Written so that NaN, which compares false with everything, is out of range.
    least, most = rule.between or (-math.inf, math.inf)
    if rule.between and not least <= cast("float", value) <= most:
        return f"'{field.name}' must be between {least} and {most}, got {_shown(value)}"
    if field.name == "url" and value:
        return _url_problem(str(value))
    return ""


def _has_type(value: object, default: object) -> bool:
    if isinstance(default, tuple):
        return isinstance(value, tuple) and all(isinstance(item, str) and item for item in value)
    if isinstance(default, float):
        return isinstance(value, (int, float)) and not isinstance(value, bool)
    return type(value) is type(default)  # isinstance would take True for an int


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
        # Before Python 3.14 only the message has the line; of the file's end it has none.
        found = re.search(r"at line (\d+)", str(error))
        line = int(found[1]) if found else data.count(b"\n") + 1
        raise ConfigError(f"{path}:{line}: {error}", hint="correct the TOML syntax") from error
    except RecursionError as error:
        raise ConfigError(f"{path}: nested too deeply", hint="flatten the file") from error
