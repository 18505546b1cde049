"""OpenTimelineIO's text → objects: what the library says of it, and damage that took it down."""

import json
import subprocess
import sys

import edit_oracle as oracle
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from opentimelineio import core, schema
from otio_oracle import items, said, timelines

from instrument import InstrumentError
from instrument.studio import otio, otio_document, otio_json
from instrument.studio.otio_document import document_of

LINES = (oracle.EDITS / "nle.otio").read_text().splitlines(keepends=True)


def time(value, rate=30):
    return {"OTIO_SCHEMA": "RationalTime.1", "value": value, "rate": rate}


def span(start, lasts):
    return {"OTIO_SCHEMA": "TimeRange.1", "start_time": time(start), "duration": time(lasts)}


def clip(name="proxyA", start=0, lasts=10, **more):
    return {"OTIO_SCHEMA": "Clip.1", "name": name, "source_range": span(start, lasts), **more}


def track(*children, **more):
    kept = {"OTIO_SCHEMA": "Track.1", "name": "V1", "kind": "Video"}
    return {**kept, "children": list(children), **more}


def document(thing):
    return document_of(thing if isinstance(thing, bytes) else json.dumps(thing).encode())


def content(thing):
    return said(document(thing).content)


@settings(max_examples=150, deadline=None)
@given(timelines())
def test_it_says_what_the_library_says(timeline):
    read = document_of(timeline.to_json_string().encode())
    assert said(read.content) == said(timeline)
    assert read.remarks == ()


@settings(max_examples=60, deadline=None)
@given(st.lists(items, max_size=3))
def test_and_so_do_bare_items_and_collections(held):
    for item in held:
        assert content(item.to_json_string().encode()) == said(item)
    collection = schema.SerializableCollection("c", held)
    assert content(collection.to_json_string().encode()) == said(collection)


def respelt(node, spell):
    """A document with `spell` done to every object of it."""
    if isinstance(node, list):
        return [respelt(one, spell) for one in node]
    if not isinstance(node, dict):
        return node
    return spell({key: respelt(one, spell) for key, one in node.items()})


def as_it_was(node):
    old = {"Track.1": "Sequence.1", "Gap.1": "Filler.1", "Marker.2": "Marker.1"}
    if node.get("OTIO_SCHEMA") == "Marker.2":
        node["range"] = node.pop("marked_range")
    if node.get("OTIO_SCHEMA") in old:
        node["OTIO_SCHEMA"] = old[node["OTIO_SCHEMA"]]
    return node


@settings(max_examples=60, deadline=None)
@given(timelines())
def test_older_versions_say_the_same(timeline):
    written = timeline.to_json_string()
    older = respelt(json.loads(written), as_it_was)
    assert content(older) == content(written.encode())
    assert document(older).remarks == ()
    assert said(timeline) == said(core.deserialize_json_from_string(json.dumps(older)))


@settings(max_examples=60, deadline=None)
@given(timelines())
def test_clips_of_one_reference_as_the_library_writes_and_reads_them(timeline):
    older = core.serialize_json_to_string(timeline, {"Clip": 1})
    assert content(older.encode()) == said(core.deserialize_json_from_string(older))


def test_collections_were_once_misspelt():
    old = {"OTIO_SCHEMA": "SerializeableCollection.1", "name": "c", "children": [clip()]}
    assert content(old)[1]["children"] == [content(clip())]


@settings(max_examples=40, deadline=None)
@given(timelines())
def test_newer_versions_are_read_as_far_as_they_are_known(timeline):
    def newer(node):
        name, _, version = node.get("OTIO_SCHEMA", "").rpartition(".")
        return node | {"OTIO_SCHEMA": f"{name}.{int(version) + 1}", "new": [1]} if name else node

    written = json.loads(timeline.to_json_string())
    read = document(respelt(written, newer))
    assert said(read.content) == content(written)
    assert {r.verdict for r in read.remarks} == {"approximated"}
    assert "Timeline.2 is newer than Timeline.1" in " ".join(r.what for r in read.remarks)


@pytest.mark.parametrize("kind", ["Foo.1", "UnknownSchema.1", "Composable.1", "Item.1"])
def test_what_nobody_knows_is_told_and_keeps_its_place(tmp_path, kind):
    foreign = {"OTIO_SCHEMA": kind, "source_range": span(0, 4), "children": 5, "name": 7}
    path = tmp_path / "e.otio"
    path.write_text(json.dumps(track(clip(lasts=3), foreign, clip("proxyB", lasts=2))))
    made = otio.read(path)
    assert oracle.indexes(made) == [0, 1, 2, None, None, None, None, 5000, 5001]
    name = kind.partition(".")[0]
    told = [(r.verdict, r.what, r.record.start, r.record.stop) for r in made.remarks]
    assert told == [("refused", f"a {name} on a track", 3, 7)]
    foreign["source_range"] = "a day"  # and then it takes no time
    path.write_text(json.dumps(track(clip(lasts=3), foreign, clip("proxyB", lasts=2))))
    made = otio.read(path)
    assert oracle.indexes(made) == [0, 1, 2, 5000, 5001]
    assert [(r.verdict, r.record) for r in made.remarks] == [("refused", None)]


def test_what_plug_ins_hang_on_clips_is_told(tmp_path):
    foreign = {"OTIO_SCHEMA": "Foo.1"}
    one = clip(effects=[foreign], markers=[foreign], media_reference=foreign)
    path = tmp_path / "e.otio"
    path.write_text(json.dumps(track(one)))
    made = otio.read(path)
    assert oracle.indexes(made) == list(range(10))
    assert [(r.verdict, r.what) for r in made.remarks] == [
        ("refused", "effect Foo"),
        ("refused", "a Foo among the markers: left out"),
        ("approximated", "footage by a Foo: looked for by its name alone"),
    ]


WRONG = [
    (clip(source_range=5), "Clip 'proxyA': source_range: 5, must be a TimeRange"),
    (clip(source_range=time(1)), "source_range: a 'RationalTime.1', must be a TimeRange"),
    (clip(start="x"), "Clip 'proxyA': source_range: start_time: value: 'x', must be a number"),
    (clip(lasts=True), "source_range: duration: value: True, must be a number"),
    (clip(lasts=None), "duration: value: null, must be a number"),
    (clip(lasts=10**400), "must be a number that can be counted to"),
    (clip(source_range={"OTIO_SCHEMA": "TimeRange.1"}), "start_time: missing, must be a Rational"),
    (clip(name=7), "Clip: name: 7, must be text"),
    (clip(name="\ud800"), r"name: '\\ud800', must be text"),
    (clip(enabled=1), "Clip 'proxyA': enabled: 1, must be true or false"),
    (clip(effects=None), "Clip 'proxyA': effects: null, must be a list"),
    (clip(effects=[{}]), r"Clip 'proxyA': effects\[0\]: an object, must be an effect"),
    (clip(effects=[{"OTIO_SCHEMA": "Effect.1"}]), "effect_name: missing, must be text"),
    (
        clip(effects=[{"OTIO_SCHEMA": "LinearTimeWarp.1", "effect_name": "", "time_scalar": "2"}]),
        r"effects\[0\]: time_scalar: '2', must be a number",
    ),
    (clip(markers=[time(3)]), r"markers\[0\]: a 'RationalTime.1', must be a marker"),
    (clip(markers=[{"OTIO_SCHEMA": "Marker.2"}]), "marked_range: missing, must be a TimeRange"),
    (clip(markers=[{"OTIO_SCHEMA": "Marker.1"}]), "range: missing, must be a TimeRange"),
    (
        clip(media_reference={"OTIO_SCHEMA": "ExternalReference.1"}),
        "Clip 'proxyA': media reference 'DEFAULT_MEDIA': target_url: missing, must be text",
    ),
    (clip(media_reference=clip()), "a 'Clip.1', must be a media reference"),
    (clip(OTIO_SCHEMA="Clip.2"), "media_references: missing, must be an object"),
    (
        clip(OTIO_SCHEMA="Clip.2", media_references={}),
        "active_media_reference_key: missing, must be text",
    ),
    (clip(OTIO_SCHEMA="Clip"), "OTIO_SCHEMA: 'Clip', must be a name, a dot and a version"),
    (clip(OTIO_SCHEMA=["Clip.1"]), "OTIO_SCHEMA: a list, must be a name"),
    (clip(OTIO_SCHEMA="Clip\n.1"), r"OTIO_SCHEMA: 'Clip\\n.1', must be"),
    (track(children=None), "Track 'V1': children: null, must be a list"),
    (track(kind=3), "Track 'V1': kind: 3, must be text"),
    (track(clip(), {}), r"Track 'V1': children\[1\]: an object, must be a clip, gap"),
    (track(clip(), None), r"Track 'V1': children\[1\]: null, must be a clip, gap"),
    (track(clip(name=" ", enabled=0)), r"Track 'V1': children\[0\]: Clip: enabled: 0"),
    (track(clip(name="a", enabled=0)), "^Clip 'a': enabled: 0"),
    (track({"OTIO_SCHEMA": "Timeline.1", "tracks": 1}), "a 'Timeline.1', must be a clip"),
    (
        track({"OTIO_SCHEMA": "Transition.1", "name": "mix", "transition_type": ""}),
        "Transition 'mix': in_offset: missing, must be a RationalTime",
    ),
    ({"OTIO_SCHEMA": "Timeline.1"}, "Timeline: tracks: missing, must be a Stack"),
    ({"OTIO_SCHEMA": "Timeline.1", "tracks": track()}, "tracks: a 'Track.1', must be a Stack"),
    (
        {"OTIO_SCHEMA": "SerializableCollection.1", "children": [clip(), 5]},
        r"children\[1\]: 5, must be an object with an OTIO_SCHEMA",
    ),
    (clip(effects=[{"OTIO_SCHEMA": "Effect.1", "effect_name": "", "metadata": 1}]), "metadata: 1"),
]


@pytest.mark.parametrize(("thing", "reason"), WRONG, ids=[reason[:40] for _, reason in WRONG])
def test_what_is_wrong_is_named_by_object_and_key(thing, reason):
    with pytest.raises(InstrumentError, match=reason) as caught:
        document(thing)
    assert "\n" not in str(caught.value)


def without_and_again(start, stop, times):
    """The edit of the other tests with some lines so many times."""
    return "".join(LINES[:start] + LINES[start:stop] * times + LINES[stop:]).encode()


def test_what_took_the_librarys_decoder_down():
    """Signal 11, or an exit of the whole process in the middle of a sentence."""
    for text in (b'{"OTIO_SCHEMA": "UnknownSchema.1"}', b'{"OTIO_SCHEMA": "UnknownSchema.9"}'):
        with pytest.raises(InstrumentError, match="holds a UnknownSchema, allowed is a Timeline"):
            otio.timeline_in(text, oracle.EDITS / "e.otio")
    # An older clip with what only newer ones have: there is no doubt what it means.
    media = {"DEFAULT_MEDIA": {"OTIO_SCHEMA": "ExternalReference.1", "target_url": "a.mp4"}}
    read = clip(media_references=media, active_media_reference_key="DEFAULT_MEDIA")
    newer = read | {"OTIO_SCHEMA": "Clip.2"}
    assert content(read) == content(newer)
    with pytest.raises(InstrumentError, match="'OTIO_SCHEMA' of 'tracks' stands twice"):
        document(without_and_again(5, 13, 3))
    with pytest.raises(InstrumentError, match="not OpenTimelineIO"):
        document(without_and_again(44, 45, 0))


@pytest.mark.parametrize("key", ["media_references", "source_range", "name", "children"])
def test_a_key_that_stands_twice_is_refused_by_name(key):
    text = "".join(LINES)
    place = text.index(f'"{key}"', text.index('"Clip.2"') if key != "children" else 0)
    for again in (f'"{key}": null, ', f'"{key}": "x", '):
        with pytest.raises(InstrumentError, match=f"key '{key}'.* stands twice"):
            document((text[:place] + again + text[place:]).encode())


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        (b"[" * 401 + b"]" * 401, "nest deeper than 400"),
        (b'["]",' * 401 + b"1" + b"]" * 401, "nest deeper than 400"),  # hidden by text
        (b'["\\\\\\"]",' * 401 + b"1" + b"]" * 401, "nest deeper than 400"),
        (b'["\\\\",' * 401 + b"1" + b"]" * 401, "nest deeper than 400"),
        (b'{"a":' * 401, "nest deeper than 400"),
        (b'{"a":' * 300, "not OpenTimelineIO"),
        (b'["' + b"[" * 9000 + b'"]', "holds a list"),
        (b"[" + b"{}," * (2 << 20) + b"{}]", "than any edit has"),
        (b"[" + b"0," * (6 << 20) + b"0, 0]", "than any edit has"),
        (b"1" * 5000, "not OpenTimelineIO"),
        (b'{"OTIO_SCHEMA": "Clip.1"} {}', "not OpenTimelineIO"),
        (b'{"OTIO_SCHEMA": "Clip.1"}\0', "not OpenTimelineIO"),
        ('{"OTIO_SCHEMA": "Clip.1"}'.encode("utf-16"), "not UTF-8"),
        (b'{"OTIO_SCHEMA": "Clip.1", "x": "\x01"}', "not OpenTimelineIO"),
        (b"null", "holds null, allowed is a Timeline"),
    ],
    ids=range(15),
)
def test_what_is_too_much_and_what_is_none(text, reason):
    with pytest.raises(InstrumentError, match=reason):
        document(text)


def test_where_python_itself_goes_no_deeper(monkeypatch):
    monkeypatch.setattr(otio_json, "DEEPEST", 1 << 20)
    with pytest.raises(InstrumentError, match="nest deeper than can be read"):
        document(b"[" * 100_000 + b"]" * 100_000)


def test_too_many_kinds_of_objects():
    with pytest.raises(InstrumentError, match="more than 1000 different schemas"):
        document(track(*({"OTIO_SCHEMA": f"Foo{n}.1"} for n in range(1001))))


def test_too_many_things_of_any_kind(monkeypatch):
    """Counted before they are read, so that a file of nothing else is refused at once."""
    blur = {"OTIO_SCHEMA": "Effect.1", "effect_name": "blur"}
    document(clip(effects=[blur] * 100))
    with pytest.raises(InstrumentError, match="Clip 'proxyA': effects: 101, allowed are 100"):
        document(clip(effects=[blur] * 101))
    monkeypatch.setattr(otio_document, "MOST", 3)
    monkeypatch.setattr(otio_document, "MOST_HUNG", 5)
    document(track(clip(), clip(effects=[blur] * 2), track(kind="Audio")))
    for nested in (clip(), track(clip(), kind="Audio"), track(5)):
        with pytest.raises(InstrumentError, match="more than 3 things on its tracks"):
            document(track(clip(), clip(), track(nested)))
    for one in (clip(effects=[blur] * 4), clip(markers=[5] * 4)):
        with pytest.raises(InstrumentError, match="more than 5 effects, markers and references"):
            document(track(clip(), one))
    with pytest.raises(InstrumentError, match="more than 3 things"):
        document({"OTIO_SCHEMA": "SerializableCollection.1", "children": [clip()] * 4})


@pytest.mark.parametrize("rows", ["Key Frames", "Parameters"])
def test_too_many_rows_of_resolves(rows):
    own = {"Resolve_OTIO": {rows: [[0, 0]] * 10_001}}
    effect = {"OTIO_SCHEMA": "TimeEffect.1", "effect_name": "", "metadata": own}
    if rows == "Parameters":
        effect["OTIO_SCHEMA"] = "Effect.1"
    text = json.dumps(track(clip(effects=[effect]))).encode()
    with pytest.raises(InstrumentError, match=f"{rows}: 10001 rows, allowed are 10000"):
        otio.timeline_in(text, oracle.EDITS / "e.otio")


@pytest.mark.parametrize(
    ("parameters", "told"),
    [
        (10**400, ["effect without a name: z"]),
        ("x", ["effect without a name: z"]),
        (5, ["effect without a name: z"]),
        ({"Parameter ID": ["z"]}, ["effect without a name: without a name"]),
        ({"Parameter ID": "\ud800\n"}, ["effect without a name: ?"]),
        ([5, None, {}], []),
    ],
)
def test_what_resolve_never_wrote_into_its_effects(parameters, told):
    if not isinstance(parameters, list):
        row = {"Parameter ID": "z", "Parameter Value": parameters}
        parameters = [parameters if isinstance(parameters, dict) else row]
    own = {"Resolve_OTIO": {"Effect Name": 7, "Parameters": parameters}}
    effect = {"OTIO_SCHEMA": "Effect.1", "effect_name": "", "metadata": own}
    made = otio.timeline_in(json.dumps(track(clip(effects=[effect]))).encode(), oracle.EDITS)
    assert [r.what for r in made.remarks] == told


def test_a_mark_before_the_text_and_numbers_of_any_kind_are_read():
    text = json.dumps(clip(lasts=10)).encode()
    assert content(b"\xef\xbb\xbf" + text) == content(clip(lasts=10.0))
    # The library's decoder reads 90.39248373937664.
    assert document(clip(lasts=90.39248373937663)).content.duration().value == 90.39248373937663


ODD = [None, True, -1, 1e308, 2**70, float("nan"), "", "x", [], {}, [None]] + [
    {"OTIO_SCHEMA": f"{name}.{version}"} for name, version in (
        ("Clip", 1), ("Clip", 2), ("Clip", 99), ("Gap", 1), ("Foo", 1), ("Stack", 1),
        ("Track", 1), ("UnknownSchema", 1), ("Effect", 1), ("TimeRange", 1), ("Marker", 1),
    )
]  # fmt: skip


@settings(max_examples=300, deadline=None)
@given(st.data())
def test_objects_put_where_others_belong(data):
    """Read, or refused in one line: values lost, doubled, and put in each other's place."""
    root = json.loads("".join(LINES))
    for _ in range(data.draw(st.integers(1, 4))):
        places = list(_places(root))
        held, key = data.draw(st.sampled_from(places))
        change = data.draw(st.sampled_from(["lose", "odd", "other", "schema"]))
        other, there = data.draw(st.sampled_from(places))
        if change == "lose":
            del held[key]
        elif change == "odd":
            held[key] = json.loads(json.dumps(data.draw(st.sampled_from(ODD))))  # lists are changed
        elif change == "other":
            held[key] = json.loads(json.dumps(other[there]))
        elif isinstance(held, dict) and isinstance(other, dict) and "OTIO_SCHEMA" in other:
            held["OTIO_SCHEMA"] = other["OTIO_SCHEMA"]
    try:
        made = otio.timeline_in(json.dumps(root).encode(), oracle.EDITS / "e.otio")
    except InstrumentError as error:
        assert "\n" not in str(error)
    else:
        assert made.length >= 0


def _places(node):
    """Everything in a document, as what holds it and the key."""
    for key in list(node if isinstance(node, dict) else range(len(node))):
        yield node, key
        if isinstance(node[key], dict | list):
            yield from _places(node[key])


def test_the_library_is_not_even_loaded():
    """Neither its decoder nor its plug-ins can be asked where it is not there."""
    program = (
        "import sys; from pathlib import Path; from instrument.studio.edits import read_edit;"
        "made = read_edit(Path(sys.argv[1])); assert made.length > 100;"
        "assert not [name for name in sys.modules if 'opentime' in name]"
    )
    subprocess.run([sys.executable, "-c", program, oracle.EDITS / "nle.otio"], check=True)
