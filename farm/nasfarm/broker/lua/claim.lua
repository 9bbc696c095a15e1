-- Claim one chunk. KEYS: job, done, leases. ARGV: chunk, lease_ms, random, node, boot, worker.
-- Answers {"done" | "dead" | "leased"} or {"granted", the entry as JSON}.
-- The fence is the broker's time and a random part: never issued before, compared for equality.
if redis.call('EXISTS', KEYS[1]) == 0 then return {'done'} end
local chunk = tonumber(ARGV[1])
if chunk >= 0 and redis.call('GETBIT', KEYS[2], chunk) == 1 then return {'done'} end
local now = now_ms()
local held = entry(KEYS[3], chunk)
if not held then
  held = {attempt = 0, crashed = {}, timeout = {}, killed = {}, said = {}}
elseif held.until_ms > now then
  return {'leased'}
elseif held.until_ms > 0 then
  lose(held, 'killed', '')
end
if held.attempt >= MOST_ATTEMPTS
  and not (next(held.crashed) or next(held.timeout) or next(held.killed)) then
  keep(KEYS[3], chunk, held)
  return {'dead'}
end
local clock = redis.call('TIME')
held.attempt = held.attempt + 1
held.fence = clock[1] .. string.format('%06d', clock[2]) .. '-' .. ARGV[3]
held.until_ms = now + tonumber(ARGV[2])
held.node, held.boot, held.worker = ARGV[4], ARGV[5], ARGV[6]
held.in_flight = nil
keep(KEYS[3], chunk, held)
redis.call('HSETNX', KEYS[1], 'started_ms', string.format('%d', now))
return {'granted', cjson.encode(held)}
