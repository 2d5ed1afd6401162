-- KEYS[1] the key; ARGV: token, call, lease in ms, retention in ms.
-- Answers 1 and the attempt, 2 and for how much longer the lease runs in ms, or 3 and 1 if the token that completed the
-- key has another tag: acquired, in flight, completed.
local row = redis.call('HMGET', KEYS[1], 'state', 'until', 'token', 'call', 'attempt')
local state = row[1]
if state == 'done' then
  return {3, string.sub(row[3], -2) == string.sub(ARGV[1], -2) and 0 or 1}
end
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local same = row[4] == ARGV[2] -- the client has sent this very call before, and lost the answer
if state == 'held' and tonumber(row[2]) > now then
  if same then
    return {1, tonumber(row[5])}
  end
  return {2, tonumber(row[2]) - now}
end
if same then
  return {2, 0} -- and its claim was given back, or ran out, meanwhile
end
local attempt = (tonumber(row[5]) or 0) + 1
local keep = ARGV[3] + ARGV[4]
-- Redis refuses the first write of a script when its memory is full, unless that cannot take any: a key that is known
-- has its place, and a new one is refused before anything is written.
if state then
  redis.call('PEXPIRE', KEYS[1], keep)
end
redis.call('HSET', KEYS[1], 'state', 'held', 'until', now + ARGV[3], 'token', ARGV[1], 'call', ARGV[2], 'attempt', attempt)
if not state then
  redis.call('PEXPIRE', KEYS[1], keep)
end
return {1, attempt}
