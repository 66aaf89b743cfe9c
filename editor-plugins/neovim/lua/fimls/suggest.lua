-- Which of the two displays is in use; what is common to both.
local options = require('fimls.options')

local M = {}

local function display()
  return options.native() and require('fimls.native') or require('fimls.ghost')
end

function M.start()
  display().start()
end

function M.accept(piece)
  return display().accept(piece)
end

function M.cycle(count)
  display().cycle(count)
end

function M.trigger()
  display().trigger()
end

function M.dismiss()
  return display().dismiss()
end

return M
