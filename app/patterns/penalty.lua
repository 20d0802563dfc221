-- Closes a rate limit for everybody and moves every promised turn by the same time.
-- KEYS: as in rate_limit.lua. ARGV: how long the limit stays closed, in microseconds.
local promised, marks = KEYS[2], KEYS[4]
local clock = redis.call('TIME')
local now = math.max(clock[1] * 1000000 + clock[2], tonumber(redis.call('HGET', marks, 'clock') or 0))
local before = math.max(now, tonumber(redis.call('HGET', marks, 'closed_until') or 0))
local after = math.max(before, now + tonumber(ARGV[1]))
redis.call('HSET', marks, 'closed_until', after)
redis.call('PEXPIRE', marks, math.ceil((after - now) / 1000) + 3600000)
local waiting = redis.call('ZRANGE', promised, 0, -1, 'WITHSCORES')
for i = 1, #waiting, 2 do redis.call('ZADD', promised, waiting[i + 1] + after - before, waiting[i]) end
return 0
