"""The registry: what is kept, what serves, and what a reader sees while it is switched."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from fimls.store.adapters import AdapterRegistry, promote
from fimls.types import AdapterMismatchError, StoreError, UnknownModelError

BASE = "0" * 64


def adapter(
    folder: Path, *, base_sha256: str = BASE, weights: bytes = b"w", base: str = "b"
) -> Path:
    """A folder with what the registry looks at."""
    folder.mkdir(parents=True)
    (folder / "adapter_config.json").write_text('{"peft_type": "LORA"}')
    (folder / "adapter_model.safetensors").write_bytes(weights)
    manifest = {"base": base, "base_sha256": base_sha256}
    (folder / "fimls_manifest.json").write_text(json.dumps(manifest))
    return folder


@pytest.fixture
def registry(tmp_path: Path) -> AdapterRegistry:
    """An empty one, without fimls' own adapters."""
    return AdapterRegistry(tmp_path / "home", shipped=tmp_path / "shipped")


@pytest.fixture
def with_own(tmp_path: Path) -> AdapterRegistry:
    """An empty one where fimls brings an adapter of its own."""
    adapter(tmp_path / "own" / "fimls-b", weights=b"own")
    return AdapterRegistry(tmp_path / "home", shipped=tmp_path / "own")


def test_adding_copies_the_files_alone(tmp_path: Path, registry: AdapterRegistry) -> None:
    """The copy works without the original; checkpoints in subfolders are not copied."""
    folder = adapter(tmp_path / "mine")
    (folder / "checkpoints").mkdir()
    added = registry.add(folder)
    assert ("mine", "b", BASE, False) == (added.name, added.base, added.base_sha256, added.promoted)
    names = ["adapter_config.json", "adapter_model.safetensors", "fimls_manifest.json"]
    assert names == sorted(path.name for path in added.folder.iterdir())
    assert (added,) == registry.list()
    assert registry.add(folder) == added


def test_a_name_means_one_adapter(tmp_path: Path, registry: AdapterRegistry) -> None:
    """Another adapter can't take a name that is in use, and a promoted one can't change."""
    registry.add(adapter(tmp_path / "mine"))
    with pytest.raises(StoreError, match="another adapter is called 'mine'"):
        registry.add(adapter(tmp_path / "other", weights=b"x"), "mine")
    assert b"w" == (registry.find("mine") / "adapter_model.safetensors").read_bytes()


@pytest.mark.parametrize("name", ["none", "../up", ".hidden", "a/b", "", "x" * 101])
def test_names_that_cannot_be(tmp_path: Path, registry: AdapterRegistry, name: str) -> None:
    """A name is a folder's name and a setting's value: no path, nor the word for no adapter."""
    folder = adapter(tmp_path / "bad name")
    with pytest.raises(StoreError, match="can't be an adapter's name"):
        registry.add(folder, name)


def test_an_adapter_says_its_base(tmp_path: Path, registry: AdapterRegistry) -> None:
    """Without a manifest it isn't known which base it may serve."""
    folder = adapter(tmp_path / "mine")
    (folder / "fimls_manifest.json").unlink()
    with pytest.raises(AdapterMismatchError, match="does not say which base"):
        registry.add(folder)
    assert () == registry.list()


def test_promote_and_rollback(tmp_path: Path, registry: AdapterRegistry) -> None:
    """Rolling back goes through what served, one by one, to the base alone, and no further."""
    for name in ("one", "two"):
        registry.add(adapter(tmp_path / name))
        registry.promote(name)
    assert registry.folder / "two" == registry.serving(BASE)
    assert [False, True] == [one.promoted for one in registry.list()]
    served = [registry.rollback() for _ in range(2)]
    assert [("one", "two"), ("", "one")] == [(one.name, one.before) for one in served]
    assert registry.serving(BASE) is None
    with pytest.raises(StoreError, match="no adapter is promoted"):
        registry.rollback()


def test_promoting_again_changes_nothing(tmp_path: Path, registry: AdapterRegistry) -> None:
    """An adapter that serves already isn't added to the history again."""
    registry.add(adapter(tmp_path / "one"))
    registry.promote("one")
    stamp = registry.stamp()
    assert "one" == registry.promote("one").before
    assert stamp == registry.stamp()
    assert "" == registry.rollback().name


def test_bases_are_apart(tmp_path: Path, registry: AdapterRegistry) -> None:
    """Each base has its own; rolling back asks which where both have one."""
    other = "1" * 64
    promote(adapter(tmp_path / "one"), root=tmp_path / "home")
    promote(adapter(tmp_path / "two", base_sha256=other, base="c"), root=tmp_path / "home")
    assert registry.folder / "one" == registry.serving(BASE)
    assert registry.folder / "two" == registry.serving(other)
    with pytest.raises(StoreError, match="several bases") as caught:
        registry.rollback()
    assert "name one: b, c" == caught.value.hint
    assert "two" == registry.rollback("c").before
    assert registry.folder / "one" == registry.serving(BASE)


def test_the_stamp_tells_every_change(tmp_path: Path, registry: AdapterRegistry) -> None:
    """A server that compares stamps sees a promotion and its rollback."""
    stamps = [registry.stamp()]
    promote(adapter(tmp_path / "one"), root=tmp_path / "home")
    stamps.append(registry.stamp())
    registry.rollback()
    stamps.append(registry.stamp())
    assert stamps[0] is None
    assert 3 == len(set(stamps))


def test_removing(tmp_path: Path, registry: AdapterRegistry) -> None:
    """What serves stays; what is removed can't be rolled back to."""
    for name in ("one", "two"):
        promote(adapter(tmp_path / name), root=tmp_path / "home")
    with pytest.raises(StoreError, match="'two' is promoted"):
        registry.remove("two")
    registry.remove("one")
    assert ["two"] == [one.name for one in registry.list()]
    assert "" == registry.rollback().name


def test_finding(
    tmp_path: Path, registry: AdapterRegistry, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A registered name wins over a folder here; any other word is a path, or unknown."""
    monkeypatch.chdir(tmp_path)
    here = adapter(tmp_path / "mine")
    assert here == registry.find("mine")
    added = registry.add(here)
    assert added.folder == registry.find("mine")
    assert here == registry.find("./mine").resolve()
    assert ["mine", str(here)] == [registry.label(added.folder), registry.label(here)]
    with pytest.raises(UnknownModelError, match="no adapter 'mime'") as caught:
        registry.find("mime")
    assert "did you mean 'mine'?" == caught.value.hint


def test_a_promoted_folder_that_is_gone(tmp_path: Path, registry: AdapterRegistry) -> None:
    """It is an error that says so, never the base in its place."""
    promote(adapter(tmp_path / "one"), root=tmp_path / "home")
    (registry.folder / "one").rename(tmp_path / "elsewhere")
    with pytest.raises(StoreError, match="'one' is promoted, but"):
        registry.serving(BASE)


@pytest.mark.parametrize("text", ["{", "[]", '{"format_version": 2, "bases": {}}'])
def test_a_state_that_cannot_be_read(tmp_path: Path, registry: AdapterRegistry, text: str) -> None:
    """A damaged or later file is an error, not an empty registry."""
    (tmp_path / "home").mkdir()
    (tmp_path / "home" / "promoted.json").write_text(text)
    with pytest.raises(StoreError, match="can't read which adapters are promoted"):
        registry.serving(BASE)


def test_fimls_own_serves_until_another_is_promoted(
    tmp_path: Path, with_own: AdapterRegistry
) -> None:
    """It is found and listed like a registered one, and comes back when all is rolled back."""
    own = tmp_path / "own" / "fimls-b"
    assert own == with_own.serving(BASE) == with_own.find("fimls-b")
    assert with_own.serving("1" * 64) is None
    with_own.add(adapter(tmp_path / "mine"))
    assert ("mine", "fimls-b") == (
        (promotion := with_own.promote("mine")).name,
        promotion.before,
    )
    assert [("fimls-b", False, True), ("mine", True, False)] == [
        (one.name, one.promoted, one.shipped) for one in with_own.list()
    ]
    assert with_own.folder / "mine" == with_own.serving(BASE)
    assert "fimls-b" == with_own.rollback().name
    assert own == with_own.serving(BASE)
    assert "fimls-b" == with_own.label(own)


def test_fimls_own_can_be_promoted_over_another(tmp_path: Path, with_own: AdapterRegistry) -> None:
    """Going back to it without losing what was promoted before."""
    with_own.add(adapter(tmp_path / "mine"))
    with_own.promote("mine")
    with_own.promote("fimls-b")
    assert tmp_path / "own" / "fimls-b" == with_own.serving(BASE)
    assert "mine" == with_own.rollback().name


def test_fimls_own_stays(tmp_path: Path, with_own: AdapterRegistry) -> None:
    """Its name can't be taken and it can't be removed: it belongs to the package."""
    with pytest.raises(StoreError, match="comes with fimls") as caught:
        with_own.remove("fimls-b")
    assert 'adapter = "none"' in str(caught.value.hint)
    with pytest.raises(StoreError, match="comes with fimls"):
        with_own.add(adapter(tmp_path / "mine"), "fimls-b")
