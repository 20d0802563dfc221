-- Takes a turn under a rate limit, or promises one. All times are microseconds of Redis' own clock.
-- KEYS: taken (the time of each turn), promised (the time at which each caller may come), leases (their ends), marks (clock, closed_until)
-- ARGV: caller, turn, calls, window, transit, lateness, horizon, patience, in_flight, lease
-- Returns how long the caller has to wait; 0: the caller has the turn.
local taken, promised, leases, marks = KEYS[1], KEYS[2], KEYS[3], KEYS[4]
local caller, turn = ARGV[1], ARGV[2]
local calls, window, transit, lateness = tonumber(ARGV[3]), tonumber(ARGV[4]), tonumber(ARGV[5]), tonumber(ARGV[6])
local horizon, patience, in_flight, lease = tonumber(ARGV[7]), tonumber(ARGV[8]), tonumber(ARGV[9]), tonumber(ARGV[10])
local BUSY = 1000000

-- The clock of a promoted replica may be behind; `now` must not go backwards.
local clock = redis.call('TIME')
local now = math.max(clock[1] * 1000000 + clock[2], tonumber(redis.call('HGET', marks, 'clock') or 0))
local closed_until = tonumber(redis.call('HGET', marks, 'closed_until') or 0)
redis.call('HSET', marks, 'clock', now)
redis.call('ZREMRANGEBYSCORE', promised, '-inf', now - patience)

local function answer(wait)
  for _, key in ipairs(KEYS) do redis.call('PEXPIRE', key, math.ceil((horizon + patience + window) / 1000)) end
  return wait
end

local function score(key, index)
  return tonumber(redis.call('ZRANGE', key, index, index, 'WITHSCORES')[2] or 0)
end

-- The earliest time of a turn that `before` promised turns precede. The turn that is `calls` turns earlier was taken, or
-- will be taken at most `lateness` after its promise; a window and the transit later this turn may be taken.
local function earliest(before)
  local base
  if before < calls then
    base = score(taken, before - calls)
    if base > 0 then base = base + window + transit end
  else
    base = math.max(now, score(promised, before - calls)) + window + transit + lateness
  end
  return math.max(now, closed_until, base)
end

local promise = tonumber(redis.call('ZSCORE', promised, caller) or nil)
local may_go = promise and promise <= now and earliest(0) or not promise and earliest(redis.call('ZCARD', promised))
if may_go ~= now then
  local before = promise and redis.call('ZRANK', promised, caller) or redis.call('ZCARD', promised)
  local at = math.max(promise or 0, earliest(before))
  if promise or at <= now + horizon then redis.call('ZADD', promised, at, caller) end
  return answer(at - now)
end
if in_flight > 0 then
  redis.call('ZREMRANGEBYSCORE', leases, '-inf', now)
  if redis.call('ZCARD', leases) >= in_flight then
    redis.call('ZADD', promised, now + BUSY, caller)
    return answer(BUSY)
  end
  redis.call('ZADD', leases, now + lease, turn)
end
redis.call('ZREM', promised, caller)
redis.call('ZADD', taken, now, turn)
redis.call('ZREMRANGEBYRANK', taken, 0, -calls - 1)
return answer(0)
