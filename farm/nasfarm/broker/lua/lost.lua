-- A lease's worker has ended. KEYS: leases. ARGV: chunk, fence, cause, what was seen of it.
-- Answers 1, or 0 where the lease is somebody else's by now.
local held = entry(KEYS[1], ARGV[1])
if not held or held.fence ~= ARGV[2] or held.until_ms == 0 then return 0 end
lose(held, ARGV[3], ARGV[4])
keep(KEYS[1], ARGV[1], held)
return 1
