"""JavaScript and TypeScript, each with and without JSX."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import replace
from posixpath import dirname, join, normpath

from fimls.syntax.language import BRACE_HEADER, C_COMMENT, Grammar, Language, kinds
from fimls.syntax.modules import Import, Lister, Target, ancestors, first_file

# ECMA-262, and WHATWG's globals.
_KEYWORDS = """
    async await break case catch class const continue debugger default delete do else export
    extends false finally for from function get if import in instanceof let new null of return
    set static super switch this throw true try typeof undefined var void while with yield
    """
_BUILTINS = """
    AbortController AbortSignal AggregateError Array ArrayBuffer BigInt Blob Boolean Buffer
    CustomEvent DOMException DataView Date Element Error EvalError Event EventTarget File
    FormData Function HTMLElement Headers Infinity Int16Array Int32Array Int8Array Intl JSON Map
    Math NaN Node Number Object Promise Proxy RangeError ReferenceError Reflect RegExp Request
    Response Set String Symbol SyntaxError TextDecoder TextEncoder TypeError URL URLSearchParams
    Uint16Array Uint32Array Uint8Array Uint8ClampedArray WeakMap WeakRef WeakSet WebSocket
    Worker XMLHttpRequest __dirname __filename abs addEventListener alert all allSettled any
    appendChild apply arguments assign at atob bind body btoa call callee catch ceil charAt
    charCodeAt children classList clear clearInterval clearTimeout clone closest codePointAt
    concat console constructor copyWithin cos create createElement crypto cwd debug
    decodeURIComponent defineProperties defineProperty delete description detail dispatchEvent
    document done encodeURIComponent endsWith entries env error every exec exit exp exports
    fetch fill filter finally find findIndex findLast findLastIndex finished flags flat flatMap
    floor forEach freeze from fromCharCode fromEntries get getAttribute getDate getDay
    getElementById getFullYear getHours getItem getMilliseconds getMinutes getMonth
    getOwnPropertyDescriptor getOwnPropertyNames getPrototypeOf getSeconds getTime global
    globalThis groupBy has hasOwn hasOwnProperty history hypot id includes index indexOf info
    innerHTML innerText input insertBefore isArray isFinite isFrozen isInteger isNaN
    isPrototypeOf isSafeInteger iterator join json key keys lastIndex lastIndexOf length
    localStorage localeCompare location log log10 log2 map match matchAll max message method min
    module name navigator next normalize now ok on onchange onclick padEnd padStart parentNode
    parse parseFloat parseInt performance platform pop pow preventDefault preventExtensions
    process prototype push querySelector querySelectorAll queueMicrotask race random raw reduce
    reduceRight reject removeAttribute removeChild removeEventListener removeItem repeat replace
    replaceAll require resolve reverse round seal search sessionStorage setAttribute setInterval
    setItem setPrototypeOf setTimeout shift sign signal sin size slice some sort source splice
    split sqrt stack startsWith status statusText stderr stdin stdout stopPropagation stringify
    structuredClone style sub subarray substring tagName tan target test text textContent then
    toFixed toISOString toJSON toLocaleString toLowerCase toReversed toSorted toString
    toUpperCase trace trim trimEnd trimStart trunc type unshift url value valueOf values warn
    window write
    """
# TypeScript's handbook.
_TYPED_KEYWORDS = """
    abstract any as asserts bigint boolean constructor declare enum implements infer interface
    is keyof module namespace never number object out override private protected public readonly
    require satisfies string symbol type unique unknown
    """
_TYPED_BUILTINS = """
    AsyncIterable Awaited ConstructorParameters Exclude Extract Generator InstanceType Iterable
    IterableIterator Iterator Lowercase NonNullable Omit Parameters Partial Pick PromiseLike
    Readonly ReadonlyArray ReadonlyMap ReadonlySet Record Required ReturnType ThisType
    Uncapitalize Uppercase
    """

_SUFFIXES = (".ts", ".tsx", ".d.ts", ".js", ".jsx", ".mjs", ".cjs", ".mts", ".cts", ".vue")


def _resolve(found: Import, path: str, files: Lister) -> Iterator[Target]:
    module = found.module
    if module.startswith("."):
        bases = [join(dirname(path), module)]
    elif module.startswith(("@/", "~/")):  # the usual name of the project's own source folder
        parents = ancestors(path)
        bases = [join(one, folder, module[2:]) for one in parents for folder in ("src", "")]
    else:
        bases = [join(one, module) for one in ancestors(path) if "/" in module]
    for base in bases:
        base = normpath(base)  # noqa: PLW2901
        stem = re.sub(r"\.(?:[cm]?js|jsx)$", "", base)  # TypeScript writes './util.js' for util.ts
        candidates = [base, *(stem + suffix for suffix in _SUFFIXES)]
        candidates += [join(base, "index" + suffix) for suffix in _SUFFIXES]
        if target := first_file(candidates, files):
            names = tuple(
                (alias if name == "default" else name, alias) for name, alias in found.names
            )
            yield Target((target,), names, found.alias)
            return


_JAVASCRIPT_GRAMMAR = Grammar(
    source="tree_sitter_javascript:language",
    query="javascript",
    blocks=kinds("class_body statement_block switch_body"),
    strings=kinds("regex string template_string"),
    code_in_strings=kinds("template_substitution"),
    attributes=kinds("decorator"),
    wrappers=kinds("export_statement"),
    groups=kinds("expression_statement lexical_declaration variable_declaration"),
    arguments=kinds("arguments"),
    expressions=kinds("array object string template_string"),
    statements=kinds("lexical_declaration variable_declaration"),
    functions=kinds("function_declaration generator_function_declaration method_definition"),
)
_TYPESCRIPT_GRAMMAR = replace(
    _JAVASCRIPT_GRAMMAR,
    source="tree_sitter_typescript:language_typescript",
    query="typescript",
    blocks=_JAVASCRIPT_GRAMMAR.blocks | kinds("enum_body interface_body"),
    wrappers=kinds("ambient_declaration export_statement"),
)
_JAVASCRIPT = Language(
    id="javascript",
    suffixes=(".js", ".cjs", ".mjs"),
    related="script",
    grammar=_JAVASCRIPT_GRAMMAR,
    line_comment="//",
    block_comment=C_COMMENT,
    quotes=('"', "'", "`"),
    block_header=BRACE_HEADER,
    keywords=_KEYWORDS,
    builtins=_BUILTINS,
    definitions=rb"""\n(?:[ \t]*(?:(?:abstract|async|declare|default|export)[ \t]+)*
        (?:class|enum|function\b[ \t]*\*?|interface|module|namespace|type)[ \t]+(NAME)
        |(?:export[ \t]+)?(?:declare[ \t]+)?(?:const|let|var)[ \t]+(?:enum[ \t]+)?(NAME)
        |[ \t]+(?:(?:async|get|override|private|protected|public|readonly|set|static)[ \t]+)*\*?
        (NAME)[ \t]*(?:<[^>\n]*>)?\([^;{}=\n]*\)[ \t]*(?::[^;{\n]+)?\{)""",
    resolve=_resolve,
    name_first=True,
)
_TYPESCRIPT = replace(
    _JAVASCRIPT,
    id="typescript",
    suffixes=(".ts", ".cts", ".mts"),
    grammar=_TYPESCRIPT_GRAMMAR,
    keywords=_KEYWORDS + _TYPED_KEYWORDS,
    builtins=_BUILTINS + _TYPED_BUILTINS,
)
LANGUAGES = (
    _JAVASCRIPT,
    replace(_JAVASCRIPT, id="javascriptreact", suffixes=(".jsx",), aliases=("jsx",)),
    _TYPESCRIPT,
    replace(
        _TYPESCRIPT,
        id="typescriptreact",
        suffixes=(".tsx",),
        aliases=("tsx",),
        grammar=replace(_TYPESCRIPT_GRAMMAR, source="tree_sitter_typescript:language_tsx"),
    ),
)
