"""``[[lfo]]`` and ``[[modulation]]`` in a preset: every mistake is one line that names its line."""

import re

import pytest
from stages import bank_of_four, event, performer_of, play

from instrument import InstrumentError
from instrument.performance.modulation import Modulation, Routing
from instrument.performance.preset import compose, preset_from_text

GOOD = """\
format = "preset/1"
model = "procedural"
bank = "four"

[parameters]
"/master/gain" = 0.5
"/lfo/breath/rate" = 0.25

[[lfo]]
name = "breath"
rate = 0.2 # a long one
shape = "sine"

[[lfo]] # with the beat
name = "pulse"
shape = "square"
beats = 4
width = 0.25

[[modulation]]
source = "/lfo/breath"
target = "/master/gain"
depth = 0.3
bipolar = true

[[modulation]] # the bass
source = "/audio/in/low"
target = "/noise/strength"
depth = 0.5
release = 0.2
name = "bass"

[[modulation]]
source = "/lfo/pulse"
target = "/lfo/breath/rate"
depth = -0.1
grace = 0

[[binding]]
source = "/midi/generic/cc/1"
target = "/modulation/bass/depth"
"""


def composed(text: str):
    return compose(preset_from_text(text, "show.toml"), bank_of_four())


def test_a_preset_of_them_plays() -> None:
    performer = composed(GOOD)
    (p,) = play(performer, [0.0])
    assert performer.value(p, "/lfo/breath/rate") == pytest.approx(0.25 * (30 / 0.001) ** -0.1)
    script = [event(0.1, "/audio/in/low", 1.0), event(0.2, "/midi/generic/cc/1", 1.0)]
    (p,) = play(performer, [0.4], script)
    assert performer.value(p, "/noise/strength") == 90.0
    assert performer.value(p, "/modulation/bass/depth") == 1.0
    assert performer.value(p, "/lfo/pulse") == 1.0
    (p,) = play(performer, [0.7])
    assert performer.value(p, "/lfo/pulse") == 0.0


def test_the_columns_of_a_preset_without_them_are_as_ever() -> None:
    plain = composed(GOOD[: GOOD.index("[parameters]")])
    more = composed(GOOD)
    came_later = ("/pace/even", "/pace/rate")
    before = len(plain.space) - len(came_later)
    assert plain.space.addresses[before:] == came_later
    assert more.space.addresses[:before] == plain.space.addresses[:before]
    assert more.space.addresses[before:] == (
        "/lfo/breath/rate", "/lfo/breath", "/lfo/pulse/beats", "/lfo/pulse",
        "/modulation/1/depth", "/modulation/bass/depth", "/modulation/3/depth",
        *came_later,
    )  # fmt: skip


# (what stands there, what stands there instead, a part of the line it names, what it says)
WRONG = [
    ("rate = 0.2 #", "rat = 0.2 #", "rat =", "unknown key 'rat', allowed are name, shape, rate, b"),
    ("release = 0.2", "relase = 0.2", "relase", "unknown key 'relase', .* attack, release, grace"),
    ('"sine"', '"saw"', "saw", "lfo.0..shape: invalid enum value 'saw'"),
    ("rate = 0.2 #", 'rate = "x" #', 'rate = "x"', "lfo.0..rate: expected `float.*, got `str`"),
    ("rate = 0.2 #", "rate = 99 #", "rate = 99", r"rate 99.0: must lie in 0.001..30 Hz"),
    ("rate = 0.2 #", "rate = nan #", "rate = nan", r"rate nan: must lie in 0.001..30 Hz"),
    ("beats = 4", "beats = 999", "beats = 999", r"beats 999.0: must lie in 0.0625..256"),
    ("beats = 4", "beats = 4\nrate = 1", "rate = 1", "rate: give either rate, in Hz, or beats a p"),
    ("rate = 0.2 # a long one\n", "", '[[lfo]]\nname = "breath"', "rate: give either rate, in"),
    ("width = 0.25", "width = 2", "width = 2", r"width 2.0: must lie in 0.01..0.99"),
    ("width = 0.25", "phase = -1", "phase = -1", r"phase -1.0: must lie in 0..1"),
    ("width = 0.25", "seed = -1", "seed = -1", "seed -1: must lie in 0.."),
    ('name = "pulse"', 'name = "breath"', 'name = "breath"\nshape = "sq', "lfo 2 name 'breath'"),
    ('name = "pulse"', 'name = "a/b"', "a/b", "name 'a/b': no word that can stand in an address"),
    ("depth = 0.3", "depth = 3", "depth = 3", r"depth 3.0: must lie in -1..1"),
    ("depth = 0.3\n", "", '[[modulation]]\nsource = "/lfo/breath"', "missing .*`depth`"),
    ("bipolar = true", "bipolar = 1", "bipolar", "modulation.0..bipolar: expected `bool`, got `in"),
    ("bipolar = true", 'curve = "odd"', "odd", "modulation.0..curve: invalid enum value 'odd'"),
    ("grace = 0", "grace = -1", "grace = -1", r"grace -1.0: must lie in 0..60 s"),
    ("release = 0.2", "release = 99", "release = 99", r"release 99.0: must lie in 0..60 s"),
    ('"bass"', '"7"', '"7"', "name '7': a number is what those without name have"),
    ("grace = 0", 'name = "bass"', 'name = "bass"\n\n[[bind', "modulation 3 name 'bass'"),
    ("/master/gain\"\ndepth", "/master/gian\"\ndepth", "gian", "target /master/gian: no such"),
    ("/master/gain\"\ndepth", "/raw/pad/x\"\ndepth", "/raw", "name the parameter itself, /pad/x"),
    ("/master/gain\"\ndepth", "master\"\ndepth", '"master"', "target 'master': must look like"),
    ("/master/gain\"\ndepth", "/waypoint/2/go\"\ndepth", "/waypoint", r"a trigger takes a .\[bind"),
    ("/master/gain\"\ndepth", "/model/share\"\ndepth", "share", "follows from what is played"),
    ("/master/gain\"\ndepth", "/lfo/pulse\"\ndepth", "target = \"/lfo/pulse", "follows from what"),
    ('source = "/lfo/breath"', 'source = "/lfo/death"', "death",
     "modulation 1 source /lfo/death: no such lfo, allowed are /lfo/breath, /lfo/pulse"),
    ('source = "/lfo/breath"', 'source = "/model/first"', "/model/first", "is told, and never"),
    ('source = "/lfo/breath"', 'source = "lfo"', '"lfo"', "source 'lfo': must look like"),
    ("grace = 0", "attack = 0.1", "attack", "modulation 3 attack: only of events; /lfo/pulse move"),
    ('"/modulation/bass/depth"', '"/modulation/2/depth"', "/modulation/2", "no '/modulation/2/"),
    ('"/lfo/breath/rate" = 0.25', '"/lfo/breath/rate" = 99', "= 99", "allowed is 0.001 to 30 Hz"),
    # In circles.
    ('source = "/lfo/pulse"', 'source = "/lfo/breath"', 'target = "/lfo/breath/rate"',
     "modulation 3 target /lfo/breath/rate: moves itself, /lfo/breath/rate → /lfo/breath → /lfo/b"),
    ('target = "/master/gain"', 'target = "/lfo/pulse/beats"', 'target = "/lfo/breath/rate"',
     "modulation 3 target .*: moves itself, /lfo/breath/rate → /lfo/breath → /lfo/pulse/beats → "),
    ('target = "/master/gain"', 'target = "/modulation/3/depth"', 'target = "/lfo/breath/rate"',
     "modulation 3 target .*: moves itself, .* → /modulation/3/depth → /lfo/breath/rate"),
    ('target = "/master/gain"', 'target = "/modulation/1/depth"', '"/modulation/1/depth"',
     "modulation 1 target .*: moves itself, /modulation/1/depth → /modulation/1/depth"),
    ('target = "/master/gain"', 'target = "/tempo/bpm"', 'target = "/lfo/breath/rate"',
     "moves itself, .* → /tempo/bpm → /lfo/pulse → /lfo/breath/rate"),
]  # fmt: skip


@pytest.mark.parametrize(("old", "new", "there", "says"), WRONG, ids=[w[1] or w[0] for w in WRONG])
def test_a_mistake_names_its_line(old: str, new: str, there: str, says: str) -> None:
    assert GOOD.count(old) == 1
    text = GOOD.replace(old, new)
    assert there in text
    line = text[: text.index(there)].count("\n") + 1
    with pytest.raises(InstrumentError, match=says) as caught:
        composed(text)
    message = str(caught.value)
    assert re.match(rf"show\.toml:{line}: ", message), (message, line)
    assert "\n" not in message


def test_two_words_for_one_spring_are_one() -> None:
    text = GOOD.replace('"/audio/in/low"', '"/spring/frequency"').replace("release = 0.2\n", "")
    text = text.replace('target = "/noise/strength"', 'target = "/glide/seconds"')
    with pytest.raises(InstrumentError, match="modulation 2 target /glide/seconds: moves itself"):
        composed(text)


def test_what_only_looks_like_a_circle_is_none() -> None:
    """One source on two, two sources on one, and a chain."""
    chain = Modulation(
        (),
        (
            Routing("/pad/x", "/noise/strength", 0.1),
            Routing("/pad/x", "/noise/rate", 0.1),
            Routing("/noise/rate", "/noise/strength", 0.1),
            Routing("/noise/strength", "/master/gain", 0.1),
        ),
    )
    performer = performer_of(modulation=chain, bindings=(), values={"/noise/strength": 0.0})
    quiet, loud = play(performer, [0.0, 1.0], [event(0.5, "/pad/x", 1.0)])
    assert performer.value(loud, "/master/gain") == 1.0
    assert performer.value(loud, "/noise/strength") > performer.value(quiet, "/noise/strength")
