-- Keys in insert mode: ours while there is a suggestion, otherwise what they were.
local options = require('fimls.options')

local M = {}

local function map(key, description, act)
  if not key then
    return
  end
  local before = vim.fn.maparg(key, 'i', false, true)
  vim.keymap.set('i', key, function()
    if act() then
      return ''
    end
    if type(before.callback) == 'function' then
      local result = before.callback()
      return before.expr == 1 and result or ''
    end
    if before.rhs and before.rhs ~= '' then
      return before.expr == 1 and vim.api.nvim_eval(before.rhs) or before.rhs
    end
    return key
  end, { expr = true, replace_keycodes = true, desc = description })
end

--- Whether Tab is somebody else's: the popup menu's, or a snippet's.
local function busy()
  local snippet = vim.snippet and vim.snippet.active and vim.snippet.active({ direction = 1 })
  return vim.fn.pumvisible() == 1 or snippet
end

function M.map()
  local keys, fimls = options.get().keys, require('fimls')
  map(keys.accept, 'fimls: accept', function()
    return not busy() and fimls.accept()
  end)
  map(keys.accept_word, 'fimls: accept the next word', fimls.accept_word)
  map(keys.accept_line, 'fimls: accept the next line', fimls.accept_line)
  map(keys.dismiss, 'fimls: hide', fimls.dismiss)
  map(keys.next, 'fimls: next candidate', function()
    fimls.cycle(1)
    return true
  end)
  map(keys.previous, 'fimls: previous candidate', function()
    fimls.cycle(-1)
    return true
  end)
  map(keys.trigger, 'fimls: complete here', function()
    vim.schedule(fimls.trigger)
    return true
  end)
end

return M
