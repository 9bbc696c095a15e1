-- Renew a lease. KEYS: job, leases. ARGV: chunk, fence, lease_ms, item in flight or ''.
-- Answers 1, or 0: the lease is lost, stop working and publish nothing.
local held = entry(KEYS[2], ARGV[1])
if not held or redis.call('EXISTS', KEYS[1]) == 0 then return 0 end
if held.fence ~= ARGV[2] or held.until_ms == 0 then return 0 end
held.until_ms = now_ms() + tonumber(ARGV[3])
if ARGV[4] ~= '' then held.in_flight = tonumber(ARGV[4]) end
keep(KEYS[2], ARGV[1], held)
return 1
