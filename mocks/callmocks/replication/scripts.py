"""What Redis does in one step, as its Lua scripts.

A tenant's values are the fields of one hash (``state.py``): ``v:`` a value, ``c:`` a counter,
``l:`` a list. The documents (``store.py``) are in five keys:

    store       hash: id, version, what it was restored from, how often it was lost
    documents   hash: documents by key
    changed     sorted set: keys of documents by the version that wrote them
    gone        the same for documents that were deleted; ``floor`` is the last one forgotten
    replicas    sorted set: names of replicas by the second they were heard of
"""

_WRITE_DOCUMENTS = """
local function set(version, first, count)
  for i = first, first + 2 * count - 1, 2 do
    redis.call('HSET', KEYS[2], ARGV[i], ARGV[i + 1])
    redis.call('ZADD', KEYS[3], version, ARGV[i])
    redis.call('ZREM', KEYS[4], ARGV[i])
  end
end
local function keep(seconds)
  for i = 1, 5 do redis.call('EXPIRE', KEYS[i], seconds) end
end
"""

STATE_SCRIPTS = {
    # hash | ttl, field, value
    "put": """
redis.call('HSET', KEYS[1], ARGV[2], ARGV[3])
redis.call('EXPIRE', KEYS[1], ARGV[1])
""",
    # hash | ttl, field, value, and what it has to be: '' for nothing, '=' and a value
    "swap": """
local now = redis.call('HGET', KEYS[1], ARGV[2])
if (now and '=' .. now or '') == ARGV[4] then
  now = ARGV[3]
  redis.call('HSET', KEYS[1], ARGV[2], now)
  redis.call('EXPIRE', KEYS[1], ARGV[1])
end
return now
""",
    # hash | ttl, then field, amount and ceiling ('' for none) of each step
    # the place (from 0) of a refused step or -1, then the counters
    "add": """
local held, totals, refused = {}, {}, -1
for i = 2, #ARGV, 3 do
  local value = tonumber(redis.call('HGET', KEYS[1], ARGV[i]) or 0)
  held[#held + 1] = value
  value = value + ARGV[i + 1]
  totals[#totals + 1] = value
  if refused < 0 and ARGV[i + 2] ~= '' and value > tonumber(ARGV[i + 2]) then
    refused = #totals - 1
  end
end
if refused >= 0 then return {refused, unpack(held)} end
for i, total in ipairs(totals) do
  if total ~= held[i] then redis.call('HSET', KEYS[1], ARGV[3 * i - 1], total) end
end
redis.call('EXPIRE', KEYS[1], ARGV[1])
return {-1, unpack(totals)}
""",
    # hash | ttl, field, member (of one length) with a comma, most
    "enlist": """
local list = redis.call('HGET', KEYS[1], ARGV[2]) or ''
if string.find(list, ARGV[3], 1, true) then return 1 end
if #list / #ARGV[3] >= tonumber(ARGV[4]) then return 0 end
redis.call('HSET', KEYS[1], ARGV[2], list .. ARGV[3])
redis.call('EXPIRE', KEYS[1], ARGV[1])
return 1
""",
}

STORE_SCRIPTS = {
    # | id, version: what the asker has
    # nothing when there is no store, else 'all' or 'some', id, version, losses,
    # keys and documents in turn, keys that are gone
    "changes": """
local fields = redis.call('HMGET', KEYS[1], 'id', 'version', 'floor', 'losses')
local id, version, floor, losses = unpack(fields)
if not id then return {} end
local since = tonumber(ARGV[2])
local all = id ~= ARGV[1] or since < tonumber(floor) or since > tonumber(version)
local from = all and '-inf' or '(' .. ARGV[2]
local found = {}
for _, key in ipairs(redis.call('ZRANGEBYSCORE', KEYS[3], from, '+inf')) do
  found[#found + 1] = key
  found[#found + 1] = redis.call('HGET', KEYS[2], key)
end
local gone = all and {} or redis.call('ZRANGEBYSCORE', KEYS[4], from, '+inf')
return {all and 'all' or 'some', id, tonumber(version), tonumber(losses), found, gone}
""",
    # keys of the state to be forgotten |
    # id, version: what the writer has; ttl, channel, seconds a replica counts as there,
    # number of documents, documents with their keys, keys to delete
    # 0 when somebody was faster, else the version and the replicas that are there
    "commit": _WRITE_DOCUMENTS
    + """
local id, version = unpack(redis.call('HMGET', KEYS[1], 'id', 'version'))
if id ~= ARGV[1] or version ~= ARGV[2] then return {0} end
version = redis.call('HINCRBY', KEYS[1], 'version', 1)
local count = tonumber(ARGV[6])
set(version, 7, count)
for i = 7 + 2 * count, #ARGV do
  if redis.call('HDEL', KEYS[2], ARGV[i]) == 1 then
    redis.call('ZREM', KEYS[3], ARGV[i])
    redis.call('ZADD', KEYS[4], version, ARGV[i])
  end
end
for i = 6, #KEYS do redis.call('UNLINK', KEYS[i]) end
if redis.call('ZCARD', KEYS[4]) > 10000 then
  local last = redis.call('ZRANGE', KEYS[4], 4999, 4999, 'WITHSCORES')
  redis.call('ZREMRANGEBYSCORE', KEYS[4], '-inf', last[2])
  redis.call('HSET', KEYS[1], 'floor', last[2])
end
keep(ARGV[3])
redis.call('PUBLISH', ARGV[4], 'change ' .. id .. ' ' .. version)
local now = tonumber(redis.call('TIME')[1])
return {version, redis.call('ZRANGEBYSCORE', KEYS[5], now - ARGV[5], '+inf')}
""",
    # | new id, id and version of the store it is made of ('' and 0: of none), losses, ttl, channel,
    # number of documents, documents with their keys
    # 1 when it was made. It takes the place of none, of one that was made of nothing, and of one
    # that was made of an older version of the same, as long as nobody has written to it since.
    "found": _WRITE_DOCUMENTS
    + """
local fields = redis.call('HMGET', KEYS[1], 'id', 'version', 'parent', 'parents')
local id, version, parent, parents = unpack(fields)
if id then
  local older = parent == '' or (parent == ARGV[2] and tonumber(parents) < tonumber(ARGV[3]))
  if ARGV[2] == '' or version ~= '1' or not older then return 0 end
end
redis.call('DEL', KEYS[1], KEYS[2], KEYS[3], KEYS[4])
redis.call('HSET', KEYS[1], 'id', ARGV[1], 'version', 1, 'floor', 0,
           'parent', ARGV[2], 'parents', ARGV[3], 'losses', ARGV[4])
set(1, 8, tonumber(ARGV[7]))
keep(ARGV[5])
redis.call('PUBLISH', ARGV[6], 'change ' .. ARGV[1] .. ' 1')
return 1
""",
    # keys of the state to be kept | name, seconds a replica counts as there, ttl
    # id and version of the store, number of replicas
    "beat": _WRITE_DOCUMENTS
    + """
local now = tonumber(redis.call('TIME')[1])
if ARGV[1] ~= '' then redis.call('ZADD', KEYS[5], now, ARGV[1]) end
redis.call('ZREMRANGEBYSCORE', KEYS[5], '-inf', now - 60)
keep(ARGV[3])
for i = 6, #KEYS do redis.call('EXPIRE', KEYS[i], ARGV[3]) end
local id, version = unpack(redis.call('HMGET', KEYS[1], 'id', 'version'))
return {id or '', tonumber(version or 0), redis.call('ZCOUNT', KEYS[5], now - ARGV[2], '+inf')}
""",
    # | name
    "leave": """
redis.call('ZREM', KEYS[5], ARGV[1])
""",
}
