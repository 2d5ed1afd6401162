-- KEYS[1] is the key. ARGV is token, retention in ms. Returns 1, or 0 if the token does not hold the key.
local row = redis.call('HMGET', KEYS[1], 'state', 'token')
if row[2] ~= ARGV[1] then
  return 0
end
if row[1] == 'held' then
  redis.call('PEXPIRE', KEYS[1], ARGV[2]) -- must be first: Redis allows it when its memory is full
  redis.call('HSET', KEYS[1], 'state', 'done')
  redis.call('HDEL', KEYS[1], 'until', 'call', 'attempt')
end
return 1
