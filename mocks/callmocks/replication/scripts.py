"""Lua scripts, each one atomic step. Those that take a base version compare it first."""

# A tenant's values are the fields of one hash (state.py): v: a value, c: a counter, l: a set.
# The documents (store.py) are in five keys:
#
#     store       hash: version (id, number and stamp), floor, first, note, size;
#                 stamp:N of the last changes, which tells changes of one number apart
#     documents   hash: documents by key
#     changed     sorted set: keys of documents by the number of the version that wrote them
#     gone        the same for deleted documents; floor is the last number that was removed
#     (size counts these three: one that was deleted by others shows)
#     replicas    sorted set: names of replicas by the second of their last heartbeat

# KEYS: store, hash of the tenant
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
    redis.call('HSET', KEYS[2], ARGV[i], ARGV[i + 1])
    redis.call('ZADD', KEYS[3], number, ARGV[i])
    redis.call('ZREM', KEYS[4], ARGV[i])
  end
end
local function measure()
  local gone = redis.call('ZCARD', KEYS[4])
  return redis.call('HLEN', KEYS[2]) .. ' ' .. redis.call('ZCARD', KEYS[3]) .. ' ' .. gone
end
local function is_whole()
  return redis.call('HGET', KEYS[1], 'size') == measure()
end
local function set_version(text)
  local number, stamp = string.match(text, ' (%d+) (%S+)$')
  redis.call('HSET', KEYS[1], 'version', text, 'stamp:' .. number, stamp, 'size', measure())
  redis.call('HDEL', KEYS[1], 'stamp:' .. (number - 10000))
end
local function keep(seconds)
  for i = 1, 5 do redis.call('EXPIRE', KEYS[i], seconds) end
end
"""

# ARGV: id, number and stamp of the caller's version
# Nothing when there is no store, else whether all documents follow, whether the store includes the
# caller's version, whether it is whole, version, first, note, keys and documents in turn, keys that
# are gone, numbers and stamps in turn of the latest changes that the caller does not have.
READ_CHANGES = """
local fields = redis.call('HMGET', KEYS[1], 'version', 'floor', 'first', 'note')
local version, floor, first, note = unpack(fields)
if not version then return {} end
local id, number = string.match(version, '^(%S+) (%d+)')
local since, whole = tonumber(ARGV[2]), is_whole()
local stamp = redis.call('HGET', KEYS[1], 'stamp:' .. ARGV[2])
local forgotten = id == ARGV[1] and since <= number - 10000
local included = forgotten or stamp == ARGV[3]
local all = not included or not whole or id ~= ARGV[1] or since < tonumber(floor)
local from = all and '-inf' or '(' .. ARGV[2]
local written = {}
for _, key in ipairs(redis.call('ZRANGEBYSCORE', KEYS[3], from, '+inf')) do
  written[#written + 1] = key
  written[#written + 1] = redis.call('HGET', KEYS[2], key)
end
local gone = all and {} or redis.call('ZRANGEBYSCORE', KEYS[4], from, '+inf')
local stamps = {}
for n = math.max(included and since + 1 or 1, number - 999), number do
  stamps[#stamps + 1] = n
  stamps[#stamps + 1] = redis.call('HGET', KEYS[1], 'stamp:' .. n) or ''
end
local flags = {all and 1 or 0, included and 1 or 0, whole and 1 or 0}
return {flags, version, tonumber(first) or 0, note or '', written, gone, stamps}
"""

# KEYS: also keys of state to delete
# ARGV: base version, new version, its number, seconds to live, channel, number of documents,
# keys and documents in turn, keys to delete
# Nothing when the store is not at the base version or not whole, else 1.
COMMIT = """
if redis.call('HGET', KEYS[1], 'version') ~= ARGV[1] or not is_whole() then return false end
local number, count = ARGV[3], tonumber(ARGV[6])
write_documents(number, 7, count)
for i = 7 + 2 * count, #ARGV do
  if redis.call('HDEL', KEYS[2], ARGV[i]) == 1 then
    redis.call('ZREM', KEYS[3], ARGV[i])
    redis.call('ZADD', KEYS[4], number, ARGV[i])
  end
end
for i = 6, #KEYS do redis.call('UNLINK', KEYS[i]) end
if redis.call('ZCARD', KEYS[4]) > 10000 then
  local last = redis.call('ZRANGE', KEYS[4], 4999, 4999, 'WITHSCORES')
  redis.call('ZREMRANGEBYSCORE', KEYS[4], '-inf', last[2])
  redis.call('HSET', KEYS[1], 'floor', last[2])
end
set_version(ARGV[2])
keep(ARGV[4])
redis.call('PUBLISH', ARGV[5], ARGV[2])
return 1
"""

# ARGV: the version that is replaced ('' for none), new version, its number, note, seconds to live,
# channel, number of stamps, numbers and stamps in turn, number of documents, keys and documents in
# turn
# Nothing when the store is not at that version, else 1.
CREATE_STORE = """
if (redis.call('HGET', KEYS[1], 'version') or '') ~= ARGV[1] then return false end
redis.call('DEL', KEYS[1], KEYS[2], KEYS[3], KEYS[4])
local number, stamps = ARGV[3], tonumber(ARGV[7])
for i = 8, 7 + 2 * stamps, 2 do
  redis.call('HSET', KEYS[1], 'stamp:' .. ARGV[i], ARGV[i + 1])
end
redis.call('HSET', KEYS[1], 'floor', number, 'first', number, 'note', ARGV[4])
write_documents(number, 9 + 2 * stamps, tonumber(ARGV[8 + 2 * stamps]))
set_version(ARGV[2])
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
