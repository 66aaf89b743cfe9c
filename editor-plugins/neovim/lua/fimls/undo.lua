-- Acceptance is an undo step of its own.
local M = {}

--- Run a change between two breaks of the undo sequence (`:help undo-break`).
function M.step(change)
  vim.o.undolevels = vim.o.undolevels
  change()
  vim.o.undolevels = vim.o.undolevels
end

return M
