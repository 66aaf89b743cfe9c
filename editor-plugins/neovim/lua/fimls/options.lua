-- What a person may choose, checked when it is set.
local M = {}

local DEFAULTS = {
  -- The server; { 'fimls', 'serve', '--stdio' } where it is on the PATH. With '--shared' all that
  -- say so have one server, and the model is in memory once.
  cmd = { 'fimls', 'serve', '--stdio' },
  -- The server's settings, by their names in its README: { model = '1.5b', answer_ms = 600 }.
  settings = {},
  -- What marks a project's root.
  root_markers = { '.git', 'pyproject.toml', 'package.json', 'go.mod', 'Cargo.toml' },
  -- Filetypes without completions.
  filetypes_off = { 'help', 'gitcommit', 'gitrebase', 'TelescopePrompt' },
  -- Complete while typing; false: only when asked.
  automatic = true,
  -- 'native': through vim.lsp.inline_completion (0.12 and newer). 'own': this plugin's ghost text,
  -- which asks without Neovim's 200 ms pause. 'auto': native where there is one.
  display = 'auto',
  -- Hide ghost text while the popup menu is open.
  hide_under_menu = true,
  -- Keys in insert mode; false: none.
  keys = {
    accept = '<Tab>',
    accept_word = '<C-Right>',
    accept_line = '<M-l>',
    next = '<M-]>',
    previous = '<M-[>',
    trigger = '<M-\\>',
    dismiss = '<C-]>',
  },
}

local current = vim.deepcopy(DEFAULTS)

local function check(given, defaults, where)
  for name, value in pairs(given) do
    local default = defaults[name]
    if default == nil then
      error(('fimls: unknown option %s%s; there are: %s'):format(where, name, table.concat(vim.tbl_keys(defaults), ', ')), 0)
    end
    local may_be_off = where == 'keys.' and value == false
    if type(value) ~= type(default) and not may_be_off then
      error(('fimls: option %s%s must be a %s, not a %s'):format(where, name, type(default), type(value)), 0)
    end
  end
end

--- Merge with the defaults. Raises an error that names an unknown or ill-typed option.
function M.set(given)
  check(given, DEFAULTS, '')
  check(given.keys or {}, DEFAULTS.keys, 'keys.')
  if given.display and not vim.tbl_contains({ 'auto', 'native', 'own' }, given.display) then
    error("fimls: option display must be 'auto', 'native' or 'own'", 0)
  end
  local merged = vim.tbl_extend('force', vim.deepcopy(DEFAULTS), given)
  merged.keys = vim.tbl_extend('force', DEFAULTS.keys, given.keys or {})
  current = merged
end

function M.get()
  return current
end

--- Whether Neovim's own inline completion draws the ghost text.
function M.native()
  local there = vim.lsp.inline_completion ~= nil
  return there and current.display ~= 'own'
end

return M
