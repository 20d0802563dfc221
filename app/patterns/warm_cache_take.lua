-- Reads a value, or takes the right to compute it. KEYS: value, holder, fence. ARGV: who, holder_ms, fence_ms, refresh
-- Returns {value, 0}, or {false, fencing token above 0} to a caller that may compute, or {false, 0} to one that waits.
local value = redis.call('GET', KEYS[1])
if value and ARGV[4] == '0' then return {value, 0} end
if not redis.call('SET', KEYS[2], ARGV[1], 'NX', 'PX', ARGV[2]) then return {false, 0} end
local fence = redis.call('INCR', KEYS[3])
redis.call('PEXPIRE', KEYS[3], ARGV[3])
return {false, fence}
