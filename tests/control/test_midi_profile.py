"""Profiles: every bundled one is whole, names lead to numbers, and mistakes are told by line."""

import tomllib

import pytest

from instrument import InstrumentError
from instrument.control.midi_address import Control
from instrument.control.midi_listening import Listening
from instrument.control.midi_messages import Decoder
from instrument.control.midi_profile import load_profiles, read_profile, resolve
from instrument.resources import bundled

PROFILES = {profile.slug: profile for profile in load_profiles()}


def test_the_controllers_of_the_house() -> None:
    wanted = {"nanokontrol2", "midimix", "apcmini", "apcmini-mk2", "launchcontrol-xl", "generic"}
    assert set(PROFILES) == wanted


@pytest.mark.parametrize("slug", sorted(PROFILES))
def test_every_control_is_heard_under_the_address_it_resolves_to(slug) -> None:
    profile = PROFILES[slug]
    addresses = [resolve(f"/midi/{slug}/{name}", PROFILES.values()) for name in profile.controls]
    assert len(set(addresses)) == len(addresses)
    decoder = Decoder(Listening.to(addresses).reading(slug, profile))
    for address, control in zip(addresses, profile.controls.values(), strict=True):
        status = {"note": 0x90, "cc": 0xB0}[control.kind] | control.channel - 1
        told = decoder.decode(bytes((status, control.number, 100)), 0.0)
        assert [f"/midi/{slug}/{one.control}" for one in told] == [address]


@pytest.mark.parametrize("slug", sorted(PROFILES))
def test_every_lamp_has_a_control_and_differs_when_lit(slug) -> None:
    profile = PROFILES[slug]
    known = {str(control) for control in profile.controls.values()}
    assert profile.lamps.keys() <= known
    for lamp in profile.lamps.values():
        assert lamp.message_at(0.0) != lamp.message_at(1.0)
        assert lamp.message_at(-5.0) == lamp.message_at(0.0)
        assert lamp.message_at(5.0) == lamp.message_at(1.0)


def test_spot_checks_against_the_makers_tables() -> None:
    says = {
        "/midi/nanokontrol2/slider.8": "/midi/nanokontrol2/cc/7",
        "/midi/nanokontrol2.2/record.1": "/midi/nanokontrol2.2/cc/64",
        "/midi/midimix/low.5": "/midi/midimix/cc/48",
        "/midi/midimix/master": "/midi/midimix/cc/62",
        "/midi/apcmini/pad.64": "/midi/apcmini/note/63",
        "/midi/apcmini-mk2/scene.1": "/midi/apcmini-mk2/note/112",
        "/midi/launchcontrol-xl/focus.5": "/midi/launchcontrol-xl/ch/9/note/57",
        "/midi/generic/wheel": "/midi/generic/cc/1",
    }
    assert {name: resolve(name, PROFILES.values()) for name in says} == says
    pad = PROFILES["apcmini"].lamps["note/5"]
    colours = [pad.message_at(at) for at in (0, 0.5, 1)]
    assert colours == [bytes((0x90, 5, v)) for v in (0, 5, 1)]  # dark, yellow, green
    assert PROFILES["apcmini-mk2"].lamps["note/5"].message_at(1) == bytes((0x96, 5, 21))
    assert PROFILES["launchcontrol-xl"].lamps["ch/9/note/41"].message_at(1) == bytes((0x98, 41, 60))


def test_ports_are_told_apart_by_name() -> None:
    ports = {
        "nanoKONTROL2:nanoKONTROL2 _ CTRL": "nanokontrol2", "MIDI Mix": "midimix",
        "APC MINI": "apcmini", "APC mini mk2:APC mini mk2 Control": "apcmini-mk2",
        "APC mini mk2:APC mini mk2 Notes": None, "Launch Control XL": "launchcontrol-xl",
        "Launch Control XL HUI": None, "Some Keys": None, "nanoKONTROL": None,
    }  # fmt: skip
    owners = {
        name: next((slug for slug, profile in PROFILES.items() if profile.owns(name)), None)
        for name in ports
    }
    assert owners == ports


def test_the_bundled_presets_listen_to_what_midi_can_say() -> None:
    presets = bundled("presets").glob("*.toml")
    sources = [
        binding["source"]
        for path in presets
        for binding in tomllib.loads(path.read_text(encoding="utf-8")).get("binding", ())
    ]
    assert any(source.startswith("/midi/") for source in sources)
    assert [resolve(source, PROFILES.values()) for source in sources] == sources


@pytest.mark.parametrize(
    ("source", "match"),
    [
        ("/midi/midimix/fadr.2", r"Akai MIDImix has no control 'fadr\.2': try fader\.2"),
        ("/midi/midimix.2/cc/128", r"Akai MIDImix has no control 'cc/128'"),
        ("/midi/unknown/knob.1", r"names of controls are known of apcmini, "),
    ],
)
def test_a_control_that_does_not_exist_is_named_with_what_does(source, match) -> None:
    with pytest.raises(InstrumentError, match=match):
        resolve(source, PROFILES.values())


def test_what_is_not_midi_stays_as_it_is() -> None:
    for source in ("/key/a", "/osc/xy/1", "/midi/x", "nonsense"):
        assert resolve(source, ()) == source


GOOD = """\
format = "controller/1"
title = "Desk"
ports = ["Desk"]

[[control]]
name = "turn"
message = "cc"
numbers = [1, 2]
encoding = "binary-offset"

[[control]]
name = "motor"
message = "bend"
channel = 3
lamp = { follows = true }

[[control]]
name = "fine"
message = "cc14"
numbers = [7]
"""


def written(tmp_path, text: str):
    path = tmp_path / "desk.toml"
    path.write_text(text)
    return path


def test_a_profile_of_ones_own(tmp_path) -> None:
    profile = read_profile(written(tmp_path, GOOD))
    assert load_profiles(tmp_path) == (profile,)
    assert profile.controls["motor"] == Control("bend", 0, 3)
    assert profile.encoders == {"cc/1": "binary-offset", "cc/2": "binary-offset"}
    assert profile.lamps["ch/3/bend"].message_at(0.5) == bytes((0xE2, 0, 64))
    decoder = Decoder(Listening.to(["/midi/desk/cc/1"]).reading("desk", profile))
    assert [tuple(one)[1:] for one in decoder.decode(b"\xb0\x01\x42", 0.0)] == [("cc/1", 2.0)]
    assert decoder.decode(b"\xb0\x07\x40", 0.0)[0].control == "cc14/7"


@pytest.mark.parametrize(
    ("old", "new", "line", "match"),
    [
        ('title = "Desk"', 'titel = "Desk"', 2, "unknown key 'titel'"),
        ("numbers = [1, 2]", "numbers = [1, 200]", 8, "<= 127"),
        ("numbers = [1, 2]", "numbers = []", 5, "turn: needs numbers"),
        ('"binary-offset"', '"offset"', 9, "encoding: invalid enum value 'offset'"),
        ("channel = 3", "channel = 17", 14, "<= 16"),
        ('name = "fine"', 'name = "motor"', 17, "'motor' stands there twice"),
        ('"cc14"\nnumbers = [7]', '"cc14"\nnumbers = [32]', 17, "go up to 31"),
        ("{ follows = true }", "{ numbers = [1, 2] }", 11, "a number for each of 1"),
        ("{ follows = true }", "{ values = [] }", 11, "and values"),
        ('"bend"', '"bend"\nnumbers = [1]', 11, "bend has no numbers"),
        ('"cc14"', '"cc14"\nencoding = "binary-offset"', 17, "only cc has an encoding"),
    ],
)
def test_mistakes_are_told_by_file_and_line(tmp_path, old, new, line, match) -> None:
    assert old in GOOD
    path = written(tmp_path, GOOD.replace(old, new))
    with pytest.raises(InstrumentError, match=match) as caught:
        read_profile(path)
    assert str(caught.value).startswith(f"{path}:{line}: ")


def test_the_files_name_is_the_slug(tmp_path) -> None:
    path = tmp_path / "My Desk.toml"
    path.write_text(GOOD)
    with pytest.raises(InstrumentError, match="lower-case"):
        read_profile(path)


# --- what a preset listens to


def test_only_listened_pairs_are_pairs_and_generic_counts_everywhere() -> None:
    listening = Listening.to(
        ["/midi/keys/cc14/1", "/midi/generic/cc/16", "/midi/keys/cc/17/twos-complement", "/key/a",
         "/midi/keys/nonsense"]
    )  # fmt: skip
    keys, other = listening.reading("keys", None), listening.reading("other", None)
    assert keys.fine == {(0, 1)}
    assert keys.relative == {(0, 17): (("cc/17/twos-complement", "twos-complement"),)}
    assert other.fine == frozenset()
    assert keys.plain == other.plain == {(0, 16)}
    assert listening.generic == {"cc/16"}
