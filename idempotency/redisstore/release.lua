-- KEYS[1] the key; ARGV: token, retention in ms. What is left of the call makes a late copy of its claim fail.
local row = redis.call('HMGET', KEYS[1], 'state', 'token')
if row[1] == 'held' and row[2] == ARGV[1] then
  redis.call('PEXPIRE', KEYS[1], ARGV[2]) -- first, which is allowed when the memory is full
  redis.call('HSET', KEYS[1], 'state', 'free')
  redis.call('HDEL', KEYS[1], 'until', 'token')
end
return 1
