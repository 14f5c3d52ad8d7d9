"""Lua scripts, each one atomic step. Those that take a base version compare it first."""

# A tenant's values are the fields of one hash (state.py): v: a value, c: a counter, l: a set.
# The documents (store.py) are in five keys:
#
#     store       hash: version (id and number), floor, parent_id, parent_number, losses
#     documents   hash: documents by key
#     changed     sorted set: keys of documents by the number of the version that wrote them
#     gone        the same for deleted documents; floor is the last number that was removed
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
  delete_all = function() return redis.call('UNLINK', hash) end,
}
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

_WRITE_DOCUMENTS = """
local function write_documents(number, first, count)
  for i = first, first + 2 * count - 1, 2 do
    redis.call('HSET', KEYS[2], ARGV[i], ARGV[i + 1])
    redis.call('ZADD', KEYS[3], number, ARGV[i])
    redis.call('ZREM', KEYS[4], ARGV[i])
  end
end
local function keep(seconds)
  for i = 1, 5 do redis.call('EXPIRE', KEYS[i], seconds) end
end
"""

# ARGV: id, number of the caller's version
# Nothing when there is no store, else whether all documents follow, version, losses,
# keys and documents in turn, keys that are gone.
READ_CHANGES = """
local version, floor, losses = unpack(redis.call('HMGET', KEYS[1], 'version', 'floor', 'losses'))
if not version then return {} end
local id, number = string.match(version, '^(%S+) (%d+)')
local since = tonumber(ARGV[2])
local all = id ~= ARGV[1] or since < tonumber(floor) or since > tonumber(number)
local from = all and '-inf' or '(' .. ARGV[2]
local written = {}
for _, key in ipairs(redis.call('ZRANGEBYSCORE', KEYS[3], from, '+inf')) do
  written[#written + 1] = key
  written[#written + 1] = redis.call('HGET', KEYS[2], key)
end
local gone = all and {} or redis.call('ZRANGEBYSCORE', KEYS[4], from, '+inf')
return {all and 1 or 0, version, tonumber(losses), written, gone}
"""

# KEYS: also keys of state to delete
# ARGV: base version, new version, its number, seconds to live, channel, number of documents,
# keys and documents in turn, keys to delete
# Nothing when the store is not at the base version, else 1.
COMMIT = """
if redis.call('HGET', KEYS[1], 'version') ~= ARGV[1] then return false end
redis.call('HSET', KEYS[1], 'version', ARGV[2])
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
keep(ARGV[4])
redis.call('PUBLISH', ARGV[5], ARGV[2])
return 1
"""

# ARGV: version, id and number of the lost store it restores ('' and 0: of none), losses,
# seconds to live, channel, number of documents, keys and documents in turn
# 1 when it was made. It replaces none, one that restores none, and one that restores an older
# version of the same, as long as nothing was written to it since.
CREATE_STORE = """
local fields = redis.call('HMGET', KEYS[1], 'version', 'parent_id', 'parent_number')
local version, parent, restored = unpack(fields)
if version then
  local older = parent == '' or (parent == ARGV[2] and tonumber(restored) < tonumber(ARGV[3]))
  if ARGV[2] == '' or not string.find(version, ' 1$') or not older then return 0 end
end
redis.call('DEL', KEYS[1], KEYS[2], KEYS[3], KEYS[4])
redis.call('HSET', KEYS[1], 'version', ARGV[1], 'floor', 0,
           'parent_id', ARGV[2], 'parent_number', ARGV[3], 'losses', ARGV[4])
write_documents(1, 8, tonumber(ARGV[7]))
keep(ARGV[5])
redis.call('PUBLISH', ARGV[6], ARGV[1])
return 1
"""

# KEYS: also keys of state to keep
# ARGV: name ('' for none), seconds that a replica counts as alive, seconds to live
# Version of the store ('' for none), number of replicas that are alive.
HEARTBEAT = """
local now = tonumber(redis.call('TIME')[1])
if ARGV[1] ~= '' then redis.call('ZADD', KEYS[5], now, ARGV[1]) end
redis.call('ZREMRANGEBYSCORE', KEYS[5], '-inf', now - 60)
keep(ARGV[3])
for i = 6, #KEYS do redis.call('EXPIRE', KEYS[i], ARGV[3]) end
local alive = redis.call('ZCOUNT', KEYS[5], now - ARGV[2], '+inf')
return {redis.call('HGET', KEYS[1], 'version') or '', alive}
"""

SCRIPTS = {
    "state": STATE,
    "read_changes": READ_CHANGES,
    "commit": _WRITE_DOCUMENTS + COMMIT,
    "create_store": _WRITE_DOCUMENTS + CREATE_STORE,
    "heartbeat": _WRITE_DOCUMENTS + HEARTBEAT,
}
