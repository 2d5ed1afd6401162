-- KEYS[1] is the key. ARGV is token, call, lease in ms, retention in ms.
-- Returns {1, attempt} if acquired, {2, remaining lease in ms} if in flight, and {3, other} if completed. other is 1 if
-- the token that completed the key has another tag, and 0 if not.
local row = redis.call('HMGET', KEYS[1], 'state', 'until', 'token', 'call', 'attempt')
local state = row[1]
if state == 'done' then
  return {3, string.sub(row[3], -2) == string.sub(ARGV[1], -2) and 0 or 1}
end
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local same = row[4] == ARGV[2] -- the client has sent this call before, and lost the reply
if state == 'held' and tonumber(row[2]) > now then
  if same then
    return {1, tonumber(row[5])}
  end
  return {2, tonumber(row[2]) - now}
end
if same then
  return {2, 0} -- the claim was released, or its lease has ended, since
end
local attempt = (tonumber(row[5]) or 0) + 1
local keep = ARGV[3] + ARGV[4]
-- When its memory is full, Redis refuses a script at its first write, unless that write needs no memory. PEXPIRE needs
-- none, so a known key can be claimed. A new key is refused before anything is written.
if state then
  redis.call('PEXPIRE', KEYS[1], keep)
end
redis.call('HSET', KEYS[1], 'state', 'held', 'until', now + ARGV[3], 'token', ARGV[1], 'call', ARGV[2], 'attempt', attempt)
if not state then
  redis.call('PEXPIRE', KEYS[1], keep)
end
return {1, attempt}
