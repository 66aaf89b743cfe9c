; Captures are explained in fimls/syntax/query.py.

(function_item name: (identifier) @name body: (block) @body) @function
(function_signature_item name: (identifier) @name) @function
(struct_item
  name: (type_identifier) @name
  body: [(field_declaration_list) @body (_)]?) @type
(enum_item name: (type_identifier) @name body: (_) @body) @type
(union_item name: (type_identifier) @name body: (_) @body) @type
(trait_item name: (type_identifier) @name body: (_) @body) @type
(type_item name: (type_identifier) @name) @type
(const_item name: (identifier) @name) @constant
(static_item name: (identifier) @name) @constant
(macro_definition name: (identifier) @name) @function
(impl_item type: [
  (type_identifier) @name
  (scoped_type_identifier name: (type_identifier) @name)
  (generic_type type: [
    (type_identifier) @name
    (scoped_type_identifier name: (type_identifier) @name)
  ])
]) @impl
(mod_item name: (identifier) @name body: (_)) @namespace
(closure_expression) @local

(mod_item name: (identifier) !body) @use
(extern_crate_declaration name: (identifier) @module @module.reached !alias)
(extern_crate_declaration name: (identifier) @module alias: (identifier) @module.local)
(use_declaration argument: (_) @use)
