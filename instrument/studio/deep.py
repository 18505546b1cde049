"""Single pictures deeper than 8 bits, as files and back: PNG of 16 bits, EXR of floats.

What is written here is sRGB code values; an EXR holds linear light, as everybody who opens one
expects. PyAV's half floats cannot be read back by it, so an EXR here has whole ones.
"""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
from av.codec.context import CodecContext
from av.video.codeccontext import VideoCodecContext
from av.video.reformatter import ColorPrimaries, ColorTrc
from numpy.typing import NDArray

from instrument import InstrumentError
from instrument.latent.space import F32
from instrument.studio.light import to_code, to_linear

U16 = NDArray[np.uint16]
_SRGB = ColorTrc.IEC61966_2_1


def png_of(pixels: U16) -> bytes:
    """A PNG file of ``U16[h, w, 3]`` code values, tagged sRGB."""
    return _encoded(pixels, "png", "rgb48le", "rgb48be", {"compression_level": "1"}, _SRGB)


def exr_of(pixels: F32) -> bytes:
    """An EXR file of ``F32[h, w, 3]`` code values: 32 bit floats in linear light, BT.709."""
    options = {"format": "float", "compression": "zip16"}
    return _encoded(to_linear(pixels), "exr", "gbrpf32le", "gbrpf32le", options, ColorTrc.LINEAR)


def _encoded(
    pixels: NDArray[Any], encoder: str, given: str, written: str, options: dict[str, str],
    curve: ColorTrc,
) -> bytes:  # fmt: skip
    context = CodecContext.create(encoder, "w")
    assert isinstance(context, VideoCodecContext)
    context.height, context.width = pixels.shape[:2]
    context.pix_fmt = written
    context.time_base = Fraction(1, 25)
    context.options = options
    context.color_primaries, context.color_trc = ColorPrimaries.BT709, curve
    frame = av.VideoFrame.from_ndarray(np.ascontiguousarray(pixels), format=given)
    if given != written:
        frame = frame.reformat(format=written)
    frame.color_primaries, frame.color_trc = ColorPrimaries.BT709, curve
    return b"".join(bytes(packet) for pass_ in (frame, None) for packet in context.encode(pass_))


def read_deep(path: Path) -> U16 | F32:
    """The code values of a file: ``U16[h, w, 3]`` of a PNG, ``F32[h, w, 3]`` of an EXR.

    Raises InstrumentError naming the file.
    """
    try:
        with av.open(str(path), metadata_errors="replace") as container:
            frame = next(container.decode(video=0))
            if path.suffix.lower() == ".exr":
                linear = np.asarray(frame.to_ndarray(format="gbrpf32le"), np.float32)
                return to_code(np.maximum(linear, 0))
            return np.asarray(frame.to_ndarray(format="rgb48le"), np.uint16)
    except (av.FFmpegError, OSError, IndexError, StopIteration) as error:
        raise InstrumentError(f"{path}: not a picture that can be read") from error
