"""Near-lossless PNG pixels: each a little off, so that the filter "average" leaves few values.

PNG predicts a sample from its left and upper neighbours and packs what is missing. Here what is
missing is rounded to multiples of a step while the picture is walked through, so that the error of
one sample never reaches the next; rounding leans to zero, and parts of an error are handed on to
the neighbours, which moves it to high frequencies, where it is seen least. Calm blocks get half of
the step that busy ones hide, and flat ones next to nothing. Alpha is left as it is.

The loop is Lua, which LuaJIT compiles: 40 ms a megapixel on any CPU, and no binary of our own.
"""

import ctypes
from collections.abc import Sequence
from functools import cache
from typing import Any, Final

from PIL import Image, ImageChops, ImageFilter

STEPS: Final = range(2, 13)
"""The steps that are worth a try: of calm blocks; busy ones get twice as much."""

_BLOCK: Final = 4
_RADIUS: Final = 2
# Mean distances from a 5 x 5 mean, of 255: from the first on noise hides an error, from the second
# on twice as much. Below both is the clean sky in which one sees everything.
_CALM: Final = 1
_BUSY: Final = 3
_KINDS: Final = range(3)
_MOST_WHERE_FLAT: Final = 4
_CHANNELS: Final = {"L": 1, "LA": 2, "RGB": 3, "RGBA": 4}
_ALREADY: Final = 0.9
_ENOUGH: Final = 0.02

_LUA: Final = """
local ffi = require("ffi")
local band, rshift, arshift = bit.band, bit.rshift, bit.arshift

local function rounding(step)
  local values = ffi.new("int16_t[2048]")
  local lean = math.floor(step * 3 / 8)
  for r = -1024, 1023 do
    local size = math.floor((math.abs(r) + lean) / step) * step
    values[r + 1024] = r < 0 and -size or size
  end
  return values
end

local function quantise(samples, kinds, errors, width, height, channels, colours, flat, calm, busy)
  local x = ffi.cast("uint8_t *", samples)
  local kind = ffi.cast("uint8_t *", kinds)
  local above_errors = ffi.cast("int16_t *", errors)
  local of_flat, of_calm, of_busy = rounding(flat), rounding(calm), rounding(busy)
  local stride = width * channels
  local across = rshift(width + 3, 2)
  for y = 0, height - 1 do
    local blocks = rshift(y, 2) * across
    local first = y == 0
    for channel = 0, colours - 1 do
      local left, left_error = 0, 0
      local at = y * stride + channel
      local from = channel
      for column = 0, width - 1 do
        local rounded, most = of_busy, busy
        local block = kind[blocks + rshift(column, 2)]
        if block == 0 then rounded, most = of_flat, flat
        elseif block == 1 then rounded, most = of_calm, calm end
        local above, sample = 0, x[at]
        if not first then above = x[at - stride] end
        local predicted = rshift(left + above, 1)
        local wanted = sample + arshift(20 * left_error + 12 * above_errors[from] + 32, 6)
        local value = predicted + rounded[wanted - predicted + 1024]
        if value < 0 or value > 255 then value = sample end
        local off = wanted - value
        if off > most then off = most elseif off < -most then off = -most end
        above_errors[from] = off
        left_error, left = off, value
        x[at] = value
        at = at + channels
        from = from + channels
      end
    end
  end
end

local function count_residuals(samples, kinds, counts, width, height, channels, colours)
  local x = ffi.cast("uint8_t *", samples)
  local kind = ffi.cast("uint8_t *", kinds)
  local count = ffi.cast("uint32_t *", counts)
  local stride = width * channels
  local across = rshift(width + 3, 2)
  for y = 1, height - 1 do
    local blocks = rshift(y, 2) * across
    for channel = 0, colours - 1 do
      local at = y * stride + channel
      local left = 0
      for column = 0, width - 1 do
        local value = x[at]
        local slot = value - rshift(left + x[at - stride], 1) + 256
        slot = slot + 512 * kind[blocks + rshift(column, 2)]
        count[slot] = count[slot] + 1
        left = value
        at = at + channels
      end
    end
  end
end

return quantise, count_residuals
"""


class NearLossless:
    """A picture whose samples can be rounded; raises `ImportError` where there is no LuaJIT."""

    def __init__(self, picture: Image.Image) -> None:
        self._quantise, self._count = _compiled()
        self._mode, self._size = picture.mode, picture.size
        self._samples = picture.tobytes()
        self._kinds = bytearray(_kinds_of_blocks(picture))

    @property
    def is_done_already(self) -> bool:
        """Whether this picture was rounded so before; another time would add to the first.

        In blocks of one kind what a filter finds missing is then multiples of one step.
        """
        counts = (ctypes.c_uint32 * (512 * len(_KINDS)))()
        samples = bytearray(self._samples)
        self._count(
            _address(samples),
            _address(self._kinds),
            ctypes.addressof(counts),
            *self._size,
            *self._channels,
        )
        return any(
            _are_multiples(counts[512 * kind : 512 * (kind + 1)], len(samples)) for kind in _KINDS
        )

    def rounded(self, step: int) -> Image.Image:
        """The picture with steps of `step` in calm blocks, twice as much in busy ones."""
        samples = bytearray(self._samples)
        errors = bytearray(2 * self._size[0] * self._channels[0])
        self._quantise(
            _address(samples),
            _address(self._kinds),
            _address(errors),
            *self._size,
            *self._channels,
            min(step, _MOST_WHERE_FLAT),
            step,
            2 * step,
        )
        return Image.frombytes(self._mode, self._size, bytes(samples))

    @property
    def _channels(self) -> tuple[int, int]:
        """All, and those that are colours."""
        channels = _CHANNELS[self._mode]
        return channels, channels - (channels + 1) % 2


@cache
def _compiled() -> tuple[Any, Any]:
    from lupa import luajit21  # noqa: PLC0415 - optional: without it there are other candidates

    runtime = luajit21.LuaRuntime(unpack_returned_tuples=True, register_eval=False)
    quantise, count = runtime.execute(_LUA)
    return quantise, count


def _address(data: bytearray) -> int:
    return ctypes.addressof((ctypes.c_uint8 * len(data)).from_buffer(data))


def _kinds_of_blocks(picture: Image.Image) -> bytes:
    """One byte a block of 4 x 4: 0 flat, 1 calm, 2 busy."""
    grey = picture.convert("L")
    distance = ImageChops.difference(grey, grey.filter(ImageFilter.BoxBlur(_RADIUS)))
    kinds = [(value >= _CALM) + (value >= _BUSY) for value in range(256)]
    return distance.reduce(_BLOCK).point(kinds).tobytes()


def _are_multiples(counts: Sequence[int], samples: int) -> bool:
    """Whether nearly all that is missing, but for nothing, is a multiple of some step."""
    missing = {slot - 256: count for slot, count in enumerate(counts) if count and slot != 256}
    total = sum(missing.values())
    return total > _ENOUGH * samples and any(
        sum(count for value, count in missing.items() if value % step == 0) > _ALREADY * total
        for step in STEPS
    )
