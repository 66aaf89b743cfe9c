"""Java."""

from __future__ import annotations

from collections.abc import Iterator
from posixpath import basename, dirname, join

from fimls.syntax.language import BRACE_HEADER, C_COMMENT, Declares, Grammar, Language, kinds
from fimls.syntax.modules import PACKAGE_FILES_MAX, Import, Lister, Target, ancestors

# The language specification, and java.lang.
_KEYWORDS = """
    abstract assert boolean break byte case catch char class const continue default do double
    else enum extends false final finally float for goto if implements import instanceof int
    interface long native new non null package permits private protected public record return
    sealed short static strictfp super switch synchronized this throw throws transient true try
    var void volatile when while yield
    """
_BUILTINS = """
    ArithmeticException ArrayIndexOutOfBoundsException AutoCloseable Boolean Byte CharSequence
    Character Class ClassCastException ClassLoader CloneNotSupportedException Cloneable
    Comparable Deprecated Double Enum Error Exception Float FunctionalInterface
    IllegalArgumentException IllegalStateException IndexOutOfBoundsException Integer
    InterruptedException Iterable Long Math NullPointerException Number NumberFormatException
    Object Override Process Record Runnable Runtime RuntimeException SafeVarargs Short String
    StringBuffer StringBuilder SuppressWarnings System Thread ThreadLocal Throwable
    UnsupportedOperationException Void abs add addAll append args arraycopy booleanValue build
    builder charAt chars clear clone close compareTo computeIfAbsent contains containsAll
    containsKey containsValue copyOf count currentTimeMillis deleteCharAt doubleValue endsWith
    entrySet equals equalsIgnoreCase err exit filter finalize findFirst flatMap floatValue flush
    forEach format get getBytes getCause getClass getKey getMessage getName getOrDefault
    getSimpleName getStackTrace getValue hasNext hashCode ifPresent indexOf insert intValue
    interrupt isBlank isEmpty isPresent iterator join keySet lastIndexOf length lines longValue
    main map matches max min name nanoTime next notify notifyAll of ofNullable orElse
    orElseThrow ordinal out parseDouble parseInt parseLong peek poll pop pow print
    printStackTrace printf println push put putAll putIfAbsent random remove removeIf repeat
    replace replaceAll reverse round run set setLength size sleep sort split sqrt start
    startsWith stream strip subList substring toArray toCharArray toList toLowerCase toString
    toUpperCase trim valueOf values wait write
    """

_MODIFIERS = rb"""(?:(?:abstract|async|const|default|extern|final|internal|native|override|partial
    |private|protected|public|readonly|sealed|static|synchronized|unsafe|virtual)[ \t]+)"""
DEFINITIONS = (
    rb"\n[ \t]*(?:"
    + _MODIFIERS
    + rb"""*(?:class|enum|interface|@interface|namespace|record|struct)[ \t]+(NAME)
        |"""
    + _MODIFIERS
    + rb"+(?:<[^>\n]*>[ \t]*)?(?:[\w.<>\[\],?]+[ \t]+)*(NAME)[ \t]*[(={])"
)
"""C#'s too."""


def _resolve(found: Import, path: str, files: Lister) -> Iterator[Target]:
    inner = found.module.replace(".", "/")
    roots = list(ancestors(path))
    roots += [root.replace("/test/", "/main/") for root in roots if "/test/" in root]
    star = any(name == "*" for name, _ in found.names)
    for root in roots:
        here = join(root, inner)
        if star and (package := files.within(here, (".java",))):
            yield Target(tuple(package[:PACKAGE_FILES_MAX]), (("*", "*"),))
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


LANGUAGES = (
    Language(
        id="java",
        suffixes=(".java",),
        related="jvm",
        grammar=Grammar(
            source="tree_sitter_java:language",
            query="java",
            blocks=kinds("block class_body constructor_body enum_body interface_body switch_block"),
            comments=kinds("block_comment line_comment"),
            strings=kinds("character_literal string_literal"),
            code_in_strings=kinds("string_interpolation"),
            attributes=kinds("annotation marker_annotation"),
            arguments=kinds("argument_list"),
            expressions=kinds("array_creation_expression method_invocation"),
            statements=kinds("field_declaration local_variable_declaration"),
            functions=kinds("constructor_declaration method_declaration"),
        ),
        line_comment="//",
        block_comment=C_COMMENT,
        quotes=('"""', '"', "'"),
        block_header=BRACE_HEADER,
        keywords=_KEYWORDS,
        builtins=_BUILTINS,
        definitions=DEFINITIONS,
        import_line=r"import\b|package\b",
        resolve=_resolve,
        folder_is_package=True,
        declares=(Declares.MADE, Declares.TYPE_FIRST),
    ),
)
