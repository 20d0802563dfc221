#!lua
-- Keeps a message back for some seconds; `give_back` then puts it into the list.
-- KEYS: held, until (contract.RedisKeys). ARGV: tag, text, seconds
local time = redis.call('TIME')
redis.call('HSET', KEYS[1], ARGV[1], ARGV[2])
redis.call('ZADD', KEYS[2], tonumber(time[1]) + tonumber(time[2]) / 1000000 + tonumber(ARGV[3]), ARGV[1])
return 1
