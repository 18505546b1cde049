"""What is written into a preset: that, and not a byte more."""

import difflib
import re
import tomllib

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from stages import bank_of_four, performer_of

from instrument import InstrumentError
from instrument.performance.mapping import Binding
from instrument.performance.preset import compose, preset_from_text
from instrument.performance.preset_blocks import blocks_of, text_of
from instrument.performance.preset_changes import Changes, changed, changes_of
from instrument.performance.scene import Scene
from instrument.resources import bundled

LAW = settings(deadline=None, derandomize=True, max_examples=80)
GAIN, STRENGTH, FREQUENCY = "/master/gain", "/noise/strength", "/spring/frequency"
FADER = "/midi/deck/cc/1"

TEXT = """\
# A show of mine.
format = "preset/1"   # the first
model = "m"
bank = "four"
note = \"\"\"
[[binding]] is only a word here, # and this no comment
\"\"\"

# Where everything starts.
[parameters]
"/noise/strength" = 5.0     # degrees
"/spring/frequency" = 0.5   # Hz

[[binding]] # the first
source = "/key/q"   # q
target = "/master/gain" # light
mode = "toggle"

# A cue between two bindings.
[[cue]]
at = 1.0 # s
address = "/waypoint/2/go"

[[binding]] # the second
source = "/key/w"
target = "/model/mix"
low = 0.25 # not all
# high = 0.5 perhaps

# Scenes.
[[scene]]
name = "storm" # wild
waypoint = "ember"
[scene.parameters] # its values
"/noise/strength" = 40.0 # much

[[scene]]
name = "calm"
parameters = { "/model/mix" = 0.75 } # still

# The end.
"""
LEARNT = Binding(FADER, GAIN, "pickup", smoothing=0.05)
BEGINS = {STRENGTH: 5.0, FREQUENCY: 0.5, "/noise/rate": 0.2}


def composed(text: str):
    return compose(preset_from_text(text, "p"), bank_of_four())


def lines_gone(text: str, result: str) -> list[str]:
    """The lines of `text` that are not in `result`, in order."""
    found = difflib.ndiff(text.split("\n"), result.split("\n"))
    return [line[2:] for line in found if line.startswith("- ")]


def comments(text: str) -> list[str]:
    return re.findall(r"#[^\n]*", text)


# Blocks.


@pytest.mark.parametrize("path", sorted(bundled("presets").rglob("*.toml")), ids=lambda p: p.name)
def test_blocks_joined_are_the_text(path) -> None:
    text = path.read_text()
    assert text_of(blocks_of(text)) == text
    headers = [line for line in text.split("\n") if line.startswith("[")]
    assert len(blocks_of(text)) == 1 + len(headers)


def test_a_block_knows_its_table_and_what_leads_over_to_the_next() -> None:
    blocks = blocks_of(TEXT)
    assert [(b.path, b.entry) for b in blocks] == [
        ((), False), (("parameters",), False), (("binding",), True), (("cue",), True),
        (("binding",), True), (("scene",), True), (("scene", "parameters"), False),
        (("scene",), True),
    ]  # fmt: skip
    assert blocks[0].tail == "\n# Where everything starts.\n"
    assert blocks[4].text.endswith("# high = 0.5 perhaps\n")
    assert blocks[4].tail == "\n# Scenes.\n"


TRICKY = [
    'a = "[x]"\n[b]\n',
    "a = '[x'\n[b]\n",
    'a = """\n[x]\n"""\n[b]\n',
    'a = """\\"""\n[x]\n"""\n[b]\n',
    "a = '''\n[x]\n'''\n[b]\n",
    "a = [\n[1], # [x]\n[2]]\n[b]\n",
    'a = [ { b = "]" } ]\n  [b] # ["x"]\n',
    '["b.c"."d"]\na = 1\n',
    '[ b . "c d" ]\n',
    "a = 1\r\n[b]\r\nc = 2\r\n",
    'a = """x""""\n[b]\n',
    'a = "# [x]"\n[b]\n# "\n[c]\n',
    "a = 'x\u2028# y'\n[b]\n",
    "",
    "\n\n",
    "[b]",
]


@pytest.mark.parametrize("text", TRICKY, ids=repr)
def test_a_header_is_found_where_toml_has_one(text: str) -> None:
    tomllib.loads(text)
    blocks = blocks_of(text)
    assert text_of(blocks) == text
    for block in blocks:
        tomllib.loads(block.text)
    named = [block.path for block in blocks[1:]]
    wanted = len(re.findall(r"(?m)^\s*\[(?:[bc]|\"b|\s+b)", text))
    assert len(named) == wanted


# Bindings.


def test_what_is_learnt_stands_after_the_last_binding() -> None:
    result = changed(TEXT, Changes((LEARNT,)), BEGINS)
    assert lines_gone(TEXT, result) == []
    new = (
        f'\n[[binding]]\nsource = "{FADER}"\ntarget = "{GAIN}"\nmode = "pickup"\nsmoothing = 0.05\n'
    )
    assert result == TEXT.replace("perhaps\n", "perhaps\n" + new)
    assert LEARNT in composed(result).bindings


def test_what_is_learnt_anew_changes_its_own_table_alone() -> None:
    again = Binding("/key/w", "/model/mix", "trigger", smoothing=0.07)
    result = changed(TEXT, Changes((again,)), BEGINS)
    assert lines_gone(TEXT, result) == ["low = 0.25 # not all"]
    assert "[[binding]] # the second" in result and again in composed(result).bindings


def test_a_value_that_stays_keeps_how_it_is_written() -> None:
    same = Binding("/key/w", "/model/mix", low=0.25)
    assert changed(TEXT, Changes((same,)), BEGINS) == TEXT


def test_what_is_forgotten_goes_and_nothing_else() -> None:
    result = changed(TEXT, Changes((), frozenset({("/key/q", GAIN)})), BEGINS)
    gone = '[[binding]] # the first\nsource = "/key/q"   # q\ntarget = "/master/gain" # light\n'
    gone += 'mode = "toggle"\n\n'
    assert result == TEXT.replace(gone, "")
    assert changed(result, Changes((), frozenset({("/key/q", GAIN)})), BEGINS) == result


def test_the_first_binding_of_a_file_without_any() -> None:
    text = 'format = "preset/1"\nmodel = "m"\nbank = "four"'
    result = changed(text, Changes((LEARNT,)), {})
    assert result.startswith(text + "\n\n[[binding]]\n")
    assert LEARNT in composed(result).bindings


INLINE = """\
format = "preset/1"
model = "m"
bank = "four"
binding = [
  { source = "/key/q", target = "/master/gain" }, # q
  { source = "/key/w", target = "/model/mix" },
]

[parameters] # mine
"""


def test_bindings_written_as_one_array() -> None:
    more = Changes((LEARNT, Binding("/key/w", "/model/mix", "toggle")))
    result = changed(INLINE, more, {})
    assert [b.source for b in composed(result).bindings[6:9]] == ["/key/q", "/key/w", FADER]
    assert "# q" in result and result.endswith("[parameters] # mine\n")
    assert changed(result, more, {}) == result
    less = changed(result, Changes((), frozenset({("/key/w", "/model/mix")})), {})
    assert [b.source for b in composed(less).bindings[6:8]] == ["/key/q", FADER]


def test_line_ends_of_windows_stay() -> None:
    text = TEXT.replace("\n", "\r\n")
    change = Changes((LEARNT,), frozenset({("/key/q", GAIN)}), {5: Scene("", {STRENGTH: 1.0})})
    result = changed(text, change, BEGINS)
    assert "\n" not in result.replace("\r\n", "")
    assert result.replace("\r\n", "\n") == changed(TEXT, change, BEGINS)


# Scenes.


def test_a_new_scene_has_its_number() -> None:
    scene = Scene("", {STRENGTH: 12.5, "/noise/rate": 0.3}, "reef")
    result = changed(TEXT, Changes(scenes={9: scene}), BEGINS)
    assert lines_gone(TEXT, result) == []
    assert result.index("number = 9") < result.index("# The end.")
    there = composed(result).scenes.written
    assert list(there) == [2, 3, 9]
    assert (there[9].values, there[9].waypoint) == (dict(scene.values), "reef")


def test_a_scene_saved_again_keeps_its_comments() -> None:
    scene = Scene("storm", {STRENGTH: 41.0, "/noise/rate": 0.3}, "reef")
    result = changed(TEXT, Changes(scenes={2: scene}), BEGINS)
    assert lines_gone(TEXT, result) == ['waypoint = "ember"', '"/noise/strength" = 40.0 # much']
    assert '"/noise/strength" = 41.0 # much' in result
    there = composed(result).scenes.written
    assert (list(there), there[2].values, there[2].waypoint) == (
        [2, 3],
        dict(scene.values),
        "reef",
    )


def test_a_scene_on_one_line_stays_on_one() -> None:
    scene = Scene("calm", {"/model/mix": 0.5, STRENGTH: 1.0})
    result = changed(TEXT, Changes(scenes={3: scene}), BEGINS)
    assert len(lines_gone(TEXT, result)) == 1
    assert composed(result).scenes.written[3].values == scene.values
    assert "# still" in result


def test_a_place_comes_back_to_the_last_bit() -> None:
    place = np.random.default_rng(3).normal(size=16).astype(np.float32).astype(np.float64)
    scene = Scene("storm", {}, None, place)
    result = changed(TEXT, Changes(scenes={2: scene}), BEGINS)
    back = composed(result).scenes.written[2]
    assert (back.waypoint, back.place.tobytes()) == (None, place.tobytes())
    assert changed(result, Changes(scenes={2: scene}), BEGINS) == result
    away = changed(result, Changes(scenes={2: Scene("storm", {}, "dawn")}), BEGINS)
    assert composed(away).scenes.written[2].place is None


def test_number_one_changes_how_the_preset_begins() -> None:
    scene = Scene(
        "", {STRENGTH: 7.0, FREQUENCY: 0.5, "/noise/rate": 0.2, "/model/mix": 0.3}, "reef"
    )
    result = changed(TEXT, Changes(scenes={1: scene}), BEGINS | {"/model/mix": 0.0})
    assert lines_gone(TEXT, result) == ['"/noise/strength" = 5.0     # degrees']
    assert '"/noise/strength" = 7.0     # degrees\n' in result
    assert "/noise/rate" not in result  # it begins with that anyhow
    performer = composed(result)
    begin = performer.begin()
    assert performer.destination(begin) == "reef"
    assert performer.value(begin, "/model/mix") == 0.3


def test_the_last_word_on_the_spring_stays_the_last() -> None:
    scene = Scene("", {STRENGTH: 5.0, "/glide/seconds": 3.0})
    result = changed(TEXT, Changes(scenes={1: scene}), BEGINS | {"/glide/seconds": 3.0})
    assert composed(result).start_rule == "seconds"
    assert composed(result).start[2] == 3.0


@pytest.mark.parametrize("more", ["", 'parameters."/noise/rate" = 1.0\n', "parameters = {}\n"])
def test_parameters_wherever_they_are_written(more: str) -> None:
    text = f'format = "preset/1"\n{more}model = "m"\nbank = "four" # mine\n'
    result = changed(text, Changes(scenes={1: Scene("", {STRENGTH: 7.0})}), {})
    assert preset_from_text(result, "p").fields.parameters[STRENGTH] == 7.0
    assert "# mine" in result


def test_scenes_in_one_array_are_refused_in_one_line() -> None:
    text = 'scene = [{ name = "a" }]\n' + INLINE
    with pytest.raises(InstrumentError, match=r"scene: write the scenes as \[\[scene\]\] tables"):
        changed(text, Changes(scenes={5: Scene()}), {})


# Laws.

bindings = st.builds(
    Binding,
    st.sampled_from([FADER, "/key/q", "/key/w", "/osc/a"]),
    st.sampled_from([GAIN, "/model/mix", STRENGTH]),
    st.sampled_from(["jump", "pickup", "scale", "toggle", "trigger", "relative"]),
    smoothing=st.sampled_from([0.0, 0.05]),
    step=st.sampled_from([1.0 / 64.0, 0.02]),
)
scenes = st.builds(
    Scene,
    st.just(""),
    st.dictionaries(
        st.sampled_from([STRENGTH, "/model/mix", "/noise/rate"]),
        st.floats(0.25, 1.0).map(lambda v: float(f"{v:.7g}")),
    ),
    st.sampled_from([None, "dawn", "reef"]),
)
pairs = st.tuples(st.sampled_from(["/key/q", "/key/w"]), st.sampled_from([GAIN, "/model/mix"]))
changes = st.builds(
    Changes,
    st.lists(bindings, max_size=4, unique_by=lambda b: (b.source, b.target)).map(tuple),
    st.frozensets(pairs, max_size=2),
    st.dictionaries(st.sampled_from([1, 2, 3, 5, 9]), scenes, max_size=3),
)


@LAW
@given(st.lists(changes, min_size=1, max_size=3), st.sampled_from([TEXT, TEXT.rstrip("\n")]))
def test_whatever_changes_what_was_meant_is_there_and_the_rest_as_it_was(many, text) -> None:
    home = re.compile(r'home = "\w+"\n')
    for change in many:
        result = changed(text, change, BEGINS)
        assert changed(result, change, BEGINS) == result
        performer = composed(result)
        there = {(b.source, b.target): b for b in performer.bindings}
        learnt = {(b.source, b.target): b for b in change.learnt}
        assert {pair: there[pair] for pair in learnt} == learnt
        assert not (change.forgotten - set(learnt)) & set(there)
        for number, scene in change.scenes.items():
            if number == 1:
                begin = performer.begin()
                for address, value in scene.values.items():
                    assert performer.value(begin, address) == pytest.approx(value, 1e-6)
            else:
                found = performer.scenes.written[number]
                assert (found.values, found.waypoint) == (dict(scene.values), scene.waypoint)
        before, after = blocks_of(text), blocks_of(result)
        for block in before:  # tables nobody speaks of, and all that stands between tables
            if block.path in ((), ("cue",)):
                (now,) = [b.text for b in after if b.path == block.path]
                assert home.sub("", now) == home.sub("", block.text)
        loose = [c for b in before for c in comments(b.tail)]
        assert loose == [c for b in after for c in comments(b.tail)]
        text = result


def test_what_a_performance_learnt_and_saved_is_written_and_read_again() -> None:
    from test_learning import after, arm, turned

    performer = composed(TEXT)
    p = after(performer, [arm(STRENGTH), *turned(), arm(GAIN), ("/learn/forget", 1.0)])
    p = after(performer, [("/noise/rate", 0.5), ("/preset/4/save", 1.0)], p)
    change = changes_of(p)
    begins = dict(zip(performer.space.addresses, performer.start, strict=True))
    again = composed(changed(TEXT, change, begins))
    assert [(b.source, b.target) for b in again.bindings][6:8] == [
        ("/key/w", "/model/mix"),
        (FADER, STRENGTH),
    ]
    assert again.scenes.written[4].to_json() == p.scenes.saved[4].to_json()
    assert not changes_of(performer_of().begin())
