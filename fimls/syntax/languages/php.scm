; Captures are explained in fimls/syntax/query.py.

(function_definition name: (name) @name body: (_) @body) @function
(class_declaration name: (name) @name body: (_) @body) @class
(interface_declaration name: (name) @name body: (_) @body) @type
(trait_declaration name: (name) @name body: (_) @body) @type
(enum_declaration name: (name) @name body: (_) @body) @type
(method_declaration name: (name) @name body: (_)? @body) @method
(const_declaration (const_element (name) @name)) @constant
[(anonymous_function) (arrow_function)] @local

(namespace_use_declaration) @use
[
  (include_expression)
  (include_once_expression)
  (require_expression)
  (require_once_expression)
] @use
