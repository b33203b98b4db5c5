-- What wrk sends, and the check of each answer: -- LENGTHS MARKER TOKENS BODY..., where LENGTHS has commas between,
-- TOKENS is a file with one token a line or "-", and several bodies take turns.

wrong, missing = 0, 0

local lengths, marker, requests, tokens, count = {}, "", {}, {}, 0
local find = string.find

local function read(name)
  local file = assert(io.open(name, "rb"))
  local content = file:read("*a")
  file:close()
  return content
end

-- wrk calls `request` for each request only where there is one: a single body needs none, and costs nothing.
local function several(files)
  for index, name in ipairs(files) do
    wrk.body = read(name)
    requests[index] = wrk.format()
  end
  return function()
    count = count + 1
    return requests[count % #requests + 1]
  end
end

local function signed(file)
  for token in io.lines(file) do tokens[#tokens + 1] = token end
  wrk.headers["Authorization"] = "Bearer @"
  local head, tail = wrk.format():match("^(.-Bearer )@(.*)$")
  return function()
    count = count + 1
    if count > #tokens then missing = missing + 1 end
    return head .. (tokens[count] or "none-left") .. tail
  end
end

function init(args)
  for length in args[1]:gmatch("%d+") do lengths[tonumber(length)] = true end
  marker = args[2]
  wrk.method, wrk.body = "POST", read(args[4])
  wrk.headers["Content-Type"] = "application/json"
  if args[3] ~= "-" then
    request = signed(args[3])
  elseif #args > 4 then
    request = several({ unpack(args, 4) })
  end
end

function response(status, _, body)
  if status ~= 200 or not lengths[#body] or not find(body, marker, 1, true) then wrong = wrong + 1 end
end

local threads = {}

function setup(thread)
  threads[#threads + 1] = thread
end

function done(summary, latency, _)
  local bad, lacked = 0, 0
  for _, thread in ipairs(threads) do bad, lacked = bad + thread:get("wrong"), lacked + thread:get("missing") end
  local errors = summary.errors
  local lost = errors.connect + errors.read + errors.write + errors.timeout
  io.write(string.format(
    '\nRESULT {"calls": %d, "microseconds": %d, "p50": %d, "p99": %d, "mean": %.1f, "wrong": %d, "lost": %d, "lacked": %d}\n',
    summary.requests, summary.duration, latency:percentile(50), latency:percentile(99), latency.mean, bad, lost, lacked))
end
