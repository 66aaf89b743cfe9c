; Captures are explained in fimls/syntax/query.py.

(method name: (_) @name body: (_)? @body "end"? @close) @function
(singleton_method name: (_) @name body: (_)? @body "end"? @close) @function
(class
  name: [(constant) @name (scope_resolution name: (constant) @name)]
  body: (body_statement)? @body
  "end" @close) @class
; A module that only holds classes is no more than a namespace, and none of them would be found.
(module
  name: [(constant) @name (scope_resolution name: (constant) @name)]
  body: (body_statement [(method) (singleton_method)]) @body
  "end" @close) @type
(singleton_class) @impl
(assignment left: (constant) @name) @constant
[(block) (do_block) (lambda)] @local

((call !receiver method: (identifier) @_call arguments: (argument_list . (string) .)) @use
  (#starts-with? @_call "require"))
