-- A worker returns its lease unspent. KEYS: leases. ARGV: chunk, fence.
-- Answers 1, or 0 where the lease is somebody else's by now.
local held = entry(KEYS[1], ARGV[1])
if not held or held.fence ~= ARGV[2] or held.until_ms == 0 then return 0 end
held.attempt = held.attempt - 1
held.until_ms = 0
held.in_flight = nil
keep(KEYS[1], ARGV[1], held)
return 1
