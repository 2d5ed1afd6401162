-- KEYS[1] is the key. ARGV is token, lease in ms, retention in ms. Returns 1, or 0 if the token does not hold the key.
local row = redis.call('HMGET', KEYS[1], 'state', 'token', 'until')
if row[2] ~= ARGV[1] then
  return 0
end
if row[1] == 'held' then
  local time = redis.call('TIME')
  local now = time[1] * 1000 + math.floor(time[2] / 1000)
  local ends = math.max(tonumber(row[3]), now + ARGV[2])
  redis.call('PEXPIRE', KEYS[1], ends - now + ARGV[3]) -- must be first: Redis allows it when its memory is full
  redis.call('HSET', KEYS[1], 'until', ends)
end
return 1
