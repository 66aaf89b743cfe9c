"""Ruby."""

from __future__ import annotations

from fimls.syntax import Import
from tests.unit.syntax.languages.case import Case

CASE = Case(
    language_id="ruby",
    function=["def f(a)", "  |", "end"],
    source="""
require "json"
require_relative "../lib/store"

module Shop
  LIMIT = 3

  # An order.
  class Order < Base
    attr_reader :items

    def initialize(items, total: 0) # why
      @items = items
      @total = Total.new(total)
    end

    def self.build(x) = new(x)

    def empty?
    end

    private def price(item)
      items.each do |i|
        local = "a #{i}"
      end
      item.price(2)
    end
  end

  module Tools
    def self.help; end
  end
end
""",
    definitions="""
        constant:LIMIT class:Order method:Order.initialize method:Order.build method:Order.empty
        method:Order.price type:Tools method:Tools.help
        """,
    imports=[
        Import("json", (("*", "*"),), ""),
        Import("./../lib/store", (("*", "*"),), ""),
    ],
    skeletons={
        "Order": """
            class Order < Base
              attr_reader :items
              def initialize(items, total: 0) ... end
              def self.build(x) = ...
              def empty? ... end
              private def price(item) ... end
            end
            """,
        "price": "private def price(item) ... end",
    },
    known="def unless puts each attr_reader StandardError",
    files={"lib/store.rb": "class Store\n  def fetch(key)\n    key\n  end\nend\n"},
    path="app/main.rb",
    code='require_relative "../lib/store"\n\ndef run\n  store = Store.new\n  store.|\nend\n',
    snippets={"lib/store.rb": "class Store\n  def fetch(key) ... end\nend\n"},
    generated=[
        ("def f\n  |\nend\n", "x\nend\n\ndef g\n  y\nend", "x"),
        ("def f\n  |\n", "x\nend\n\ndef g\n  y\nend", "x\nend"),
        ("def f\n  |\n\ndef h\nend\n", "x\nend\n\ndef g\n  y\nend", "x\nend"),
        ("if a\n  |\nend\n", "x\nelsif b\n  y\nend\nz", "x\nelsif b\n  y"),
    ],
    bodies={
        "@items = items\n      @total = Total.new(total)",
        'items.each do |i|\n        local = "a #{i}"\n      end\n      item.price(2)',
    },
)
