-- Ghost text of our own: an extmark at the cursor, kept while what is typed agrees with it.
local client = require('fimls.client')
local feedback = require('fimls.feedback')
local options = require('fimls.options')
local pieces = require('fimls.pieces')
local undo = require('fimls.undo')

local M = {}

local NAMESPACE = vim.api.nvim_create_namespace('fimls.ghost')
local AUTOMATIC, INVOKED = 2, 1

-- The one suggestion, in the buffer where the cursor is:
--   bufnr; items, index; row, col: where its range starts (0-based, bytes)
--   tail: the text behind the cursor that accepting replaces
local shown = nil
local pending = nil

local function clear()
  if shown and vim.api.nvim_buf_is_valid(shown.bufnr) then
    vim.api.nvim_buf_clear_namespace(shown.bufnr, NAMESPACE, 0, -1)
  end
  shown = nil
end

local function cancel()
  if pending then
    client.cancel(pending)
    pending = nil
  end
end

local function cursor()
  local position = vim.api.nvim_win_get_cursor(0)
  return position[1] - 1, position[2]
end

local function text_between(bufnr, row, col, end_row, end_col)
  local ok, lines = pcall(vim.api.nvim_buf_get_text, bufnr, row, col, end_row, end_col, {})
  return ok and table.concat(lines, '\n') or nil
end

--- What is left of the suggestion behind the cursor; nil where it no longer fits the buffer.
local function remainder()
  if not shown or shown.bufnr ~= vim.api.nvim_get_current_buf() then
    return nil
  end
  local row, col = cursor()
  local text = shown.items[shown.index].insertText
  local typed = text_between(shown.bufnr, shown.row, shown.col, row, col)
  local line = vim.api.nvim_get_current_line()
  if not typed or not vim.startswith(text, typed) or not vim.startswith(line:sub(col + 1), shown.tail) then
    return nil
  end
  local rest = text:sub(#typed + 1)
  return rest ~= '' and rest or nil
end

local function draw()
  local rest = remainder()
  if not rest or (options.get().hide_under_menu and vim.fn.pumvisible() == 1) then
    if shown then
      vim.api.nvim_buf_clear_namespace(shown.bufnr, NAMESPACE, 0, -1)
    end
    if not rest then
      shown = nil
    end
    return false
  end
  local row, col = cursor()
  local tail = shown.tail
  local replaces = tail ~= '' and not vim.endswith(rest, tail)
  local visible = (tail ~= '' and not replaces) and rest:sub(1, #rest - #tail) or rest
  local lines = vim.split(visible, '\n', { plain = true })
  local below = {}
  for index = 2, #lines do
    below[#below + 1] = { { lines[index] ~= '' and lines[index] or ' ', 'FimlsGhost' } }
  end
  vim.api.nvim_buf_clear_namespace(shown.bufnr, NAMESPACE, 0, -1)
  vim.api.nvim_buf_set_extmark(shown.bufnr, NAMESPACE, row, col, {
    virt_text = { { lines[1], 'FimlsGhost' } },
    virt_text_pos = replaces and 'overlay' or 'inline',
    virt_lines = #below > 0 and below or nil,
    hl_mode = 'combine',
  })
  return true
end

local function take(bufnr, tick, row, col, result)
  local here_row, here_col = cursor()
  local late = vim.api.nvim_get_current_buf() ~= bufnr
    or vim.api.nvim_buf_get_changedtick(bufnr) ~= tick
    or here_row ~= row
    or here_col ~= col
    or vim.api.nvim_get_mode().mode:sub(1, 1) ~= 'i'
  if late then
    return -- the request that the later key sent is on its way
  end
  local items = result and (result.items or result) or {}
  local first = items[1]
  if not first then
    clear()
    return
  end
  clear()
  local active = client.get()
  local encoding = active and active.offset_encoding or 'utf-16'
  local start, finish = first.range.start, first.range['end']
  local function byte(position)
    local line = vim.api.nvim_buf_get_lines(bufnr, position.line, position.line + 1, false)[1] or ''
    return vim.lsp.util._get_line_byte_from_position and vim.lsp.util._get_line_byte_from_position(bufnr, position, encoding)
      or math.min(position.character, #line)
  end
  shown = {
    bufnr = bufnr,
    items = items,
    index = 1,
    row = start.line,
    col = byte(start),
    tail = finish.line == row and (text_between(bufnr, row, col, row, byte(finish)) or '') or '',
  }
  if draw() then
    feedback.shown(first)
  end
end

local function request(kind)
  cancel()
  local bufnr = vim.api.nvim_get_current_buf()
  local active = client.get()
  if not active or not vim.lsp.buf_is_attached(bufnr, active.id) or not client.wanted(bufnr) then
    return
  end
  local row, col = cursor()
  local tick = vim.api.nvim_buf_get_changedtick(bufnr)
  local params = vim.lsp.util.make_position_params(0, active.offset_encoding)
  params.context = { triggerKind = kind }
  local id
  id = client.request('textDocument/inlineCompletion', params, function(failure, result)
    if pending == id then
      pending = nil
    end
    if not failure then
      take(bufnr, tick, row, col, result)
    end
  end, bufnr)
  pending = id
end

local function moved()
  draw()
  if options.get().automatic then
    request(AUTOMATIC)
  end
end

function M.start()
  vim.api.nvim_set_hl(0, 'FimlsGhost', { link = 'Comment', default = true })
  local group = vim.api.nvim_create_augroup('fimls.ghost', { clear = true })
  vim.api.nvim_create_autocmd({ 'InsertEnter', 'CursorMovedI', 'TextChangedP' }, { group = group, callback = moved })
  vim.api.nvim_create_autocmd({ 'CompleteDone', 'CompleteChanged' }, {
    group = group,
    callback = function()
      vim.schedule(draw)
    end,
  })
  vim.api.nvim_create_autocmd({ 'InsertLeave', 'BufLeave', 'WinLeave' }, {
    group = group,
    callback = function()
      cancel()
      clear()
    end,
  })
end

--- Insert a piece. Returns at once; the change comes after the mapping, where text may be changed.
function M.accept(piece)
  local rest = remainder()
  if not rest then
    return false
  end
  vim.schedule(function()
    rest = remainder()
    if not rest then
      return
    end
    local now = shown
    local item = now.items[now.index]
    local part = pieces[piece](rest)
    local whole = part == rest
    local row, col = cursor()
    undo.step(function()
      local lines = vim.split(part, '\n', { plain = true })
      vim.api.nvim_buf_set_text(now.bufnr, row, col, row, col + (whole and #now.tail or 0), lines)
      local last = lines[#lines]
      vim.api.nvim_win_set_cursor(0, { row + #lines, #lines == 1 and col + #last or #last })
    end)
    if whole then
      clear()
      feedback.accepted(item)
    else
      draw()
      feedback.partially_accepted(item, part)
    end
  end)
  return true
end

function M.cycle(count)
  if shown and #shown.items > 1 then
    shown.index = (shown.index - 1 + count) % #shown.items + 1
    draw()
  else
    request(INVOKED)
  end
end

function M.trigger()
  request(INVOKED)
end

function M.dismiss()
  local there = remainder() ~= nil
  cancel()
  clear()
  return there
end

return M
