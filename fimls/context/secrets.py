"""Secrets in a text, found by detect-secrets; nothing is ever verified, so nothing is ever sent.

detect-secrets can ask a service whether a secret works. It does so in its filters and in
``Plugin.analyze_line``, according to its global settings. Only ``Plugin.analyze_string`` is called
here, which searches with regular expressions and needs no settings shared between threads.

All its plugins run except the one for public IP addresses, which are no secrets and look like
version numbers. The high-entropy ones keep their own limits (4.5 bits a character for base64, 3.0
for hex): a quoted hash counts as a key, and costs a line. The filter for ``name = call(...)`` isn't
used, because it ignores keyword arguments. In 112,731 lines of held-out code 17 are found, none of
them random.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from functools import cache
from typing import TYPE_CHECKING

from fimls.text import LineIndex

if TYPE_CHECKING:
    from detect_secrets.plugins.base import BasePlugin

_MAX_LINE = 5_000
_MAX_NAMED_LINE = 1_000  # its patterns take cubic time: 20 s for 5,000 characters
_LEFT_OUT = "Public IP (ipv4)"
# Slow plugins, and what a line must contain for them to find anything.
_NAMED = frozenset(
    {
        "Cloudant Credentials",
        "IBM Cloud IAM Key",
        "IBM COS HMAC Credentials",
        "SoftLayer Credentials",
    }
)
_NAMED_VALUE = re.compile(r"(?:key|pass|pw|token).*[\w-]{24}", re.IGNORECASE)
_NAMES = ("contrase", "key", "pass", "pw", "secret", "token")  # parts of all names searched for
# Formats that are newer than the plugins: Google, GitHub, OpenAI, Anthropic, Hugging Face, npm.
_YOUNGER = re.compile(
    r"AIza[\w-]{35}|github_pat_\w{60}|sk-(?:ant|proj|svcacct|admin)-[\w-]{20}|hf_[A-Za-z]{34}"
    r"|npm_[A-Za-z0-9]{36}|GOCSPX-[\w-]{28}|xapp-\d-[A-Z0-9]{8}"
)
_KEY_BLOCK = re.compile(
    r"-----BEGIN (?:[A-Z0-9]+ )*PRIVATE KEY(?: BLOCK)?-----"
    r"(?:(?!-----)[\s\S]){0,400}?[A-Za-z0-9+/]{40}[\s\S]*?(?:-----END|\Z)"
    r"|^Private-Lines: \d[\s\S]*",
    re.MULTILINE,
)


def secret_lines(text: str, path: str = "") -> tuple[int, ...]:
    """Return the lines, from 0, that hold a secret, a private key or part of one, in order.

    A line of more than 5,000 characters is not searched and counts as a secret; so does one of more
    than 1,000 with a name such as "password". path: its suffix says whether a value needs quotes.
    The first call imports detect-secrets, which takes about 0.3 s.
    """
    index = LineIndex(text)
    ends = [*index.starts[1:], len(text)]
    lines = [text[start:end] for start, end in zip(index.starts, ends, strict=True)]
    found = {number for number, line in enumerate(lines) if len(line) > _MAX_LINE}
    for block in _KEY_BLOCK.finditer(text) if _may_have_key(text) else ():
        found.update(range(index.line_of(block.start()), index.line_of(block.end()) + 1))
    left = [(number, line) for number, line in enumerate(lines) if number not in found]
    searched = "".join(line for _, line in left)
    detectors = _detectors()
    suspects = [
        plugin for plugin in detectors.tokens if next(iter(plugin.analyze_string(searched)), None)
    ]
    younger = _YOUNGER.search(searched) is not None
    random = _random_values(detectors, searched)
    tables = _keyword_tables(path)
    for number, line in left:
        if (
            (younger and _YOUNGER.search(line))
            or any(value in line for value in random)
            or _any_secret(suspects, line)
            or _any_named(detectors, line, tables)
        ):
            found.add(number)
    return tuple(sorted(found))


def redacted(text: str, path: str = "") -> str | None:
    """Return a text without the lines that hold a secret; None where it holds a private key."""
    if _may_have_key(text) and _KEY_BLOCK.search(text):
        return None
    lines = secret_lines(text, path)
    if not lines:
        return text
    starts = [*LineIndex(text).starts, len(text)]
    kept, position = [], 0
    for line in lines:
        kept.append(text[position : starts[line]])
        position = starts[line + 1]
    return "".join([*kept, text[position:]])


def _may_have_key(text: str) -> bool:
    return "PRIVATE KEY" in text or "Private-Lines" in text


def _any_secret(plugins: Iterable[BasePlugin], line: str) -> bool:
    return any(
        not _is_placeholder(value, line, plugin)
        for plugin in plugins
        for value in plugin.analyze_string(line)
    )


def _any_named(detectors: _Detectors, line: str, tables: list[dict[re.Pattern[str], int]]) -> bool:
    """Whether a line assigns a value to a name such as "password"."""
    lowered = line.lower()
    if not any(name in lowered for name in _NAMES):
        return False
    if _NAMED_VALUE.search(line) and _any_secret(detectors.named, line):
        return True
    if len(line) > _MAX_NAMED_LINE or not detectors.keywords.search(line):
        return detectors.keywords.search(line) is not None
    # A line end would count as part of the value, and ":=" is in a table that needs no quotes.
    stripped = line.rstrip().replace(":=", "=")
    return any(
        not _is_placeholder(value, line, detectors.keyword)
        for table in tables
        for value in detectors.keyword.analyze_string(stripped, table)
    )


def _random_values(detectors: _Detectors, text: str) -> list[str]:
    """Return a text's quoted strings that look random."""
    return [
        value
        for plugin in detectors.entropy
        for value in plugin.analyze_string(text)
        if len(value) > 2**plugin.entropy_limit  # a shorter one can't have that entropy
        and plugin.calculate_shannon_entropy(value) > plugin.entropy_limit
        and not _is_placeholder(value, value, plugin)
    ]


def _is_placeholder(value: str, line: str, plugin: BasePlugin) -> bool:
    """Whether detect-secrets' filters recognise a template, a sequence, a UUID or an id."""
    from detect_secrets.filters import heuristic

    return (
        heuristic.is_templated_secret(value)
        or heuristic.is_prefixed_with_dollar_sign(value)
        or heuristic.is_not_alphanumeric_string(value)
        or heuristic.is_sequential_string(value)
        or heuristic.is_potential_uuid(value)
        or heuristic.is_likely_id_string(value, line, plugin)
    )


def _keyword_tables(path: str) -> list[dict[re.Pattern[str], int]]:
    """Return the patterns of ``name = value`` for a file; quotes are optional only in data.

    They are optional in Go's table, too, which is not used: every assignment would be a secret.
    """
    from detect_secrets.plugins import keyword
    from detect_secrets.util.filetype import FileType, determine_file_type

    file_type = determine_file_type(path)
    quoted = keyword.QUOTES_REQUIRED_DENYLIST_REGEX_TO_GROUP
    own = keyword.REGEX_BY_FILETYPE.get(file_type, quoted)
    return [quoted] if file_type is FileType.GO or own is quoted else [quoted, own]


class _Detectors:
    """detect-secrets' plugins, by the lines that they search.

    tokens: the lines of a text in which they find anything. named: lines that match
    ``_NAMED_VALUE``. keyword: lines that match ``keywords``. entropy: quoted strings.
    """

    def __init__(self) -> None:
        from detect_secrets.core.plugins.util import get_mapping_from_secret_type_to_class
        from detect_secrets.plugins.high_entropy_strings import HighEntropyStringsPlugin
        from detect_secrets.plugins.keyword import DENYLIST, KeywordDetector

        classes: Mapping[str, type[BasePlugin]] = get_mapping_from_secret_type_to_class()
        plugins = [make() for name, make in classes.items() if name != _LEFT_OUT]
        self.entropy = [each for each in plugins if isinstance(each, HighEntropyStringsPlugin)]
        rest = [
            each
            for each in plugins
            if not isinstance(each, HighEntropyStringsPlugin | KeywordDetector)
        ]
        self.tokens = [each for each in rest if each.secret_type not in _NAMED]
        self.named = [each for each in rest if each.secret_type in _NAMED]
        self.keyword = KeywordDetector()
        self.keywords = re.compile("|".join(DENYLIST), re.IGNORECASE)


@cache
def _detectors() -> _Detectors:
    return _Detectors()
