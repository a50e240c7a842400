"""The codecs, one function each; `imagepress.codec_table` lists them. Only their process imports.

A codec takes a `CodecRequest`: it reads the file `source`, writes the file `output` in the same
format, and has it verified. It raises `RowSkipped` for what must not be touched and `RowFailed`
for a damaged image.
"""

import importlib
from collections.abc import Callable
from typing import cast

from imagepress.codec_protocol import CodecRequest, Encoded, SampleRequest
from imagepress.codec_table import codec_named
from imagepress.errors import RowFailed
from imagepress.outcome import FailureCode
from imagepress.sample import Sample

type Codec = Callable[[CodecRequest], Encoded]


def answer(request: CodecRequest | SampleRequest) -> Encoded | Sample:
    """Do what is asked for."""
    if isinstance(request, SampleRequest):
        pair = importlib.import_module("imagepress.codecs.sample_pair")
        return cast("Sample", pair.make_sample(request))
    return compress(request)


def compress(request: CodecRequest) -> Encoded:
    """Have `request` done by the codec that it names."""
    entry = codec_named(request.codec, request.header.format)
    try:
        codec = cast("Codec", getattr(importlib.import_module(entry.module), entry.function))
    except ImportError as error:
        raise RowFailed(
            FailureCode.CODEC_CRASHED, f"The codec {entry.name} cannot be loaded: {error}."
        ) from None
    return codec(request)
