"""Lua scripts, each one atomic step. Those that take a base version compare it first."""

# A tenant's values are the fields of one hash (state.py): v: a value, c: a counter, l: a set.
# The documents (store.py) are in five keys:
#
#     documents   hash: documents by key, which has a slash; beside them version (id, number and
#                 stamp), floor, first, note, forgotten, size
#     changed     sorted set: keys of documents by the number of the version that wrote them
#     gone        the same for deleted documents; floor is the last number that was removed
#     writers     sorted set: stamps of writers by the number of their last change; forgotten is
#                 the last number that was removed
#     (size counts these four: one that was deleted by others shows)
#     replicas    sorted set: names of replicas by the second of their last heartbeat

# KEYS: documents, hash of the tenant
# ARGV: base version ('' for any), operation, seconds to live, arguments of the operation
# Nothing when the store is not at the base version, else one result.
STATE = """
if ARGV[1] ~= '' and redis.call('HGET', KEYS[1], 'version') ~= ARGV[1] then return false end
local hash, field = KEYS[2], ARGV[4]
local function set(name, value)
  redis.call('HSET', hash, name, value)
  redis.call('EXPIRE', hash, ARGV[3])
end
local operations = {
  compare = function() return 1 end,
  get = function() return redis.call('HGET', hash, field) end,
  put = function() set(field, ARGV[5]) return 1 end,
  delete = function() return redis.call('HDEL', hash, unpack(ARGV, 4)) end,
  read_all = function() return redis.call('HGETALL', hash) end,
  delete_all = function() return redis.call('UNLINK', hash) end,
}
-- fields and values in turn
function operations.replace_all()
  redis.call('UNLINK', hash)
  for i = 4, #ARGV, 2 do set(ARGV[i], ARGV[i + 1]) end
  return 1
end
-- field, value, expected: '' for nothing, '=' and a value
function operations.compare_and_set()
  local now = redis.call('HGET', hash, field)
  if (now and '=' .. now or '') ~= ARGV[6] then return now end
  set(field, ARGV[5])
  return ARGV[5]
end
-- field, amount, limit ('' for none) of each counter
-- the index (from 0) of the rejected one or -1, then the counters
function operations.add()
  local before, after, rejected = {}, {}, -1
  for i = 4, #ARGV, 3 do
    local value = tonumber(redis.call('HGET', hash, ARGV[i]) or 0)
    before[#before + 1] = value
    value = value + ARGV[i + 1]
    after[#after + 1] = value
    if rejected < 0 and ARGV[i + 2] ~= '' and value > tonumber(ARGV[i + 2]) then
      rejected = #after - 1
    end
  end
  if rejected >= 0 then return {rejected, unpack(before)} end
  for i, value in ipairs(after) do
    if value ~= before[i] then set(ARGV[3 * i + 1], value) end
  end
  return {-1, unpack(after)}
end
-- field, member (of one length) with a comma, limit
function operations.add_to_set()
  local members = redis.call('HGET', hash, field) or ''
  if string.find(members, ARGV[5], 1, true) then return 1 end
  if #members / #ARGV[5] >= tonumber(ARGV[6]) then return 0 end
  set(field, members .. ARGV[5])
  return 1
end
return {operations[ARGV[2]]()}
"""

_SHARED = """
local function write_documents(number, first, count)
  for i = first, first + 2 * count - 1, 2 do
    redis.call('HSET', KEYS[1], ARGV[i], ARGV[i + 1])
    redis.call('ZADD', KEYS[2], number, ARGV[i])
    redis.call('ZREM', KEYS[3], ARGV[i])
  end
end
local function measure()
  local size = redis.call('HLEN', KEYS[1])
  for i = 2, 4 do size = size .. ' ' .. redis.call('ZCARD', KEYS[i]) end
  return size
end
local function is_whole()
  return redis.call('HGET', KEYS[1], 'size') == measure()
end
-- of a sorted set with more members, the earlier half; field keeps the last number of these
local function remove_earlier(key, field, limit)
  local count = redis.call('ZCARD', key)
  if count <= tonumber(limit) then return end
  local index = count - math.floor(limit / 2) - 1
  local last = redis.call('ZRANGE', key, index, index, 'WITHSCORES')[2]
  redis.call('ZREMRANGEBYSCORE', key, '-inf', last)
  redis.call('HSET', KEYS[1], field, last)
end
local function set_version(text, max_writers)
  local number, stamp = string.match(text, ' (%d+) (%S+)$')
  redis.call('ZADD', KEYS[4], number, stamp)
  remove_earlier(KEYS[4], 'forgotten', max_writers)
  redis.call('HSET', KEYS[1], 'version', text)
  redis.call('HSET', KEYS[1], 'size', measure())
end
local function keep(seconds)
  for i = 1, 5 do redis.call('EXPIRE', KEYS[i], seconds) end
end
"""

# ARGV: id, number and stamp of the caller's version
# Nothing when there is no key, else whether all documents follow, whether the store includes the
# caller's version, whether it is whole; version ('' when that was lost), first, note, forgotten,
# keys and documents in turn, keys that are gone, stamps and numbers of writers in turn.
READ_CHANGES = """
if redis.call('EXISTS', KEYS[1], KEYS[2], KEYS[3], KEYS[4]) == 0 then return {} end
local fields = redis.call('HMGET', KEYS[1], 'version', 'floor', 'first', 'note', 'forgotten')
local version, floor, first, note, forgotten = unpack(fields)
local since, whole = tonumber(ARGV[2]), is_whole()
local last = redis.call('ZSCORE', KEYS[4], ARGV[3]) or forgotten
local included = ARGV[3] ~= '' and (tonumber(last) or 0) >= since
local id = string.match(version or '', '^%S*')
local all = not included or not whole or id ~= ARGV[1] or since < tonumber(floor)
local written, gone = {}, {}
if all then
  local found = redis.call('HGETALL', KEYS[1])
  for i = 1, #found, 2 do
    if string.find(found[i], '/', 1, true) then
      written[#written + 1] = found[i]
      written[#written + 1] = found[i + 1]
    end
  end
else
  for _, key in ipairs(redis.call('ZRANGEBYSCORE', KEYS[2], '(' .. since, '+inf')) do
    written[#written + 1] = key
    written[#written + 1] = redis.call('HGET', KEYS[1], key)
  end
  gone = redis.call('ZRANGEBYSCORE', KEYS[3], '(' .. since, '+inf')
end
local writers = redis.call('ZRANGE', KEYS[4], 0, -1, 'WITHSCORES')
local flags = {all and 1 or 0, included and 1 or 0, whole and 1 or 0}
first, forgotten = tonumber(first) or 0, tonumber(forgotten) or 0
return {flags, version or '', first, note or '', forgotten, written, gone, writers}
"""

# KEYS: also keys of state to delete
# ARGV: base version, new version, its number, seconds to live, channel, most writers, number of
# documents, keys and documents in turn, keys to delete
# Nothing when the store is not at the base version or not whole, else 1.
COMMIT = """
if redis.call('HGET', KEYS[1], 'version') ~= ARGV[1] or not is_whole() then return false end
local number, count = ARGV[3], tonumber(ARGV[7])
write_documents(number, 8, count)
for i = 8 + 2 * count, #ARGV do
  if redis.call('HDEL', KEYS[1], ARGV[i]) == 1 then
    redis.call('ZREM', KEYS[2], ARGV[i])
    redis.call('ZADD', KEYS[3], number, ARGV[i])
  end
end
for i = 6, #KEYS do redis.call('UNLINK', KEYS[i]) end
remove_earlier(KEYS[3], 'floor', 10000)
set_version(ARGV[2], ARGV[6])
keep(ARGV[4])
redis.call('PUBLISH', ARGV[5], ARGV[2])
return 1
"""

# ARGV: the version that is replaced ('' for none), new version, its number, note, seconds to live,
# channel, most writers, forgotten, number of writers, stamps and numbers in turn, number of
# documents, keys and documents in turn
# Nothing when the store is not at that version, else 1.
CREATE_STORE = """
if (redis.call('HGET', KEYS[1], 'version') or '') ~= ARGV[1] then return false end
redis.call('DEL', KEYS[1], KEYS[2], KEYS[3], KEYS[4])
local number, writers = ARGV[3], tonumber(ARGV[9])
for i = 10, 9 + 2 * writers, 2 do redis.call('ZADD', KEYS[4], ARGV[i + 1], ARGV[i]) end
redis.call('HSET', KEYS[1], 'floor', number, 'first', number, 'note', ARGV[4])
redis.call('HSET', KEYS[1], 'version', '', 'size', '', 'forgotten', ARGV[8])
write_documents(number, 11 + 2 * writers, tonumber(ARGV[10 + 2 * writers]))
set_version(ARGV[2], ARGV[7])
keep(ARGV[5])
redis.call('PUBLISH', ARGV[6], ARGV[2])
return 1
"""

# KEYS: also keys of state to keep
# ARGV: name ('' for none), seconds that a replica counts as alive, seconds to live
# Version of the store ('' for none), number of replicas that are alive, whether the store is whole,
# which run of Redis it is.
HEARTBEAT = """
local now = tonumber(redis.call('TIME')[1])
if ARGV[1] ~= '' then redis.call('ZADD', KEYS[5], now, ARGV[1]) end
redis.call('ZREMRANGEBYSCORE', KEYS[5], '-inf', now - 60)
keep(ARGV[3])
for i = 6, #KEYS do redis.call('EXPIRE', KEYS[i], ARGV[3]) end
local alive = redis.call('ZCOUNT', KEYS[5], now - ARGV[2], '+inf')
local run = string.match(redis.call('INFO', 'server'), 'run_id:(%x+)') or ''
local version = redis.call('HGET', KEYS[1], 'version') or ''
return {version, alive, is_whole() and 1 or 0, run}
"""

SCRIPTS = {
    "state": STATE,
    "read_changes": _SHARED + READ_CHANGES,
    "commit": _SHARED + COMMIT,
    "create_store": _SHARED + CREATE_STORE,
    "heartbeat": _SHARED + HEARTBEAT,
}
