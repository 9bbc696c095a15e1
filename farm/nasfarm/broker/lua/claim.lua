-- Claim one chunk. KEYS: job, done, leases. ARGV: chunk, lease_ms, random, node, boot, worker.
-- Answers {"done"|"dead"|"leased"} or {"granted", attempt, fence}.
-- The fence is the broker's time and a random part: never issued before, compared for equality.
if redis.call('EXISTS', KEYS[1]) == 0 then return {'dead'} end
local chunk = tonumber(ARGV[1])
if chunk >= 0 and redis.call('GETBIT', KEYS[2], chunk) == 1 then return {'done'} end
local clock = redis.call('TIME')
local now = clock[1] * 1000 + math.floor(clock[2] / 1000)
local attempt = 1
local held = redis.call('HGET', KEYS[3], chunk)
if held then
  held = cjson.decode(held)
  if held.until_ms > now then return {'leased'} end
  attempt = held.attempt + 1
end
local fence = clock[1] .. string.format('%06d', clock[2]) .. '-' .. ARGV[3]
redis.call('HSET', KEYS[3], chunk, cjson.encode({
  attempt = attempt, fence = fence, until_ms = now + tonumber(ARGV[2]),
  node = ARGV[4], boot = ARGV[5], worker = ARGV[6]}))
redis.call('HSETNX', KEYS[1], 'started_ms', string.format('%d', now))
return {'granted', attempt, fence}
