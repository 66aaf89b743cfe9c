; Captures are explained in fimls/syntax/query.py.

(class_declaration name: (identifier) @name body: (_) @body) @class
(struct_declaration name: (identifier) @name body: (_)? @body) @class
(record_declaration name: (identifier) @name body: (_)? @body) @class
(interface_declaration name: (identifier) @name body: (_) @body) @type
(enum_declaration name: (identifier) @name body: (_) @body) @type
(delegate_declaration name: (identifier) @name) @type
(constructor_declaration name: (identifier) @name body: (_)? @body) @method
(method_declaration name: (identifier) @name body: (_)? @body) @method
(local_function_statement name: (identifier) @name body: (_)? @body) @function
[(lambda_expression) (anonymous_method_expression)] @local

(using_directive !name [(identifier) (qualified_name)] @module @import.all)
(using_directive name: (identifier) @module.local [(identifier) (qualified_name)] @module .)
