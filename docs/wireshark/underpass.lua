-- Shows Underpass packets and their frames inside decrypted WireGuard messages (docs/spec/streams.md §1 and §2).
-- README.md in this directory says how to install it.
--
-- Wireshark decrypts WireGuard, but expects an IP packet inside and has no table where others could register. This
-- script therefore runs behind all dissectors, and takes what WireGuard has decrypted from there. The names of frames
-- and fields are those of packages/trace; a test compares the two.

local underpass = Proto("underpass", "Underpass")

-- ---- fields --------------------------------------------------------------------------------------------------------

local fields = {}

-- `stream id` becomes the filter `underpass.stream_id`.
local function define(kind, name)
  local filter = "underpass." .. name:lower():gsub("[ -]", "_")
  fields[name] = ProtoField[kind](filter, name)
end

fields.frame = ProtoField.string("underpass.frame", "frame")
for _, name in ipairs({
  "packet number", "stream id", "offset", "length", "code", "final size", "maximum", "limit", "reason length",
  "largest acknowledged", "delay", "range count", "first range", "gap", "range length",
  "version", "initial MAX_DATA", "initial MAX_STREAM_DATA", "MAX_STREAMS", "largest datagram taken",
}) do
  define("uint64", name)
end
for _, name in ipairs({ "payload type", "frame type", "role", "name length" }) do define("uint8", name) end
for _, name in ipairs({
  "data", "message", "padding", "epoch", "expected epoch", "for later versions", "not decoded",
}) do
  define("bytes", name)
end
for _, name in ipairs({ "software name", "reason" }) do define("string", name) end

local malformed = ProtoExpert.new("underpass.malformed", "not decoded", expert.group.MALFORMED, expert.severity.ERROR)

local list = {}
for _, field in pairs(fields) do list[#list + 1] = field end
underpass.fields = list
underpass.experts = { malformed }

-- ---- reading -------------------------------------------------------------------------------------------------------

-- A cursor over the packet. A field that does not fit raises an error with the position, which ends the packet.
local Reader = {}
Reader.__index = Reader

local function new_reader(tvb, position, finish)
  return setmetatable({ tvb = tvb, position = position, finish = finish }, Reader)
end

function Reader:left()
  return self.finish - self.position
end

function Reader:fail(problem)
  error({ problem = problem })
end

function Reader:take(tree, name, length)
  if length > self:left() then self:fail("truncated frame") end
  if length == 0 then return nil end
  local range = self.tvb(self.position, length)
  tree:add(fields[name], range)
  self.position = self.position + length
  return range
end

function Reader:byte(tree, name)
  return self:take(tree, name, 1):uint()
end

-- A number in QUIC's variable-length encoding (RFC 9000 §16): the first two bits say how long it is.
function Reader:varint(tree, name)
  if self:left() < 1 then self:fail("truncated frame") end
  local first = self.tvb(self.position, 1):uint()
  local length = 2 ^ math.floor(first / 64)
  if length > self:left() then self:fail("truncated frame") end
  local range = self.tvb(self.position, length)
  local high, low = 0, 0
  if length == 8 then
    high, low = range(0, 4):uint() % 0x40000000, range(4, 4):uint()
  else
    low = range:uint() % (length == 1 and 0x40 or length == 2 and 0x4000 or 0x40000000)
  end
  if high >= 0x200000 then self:fail("number above 2^53 - 1") end
  tree:add(fields[name], range, UInt64(low, high))
  self.position = self.position + length
  return high * 4294967296 + low
end

-- ---- frames --------------------------------------------------------------------------------------------------------

local function stream(reader, tree)
  local id, offset = reader:varint(tree, "stream id"), reader:varint(tree, "offset")
  local length = reader:varint(tree, "length")
  reader:take(tree, "data", length)
  return string.format("stream %.0f, %.0f bytes at %.0f", id, length, offset)
end

local function with_one(name)
  return function(reader, tree)
    return string.format("%.0f", reader:varint(tree, name))
  end
end

local function with_stream_and(name)
  return function(reader, tree)
    local id = reader:varint(tree, "stream id")
    return string.format("stream %.0f, %s %.0f", id, name, reader:varint(tree, name))
  end
end

local function eight_bytes(reader, tree)
  return tostring(reader:take(tree, "data", 8))
end

-- Ranges of packet numbers, from the largest downwards (RFC 9000 §19.3.1).
local function ack(reader, tree)
  local high = reader:varint(tree, "largest acknowledged")
  reader:varint(tree, "delay")
  local further = reader:varint(tree, "range count")
  local low = high - reader:varint(tree, "first range")
  local ranges = {}
  if further > 256 then reader:fail("too many ACK ranges") end
  for i = 0, further do
    if low < 0 then reader:fail("ACK range below zero") end
    ranges[#ranges + 1] = low == high and string.format("%.0f", low) or string.format("%.0f-%.0f", low, high)
    if i < further then
      high = low - reader:varint(tree, "gap") - 2
      low = high - reader:varint(tree, "range length")
    end
  end
  return table.concat(ranges, ", ")
end

local function reset_stream(reader, tree)
  local id, code = reader:varint(tree, "stream id"), reader:varint(tree, "code")
  return string.format("stream %.0f, code %.0f, final size %.0f", id, code, reader:varint(tree, "final size"))
end

local function hello(reader, tree)
  local length = reader:varint(tree, "length")
  if length > reader:left() then reader:fail("truncated frame") end
  local inner = new_reader(reader.tvb, reader.position, reader.position + length)
  inner:varint(tree, "version")
  local epoch = inner:take(tree, "epoch", 8)
  inner:take(tree, "expected epoch", 8)
  local role = inner:byte(tree, "role")
  inner:varint(tree, "initial MAX_DATA")
  inner:varint(tree, "initial MAX_STREAM_DATA")
  inner:varint(tree, "MAX_STREAMS")
  inner:varint(tree, "largest datagram taken")
  local name = inner:take(tree, "software name", inner:byte(tree, "name length"))
  inner:take(tree, "for later versions", inner:left())
  reader.position = inner.finish
  return string.format("%s %s, epoch %s", role == 0 and "client" or "relay", name and name:string() or "", tostring(epoch))
end

local function close(reader, tree)
  local code = reader:varint(tree, "code")
  local reason = reader:take(tree, "reason", reader:varint(tree, "reason length"))
  return string.format("code %.0f%s", code, reason and ", " .. reason:string() or "")
end

local function datagram(reader, tree)
  local id, length = reader:varint(tree, "stream id"), reader:varint(tree, "length")
  reader:take(tree, "message", length)
  return string.format("flow %.0f, %.0f bytes", id, length)
end

local function nothing() return "" end

local FRAMES = {
  [0x01] = { "PING", nothing },
  [0x02] = { "ACK", ack },
  [0x04] = { "RESET_STREAM", reset_stream },
  [0x05] = { "STOP_SENDING", with_stream_and("code") },
  [0x06] = { "HELLO", hello },
  [0x08] = { "STREAM", stream },
  [0x09] = { "STREAM with FIN", stream },
  [0x10] = { "MAX_DATA", with_one("maximum") },
  [0x11] = { "MAX_STREAM_DATA", with_stream_and("maximum") },
  [0x12] = { "MAX_STREAMS", with_one("maximum") },
  [0x14] = { "DATA_BLOCKED", with_one("limit") },
  [0x15] = { "STREAM_DATA_BLOCKED", with_stream_and("limit") },
  [0x16] = { "STREAMS_BLOCKED", with_one("limit") },
  [0x1a] = { "PATH_CHALLENGE", eight_bytes },
  [0x1b] = { "PATH_RESPONSE", eight_bytes },
  [0x1c] = { "CLOSE", close },
  [0x30] = { "DATAGRAM", datagram },
}

-- Adds one frame. Its subtree gets its text when everything in it has been read.
local function frame(reader, tree, names)
  local start = reader.position
  local type = reader.tvb(start, 1):uint()
  local layout = FRAMES[type]
  if layout == nil then reader:fail(string.format("unknown frame type 0x%x", type)) end
  local name, read = layout[1], layout[2]
  local subtree = tree:add(fields.frame, reader.tvb(start, 1), name)
  reader:take(subtree, "frame type", 1)
  local summary = read(reader, subtree)
  subtree:set_len(reader.position - start)
  subtree:set_text(summary == "" and name or name .. ": " .. summary)
  names[#names + 1] = name
end

-- Zero bytes are PADDING frames; a run of them is one field.
local function padding(reader, tree, names)
  local start = reader.position
  local length = 0
  while length < reader:left() and reader.tvb(start + length, 1):uint() == 0 do length = length + 1 end
  local subtree = tree:add(fields.frame, reader.tvb(start, length), "PADDING")
  subtree:set_text(string.format("PADDING: %d bytes", length))
  reader:take(subtree, "padding", length)
  if reader:left() > 0 then names[#names + 1] = "PADDING" end
end

local function packet(tvb, pinfo, root)
  local tree = root:add(underpass, tvb(0))
  local reader = new_reader(tvb, 0, tvb:len())
  local names = {}
  local number = "?"
  local ok, failure = pcall(function()
    reader:take(tree, "payload type", 1)
    number = string.format("%.0f", reader:varint(tree, "packet number"))
    while reader:left() > 0 do
      if tvb(reader.position, 1):uint() == 0 then padding(reader, tree, names) else frame(reader, tree, names) end
    end
  end)
  local summary = string.format("packet %s: %s", number, table.concat(names, ", "))
  if not ok then
    local problem = type(failure) == "table" and failure.problem or tostring(failure)
    if reader:left() > 0 then reader:take(tree, "not decoded", reader:left()) end
    tree:add_proto_expert_info(malformed, problem)
    summary = summary .. " (" .. problem .. ")"
  end
  tree:append_text(", " .. summary)
  pinfo.cols.protocol = "Underpass"
  pinfo.cols.info = summary
end

-- ---- finding the payload -------------------------------------------------------------------------------------------

-- With this preference off, WireGuard leaves its payload undissected instead of reporting an IP packet with a bogus
-- version. It is set for this run only. IP packets are handed on below.
if set_preference then pcall(set_preference, "wg.dissect_packet", false) end

local counter_of_wireguard = Field.new("wg.counter")
local undissected = Field.new("data.data")
local version_of_ip = Field.new("ip.version") -- in case the preference cannot be set

local function payload()
  for _, found in ipairs({ { undissected() }, { version_of_ip() } }) do
    for _, info in ipairs(found) do
      local tvb = info.source
      if tvb and info.offset == 0 and tvb(0, 1):uint() == 1 then return tvb end
      if tvb and info.name == "data.data" and info.offset == 0 then return tvb end
    end
  end
end

function underpass.dissector(_, pinfo, root)
  if not counter_of_wireguard() then return end
  local tvb = payload()
  if tvb == nil then return end
  local first = tvb(0, 1):uint()
  local version = math.floor(first / 16)
  if first == 1 then packet(tvb, pinfo, root)
  elseif version == 4 then Dissector.get("ip"):call(tvb, pinfo, root)
  elseif version == 6 then Dissector.get("ipv6"):call(tvb, pinfo, root)
  end
end

register_postdissector(underpass)
