"""Lua."""

from __future__ import annotations

from fimls.syntax import Import
from tests.unit.syntax.languages.case import Case

CASE = Case(
    language_id="lua",
    function=["local function f(a)", "  |", "end"],
    source="""
local json = require("json")
local util = require "lib.util"

local M = {}
M.LIMIT = 3
local LIMIT, OTHER = 3, 4

--- Adds.
function M.add(a, b)
  -- why
  local sum = a + b
  return util.check(sum, "x")
end

function M:reset(x)
  self.x = x
end

local function helper(n) end

M.made = function(x)
  if x then
    local y = { x }
    print(y, 2)
  end
  return x + 1
end

return M
""",
    definitions="""
        constant:LIMIT constant:OTHER function:add method:M.reset function:helper
        function:made
        """,
    imports=[Import("json", (), "json"), Import("lib.util", (), "util")],
    skeletons={
        "add": "function M.add(a, b) ... end",
        "helper": "local function helper(n) ... end",
        "made": "M.made = function(x) ... end",
    },
    known="local elseif pairs setmetatable",
    files={"lib/util.lua": "local M = {}\n\nfunction M.check(n, s)\n  return n\nend\n\nreturn M\n"},
    path="main.lua",
    code='local util = require("lib.util")\n\nlocal function run(n)\n  return util.check|\nend\n',
    snippets={"lib/util.lua": "function M.check(n, s) ... end\n"},
    generated=[
        ("function f()\n  |\nend\n", "x()\nend\n\nfunction g()\n  y()\nend", "x()"),
        ("function f()\n  |\n", "x()\nend\n\nfunction g()\n  y()\nend", "x()\nend"),
        (
            "if a then\n  |\nend\n",
            "x()\nelseif b then\n  y()\nend\nz()",
            "x()\nelseif b then\n  y()",
        ),
    ],
    bodies={
        'local sum = a + b\n  return util.check(sum, "x")',
        "if x then\n    local y = { x }\n    print(y, 2)\n  end\n  return x + 1",
    },
)
