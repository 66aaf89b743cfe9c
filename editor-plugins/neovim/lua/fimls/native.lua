-- Ghost text through Neovim's own vim.lsp.inline_completion (0.12 and newer), with what it lacks:
-- words and lines, an undo step, and no ghost that no longer fits what was typed.
local client = require('fimls.client')
local feedback = require('fimls.feedback')
local pieces = require('fimls.pieces')
local undo = require('fimls.undo')

local M = {}

-- Where vim.lsp.inline_completion draws.
local NAMESPACE = vim.api.nvim_create_namespace('nvim.lsp.inline_completion')

--- Neovim goes on drawing a suggestion that the typed text contradicts, until the next answer:
--- what stands before the cursor must be how the drawn text began.
local drawn = nil

local function ghost(bufnr)
  local mark = vim.api.nvim_buf_get_extmarks(bufnr, NAMESPACE, 0, -1, { details = true, limit = 1 })[1]
  if not mark or not mark[4].virt_text then
    return nil
  end
  local text = mark[4].virt_text[1][1]
  for _, line in ipairs(mark[4].virt_lines or {}) do
    text = text .. '\n' .. line[1][1]
  end
  return { row = mark[2], col = mark[3], text = text }
end

local function check()
  local bufnr = vim.api.nvim_get_current_buf()
  local now = ghost(bufnr)
  if not now then
    drawn = nil
    return
  end
  local row, col = unpack(vim.api.nvim_win_get_cursor(0))
  local before = drawn
  local here = now.row == row - 1 and now.col == col
  -- Typed along: the text before the cursor grew by what the ghost lost.
  local fits = here
  if here and before and before.bufnr == bufnr and before.row == now.row then
    local typed = vim.api.nvim_get_current_line():sub(before.col + 1, now.col)
    fits = now.col >= before.col and before.text:sub(1, #typed) == typed
  end
  if not fits then
    vim.api.nvim_buf_clear_namespace(bufnr, NAMESPACE, 0, -1)
    return
  end
  drawn = { bufnr = bufnr, row = now.row, col = now.col, text = now.text }
end

function M.start()
  local group = vim.api.nvim_create_augroup('fimls.native', { clear = true })
  -- After Neovim's own handlers of the same events, which draw.
  vim.api.nvim_create_autocmd({ 'CursorMovedI', 'TextChangedI', 'TextChangedP' }, { group = group, callback = check })
  vim.api.nvim_create_autocmd('InsertLeave', {
    group = group,
    callback = function()
      drawn = nil
    end,
  })
end

--- As a key in insert mode does; there is no other way.
local function make_it_ask(bufnr)
  vim.api.nvim_exec_autocmds('CursorMovedI', { buffer = bufnr, modeline = false })
end

--- Neovim watches a buffer only a tick after it was attached; for what was typed until then nobody
--- would ask.
function M.attached(bufnr)
  vim.schedule(function()
    vim.schedule(function() -- behind Neovim's own, which this one was scheduled before
      if vim.api.nvim_get_current_buf() == bufnr and vim.startswith(vim.api.nvim_get_mode().mode, 'i') then
        make_it_ask(bufnr)
      end
    end)
  end)
end

--- What of an item stands before the cursor already.
local function typed_of(bufnr, item)
  local row, col = item.range:to_extmark()
  local cursor_row, cursor_col = unpack(vim.api.nvim_win_get_cursor(0))
  return table.concat(vim.api.nvim_buf_get_text(bufnr, row, col, cursor_row - 1, cursor_col, {}), '\n')
end

function M.accept(piece)
  local bufnr = vim.api.nvim_get_current_buf()
  if not ghost(bufnr) then
    return false
  end
  return vim.lsp.inline_completion.get({
    on_accept = function(item)
      local typed = typed_of(bufnr, item)
      if not vim.startswith(item.insert_text, typed) then
        return nil
      end
      local rest = item.insert_text:sub(#typed + 1)
      local part = pieces[piece](rest)
      if part == rest then
        undo.step(function() end)
        return item
      end
      local row, col = unpack(vim.api.nvim_win_get_cursor(0))
      local lines = vim.split(part, '\n', { plain = true })
      undo.step(function()
        vim.api.nvim_buf_set_text(bufnr, row - 1, col, row - 1, col, lines)
        vim.api.nvim_win_set_cursor(0, { row - 1 + #lines, #lines == 1 and col + #part or #lines[#lines] })
      end)
      feedback.partially_accepted({ command = item.command }, part)
      return nil
    end,
  })
end

function M.cycle(count)
  vim.lsp.inline_completion.select({ count = count })
end

--- Neovim can't be asked to ask; what the server answers to our own request, it will answer to
--- Neovim's next one at once.
function M.trigger()
  local active = client.get()
  if not active then
    return
  end
  local params = vim.lsp.util.make_position_params(0, active.offset_encoding)
  params.context = { triggerKind = 1 }
  client.request('textDocument/inlineCompletion', params, function()
    make_it_ask(0)
  end, 0)
end

function M.dismiss()
  local bufnr = vim.api.nvim_get_current_buf()
  local there = ghost(bufnr) ~= nil
  vim.api.nvim_buf_clear_namespace(bufnr, NAMESPACE, 0, -1)
  return there
end

return M
