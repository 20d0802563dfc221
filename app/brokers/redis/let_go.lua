#!lua flags=allow-oom
-- Lets a message that is held be due now, also in a full Redis; nothing happens if it has come back already.
-- KEYS: until (contract.RedisKeys). ARGV: tag
return redis.call('ZADD', KEYS[1], 'XX', 0, ARGV[1])
