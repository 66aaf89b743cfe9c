"""From an import statement to the workspace's files, by each language's own rules.

What doesn't resolve belongs to the language or a library: no retrieval for it. A rule needs nothing
but the importing file's path and a way to ask which files exist.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from posixpath import basename, dirname, join, normpath, splitext
from typing import Protocol

from fimls.syntax.outline import Import

_SCRIPT_SUFFIXES = (".ts", ".tsx", ".d.ts", ".js", ".jsx", ".mjs", ".cjs", ".mts", ".cts", ".vue")
_PYTHON_SUFFIXES = (".py", ".pyi")
_SOURCE_FOLDERS = ("src", "lib")
_C_FOLDERS = ("include", "src", "inc", "lib")
_GO_MODULE = re.compile(r"^\s*module\s+\"?([^\s\"]+)", re.MULTILINE)
_PACKAGE_FILES_MAX = 40


class Lister(Protocol):
    """What resolving needs to know of a workspace (:class:`fimls.context.files.Files` does)."""

    def exists(self, path: str) -> bool:
        """Whether there is a file with this relative path."""

    def has_folder(self, path: str) -> bool:
        """Whether there is a folder with this relative path."""

    def within(self, directory: str, suffixes: tuple[str, ...]) -> list[str]:
        """The files of a directory whose names end so."""

    def text(self, path: str) -> str | None:
        """A file's text."""


@dataclass(frozen=True, slots=True)
class Target:
    """Where an import leads.

    paths: files that may define what is imported. names: (name there, name here), ("*", "*") for
    all of them. namespace: what the module itself is called here, "" if it can't be named.
    """

    paths: tuple[str, ...]
    names: tuple[tuple[str, str], ...] = ()
    namespace: str = ""


def targets(found: Import, path: str, language_id: str, files: Lister) -> list[Target]:
    """Return where an import statement of the file ``path`` leads in the workspace."""
    rule = _RULES.get(language_id)
    return list(rule(found, path, files)) if rule else []


def _python(found: Import, path: str, files: Lister) -> Iterator[Target]:
    module = found.module.lstrip(".")
    dots = len(found.module) - len(module)
    inner = module.replace(".", "/")
    if dots:
        base = dirname(path)
        for _ in range(dots - 1):
            base = dirname(base)
        roots = [base]
    else:
        # A folder with an __init__.py is a package: absolute imports start above it.
        parents = [one for one in _ancestors(path) if not files.exists(join(one, "__init__.py"))]
        roots = [*parents, *_SOURCE_FOLDERS]
    for root in roots:
        here = normpath(join(root, inner)) if inner else root
        own = _first(_python_files(here), files)
        package = "" if own and not basename(own).startswith("__init__.") else here
        submodules = bool(package) and files.has_folder(package)
        rest = []
        for name, alias in found.names:
            if submodules and (submodule := _first(_python_files(join(here, name)), files)):
                yield Target((submodule,), namespace=alias)
            else:
                rest.append((name, alias))
        if own is not None:
            namespace = "" if found.names else found.alias
            yield Target((own,), tuple(rest), namespace)
        if own is not None or len(rest) < len(found.names):
            return


def _python_files(module: str) -> list[str]:
    return [
        *(f"{module}{suffix}" for suffix in _PYTHON_SUFFIXES),
        *(join(module, f"__init__{suffix}") for suffix in _PYTHON_SUFFIXES),
    ]


def _script(found: Import, path: str, files: Lister) -> Iterator[Target]:
    module = found.module
    if module.startswith("."):
        bases = [join(dirname(path), module)]
    elif module.startswith(("@/", "~/")):  # the usual name of the project's own source folder
        parents = _ancestors(path)
        bases = [join(one, folder, module[2:]) for one in parents for folder in ("src", "")]
    else:
        bases = [join(one, module) for one in _ancestors(path) if "/" in module]
    for base in bases:
        base = normpath(base)  # noqa: PLW2901
        stem = re.sub(r"\.(?:[cm]?js|jsx)$", "", base)  # TypeScript writes './util.js' for util.ts
        candidates = [base, *(stem + suffix for suffix in _SCRIPT_SUFFIXES)]
        candidates += [join(base, "index" + suffix) for suffix in _SCRIPT_SUFFIXES]
        if target := _first(candidates, files):
            names = tuple(
                (alias if name == "default" else name, alias) for name, alias in found.names
            )
            yield Target((target,), names, found.alias)
            return


def _go(found: Import, path: str, files: Lister) -> Iterator[Target]:
    for folder in _ancestors(path):
        text = files.text(join(folder, "go.mod")) if files.exists(join(folder, "go.mod")) else None
        match = _GO_MODULE.search(text or "")
        if match is None:
            continue
        if found.module != match[1] and not found.module.startswith(match[1] + "/"):
            return
        package = normpath(join(folder, found.module[len(match[1]) :].lstrip("/")))
        sources = [one for one in files.within(package, (".go",)) if not one.endswith("_test.go")]
        if sources:
            namespace = found.alias or re.sub(r"^v\d+$", "", basename(found.module))
            names = (("*", "*"),) if namespace == "." else ()
            namespace = namespace or basename(dirname(found.module))
            yield Target(tuple(sources[:_PACKAGE_FILES_MAX]), names, namespace)
        return


def _rust(found: Import, path: str, files: Lister) -> Iterator[Target]:
    words = [word for word in found.module.split("::") if word]
    names = found.names
    if not names and words:
        names = ((words[-1], found.alias or words[-1]),)
        words = words[:-1]
    own = _rust_folder(path)
    source = next((one for one in _ancestors(path) if basename(one) == "src"), dirname(path))
    if words and words[0] == "crate":
        base, words = source, words[1:]
    elif words and words[0] in {"self", "super"}:
        base = own
        if words[0] == "self":
            words = words[1:]
        while words and words[0] == "super":
            base, words = dirname(base), words[1:]
    else:
        base = own if _rust_module(join(own, *words[:1]), files) else source
    # crate::a::B may be B in a.rs, or the module a/B.rs
    for name, alias in names:
        if name not in {"*", "self"} and (module := _rust_module(join(base, *words, name), files)):
            yield Target((module,), namespace=alias)
    if module := _rust_module(join(base, *words), files):
        yield Target((module,), names, words[-1] if words else "")


def _rust_folder(path: str) -> str:
    """The folder of a module's children: a/ for a.rs and a/mod.rs, its own for lib.rs."""
    if basename(path) in {"mod.rs", "lib.rs", "main.rs"}:
        return dirname(path)
    return splitext(path)[0]


def _rust_module(module: str, files: Lister) -> str | None:
    names = [
        f"{module}.rs",
        join(module, "mod.rs"),
        join(module, "lib.rs"),
        join(module, "main.rs"),
    ]
    return _first(names, files)


def _java(found: Import, path: str, files: Lister) -> Iterator[Target]:
    inner = found.module.replace(".", "/")
    roots = list(_ancestors(path))
    roots += [root.replace("/test/", "/main/") for root in roots if "/test/" in root]
    star = any(name == "*" for name, _ in found.names)
    for root in roots:
        here = join(root, inner)
        if star and (package := files.within(here, (".java",))):
            yield Target(tuple(package[:_PACKAGE_FILES_MAX]), (("*", "*"),))
            return
        classes = [(join(here, f"{name}.java"), name, alias) for name, alias in found.names]
        if present := [one for one in classes if files.exists(one[0])]:
            for file, name, alias in present:
                yield Target((file,), ((name, alias),), alias)
            return
        # The class itself, or a static member of it.
        for file, name in ((f"{here}.java", basename(here)), (f"{dirname(here)}.java", "")):
            if files.exists(file):
                names = found.names or ((name or basename(here), name or basename(here)),)
                yield Target((file,), names, name)
                return


def _c(found: Import, path: str, files: Lister) -> Iterator[Target]:
    parents = list(_ancestors(path))
    places = [parents[0], *(join(one, folder) for one in parents for folder in ("", *_C_FOLDERS))]
    if header := _first([normpath(join(place, found.module)) for place in places], files):
        yield Target((header,), (("*", "*"),))


def _ancestors(path: str) -> Iterator[str]:
    """The file's folder, its parent, and so on up to the workspace's own, "" ."""
    folder = dirname(path)
    while folder:
        yield folder
        folder = dirname(folder)
    yield ""


def _first(candidates: list[str], files: Lister) -> str | None:
    return next((normpath(one) for one in candidates if files.exists(one)), None)


_Rule = Callable[[Import, str, Lister], Iterator[Target]]
_RULES: dict[str, _Rule] = {
    "python": _python,
    **dict.fromkeys(("javascript", "javascriptreact", "typescript", "typescriptreact"), _script),
    "go": _go,
    "rust": _rust,
    "java": _java,
    "c": _c,
    "cpp": _c,
}
