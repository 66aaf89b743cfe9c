"""C#."""

from __future__ import annotations

from fimls.syntax import Import
from tests.unit.syntax.languages.case import Case

CASE = Case(
    language_id="csharp",
    function=["class A { int F() {", "    |", "} }"],
    source="""
using System;
using System.Collections.Generic;
using static System.Math;
using Json = Newtonsoft.Json;

namespace Shop.Core;

[Serializable]
public class Cart<T> : Base, ICount
{
    private readonly List<T> items = new();
    // Why.
    public int Total { get; set; } = 0;

    public Cart(Store store) : base(store)
    {
        _store = store;
        _store.Open(1, "x");
    }

    [Pure]
    public async Task<int> AddAsync(T item, int n = 1)
    {
        if (n > 0)
        {
            items.Add(item);
            Console.WriteLine($"a {n}");
        }
        return n + 1;
    }

    int Twice(int x) => x * 2;
}

interface ICount { int Count(); }
record R(int A, string B);
enum E { A, B }
""",
    definitions="""
        class:Cart method:Cart.Cart method:Cart.AddAsync method:Cart.Twice type:ICount
        method:ICount.Count class:R type:E
        """,
    imports=[
        Import("System", (("*", "*"),), ""),
        Import("System.Collections.Generic", (("*", "*"),), ""),
        Import("System.Math", (("*", "*"),), ""),
        Import("Newtonsoft.Json", (), "Json"),
    ],
    skeletons={
        "Cart": """
            public class Cart<T> : Base, ICount {
                private readonly List<T> items = new();
                public int Total { get; set; } = 0;
                public Cart(Store store) : base(store) { ... }
                public async Task<int> AddAsync(T item, int n = 1) { ... }
                int Twice(int x) { ... }
            }
            """,
        "Twice": "int Twice(int x) { ... }",
    },
    known="namespace readonly Console WriteLine List ToString",
    files={
        "src/Models/User.cs": (
            "namespace App.Models;\n\npublic class User\n{\n"
            "    public void Rename(string name)\n    {\n    }\n}\n"
        )
    },
    path="src/Program.cs",
    code=(
        "using App.Models;\n\nclass Program\n{\n    void Run(User user)\n    {\n"
        "        user.|\n    }\n}\n"
    ),
    snippets={
        "src/Models/User.cs": (
            "public class User {\n    public void Rename(string name) { ... }\n}\n"
        )
    },
    generated=[
        ("class A\n{\n    |\n}\n", "int x;\n}\n\nclass B\n{\n}", "int x;"),
    ],
    bodies={
        '_store = store;\n        _store.Open(1, "x");',
        (
            "if (n > 0)\n        {\n            items.Add(item);\n"
            '            Console.WriteLine($"a {n}");\n        }\n        return n + 1;'
        ),
    },
)
