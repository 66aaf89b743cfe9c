-- The parts of a suggestion that a person can take by themselves. Pure.
local M = {}

--- The next word: white space in front of it included; a run of punctuation counts as one.
function M.word(text)
  local blank = text:match('^%s*')
  local rest = text:sub(#blank + 1)
  -- Bytes from 0x80 on belong to letters of other scripts, and are never cut apart.
  local word = rest:match('^[%w_\128-\255]+') or rest:match('^[^%w_%s\128-\255]+') or ''
  return blank .. word
end

--- The next line, with the line break in front of it where the text begins with one.
function M.line(text)
  local blank = text:match('^[\r\n]*')
  local rest = text:sub(#blank + 1)
  return blank .. (rest:match('^[^\r\n]*') or '')
end

function M.whole(text)
  return text
end

return M
