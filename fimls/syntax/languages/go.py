"""Go."""

from __future__ import annotations

import re
from collections.abc import Iterator
from posixpath import basename, dirname, join, normpath

from fimls.syntax.language import BRACE_HEADER, C_COMMENT, Declares, Grammar, Language, kinds
from fimls.syntax.modules import PACKAGE_FILES_MAX, Import, Lister, Target, ancestors

# The specification, and its package "builtin".
_KEYWORDS = """
    break case chan const continue default defer else fallthrough for func go goto if import
    interface map package range return select struct switch type var
    """
_BUILTINS = """
    Error String any append bool byte cap clear close cmp comparable complex complex128
    complex64 copy delete err error false float32 float64 imag init int int16 int32 int64 int8
    iota len main make max min new nil ok panic print println real recover rune string true uint
    uint16 uint32 uint64 uint8 uintptr
    """

_MODULE = re.compile(r"^\s*module\s+\"?([^\s\"]+)", re.MULTILINE)


def _resolve(found: Import, path: str, files: Lister) -> Iterator[Target]:
    for folder in ancestors(path):
        text = files.text(join(folder, "go.mod")) if files.exists(join(folder, "go.mod")) else None
        match = _MODULE.search(text or "")
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
            yield Target(tuple(sources[:PACKAGE_FILES_MAX]), names, namespace)
        return


LANGUAGES = (
    Language(
        id="go",
        suffixes=(".go",),
        grammar=Grammar(
            source="tree_sitter_go:language",
            query="go",
            blocks=kinds("block field_declaration_list"),
            strings=kinds("interpreted_string_literal raw_string_literal rune_literal"),
            groups=kinds("const_declaration expression_statement type_declaration var_declaration"),
            arguments=kinds("argument_list"),
            expressions=kinds("composite_literal"),
            statements=kinds(
                "const_declaration field_declaration short_var_declaration var_declaration"
            ),
            functions=kinds("function_declaration method_declaration"),
        ),
        line_comment="//",
        block_comment=C_COMMENT,
        quotes=('"', "'", "`"),
        block_header=BRACE_HEADER,
        no_body='panic("no body")',
        keywords=_KEYWORDS,
        builtins=_BUILTINS,
        definitions=rb"""\n(?:func[ \t]*(?:\([^)\n]*\)[ \t]*)?(NAME)|(?:const|type|var)[ \t]+(NAME)
            |\t(NAME)[ \t]+(?:=[ \t]*iota|(?:interface|struct)[ \t]*\{))""",
        import_line=r"import\b|package\b",
        resolve=_resolve,
        folder_is_package=True,
        declares=(Declares.MADE, Declares.TYPE_LAST),
    ),
)
