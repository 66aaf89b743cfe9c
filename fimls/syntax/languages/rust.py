"""Rust."""

from __future__ import annotations

from collections.abc import Iterator
from posixpath import basename, dirname, join, splitext
from typing import TYPE_CHECKING

from fimls.syntax.language import BRACE_HEADER, C_COMMENT, Grammar, Language, kinds
from fimls.syntax.modules import Import, Lister, Target, ancestors, first_file
from fimls.syntax.query import text_of

if TYPE_CHECKING:
    import tree_sitter

# The reference, and std::prelude with the methods of Option, Result, Vec, String and Iterator.
_KEYWORDS = """
    Self as async await break const continue crate dyn else enum extern false fn for if impl in
    let loop macro_rules match mod move mut pub ref return self static struct super trait true
    type union unsafe use where while
    """
_BUILTINS = """
    AsMut AsRef Box Clone Copy Debug Default Display Drop Eq Err Error Extend Fn FnMut FnOnce
    From FromIterator Hash Into IntoIterator Iterator None Ok Option Ord PartialEq PartialOrd
    Result Send Some String Sync ToOwned ToString TryFrom TryInto Vec all allow and_then any
    append as_bytes as_deref as_mut as_mut_slice as_ref as_slice as_str assert assert_eq
    assert_ne binary_search bool borrow borrow_mut by_ref bytes capacity ceil cfg chain char
    char_indices chars checked_add checked_div checked_mul checked_sub chunks clear clone cloned
    cmp collect column concat contains contains_key copied count dbg dedup default deny deref
    derive div doc drain drop ends_with entry enumerate env eprintln eq err expect extend
    extend_from_slice f32 f64 fetch_add file filter filter_map find find_map first flat_map
    flatten floor flush fmt fold for_each format from from_iter from_str from_utf8 get get_mut
    get_or_insert_with hash i128 i16 i32 i64 i8 include_bytes include_str inline insert inspect
    into into_bytes into_iter into_owned into_string is_alphabetic is_alphanumeric
    is_ascii_digit is_char_boundary is_digit is_empty is_err is_none is_ok is_some is_whitespace
    isize iter iter_mut join keys last len line lines lock main map map_err map_or map_or_else
    matches max max_by max_by_key mem min min_by min_by_key must_use ne new next next_back nth
    ok ok_or ok_or_else or_default or_else or_insert or_insert_with panic parse partial_cmp
    partition peek peekable pop position print println ptr push push_str read read_to_string
    remove repeat replace reserve resize retain rev rfind rotate_left rsplit saturating_add
    saturating_sub shrink_to_fit skip skip_while sort sort_by sort_by_key sort_unstable split
    split_at split_off split_once split_whitespace sqrt starts_with std step_by str strip_prefix
    strip_suffix sum swap take take_while test then then_some to_ascii_lowercase
    to_ascii_uppercase to_be_bytes to_le_bytes to_lowercase to_owned to_string to_uppercase
    to_vec todo trim trim_end trim_start truncate try_from try_into u128 u16 u32 u64 u8
    unimplemented unreachable unwrap unwrap_or unwrap_or_default unwrap_or_else unzip usize
    values values_mut vec warn windows with_capacity wrapping_add wrapping_sub write writeln zip
    """


def _resolve(found: Import, path: str, files: Lister) -> Iterator[Target]:
    words = [word for word in found.module.split("::") if word]
    names = found.names
    if not names and words:
        names = ((words[-1], found.alias or words[-1]),)
        words = words[:-1]
    own = _folder(path)
    source = next((one for one in ancestors(path) if basename(one) == "src"), dirname(path))
    if words and words[0] == "crate":
        base, words = source, words[1:]
    elif words and words[0] in {"self", "super"}:
        base = own
        if words[0] == "self":
            words = words[1:]
        while words and words[0] == "super":
            base, words = dirname(base), words[1:]
    else:
        base = own if _module(join(own, *words[:1]), files) else source
    # crate::a::B may be B in a.rs, or the module a/B.rs
    for name, alias in names:
        if name not in {"*", "self"} and (module := _module(join(base, *words, name), files)):
            yield Target((module,), namespace=alias)
    if module := _module(join(base, *words), files):
        yield Target((module,), names, words[-1] if words else "")


def _folder(path: str) -> str:
    """The folder of a module's children: a/ for a.rs and a/mod.rs, its own for lib.rs."""
    if basename(path) in {"mod.rs", "lib.rs", "main.rs"}:
        return dirname(path)
    return splitext(path)[0]


def _module(module: str, files: Lister) -> str | None:
    names = [
        f"{module}.rs",
        join(module, "mod.rs"),
        join(module, "lib.rs"),
        join(module, "main.rs"),
    ]
    return first_file(names, files)


def _uses(node: tree_sitter.Node, source: bytes) -> Iterator[tuple[str, str, str]]:
    """Yield what a ``use`` or a ``mod x;`` imports (see :attr:`Grammar.uses`)."""
    if node.type == "mod_item":
        named = node.child_by_field_name("name")
        if named is not None:
            name = text_of(named, source)
            yield f"self::{name}", "", name
        return
    for module, name, local in _leaves(node, source, ""):
        if name == "self":
            yield module, "", local if local != "self" else module.rpartition("::")[2]
        else:
            yield module, name, local


def _leaves(node: tree_sitter.Node, source: bytes, path: str) -> Iterator[tuple[str, str, str]]:
    """Yield module, name and local name of each leaf of a ``use`` below ``path``."""
    if node.type == "use_list":
        for child in node.named_children:
            yield from _leaves(child, source, path)
    elif node.type == "scoped_use_list":
        prefix = node.child_by_field_name("path")
        items = node.child_by_field_name("list")
        if items is not None:
            path = _joined(path, text_of(prefix, source) if prefix else "")
            yield from _leaves(items, source, path)
    elif node.type == "use_wildcard":
        module = text_of(node, source).removesuffix("*").removesuffix("::")
        yield _joined(path, module), "*", "*"
    elif node.type == "use_as_clause":
        target, alias = node.child_by_field_name("path"), node.child_by_field_name("alias")
        if target is not None and alias is not None:
            module, name = _split(_joined(path, text_of(target, source)))
            yield module, name, text_of(alias, source)
    elif node.type in {"identifier", "scoped_identifier", "self", "crate", "super"}:
        module, name = _split(_joined(path, text_of(node, source)))
        yield module, name, name


def _joined(path: str, rest: str) -> str:
    return f"{path}::{rest}" if path and rest else path or rest


def _split(path: str) -> tuple[str, str]:
    """Return a path's module and name; a path of one part is a module itself."""
    module, _, name = path.rpartition("::")
    return (module, name) if module else (name, "self")


LANGUAGES = (
    Language(
        id="rust",
        suffixes=(".rs",),
        grammar=Grammar(
            source="tree_sitter_rust:language",
            query="rust",
            blocks=kinds(
                """
                block declaration_list enum_variant_list field_declaration_list match_block
                """
            ),
            comments=kinds("block_comment line_comment"),
            strings=kinds("char_literal raw_string_literal string_literal"),
            attributes=kinds("attribute_item"),
            arguments=kinds("arguments"),
            expressions=kinds("attribute macro_invocation"),
            statements=kinds("field_declaration let_declaration"),
            functions=kinds("function_item"),
            uses=_uses,
        ),
        line_comment="//",
        block_comment=C_COMMENT,
        quotes=('"',),  # an apostrophe also starts a lifetime
        block_header=BRACE_HEADER,
        keywords=_KEYWORDS,
        builtins=_BUILTINS,
        definitions=rb"""\n[ \t]*(?:pub(?:\([^)\n]*\))?[ \t]+)?
            (?:(?:async|const|default|extern(?:[ \t]+"[^"\n]*")?|unsafe)[ \t]+)*
            (?:const|enum|fn|macro_rules!|mod|static|struct|trait|type|union)[ \t]+(?:mut[ \t]+)?
            (NAME)""",
        import_line=r"\s*(?:pub(?:\([^)]*\))?\s+)?(?:use\s|mod\s+\w+;)",
        resolve=_resolve,
        name_first=True,
    ),
)
