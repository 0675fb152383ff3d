"""The scripts that make a write, with its condition and its facts, one step for every other client.

KEYS are the document's key and the hash of facts, where the key itself is the field. The etag of a document is the SHA-1 of its
bytes, taken by Redis from what is there: so a document that somebody else wrote is noticed as well.
"""

PUT = """
local wanted = ARGV[2]
if wanted ~= '' then
  local value = redis.call('GET', KEYS[1])
  if wanted == 'absent' then
    if value then return 0 end
  elseif not value or redis.sha1hex(value) ~= wanted then
    return 0
  end
end
redis.call('SET', KEYS[1], ARGV[1])
redis.call('HSET', KEYS[2], KEYS[1], ARGV[3])
return 1
"""
"""ARGV: the body; `absent`, an etag, or nothing; the facts. 1 when written, 0 when the condition did not hold."""

DELETE = """
if ARGV[1] ~= '' then
  local value = redis.call('GET', KEYS[1])
  if value and redis.sha1hex(value) ~= ARGV[1] then return 0 end
end
redis.call('UNLINK', KEYS[1])
redis.call('HDEL', KEYS[2], KEYS[1])
return 1
"""
"""ARGV: an etag, or nothing. 1 when the key is absent now, 0 when another version is there."""

FACTS = """
local value = redis.call('GET', KEYS[1])
if not value then return nil end
return {#value, redis.sha1hex(value), redis.call('HGET', KEYS[2], KEYS[1])}
"""
"""Size, etag and facts of a document; nothing when it is absent."""
