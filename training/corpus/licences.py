"""A folder's licence as an SPDX expression, and which licences allow learning from public code.

A licence's text is recognised by ``identify`` (pre-commit's library, with the texts of
choosealicense.com, at most 5 % edited); expressions are read by ``license-expression``. What a
package says about itself is read from the files that every ecosystem has for that.
"""

from __future__ import annotations

import email.parser
import json
import re
import sys
from collections.abc import Iterable, Iterator
from functools import cache, lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

if TYPE_CHECKING:
    from license_expression import Licensing

ALLOWED_LICENCES = frozenset(
    """
    0BSD AFL-3.0 Apache-2.0 BlueOak-1.0.0 BSD-1-Clause BSD-2-Clause BSD-2-Clause-Patent BSD-3-Clause
    BSD-3-Clause-Clear BSD-4-Clause BSL-1.0 CC0-1.0 HPND HPND-sell-variant ISC LicenseRef-BSD MIT
    MIT-0 MIT-CMU NCSA PostgreSQL PSF-2.0 Python-2.0 Python-2.0.1 Unicode-3.0 Unlicense UPL-1.0 W3C
    WTFPL X11 Zlib ZPL-2.1
    """.split()  # noqa: SIM905 - shorter
)
"""SPDX identifiers of permissive licences; LicenseRef-BSD is a BSD licence of unknown length."""

# What packages wrote before there was SPDX: PyPI's classifiers, and free text in lower case.
_NAMES = {
    "apache 2.0": "Apache-2.0",
    "apache license 2.0": "Apache-2.0",
    "apache license, version 2.0": "Apache-2.0",
    "apache software license": "Apache-2.0",
    "apache software license 2.0": "Apache-2.0",
    "bsd": "LicenseRef-BSD",
    "bsd license": "LicenseRef-BSD",
    "3-clause bsd license": "BSD-3-Clause",
    "bsd 3-clause": "BSD-3-Clause",
    "isc license (iscl)": "ISC",
    "mit license": "MIT",
    "mozilla public license 2.0 (mpl 2.0)": "MPL-2.0",
    "python software foundation license": "PSF-2.0",
    "the mit license": "MIT",
    "the unlicense (unlicense)": "Unlicense",
    "zope public license": "ZPL-2.1",
    "gnu general public license v3 (gplv3)": "GPL-3.0-only",
    "gnu general public license v3 or later (gplv3+)": "GPL-3.0-or-later",
    "gnu lesser general public license v3 (lgplv3)": "LGPL-3.0-only",
}
_TEXT_NAME = re.compile(r"(?:(?:un)?licen[cs]e|copying)(?:[-_.][\w.-]+)?", re.IGNORECASE)
_CHOICE = re.compile(r"licen[cs]e[-_.](?:mit|apache)", re.IGNORECASE)
_MAX_TEXT_BYTES = 100_000
_MAX_METADATA_BYTES = 1_000_000
_HEADER = re.compile(rb"SPDX-License-Identifier:[ \t]*([\w.+() -]+)")
_HEAD_BYTES = 4_000


def licence_of(root: Path) -> str:
    """Return the SPDX expression of a folder's licence, "" where there is none.

    It is the one that its metadata declare and that its licence texts are; where the two differ,
    both apply.
    """
    declared = next(filter(None, _declared(root)), "")
    try:
        # A wheel's texts lie beside its metadata.
        texts = [*root.iterdir(), *root.glob("*.dist-info/*"), *root.glob("*.dist-info/licenses/*")]
    except OSError:
        return declared
    found = licence_of_texts(licence_texts(texts))
    if not declared or not found:
        return declared or found
    if declared == "LicenseRef-BSD" and found.startswith("BSD-"):
        return found
    known = set(_symbols(declared))
    return declared if known >= set(_symbols(found)) else f"({declared}) AND ({found})"


def licence_texts(paths: Iterable[Path]) -> list[Path]:
    """Return those of a folder's files that have a licence's name, sorted."""
    return sorted(path for path in paths if _TEXT_NAME.fullmatch(path.name) and path.is_file())


def licence_of_texts(paths: Iterable[Path]) -> str:
    """Return the SPDX expression of licence files, "" where none is recognised.

    LICENSE-MIT beside LICENSE-APACHE is a choice; other texts apply together.
    """
    found: dict[str, bool] = {}
    for path in paths:
        if identifier := _text_licence(path):
            found[identifier] = bool(_CHOICE.match(path.name))
    return (" OR " if found and all(found.values()) else " AND ").join(sorted(found))


def file_licence(data: bytes) -> str:
    """Return what a file's own SPDX-License-Identifier says, "" without one."""
    head = data[:_HEAD_BYTES]
    if b"SPDX-License-Identifier" not in head:
        return ""
    match = _HEADER.search(head)
    if match is None:
        return ""
    told = match[1].decode().strip(" -")
    return _normal(told) or told  # an unknown licence is not the repository's


@lru_cache(maxsize=4096)
def is_allowed(expression: str) -> bool:
    """Whether an expression lets anybody learn from the code: any side of OR, all sides of AND."""
    from license_expression import OR, LicenseWithExceptionSymbol

    if not expression:
        return False

    def allowed(part: Any) -> bool:
        if isinstance(part, LicenseWithExceptionSymbol):  # an exception only ever adds a right
            return allowed(part.license_symbol)
        if not part.args:
            return str(part) in ALLOWED_LICENCES
        return (any if isinstance(part, OR) else all)(map(allowed, part.args))

    parsed = _parsed(expression)
    return parsed is not None and allowed(parsed)


def spdx(name: str) -> str:
    """Return the SPDX expression for what a package calls its licence, "" for what isn't known."""
    name = name.strip()
    return _NAMES.get(name.lower()) or _normal(name)


def _declared(root: Path) -> Iterator[str]:
    for path in (*sorted(root.glob("*.dist-info/METADATA")), root / "PKG-INFO"):
        yield _from_core_metadata(path)
    yield _from_table(root / "pyproject.toml", "project")
    yield _from_table(root / "Cargo.toml", "package")
    yield _from_npm(root / "package.json")


def _from_core_metadata(path: Path) -> str:
    text = _text(path)
    if not text:
        return ""
    headers = email.parser.HeaderParser().parsestr(text)
    if expression := spdx(headers.get("License-Expression", "")):
        return expression
    prefix = "License :: "
    classifiers = [
        value.rpartition(" :: ")[2]
        for value in headers.get_all("Classifier", [])
        if value.startswith(prefix)
    ]
    known = [expression for name in classifiers if (expression := spdx(name))]
    return " OR ".join(dict.fromkeys(known)) or spdx(headers.get("License", ""))


def _from_table(path: Path, table: str) -> str:
    try:
        value = tomllib.loads(_text(path)).get(table, {}).get("license", "")
    except (tomllib.TOMLDecodeError, AttributeError):  # a broken file declares nothing
        return ""
    if isinstance(value, dict):
        value = value.get("text", "")
    return spdx(value.replace("/", " OR ")) if isinstance(value, str) else ""


def _from_npm(path: Path) -> str:
    try:
        value = json.loads(_text(path) or "{}").get("license", "")
    except (ValueError, AttributeError):
        return ""
    return spdx(value) if isinstance(value, str) else ""


def _text(path: Path) -> str:
    try:
        if not path.is_file() or path.stat().st_size > _MAX_METADATA_BYTES:
            return ""
        return path.read_text("utf-8", "replace")
    except OSError:
        return ""


def _text_licence(path: Path) -> str:
    from identify.identify import license_id

    try:
        if path.stat().st_size > _MAX_TEXT_BYTES:
            return ""
        return license_id(str(path)) or ""
    except (OSError, UnicodeDecodeError):
        return ""


def _symbols(expression: str) -> list[str]:
    parsed = _parsed(expression)
    return [] if parsed is None else sorted(str(symbol) for symbol in parsed.symbols)


def _normal(expression: str) -> str:
    """Return an expression in SPDX's spelling, "" where it is none or holds unknown names."""
    parsed = _parsed(expression)
    if parsed is None or _licensing().unknown_license_keys(parsed):
        return ""
    return str(parsed)


@lru_cache(maxsize=4096)
def _parsed(expression: str) -> Any:
    from license_expression import ExpressionError, ParseError

    if not expression or len(expression) > 500:
        return None
    try:
        return _licensing().parse(expression)
    except (ExpressionError, ParseError):
        return None


@cache
def _licensing() -> Licensing:
    from license_expression import get_spdx_licensing

    return get_spdx_licensing()
