"""Lua."""

from __future__ import annotations

from collections.abc import Iterator
from posixpath import join

from fimls.syntax.language import Blocks, Declares, Grammar, Language, kinds
from fimls.syntax.modules import Import, Lister, Target, ancestors, first_file

_KEYWORDS = """
    and break do else elseif end false for function goto if in local nil not or repeat return
    then true until while
    """
# The reference manual of 5.4, and what 5.1 and LuaJIT have besides.
_BUILTINS = """
    _ENV _G _VERSION __add __call __concat __eq __gc __index __le __len __lt __mode __name
    __newindex __sub __tostring abs arg assert band bit bnot bor byte ceil char close
    collectgarbage concat config coroutine cos cpath create date debug difftime dofile dump
    error execute exit exp ffi find floor flush fmod format getenv getinfo getlocal getmetatable
    gmatch gsub huge insert io ipairs jit len lines load loaded loadfile loadstring log lower
    match math max maxinteger min modf module move next open os pack package pairs path pcall pi
    popen preload print rad random randomseed rawequal rawget rawlen rawset read remove rename
    rep require reverse select self setfenv setlocale setmetatable setvbuf sin sort sqrt status
    stderr stdin stdout string sub table tan time tmpname tointeger tonumber tostring traceback
    type unpack upper utf8 wrap write xpcall yield
    """
_FOLDERS = ("", "lua", "src", "lib")  # "lua" holds an editor plugin's modules


def _resolve(found: Import, path: str, files: Lister) -> Iterator[Target]:
    inner = found.module.replace(".", "/")
    candidates = [
        join(one, folder, inner + end)
        for one in ancestors(path)
        for folder in _FOLDERS
        for end in (".lua", "/init.lua")
    ]
    if file := first_file(candidates, files):
        yield Target((file,), namespace=found.alias)


LANGUAGES = (
    Language(
        id="lua",
        suffixes=(".lua",),
        grammar=Grammar(
            source="tree_sitter_lua:language",
            query="lua",
            blocks=kinds("block"),
            filler="return",
            strings=kinds("string"),
            groups=kinds("variable_declaration"),
            arguments=kinds("arguments"),
            expressions=kinds("function_call function_definition string table_constructor"),
            statements=kinds("function_call variable_declaration"),
            functions=kinds("function_declaration"),
        ),
        line_comment="--",
        block_comment=("--[[", "]]"),
        blocks=Blocks.WORDS,
        block_header=r"\b(?:do|else|repeat|then)$|\bfunction\b[^()]*\([^()]*\)$",
        block_ends=("end", "until"),
        clauses={"else": kinds("if elseif"), "elseif": kinds("if elseif")},
        keywords=_KEYWORDS,
        builtins=_BUILTINS,
        definitions=rb"""\n[ \t]*(?:
            (?:local[ \t]+)?function[ \t]+(?:\w+[.:])*(NAME)
            |(?:\w+\.)*(NAME)[ \t]*=[ \t]*function\b
            |local[ \t]+(NAME)[ \t]*=[ \t]*(?!function\b|require\b))""",
        import_line=r"(?:local\s+[\w\s,]+=\s*)?require\b",
        resolve=_resolve,
        declares=(Declares.MADE,),
    ),
)
