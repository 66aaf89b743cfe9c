-- fimls for Neovim: ghost text from the fimls language server. `:help fimls`
--
-- Thin by design: prompts, caches and models are the server's; this draws, accepts and reports.
local M = {}

--- Start completing. Options: `:help fimls-setup`; an unknown one is an error.
---@param options table|nil
function M.setup(options)
  if vim.fn.has('nvim-0.10') == 0 then
    vim.notify('fimls: Neovim 0.10 or newer is needed', vim.log.levels.ERROR)
    return
  end
  require('fimls.options').set(options or {})
  local function start()
    require('fimls.keys').map()
    require('fimls.client').start()
  end
  if vim.v.vim_did_enter == 1 then
    start()
  else -- not before Neovim has drawn its first screen
    vim.api.nvim_create_autocmd('VimEnter', { once = true, callback = vim.schedule_wrap(start) })
  end
end

--- A short text for a status line: "fimls", "fimls 42%", "fimls ...", "fimls off", "fimls !".
---@return string
function M.statusline()
  return require('fimls.status').text()
end

--- Take the suggestion whole. False where there is none.
---@return boolean
function M.accept()
  return require('fimls.suggest').accept('whole')
end

--- Take the suggestion's next word. False where there is none.
---@return boolean
function M.accept_word()
  return require('fimls.suggest').accept('word')
end

--- Take the suggestion's next line. False where there is none.
---@return boolean
function M.accept_line()
  return require('fimls.suggest').accept('line')
end

--- Show the next candidate, or with a negative count an earlier one.
---@param count integer|nil
function M.cycle(count)
  require('fimls.suggest').cycle(count or 1)
end

--- Ask here, also where nothing would be shown by itself; several candidates.
function M.trigger()
  require('fimls.suggest').trigger()
end

--- Hide the suggestion. False where there is none.
---@return boolean
function M.dismiss()
  return require('fimls.suggest').dismiss()
end

return M
