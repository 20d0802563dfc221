#!lua flags=allow-oom
-- Takes messages of a queue for a worker, in one step: a worker that dies holds them, and they come back.
-- KEYS: waiting, held, until, deliveries, dead (contract.RedisKeys)
-- ARGV: what makes the tags unique, seconds to hold, most deliveries of a message, most messages
-- Returns {tag, count of deliveries, text} for each. What was delivered too often is moved to the dead.
local time = redis.call('TIME')
local back_at = tonumber(time[1]) + tonumber(time[2]) / 1000000 + tonumber(ARGV[2])
local taken = {}
for number = 1, tonumber(ARGV[4]) do
    local text = redis.call('RPOP', KEYS[1])
    if not text then break end
    local hash = redis.sha1hex(text)
    local count = redis.call('HINCRBY', KEYS[4], hash, 1)
    if count > tonumber(ARGV[3]) then
        redis.call('HDEL', KEYS[4], hash)
        redis.call('LPUSH', KEYS[5], text)
    else
        local tag = KEYS[1] .. ':' .. hash .. ':' .. ARGV[1] .. '.' .. number
        redis.call('HSET', KEYS[2], tag, text)
        redis.call('ZADD', KEYS[3], back_at + number / 1000000, tag)  -- in their order
        taken[#taken + 1] = {tag, count, text}
    end
end
return taken
