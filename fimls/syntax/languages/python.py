"""Python."""

from __future__ import annotations

import re
from collections.abc import Iterator
from keyword import kwlist
from posixpath import basename, dirname, join, normpath

from fimls.syntax.language import Blocks, Declares, Grammar, Language, kinds
from fimls.syntax.modules import Import, Lister, Target, ancestors, first_file

_HEADER = (
    r"^\s*(?:(?:async|case|class|def|elif|else|except|finally|for|if|match|try|while|with)\b.*"
    r"|[)\]}].*):$"  # the last line of a header that was broken inside brackets
)
_SUFFIXES = (".py", ".pyi")
_SOURCE_FOLDERS = ("src", "lib")
_CONSTRUCTOR = re.compile(r"def[ \t]+__init__\b")
_VALUE_CHARS_MAX = 60
_ASSIGNED = re.compile(
    r"^[ \t]+self\.(?P<name>\w+)(?:\s*:\s*(?P<type>[^=\n]+?))?\s*=\s*(?P<value>[^\n]+)$",
    re.MULTILINE,
)
_PARAMETER = re.compile(
    r"\b(?P<name>\w+)\s*:\s*(?P<type>[^,=()\[\n]+(?:\[[^=\n]*?\](?=\s*[,=)\n]))?)"
)


def _builtins() -> frozenset[str]:
    """Return what this interpreter has: builtins, and the attributes of the types they hold."""
    import builtins
    import keyword
    import types

    values = [*vars(builtins).values(), *vars(types).values()]
    attributes = {name for value in values if isinstance(value, type) for name in dir(value)}
    module = {"__all__", "__annotations__", "__file__", "__main__", "__path__", "__version__"}
    convention = {"self", "cls", "args", "kwargs"}
    return frozenset({*dir(builtins), *keyword.softkwlist, *attributes, *module, *convention})


def _resolve(found: Import, path: str, files: Lister) -> Iterator[Target]:
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
        parents = [one for one in ancestors(path) if not files.exists(join(one, "__init__.py"))]
        roots = [*parents, *_SOURCE_FOLDERS]
    for root in roots:
        here = normpath(join(root, inner)) if inner else root
        own = first_file(_module_files(here), files)
        package = "" if own and not basename(own).startswith("__init__.") else here
        submodules = bool(package) and files.has_folder(package)
        rest = []
        for name, alias in found.names:
            if submodules and (submodule := first_file(_module_files(join(here, name)), files)):
                yield Target((submodule,), namespace=alias)
            else:
                rest.append((name, alias))
        if own is not None:
            namespace = "" if found.names else found.alias
            yield Target((own,), tuple(rest), namespace)
        if own is not None or len(rest) < len(found.names):
            return


def _module_files(module: str) -> list[str]:
    return [
        *(f"{module}{suffix}" for suffix in _SUFFIXES),
        *(join(module, f"__init__{suffix}") for suffix in _SUFFIXES),
    ]


def _attributes(text: str, header: int, body: int, end: int) -> Iterator[str]:
    """Yield "name: type", or "name = value", for each attribute that ``__init__`` sets."""
    if not _CONSTRUCTOR.match(text, header):
        return
    line = text.rfind("\n", 0, header) + 1
    indent = text[line:header]
    parameters = {
        match["name"]: match["type"].strip() for match in _PARAMETER.finditer(text, header, body)
    }
    seen: set[str] = set()
    for match in _ASSIGNED.finditer(text, body - len(indent), end):
        name, value = match["name"], match["value"]
        if name in seen:
            continue
        seen.add(name)
        given = parameters.get(name if re.search(rf"\b{name}\b", value) else value)
        if declared := match["type"] or given:
            yield f"{indent}{name}: {declared}"
        elif len(value) <= _VALUE_CHARS_MAX:
            yield f"{indent}{name} = {value}"


LANGUAGES = (
    Language(
        id="python",
        suffixes=(".py", ".pyi", ".pyw"),
        grammar=Grammar(
            source="tree_sitter_python:language",
            query="python",
            blocks=kinds("block"),
            filler="pass",
            strings=kinds("string"),
            code_in_strings=kinds("interpolation"),
            attributes=kinds("decorator"),
            wrappers=kinds("decorated_definition"),
            arguments=kinds("argument_list"),
            expressions=kinds(
                """
                attribute await binary_operator boolean_operator call comparison_operator
                concatenated_string dictionary dictionary_comprehension generator_expression lambda
                list list_comprehension not_operator set set_comprehension string subscript tuple
                unary_operator
                """
            ),
            functions=kinds("function_definition"),
        ),
        line_comment="#",
        quotes=('"""', "'''", '"', "'"),
        blocks=Blocks.INDENTATION,
        block_header=_HEADER,
        no_body="pass",
        keywords=" ".join(kwlist),
        builtins=_builtins,
        definitions=rb"""\n(?:(?=[ \t]*[acd])[ \t]*(?:async[ \t]+)?(?:class|def)[ \t]+(NAME)
            |(?=\S)(?:type[ \t]+)?(NAME)[ \t]*(?::[^=\n]*|\[[^=\n]*\][ \t]*)?=[^=])""",
        import_line=r"\s*(?:from\s+\S+\s+import|import\s+[\w.]+(?:\s+as\s+\w+)?(?:,|\s*$))",
        resolve=_resolve,
        declares=(Declares.ANNOTATED, Declares.MADE, Declares.ENTERED),
        name_first=True,
        field_line=r"[ \t]*[^\W\d]\w*[ \t]*(?::|=(?!=))",
        attributes=_attributes,
    ),
)
