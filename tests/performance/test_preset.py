"""Presets: every mistake is one line that names the file, the line, the key and what is allowed."""

import re
from pathlib import Path

import numpy as np
import pytest
from stages import bank_of_four, event, play

from instrument import InstrumentError
from instrument.performance.preset import compose, load_preset, preset_from_text
from instrument.performance.reserved import RESERVED, USUAL
from instrument.timebase import FrameRate

GOOD = """\
format = "preset/1"
name = "test"
model = "procedural"
bank = "four"
home = "reef"
rate = "30000/1001"
seed = 7
fit = "fill"

[parameters]
"/glide/seconds" = 2.5
"/noise/strength" = 3.0

[pad]
weighting = "distance"
place = [
  { waypoint = "dawn", at = [0.0, 0.0] },
  { waypoint = "iris", at = [1.0, 0.0] },
  { waypoint = "reef", at = [0.5, 1.0] },
]

[[binding]]
source = "/mouse/x"
target = "/pad/x"

[[binding]] # the wheel
source = "/mouse/wheel"
target = "/noise/strength"
mode = "relative"
smoothing = 0.1

[[cue]]
at = 1.5
address = "/waypoint/ember/go"

[[cue]]
at = 0.5
address = "/raw/spring/frequency"
value = 2.0
"""


def line_with(text: str, part: str) -> int:
    (line,) = (i for i, row in enumerate(text.split("\n"), start=1) if part in row)
    return line


def test_a_good_preset_composes(tmp_path: Path) -> None:
    path = tmp_path / "show.toml"
    path.write_text(GOOD)
    preset = load_preset(path)
    assert (preset.model, preset.bank, preset.seed, preset.fit) == ("procedural", "four", 7, "fill")
    assert preset.rate == FrameRate(30000, 1001)
    assert (preset.text, preset.where, preset.folder) == (GOOD, str(path), tmp_path)
    bank = bank_of_four()
    performer = compose(preset, bank)
    begin = performer.begin()
    np.testing.assert_allclose(begin.flight.target, bank["reef"].z)
    assert performer.value(begin, "/noise/strength") == 3.0
    assert performer.value(begin, "/glide/seconds") == 2.5
    assert begin.flight.spring.arrival_seconds == pytest.approx(2.5)
    assert performer.pad is not None
    assert performer.bindings[: len(RESERVED)] == RESERVED
    assert [cue.at for cue in performer.score.cues] == [0.5, 1.5]
    (p,) = play(performer, [1.0], [event(0.1, "/mouse/x", 0.2), event(0.2, "/key/b")])
    assert performer.value(p, "/pad/x") == 0.2
    assert performer.value(p, "/display/blackout") > 0.99


def test_a_score_that_loops_and_one_that_cannot() -> None:
    looping = GOOD.replace('format = "preset/1"', 'format = "preset/1"\nscore_loop = 2.5')
    assert compose(preset_from_text(looping, "p"), bank_of_four()).score.loop == 2.5
    wrong = looping.replace("2.5", "1.0", 1)
    with pytest.raises(InstrumentError, match=r"p:2: score loop 1: .* last cue at 1.5"):
        compose(preset_from_text(wrong, "p"), bank_of_four())


def test_the_smallest_preset_composes() -> None:
    text = 'format = "preset/1"\nmodel = "m"\nbank = "b"\n'
    performer = compose(preset_from_text(text, "small"), bank_of_four())
    assert performer.pad is None
    assert performer.bindings == (*RESERVED, *USUAL)


def test_a_preset_may_use_a_usual_key_for_something_else() -> None:
    text = GOOD + '[[binding]]\nsource = "/key/l"\ntarget = "/performance/home"\n'
    bindings = compose(preset_from_text(text, "p"), bank_of_four()).bindings
    assert [b.target for b in bindings if b.source == "/key/l"] == ["/performance/home"]
    assert bindings[-3:] == USUAL[1:]


def test_a_seed_can_be_given() -> None:
    preset, bank = preset_from_text(GOOD, "p"), bank_of_four()
    a, b, c = (compose(preset, bank, seed=seed) for seed in (None, 7, 8))
    assert (a.z(a.begin()) == b.z(b.begin())).all()
    assert (a.z(a.begin()) != c.z(c.begin())).any()


def test_a_byte_order_mark_is_no_mistake(tmp_path: Path) -> None:
    path = tmp_path / "show.toml"
    path.write_text(GOOD, encoding="utf-8-sig")
    assert load_preset(path).bank == "four"


# (what stands there, what stands there instead, a part of the line it names, what it says)
WRONG = [
    ('name = "test"', 'nmae = "test"', "nmae", "unknown key 'nmae', allowed are format, bank, mod"),
    ("[parameters]", "[params]", "[params]", "unknown key 'params', allowed are .*parameters"),
    ('weighting = "distance"', 'weight = "x"', "weight =", "unknown key 'weight', .* place, weigh"),
    ('waypoint = "iris"', 'wayp = "iris"', "wayp =", "unknown key 'wayp', allowed are waypoint"),
    ("smoothing = 0.1", "smooth = 0.1", "smooth =", "unknown key 'smooth', .* smoothing"),
    ("value = 2.0", "valeu = 2.0", "valeu", "unknown key 'valeu', allowed are at, address, value"),
    ('"preset/1"', '"preset/9"', "preset/9", "format: invalid enum value 'preset/9'"),
    ('model = "procedural"\n', "", "format =", "models: needs model = "),
    ("seed = 7", 'seed = "7"', "seed", "seed: expected `int`, got `str`"),
    ("seed = 7", "seed = -7", "seed", "seed: must be an integer from 0"),
    ("seed = 7", "seed = 9999999999999999999999", "seed", "seed: must be an integer from 0"),
    ('fit = "fill"', 'fit = "crop"', "crop", "fit: invalid enum value 'crop'"),
    ('home = "reef"', 'home = "rief"', "rief", "no waypoint 'rief', only dawn, iris, reef, ember"),
    ('home = "reef"', "home = 3", "home", "home: expected `str`, got `int`"),
    ("= 2.5", '= "fast"', "/glide/seconds", "/glide/seconds: expected `float`, got `str`"),
    ("= 2.5", "= 1000", "/glide/seconds", "/glide/seconds = 1000.*: allowed is 0.02 to 600 s"),
    ("= 2.5", "= nan", "/glide/seconds", "allowed is 0.02 to 600 s"),
    ('"/glide/seconds"', '"/glide/second"', "/glide/second", "no parameter '/glide/second', all"),
    ('"/glide/seconds"', "glide", "glide =", "no parameter 'glide', allowed are /spring/frequ"),
    ('"distance"', '"closest"', "closest", "pad.weighting: invalid enum value 'closest'"),
    ('"distance"', '"barycentric"', "pad", None),
    ('waypoint = "iris"', 'waypoint = "iriz"', "iriz", "no waypoint 'iriz', only dawn, iris"),
    ("[1.0, 0.0]", "[1.0]", "[1.0]", "every place has 1 to 8 axes"),
    ("[1.0, 0.0]", "[1.0, 1.1]", "1.1", "must lie in 0..1"),
    ("[1.0, 0.0]", "[1.0, nan]", "nan", "must lie in 0..1"),
    ("[1.0, 0.0]", '[1.0, "a"]', '"a"', "expected `float`, got `str`"),
    ("[1.0, 0.0]", "[0.0, 0.0]", "[pad]", "two waypoints share one place"),
    ('target = "/pad/x"', 'target = "/pad/q"', "/pad/q", "no '/pad/q', allowed are /spring/freq"),
    ('target = "/pad/x"', 'target = "/raw/pad/x"', "/raw/pad/x", "no '/raw/pad/x', allowed are"),
    ('target = "/pad/x"\n', "", "[[binding]]\n", "binding.0.: object missing .*`target`"),
    ('source = "/mouse/x"', 'source = "mouse"', '"mouse"', "source 'mouse': must look like /spr"),
    ('source = "/mouse/x"', 'source = "/key/r"', "/key/r", "/key/r is reserved for /take/toggle"),
    ('mode = "relative"', 'mode = "turn"', "turn", "binding.1..mode: invalid enum value 'turn'"),
    ("smoothing = 0.1", "smoothing = -1", "smoothing", "smoothing -1.*: must lie in 0..60 s"),
    ("smoothing = 0.1", "low = 3", "low =", "low 3.*: must lie in 0..1"),
    ("smoothing = 0.1", "high = 0", "[[binding]] # the wheel", "the binding does nothing"),
    ("smoothing = 0.1", "step = inf", "step", "step inf: must be a finite number"),
    ("at = 1.5", "at = -1.5", "at = -1.5", "must be 0 or more seconds"),
    ("/waypoint/ember/go", "/waypoint/9/go", "/waypoint/9/go", "no '/waypoint/9/go', allowed"),
    ("/waypoint/ember/go", "/score/play", "/score/play", "a score cannot play itself"),
    ("/raw/spring/frequency", "/raw/score/play", "/raw/score/play", "no parameter '/score/play'"),
    ("value = 2.0", "value = nan", "value = nan", "must be a finite number"),
    ("seed = 7", "seed = ", "seed = ", "Invalid value"),
    ("value = 2.0\n", 'value = "', 'value = "', "Expected|Illegal|Unterminated|nclosed|character"),
]


@pytest.mark.parametrize(("old", "new", "there", "says"), WRONG, ids=[w[1] or w[0] for w in WRONG])
def test_a_mistake_names_its_line(old: str, new: str, there: str, says: str | None) -> None:
    assert GOOD.count(old) == 1
    text = GOOD.replace(old, new)
    if says is None:  # three places on a plane are what barycentric weights need
        compose(preset_from_text(text, "show.toml"), bank_of_four())
        return
    with pytest.raises(InstrumentError, match=says) as caught:
        compose(preset_from_text(text, "show.toml"), bank_of_four())
    if "\n" in there:
        line = text[: text.index(there)].count("\n") + 1
    else:
        line = line_with(text, there)
    message = str(caught.value)
    assert re.match(rf"show\.toml:{line}: ", message), (message, line)
    assert "\n" not in message


def test_a_rate_that_is_none_names_its_line() -> None:
    preset = preset_from_text(GOOD.replace("30000/1001", "fast"), "show.toml")
    with pytest.raises(InstrumentError, match=r"show\.toml:6: .*write it as 60"):
        _ = preset.rate


def test_a_pad_of_no_places_names_its_line() -> None:
    text = GOOD[: GOOD.index("place = [")] + "place = []\n"
    with pytest.raises(InstrumentError, match=r"show\.toml:14: pad: needs 2 or more places"):
        compose(preset_from_text(text, "show.toml"), bank_of_four())


def test_a_score_that_would_play_itself_names_its_line() -> None:
    text = GOOD + '[[binding]]\nsource = "/waypoint/ember/go"\ntarget = "/score/play"\n'
    with pytest.raises(InstrumentError, match=r"show\.toml:34: .*cannot play itself"):
        compose(preset_from_text(text, "show.toml"), bank_of_four())


def test_what_cannot_be_read_is_named(tmp_path: Path) -> None:
    with pytest.raises(InstrumentError, match=r"none\.toml: no such file"):
        load_preset(tmp_path / "none.toml")
    with pytest.raises(InstrumentError, match="cannot be read"):
        load_preset(tmp_path)


# The tables of the devices: read strictly here, and handed on as they are.

DEVICES = """
[midi]
feedback = false

[osc]
port = 9000
listen = "0.0.0.0"
allow = ["192.168.1.0/24"]

[audio]
device = "Scarlett"
attack = 0.01
release = 0.2
gate = -50.0

[audio.low]
low = 20.0
high = 150.0

[tempo]
source = "midi"
"""


def test_the_tables_of_the_devices_are_read() -> None:
    fields = preset_from_text(GOOD + DEVICES, "p").fields
    assert (fields.midi.feedback, fields.tempo.source) == (False, "midi")
    assert (fields.osc.port, fields.osc.listen) == (9000, "0.0.0.0")
    assert fields.osc.allow == ("192.168.1.0/24",)
    assert fields.audio.low is not None and fields.audio.mid is None
    assert (fields.audio.low.low, fields.audio.low.high) == (20.0, 150.0)
    assert (fields.audio.device, fields.audio.attack, fields.audio.gate) == ("Scarlett", 0.01, -50)


def test_without_the_tables_of_the_devices_everything_is_as_usual() -> None:
    fields = preset_from_text(GOOD, "p").fields
    assert (fields.osc.port, fields.osc.listen, fields.osc.allow) == (7770, "127.0.0.1", ())
    assert (fields.audio.device, fields.tempo.source, fields.midi.feedback) == (None, "auto", True)


@pytest.mark.parametrize(
    ("old", "new", "says"),
    [
        ("port = 9000", "prot = 9000", "unknown key 'prot', allowed are port, listen, allow"),
        ("port = 9000", "port = 70000", r"osc\.port: expected `int` <= 65535"),
        ('device = "Scarlett"', "device = 3", r"audio\.device: expected `str"),
        ("attack = 0.01", 'attack = "slow"', r"audio\.attack: expected `float"),
        ("high = 150.0", "top = 150.0", "unknown key 'top'"),
        ('source = "midi"', 'source = "me"', r"tempo\.source: invalid enum value 'me'"),
    ],
)
def test_a_mistake_in_a_table_of_a_device_names_its_line(old, new, says) -> None:
    text = (GOOD + DEVICES).replace(old, new)
    with pytest.raises(InstrumentError, match=says) as caught:
        preset_from_text(text, "show.toml")
    assert str(caught.value).startswith(f"show.toml:{line_with(text, new)}: ")
