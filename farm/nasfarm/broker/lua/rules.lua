-- What the scripts share: core/lease_rules.py in Lua. Put before each of them.
local BLAMES, MOST_ATTEMPTS = 2, 10

local function now_ms()
  local clock = redis.call('TIME')
  return clock[1] * 1000 + math.floor(clock[2] / 1000)
end

local function entry(leases, chunk)
  local text = redis.call('HGET', leases, chunk)
  return text and cjson.decode(text)
end

local function keep(leases, chunk, held)
  redis.call('HSET', leases, chunk, cjson.encode(held))
end

local function one_more(counts, item)
  counts[item] = (counts[item] or 0) + 1
end

local function likeliest(killed)
  local best
  for item, count in pairs(killed) do
    if not best or count > killed[best]
      or (count == killed[best] and tonumber(item) < tonumber(best)) then best = item end
  end
  return best
end

-- Its worker has ended: `cause` is 'crashed', 'timeout' or 'killed'.
local function lose(held, cause, said)
  held.until_ms = 0
  if held.in_flight == nil then return end
  local item = string.format('%d', held.in_flight)
  if cause ~= 'killed' then
    one_more(held[cause], item)
    if said ~= '' then held.said[item] = said end
    return
  end
  one_more(held.killed, item)
  if held.attempt < MOST_ATTEMPTS then return end
  local guilty = likeliest(held.killed)
  held.killed[guilty] = nil
  held.crashed[guilty] = BLAMES
end
