"""Outlines: definitions, imports and skeletons of each language's query file."""

from __future__ import annotations

from collections.abc import Callable
from importlib.resources import files
from itertools import pairwise
from textwrap import dedent

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fimls.syntax import (
    LANGUAGES,
    MAX_PARSE_BYTES,
    Definition,
    Import,
    Outline,
    outline,
    skeleton,
)
from tests.growth import LINEAR, growth

WITH_GRAMMAR = [row.id for row in LANGUAGES if row.grammar]

SOURCES = {
    "python": '''
        import a.b, numpy as np
        from .models import User as U, Post
        from x import *
        LIMIT: int = 3
        @cache
        def top(a):  # why
            """Do it.

            More.
            """
            local = 1
            def inner(): pass
        class Café(Base):
            """Serve."""

            size: int = 0
            # how warm
            @property
            def warm(
                self,
                by: int,
            ) -> bool:
                return True
            class Meta:
                x = 1
        type Alias = int
        ''',
    "javascript": """
        import dflt, {a as b, c} from "./m";
        import * as ns from 'n';
        const {x, y: w} = require("q"), r = require("s");
        const f = foo("no import");
        export const go = async (a) => { const local = 1; return local };
        export default class A extends B {
          static n = 1;
          constructor(x) { super() }
          handler = (e) => { e }
        }
        function* gen() {}
        describe("x", () => { const local = 1 });
        exports.made = function () {};
        export * from "t";
        """,
    "typescript": """
        import type {T} from "./t";
        import old = require("old");
        interface I { f(x: number): void }
        type U = A | B;
        enum E { P, Q }
        @Component()
        export abstract class C<T> extends D {
          private n: number = 1;
          @Input() m(a: string): void {}
          abstract q(): void;
        }
        namespace N { export function g() {} }
        export const k = 1;
        """,
    "go": """
        package a
        import (
            "fmt"
            c "d/e"
            . "all"
            "yaml/v3"
        )
        type S struct {
            a int
        }
        type I interface { F(x int) error }
        func (s *S) M(x int) error { return nil }
        func G[T any](x T) {}
        const (
            K = 1
            L, N = 2, 3
        )
        var v = 3
        """,
    "rust": """
        use a::b::{c, d as e, self, f::*};
        use crate::x::Y;
        mod file;
        #[derive(Debug)]
        pub struct S<T> { n: u8 }
        impl<T> S<T> {
            const LOCAL: u8 = 1;
            pub fn new(n: u8) -> Self { Self { n } }
        }
        trait Tr { fn d(&self); }
        enum E { A }
        pub const K: u8 = 1;
        mod inner { fn g() {} }
        """,
    "java": """
        package p;
        import java.util.List;
        import static a.B.c;
        import a.b.*;
        @Entity
        public class A<T> extends B {
            private static final int X = 1;
            public A(int z) { this.z = z; }
            @Override
            public void m(int a) throws E { }
            interface I { void f(); }
        }
        enum En { P, Q }
        """,
    "c": """
        #include "foo.h"
        #include <stdio.h>
        #define MAX 1
        #define SQUARE(x) ((x) * (x))
        typedef struct { int a; } S;
        struct P { int a; };
        typedef int (*callback)(int);
        static const char *const names[] = {"a"}, last;
        int *f(int a) { int local = 1; return 0; }
        void proto(int a);
        """,
    "cpp": """
        #include <vector>
        namespace a::b {
        template <typename T>
        class A : public B {
         public:
          A(int x) : y_(x) {}
          virtual void q() = 0;
          int y_;
        };
        void f() {}
        }
        int A::m(int x) { Foo local(x); return 1; }
        struct P { int a; };
        using X = int;
        constexpr int K = 3;
        """,
}
SOURCES = {language_id: dedent(text).lstrip() for language_id, text in SOURCES.items()}

DEFINITIONS = {  # kind, container and name
    "python": """
        constant:LIMIT function:top function:top.inner class:Café method:Café.warm class:Café.Meta
        type:Alias
        """,
    "javascript": """
        constant:f function:go class:A method:A.constructor method:A.handler function:gen
        function:made
        """,
    "typescript": """
        type:I method:I.f type:U type:E class:C method:C.m method:C.q function:N.g constant:k
        """,
    "go": """
        type:S type:I method:I.F method:S.M function:G constant:K constant:L constant:N constant:v
        """,
    "rust": "type:S method:S.new type:Tr method:Tr.d type:E constant:K function:inner.g",
    "java": "class:A method:A.A method:A.m type:A.I method:I.f type:En",
    "c": """
        constant:MAX function:SQUARE type:S type:P type:callback constant:names constant:last
        function:f function:proto
        """,
    "cpp": """
        class:a::b.A method:A.A method:A.q function:a::b.f method:A.m class:P type:X constant:K
        """,
}

IMPORTS = {
    "python": [
        Import("a.b", (), "a.b"),
        Import("numpy", (), "np"),
        Import(".models", (("User", "U"), ("Post", "Post")), ""),
        Import("x", (("*", "*"),), ""),
    ],
    "javascript": [
        Import("./m", (("default", "dflt"), ("a", "b"), ("c", "c")), ""),
        Import("n", (), "ns"),
        Import("q", (("x", "x"), ("y", "w")), ""),
        Import("s", (), "r"),
        Import("t", (("*", "*"),), ""),
    ],
    "typescript": [Import("./t", (("T", "T"),), ""), Import("old", (), "old")],
    "go": [
        Import("fmt", (), "fmt"),
        Import("d/e", (), "c"),
        Import("all", (("*", "*"),), ""),
        Import("yaml/v3", (), "yaml"),
    ],
    "rust": [
        Import("a::b", (("c", "c"), ("d", "e")), "b"),
        Import("a::b::f", (("*", "*"),), ""),
        Import("crate::x", (("Y", "Y"),), ""),
        Import("self::file", (), "file"),
    ],
    "java": [
        Import("java.util.List", (), "List"),
        Import("a.B", (("c", "c"),), ""),
        Import("a.b", (("*", "*"),), ""),
    ],
    "c": [Import("foo.h", (("*", "*"),), ""), Import("stdio.h", (("*", "*"),), "")],
    "cpp": [Import("vector", (("*", "*"),), "")],
}

SKELETONS = {
    ("python", "Café"): '''
        class Café(Base):
            """Serve."""
            size: int = 0
            def warm(self, by: int) -> bool: ...
            class Meta: ...
        ''',
    ("python", "top"): '''
        def top(a):
            """Do it."""
            ...
        ''',
    ("python", "inner"): """
        def inner(): ...
        """,
    ("python", "LIMIT"): """
        LIMIT: int = 3
        """,
    ("javascript", "A"): """
        export default class A extends B {
          static n = 1;
          constructor(x) { ... }
          handler = (e) => { ... }
        }
        """,
    ("javascript", "go"): """
        export const go = async (a) => { ... }
        """,
    ("typescript", "C"): """
        export abstract class C<T> extends D {
          private n: number = 1;
          m(a: string): void { ... }
          abstract q(): void
        }
        """,
    ("typescript", "I"): """
        interface I { f(x: number): void }
        """,
    ("go", "S"): """
        type S struct {
            a int
        }
        func (s *S) M(x int) error { ... }
        """,
    ("rust", "S"): """
        pub struct S<T> { n: u8 }
        """,
    ("java", "A"): """
        public class A<T> extends B {
            private static final int X = 1;
            public A(int z) { ... }
            public void m(int a) throws E { ... }
            interface I { ... }
        }
        """,
    ("c", "f"): """
        int *f(int a) { ... }
        """,
    ("cpp", "A"): """
        template <typename T>
        class A : public B {
         public:
          A(int x) : y_(x) { ... }
          virtual void q() = 0;
          int y_;
        };
        int A::m(int x) { ... }
        """,
}


def outlined(text: str, language_id: str) -> Outline:
    """Return the outline of a text that has one."""
    found = outline(text, language_id)
    assert found is not None
    return found


def named(found: Outline, name: str) -> Definition:
    """Return the first definition of a name."""
    return next(each for each in found.definitions if each.name == name)


@pytest.mark.parametrize("language_id", SOURCES)
def test_definitions(language_id: str) -> None:
    """Each query file finds functions, classes, methods, types, constants; no locals."""
    found = outlined(SOURCES[language_id], language_id)
    labels = [
        f"{each.kind}:{each.container}.{each.name}"
        if each.container
        else f"{each.kind}:{each.name}"
        for each in found.definitions
    ]
    assert DEFINITIONS[language_id].split() == labels


@pytest.mark.parametrize("language_id", SOURCES)
def test_imports(language_id: str) -> None:
    """Each query file finds modules as written, the names taken from them, and their aliases."""
    assert tuple(IMPORTS[language_id]) == outlined(SOURCES[language_id], language_id).imports


@pytest.mark.parametrize(("language_id", "name"), SKELETONS)
def test_skeletons(language_id: str, name: str) -> None:
    """A skeleton has the header, fields and signatures; no body, comment or decorator."""
    text = SOURCES[language_id]
    found = outlined(text, language_id)
    expected = dedent(SKELETONS[language_id, name]).strip("\n")
    assert expected == skeleton(text, found, named(found, name))


@pytest.mark.parametrize("language_id", WITH_GRAMMAR)
def test_every_grammar_has_a_query(language_id: str) -> None:
    """No grammar without a packaged query file that compiles for it; a language is known by it."""
    assert outline("", language_id) == Outline((), (), language_id)


def test_query_files_are_package_data() -> None:
    """Every family's query is read from the package, and no file lies there unused."""
    folder = files("fimls.syntax.languages")
    names = {file.name for file in folder.iterdir() if file.name.endswith(".scm")}
    assert {f"{row.grammar.query}.scm" for row in LANGUAGES if row.grammar} == names


@pytest.mark.parametrize("language_id", SOURCES)
def test_positions(language_id: str) -> None:
    """Offsets are code points: start <= header <= body <= end, and a name stands in its header."""
    text = SOURCES[language_id]
    for each in outlined(text, language_id).definitions:
        assert 0 <= each.start <= each.header <= each.body <= each.end <= len(text)
        assert each.name in text[each.header : each.end]
        assert not text[each.end - 1].isspace()


def test_decorators_and_bodies() -> None:
    """A definition begins with its decorators, its header behind them, its body at a statement."""
    text = SOURCES["python"]
    top = named(outlined(text, "python"), "top")
    assert text[top.start :].startswith("@cache\ndef top")
    assert text[top.header :].startswith("def top")
    assert text[top.body :].startswith('"""Do it.')
    assert text[: top.end].endswith("def inner(): pass")


def test_offsets_behind_many_wide_characters() -> None:
    """Positions stay right behind thousands of multi-byte characters and lone surrogates."""
    text = "# é\U0001f600\ud800\n" * 2_000 + "def f():\n    return 1\n"
    definition = outlined(text, "python").definitions[0]
    assert text[definition.start : definition.end] == "def f():\n    return 1"


@pytest.mark.parametrize(
    ("text", "names"),
    [
        (
            "class A:\n    def f(self):\n        return self.\n\n    def g(self):\n        pass\n",
            "A f g",
        ),
        ("class B:\n    def m(self):\n        if x\n\n    def n(self): pass\n", "B m n"),
        ("def f():\n    x = (\n\ndef g():\n    pass\n", "g"),
    ],
)
def test_half_typed_code(text: str, names: str) -> None:
    """What can be recognised around a syntax error is there: somebody is typing."""
    found = {each.name for each in outlined(text, "python").definitions}
    assert set(names.split()) <= found


@pytest.mark.parametrize("language_id", SOURCES)
def test_every_truncation_has_an_outline(language_id: str) -> None:
    """A text cut anywhere gives an outline whose skeletons can be written."""
    text = SOURCES[language_id]
    for end in range(0, len(text), 7):
        found = outlined(text[:end], language_id)
        for each in found.definitions:
            assert skeleton(text[:end], found, each)


@given(text=st.text(alphabet=" \n\t(){}[]:;,.@=\"'#/*<>abdefclassimport-é\ud800"))
@settings(max_examples=50)
def test_any_text_has_an_outline(text: str) -> None:
    """No text makes it fail."""
    for language_id in ("python", "typescript", "cpp", "rust"):
        found = outlined(text, language_id)
        for each in found.definitions:
            skeleton(text, found, each)


def test_no_outline() -> None:
    """None without a grammar, for an unknown language, and for a text that is too large."""
    assert outline("x: 1", "yaml") is None
    assert outline("x", "no-such-language") is None
    assert outline("x = 1\n" * (MAX_PARSE_BYTES // 6 + 1), "python") is None


def test_tabs_stay() -> None:
    """Fields and methods keep the indentation they have, from the first line of a body on."""
    text = "if x:\n\tclass A:\n\t\tx = 1\n\t\tdef f(self):\n\t\t\treturn 1\n"
    found = outlined(text, "python")
    expected = "class A:\n\tx = 1\n\tdef f(self): ..."
    assert expected == skeleton(text, found, named(found, "A"))


def test_long_values_and_classes_are_clipped() -> None:
    """A table of a thousand lines is no skeleton; what is left out is marked."""
    text = "T = {\n" + "    1: 2,\n" * 1_000 + "}\nclass C:\n" + "    x = 1\n" * 1_000
    found = outlined(text, "python")
    for name in ("T", "C"):
        lines = skeleton(text, found, named(found, name)).split("\n")
        assert len(lines) < 60
        assert lines[-1].strip() == "..."


def test_work_is_linear() -> None:
    """An outline of a file eight times as long takes about eight times as long, up to 50 KB."""

    def outline_of(copies: int) -> Callable[[], object]:
        text = SOURCES["python"] * copies
        return lambda: outlined(text, "python")

    assert growth(outline_of, 16) < LINEAR


def test_document_order() -> None:
    """Definitions come as they stand in the text."""
    found = outlined(SOURCES["typescript"], "typescript")
    assert all(first.start <= second.start for first, second in pairwise(found.definitions))
