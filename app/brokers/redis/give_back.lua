#!lua flags=allow-oom
-- Gives back what was held for too long, and what was delayed and is due. The first of them is the next to be taken.
-- KEYS: waiting, held, until (contract.RedisKeys). ARGV: most messages
local time = redis.call('TIME')
local now = tonumber(time[1]) + tonumber(time[2]) / 1000000
local tags = redis.call('ZRANGE', KEYS[3], '-inf', now, 'BYSCORE', 'LIMIT', 0, ARGV[1])
for number = #tags, 1, -1 do
    local text = redis.call('HGET', KEYS[2], tags[number])
    redis.call('ZREM', KEYS[3], tags[number])
    redis.call('HDEL', KEYS[2], tags[number])
    if text then redis.call('RPUSH', KEYS[1], text) end
end
return #tags
