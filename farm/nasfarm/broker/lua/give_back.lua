-- Return a lease before its time. KEYS: leases. ARGV: chunk, fence, spend ("1": the attempt counts).
-- Answers 1, or 0 where the lease is somebody else's by now.
local held = redis.call('HGET', KEYS[1], ARGV[1])
if not held then return 0 end
held = cjson.decode(held)
if held.fence ~= ARGV[2] then return 0 end
if ARGV[3] == '0' then held.attempt = held.attempt - 1 end
if held.attempt == 0 then
  redis.call('HDEL', KEYS[1], ARGV[1])
else
  held.until_ms = 0
  redis.call('HSET', KEYS[1], ARGV[1], cjson.encode(held))
end
return 1
