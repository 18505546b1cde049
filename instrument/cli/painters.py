"""The models of a film, at the size they are to paint, as one decoder."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from instrument import InstrumentError
from instrument.cli.presented import Presented
from instrument.decoder.crossfade import CrossfadeDecoder
from instrument.decoder.models import ModelManifest, ProceduralDetails, TestcardDetails
from instrument.decoder.protocol import Decoder, DecoderSpec
from instrument.display.finish import finish, finish_fine
from instrument.display.look import Look
from instrument.frame import U8
from instrument.latent.space import F32, LatentSpec

_LARGEST_SIDE = 16384

Playing = Mapping[int, ModelManifest]


def painters_for(
    playing: Playing, presented: Presented, supersample: int | None
) -> tuple[Playing, int]:
    """`playing`, to be painted `supersample` times larger than the film shows it; and how much.

    Raises InstrumentError naming a model that paints one size and no other.
    """
    if supersample is None:
        return playing, 1
    for manifest in playing.values():
        if not isinstance(manifest.details, ProceduralDetails | TestcardDetails):
            height, width = manifest.size
            raise InstrumentError(
                f"supersample: {manifest.name} paints {width}x{height} pixels and no other size; "
                f"allowed are models of any size, as procedural"
            )
    if len(playing) > 1:
        raise InstrumentError(f"supersample: {len(playing)} models play, allowed is one")
    return {
        number: _larger(m, presented, supersample) for number, m in playing.items()
    }, supersample


def _larger(manifest: ModelManifest, presented: Presented, factor: int) -> ModelManifest:
    """`manifest` at `factor` times the size at which the film shows it."""
    (height, width), (across, down) = manifest.size, presented.size
    choose = max if presented.fit == "fill" else min
    scale = choose(across / width, down / height)
    size = (factor * max(1, round(height * scale)), factor * max(1, round(width * scale)))
    if max(size) > _LARGEST_SIDE:
        raise InstrumentError(
            f"supersample {factor}: would paint {size[1]}x{size[0]}, sides must be at most "
            f"{_LARGEST_SIDE}"
        )
    return replace(manifest, size=size)


def open_painters(
    latent: LatentSpec, sha256: str, playing: Playing, presented: Presented
) -> Decoder:
    """One decoder for all rows, ``[*latent.shape]``: the model that plays, or as many as do.

    Several are known by the `sha256` of the first.
    """
    from instrument.decoder.runtime import open_decoder  # torch: only when it is needed

    decoders = {number: open_decoder(manifest) for number, manifest in playing.items()}
    if len(decoders) == 1:
        return next(iter(decoders.values()))
    name = " + ".join(manifest.name for manifest in playing.values())
    width, height = presented.size
    spec = DecoderSpec(name, latent, (height, width), sha256)
    look = Look(fit=presented.fit)

    def place(picture: U8) -> U8:
        return finish(picture, look, presented.size)

    def place_fine(picture: F32) -> F32:
        return finish_fine(picture, look, presented.size, presented.upscale)

    return CrossfadeDecoder(spec, decoders, place, place_fine)
