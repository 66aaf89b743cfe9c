"""PHP."""

from __future__ import annotations

from fimls.syntax import Import
from tests.unit.syntax.languages.case import Case

CASE = Case(
    language_id="php",
    function=["<?php", "function f($a) {", "    |", "}"],
    source="""
<?php
namespace App\\Shop;

use App\\Models\\User;
use App\\Models\\{Order, Item as Row};
use Foo\\Bar as Baz;
require_once __DIR__ . '/util.php';

const LIMIT = 3;

#[Attribute]
abstract class Cart extends Base implements Countable
{
    use Logs;
    private array $items = [];

    public function __construct(private Store $store, int $x = 0)
    {
        $this->x = $x;
        $this->store->open($x, 1);
    }

    // Why.
    abstract protected function total(): int;
}

interface Countable { public function count(): int; }

function top(string $x): ?array
{
    $f = function ($y) use ($x) { return $y; };
    return array_map($f, [1]);
}
""",
    definitions="""
        constant:LIMIT class:Cart method:Cart.__construct method:Cart.total type:Countable
        method:Countable.count function:top
        """,
    imports=[
        Import("App\\Models\\User", (), "User"),
        Import("App\\Models\\Order", (), "Order"),
        Import("App\\Models\\Item", (), "Row"),
        Import("Foo\\Bar", (), "Baz"),
        Import("./util.php", (("*", "*"),), ""),
    ],
    skeletons={
        "Cart": """
            abstract class Cart extends Base implements Countable {
                use Logs;
                private array $items = [];
                public function __construct(private Store $store, int $x = 0) { ... }
                abstract protected function total(): int;
            }
            """,
        "top": "function top(string $x): ?array { ... }",
    },
    known="function namespace array_map strlen Exception __construct",
    files={
        "composer.json": '{"autoload": {"psr-4": {"App\\\\": "lib/"}}}',
        "lib/Models/User.php": (
            "<?php\nnamespace App\\Models;\n\nclass User\n{\n"
            "    public function rename(string $name): void\n    {\n    }\n}\n"
        ),
    },
    path="lib/main.php",
    code=("<?php\nuse App\\Models\\User;\n\nfunction run(User $user)\n{\n    $user->|\n}\n"),
    snippets={
        "lib/Models/User.php": (
            "class User {\n    public function rename(string $name): void { ... }\n}\n"
        )
    },
    generated=[
        ("function f() {\n    |\n}\n", "x();\n}\n\nfunction g() {\n    y();\n}", "x();"),
    ],
    bodies={
        "$this->x = $x;\n        $this->store->open($x, 1);",
        "$f = function ($y) use ($x) { return $y; };\n    return array_map($f, [1]);",
    },
)
