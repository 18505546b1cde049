"""OpenTimelineIO's library as the oracle: edits that it makes up, and what its objects say.

`said` describes an object of ours and one of the library's in the same words.
"""

import json

from hypothesis import strategies as st
from opentimelineio import exceptions, opentime, schema

from instrument.studio import otio_objects as ours

RATES = (23.976, 24.0, 25.0, 29.97, 30.0, 60.0)

# What C++ writes as it is: text without a nought, whole numbers of 64 bits.
names = st.text(st.characters(codec="utf-8", exclude_characters="\0"), max_size=8)
# Its reader is out by an ulp where a number has 17 digits, so these have less.
decimals = st.integers(-400_000, 400_000).map(lambda number: number / 1000)
plain = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**62), 2**62) | decimals | names,
    lambda inner: (
        st.lists(inner, max_size=2)
        | st.dictionaries(st.sampled_from(["a", "é"]), inner, max_size=2)
    ),
    max_leaves=4,
)
metadata = st.dictionaries(
    st.sampled_from(["a", "Resolve_OTIO", "latent-instrument", "é"]),
    plain | st.dictionaries(st.sampled_from(["address", "Enabled", "x"]), names, max_size=2),
    max_size=2,
)
times = st.builds(
    opentime.RationalTime,
    st.integers(0, 400) | decimals.map(abs),
    st.sampled_from(RATES),
)
ranges = st.builds(opentime.TimeRange, times, times)
maybe = st.none() | ranges
markers = st.builds(
    schema.Marker, names, ranges, metadata=metadata, comment=names,
    color=st.sampled_from([schema.MarkerColor.RED, schema.MarkerColor.GREEN]),
)  # fmt: skip
effects = st.one_of(
    st.builds(schema.Effect, names, names, metadata),
    st.builds(schema.TimeEffect, names, names, metadata),
    st.builds(schema.LinearTimeWarp, names, decimals, metadata),
    st.builds(schema.FreezeFrame, names, metadata),
)
references = st.one_of(
    st.builds(schema.MissingReference, names, maybe, metadata),
    st.builds(schema.ExternalReference, names, maybe, metadata),
    st.builds(schema.GeneratorReference, names, names, maybe, metadata=metadata),
    st.builds(
        schema.ImageSequenceReference, names, names, names, st.integers(0, 99), st.integers(1, 3),
        st.sampled_from(RATES), st.integers(0, 6), available_range=maybe, metadata=metadata,
    ),
)  # fmt: skip


@st.composite
def dressed(draw, item):
    """`item` with effects and markers, and perhaps switched off."""
    item.effects.extend(draw(st.lists(effects, max_size=2)))
    item.markers.extend(draw(st.lists(markers, max_size=2)))
    item.enabled = draw(st.booleans())
    item.metadata.update(draw(metadata))
    return item


@st.composite
def clips(draw):
    clip = schema.Clip(draw(names), source_range=draw(maybe))
    held = draw(st.dictionaries(st.sampled_from(["DEFAULT_MEDIA", "proxy", "é"]), references))
    if held:
        clip.set_media_references(held, draw(st.sampled_from(sorted(held))))
    elif draw(st.booleans()):
        clip.media_reference = None
    return draw(dressed(clip))


gaps = st.builds(lambda span: schema.Gap(source_range=span), ranges).flatmap(dressed)
transitions = st.builds(
    schema.Transition, names, st.sampled_from(["SMPTE_Dissolve", "Custom", ""]), times, times
)


def compositions(children):
    """Tracks and stacks of `children`, with transitions anywhere."""
    rows = st.lists(children | transitions, max_size=4)
    kinds = st.sampled_from(["Video", "Audio", "x"])

    def filled(made, held):
        made.extend(held)
        return made

    tracks = st.builds(lambda name, span, kind: schema.Track(name, None, span, kind), names,
                       maybe, kinds)  # fmt: skip
    stacks = st.builds(lambda name, span: schema.Stack(name, None, span), names, maybe)
    return st.builds(filled, tracks | stacks, rows).flatmap(dressed)


items = st.recursive(clips() | gaps, compositions, max_leaves=6)


@st.composite
def timelines(draw):
    timeline = schema.Timeline(draw(names), global_start_time=draw(st.none() | times))
    for _ in range(draw(st.integers(0, 3))):
        track = schema.Track(draw(names), kind=draw(st.sampled_from(["Video", "Audio"])))
        track.extend(draw(st.lists(items | transitions, max_size=4)))
        timeline.tracks.append(track)
    draw(dressed(timeline.tracks))
    return timeline


_ITEM = ("name", "source_range", "effects", "markers", "enabled", "available_range")
_FIELDS = {
    "RationalTime": ("value", "rate"),
    "TimeRange": ("start_time", "duration"),
    "Timeline": ("name", "global_start_time", "tracks"),
    "Transition": ("name", "transition_type", "in_offset", "out_offset", "duration"),
    "Clip": (*_ITEM, "media_reference", "media_references", "active_media_reference_key"),
    "Gap": _ITEM,
    "Track": (*_ITEM, "kind", "children"),
    "Stack": (*_ITEM, "children"),
    "Effect": ("name", "effect_name", "enabled", "resolve"),
    "TimeEffect": ("name", "effect_name", "enabled", "resolve"),
    "LinearTimeWarp": ("name", "effect_name", "enabled", "resolve", "time_scalar"),
    "Marker": ("name", "marked_range", "comment", "address"),
    "MediaReference": ("name", "available_range"),
    "ExternalReference": ("name", "available_range", "target_url"),
    "GeneratorReference": ("name", "available_range", "generator_kind"),
    "ImageSequenceReference": (
        "name", "available_range", "target_url_base", "name_prefix", "name_suffix",
    ),
    "SerializableCollection": ("name", "children"),
}  # fmt: skip
_CALLED = {"FreezeFrame": "LinearTimeWarp", "MissingReference": "MediaReference"}


def said(thing):
    """What an object says that the instrument reads: one of ours, or one of the library's."""
    if isinstance(thing, list | tuple):
        return [said(one) for one in thing]
    if isinstance(thing, dict):
        return {key: said(one) for key, one in thing.items()}
    kind = _CALLED.get(type(thing).__name__, type(thing).__name__)
    if kind not in _FIELDS:
        return thing
    return kind, {name: said(_field(thing, name)) for name in _FIELDS[kind]}


def _field(thing, name):
    if type(thing).__module__ == ours.__name__:
        held = getattr(thing, name)
    elif name == "children":
        return list(thing)
    elif name in ("resolve", "address"):
        return _own(thing, name)
    else:
        held = getattr(thing, name)
        held = list(held) if name in ("effects", "markers") else held
    try:
        return held() if callable(held) else held
    except (exceptions.OTIOError, NotImplementedError):
        return None  # it has no range


def _own(thing, name):
    """What of the library's metadata ours keep."""
    key = "Resolve_OTIO" if name == "resolve" else "latent-instrument"
    held = json.loads(thing.to_json_string())["metadata"].get(key)
    if name == "resolve":
        return held if isinstance(held, dict) else {}
    return held.get("address", "") if isinstance(held, dict) else None
