-- KEYS[1] is the key. ARGV is token, retention in ms. The field call stays, so that a late copy of the claim fails.
local row = redis.call('HMGET', KEYS[1], 'state', 'token')
if row[1] == 'held' and row[2] == ARGV[1] then
  redis.call('PEXPIRE', KEYS[1], ARGV[2]) -- must be first: Redis allows it when its memory is full
  redis.call('HSET', KEYS[1], 'state', 'free')
  redis.call('HDEL', KEYS[1], 'until', 'token')
end
return 1
