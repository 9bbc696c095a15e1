-- Renew a lease. KEYS: job, leases. ARGV: chunk, fence, lease_ms. Answers 1, or 0: stop working.
local held = redis.call('HGET', KEYS[2], ARGV[1])
if not held or redis.call('EXISTS', KEYS[1]) == 0 then return 0 end
held = cjson.decode(held)
if held.fence ~= ARGV[2] then return 0 end
local clock = redis.call('TIME')
held.until_ms = clock[1] * 1000 + math.floor(clock[2] / 1000) + tonumber(ARGV[3])
redis.call('HSET', KEYS[2], ARGV[1], cjson.encode(held))
return 1
