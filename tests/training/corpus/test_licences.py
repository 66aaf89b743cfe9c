from __future__ import annotations

from pathlib import Path

import pytest
from identify.vendor.licenses import LICENSES

from training.corpus import is_allowed, licence_of
from training.corpus.licences import file_licence, spdx

TEXTS = dict(LICENSES)


@pytest.mark.parametrize(
    ("expression", "allowed"),
    [
        ("MIT", True),
        ("GPL-3.0-only", False),
        ("MIT OR GPL-3.0-only", True),
        ("MIT AND GPL-3.0-only", False),
        ("Apache-2.0 WITH LLVM-exception", True),
        ("GPL-2.0-only WITH Classpath-exception-2.0", False),
        ("(MIT OR GPL-2.0-only) AND BSD-3-Clause", True),
        ("LicenseRef-BSD", True),
        ("LicenseRef-Proprietary", False),
        ("MIT AND", False),
        ("", False),
    ],
)
def test_expressions_are_judged_as_a_whole(expression: str, *, allowed: bool) -> None:
    """One allowed side of OR is enough; of AND all are needed; nonsense allows nothing."""
    assert allowed == is_allowed(expression)


def test_a_text_is_recognised(tmp_path: Path) -> None:
    """A licence file is enough."""
    (tmp_path / "LICENSE.txt").write_text(TEXTS["Apache-2.0"])
    assert "Apache-2.0" == licence_of(tmp_path)


def test_no_licence_is_none(tmp_path: Path) -> None:
    """A folder without a licence has none, nor has one whose licence's text is unknown."""
    assert "" == licence_of(tmp_path)
    (tmp_path / "LICENSE").write_text("All rights reserved. Ask us.")
    assert "" == licence_of(tmp_path)
    (tmp_path / "LICENSE").write_bytes(b"\xff\xfe not UTF-8")
    assert "" == licence_of(tmp_path)


def test_two_texts_named_for_a_choice_are_one(tmp_path: Path) -> None:
    """Rust's convention: LICENSE-MIT beside LICENSE-APACHE."""
    (tmp_path / "LICENSE-MIT").write_text(TEXTS["MIT"])
    (tmp_path / "LICENSE-APACHE").write_text(TEXTS["Apache-2.0"])
    assert "Apache-2.0 OR MIT" == licence_of(tmp_path)


def test_a_text_that_contradicts_what_is_declared_applies_too(tmp_path: Path) -> None:
    """A package that calls itself MIT and ships the GPL may not be learnt from."""
    (tmp_path / "pyproject.toml").write_text('[project]\nlicense = "MIT"\n')
    (tmp_path / "COPYING").write_text(TEXTS["GPL-3.0"])
    assert not is_allowed(licence_of(tmp_path))


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("x-1.0.dist-info/METADATA", "Name: x\nLicense-Expression: MIT\n\nText"),
        ("PKG-INFO", "Name: x\nClassifier: License :: OSI Approved :: MIT License\n"),
        ("pyproject.toml", '[project]\nlicense = {text = "MIT"}\n'),
        ("Cargo.toml", '[package]\nlicense = "MIT"\n'),
        ("package.json", '{"license": "MIT"}'),
    ],
)
def test_metadata_of_every_ecosystem_are_read(tmp_path: Path, name: str, text: str) -> None:
    """What a package declares is its licence."""
    path = tmp_path / name
    path.parent.mkdir(exist_ok=True)
    path.write_text(text)
    assert "MIT" == licence_of(tmp_path)


def test_broken_metadata_say_nothing(tmp_path: Path) -> None:
    """A syntax error in a package's metadata raises nothing."""
    (tmp_path / "pyproject.toml").write_text("[project\n")
    (tmp_path / "package.json").write_text("[]")
    assert "" == licence_of(tmp_path)


def test_a_file_speaks_for_itself() -> None:
    """A header is read in any comment, and an unknown one is kept as it is."""
    assert "MIT OR Apache-2.0" == file_licence(b"// SPDX-License-Identifier: MIT OR Apache-2.0\n")
    assert "BSD-3-Clause" == file_licence(b"/* SPDX-License-Identifier: bsd-3-clause */")
    assert "Acme-1.0" == file_licence(b"# SPDX-License-Identifier: Acme-1.0\n")
    assert "" == file_licence(b"import os\n")


def test_old_names_are_known() -> None:
    """Names from before SPDX are translated; unknown ones are not guessed."""
    assert ["Apache-2.0", "LicenseRef-BSD", ""] == [
        spdx("Apache Software License"),
        spdx("BSD License"),
        spdx("Freely Distributable"),
    ]
