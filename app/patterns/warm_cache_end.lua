-- Stores a computed value, or nothing after a failure, and ends the right to compute. A late holder changes nothing.
-- KEYS as in warm_cache_take.lua. ARGV: fencing token, value or '', keep_ms. Returns 1 if it was the newest token.
if redis.call('GET', KEYS[3]) ~= ARGV[1] then return 0 end
if ARGV[2] ~= '' then redis.call('SET', KEYS[1], ARGV[2], 'PX', ARGV[3]) end
redis.call('DEL', KEYS[2])
return 1
