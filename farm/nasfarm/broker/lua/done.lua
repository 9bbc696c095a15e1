-- A chunk's result is published. KEYS: job, done, leases, the farm's rates, the node's rates.
-- ARGV: chunk, root, ok, errors,
-- worked ("1": by a worker just now; "0": found on storage, which says nothing of the job's pace),
-- whether a retry's ("1": its items have counted as errors until now),
-- kind of work ('': nothing was measured), images a second, their weight against those before,
-- how many images in how many seconds.
-- Harmless to repeat. Answers {first (1|0), next chunk of this root to hint (or -1), chunks left};
-- left is -1 where the job is not known any more.
if redis.call('EXISTS', KEYS[1]) == 0 then return {0, -1, -1} end
redis.call('HDEL', KEYS[3], ARGV[1])
local first = 1 - redis.call('SETBIT', KEYS[2], ARGV[1], 1)
local next_chunk = -1
if first == 1 then
  redis.call('HINCRBY', KEYS[1], 'ok', ARGV[3])
  local until_now = ARGV[6] == '1' and ARGV[3] + ARGV[4] or 0
  redis.call('HINCRBY', KEYS[1], 'errors', string.format('%d', ARGV[4] - until_now))
  if ARGV[5] == '1' then
    redis.call('HINCRBY', KEYS[1], 'worked', ARGV[3] + ARGV[4])
    redis.call('HSET', KEYS[1], 'worked_ms', string.format('%d', now_ms()))
  end
  if ARGV[7] ~= '' then
    for _, rates in ipairs({KEYS[4], KEYS[5]}) do
      local rate = tonumber(redis.call('HGET', rates, ARGV[7])) or tonumber(ARGV[8])
      rate = rate + (ARGV[8] - rate) * ARGV[9]
      redis.call('HSET', rates, ARGV[7], string.format('%.4g', rate))
    end
    redis.call('HINCRBY', KEYS[1], 'timed', ARGV[10])
    redis.call('HINCRBYFLOAT', KEYS[1], 'slot_s', ARGV[11])
  end
  local cursor = tonumber(redis.call('HGET', KEYS[1], 'next:' .. ARGV[2]))
  local stop = tonumber(redis.call('HGET', KEYS[1], 'stop:' .. ARGV[2]))
  if cursor and stop and cursor < stop then
    next_chunk = cursor
    redis.call('HINCRBY', KEYS[1], 'next:' .. ARGV[2], 1)
  end
end
local left = tonumber(redis.call('HGET', KEYS[1], 'chunks')) - redis.call('BITCOUNT', KEYS[2])
return {first, next_chunk, left}
