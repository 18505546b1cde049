"""Even pace, with planted pictures whose speed is known."""

from collections.abc import Mapping
from dataclasses import replace

import numpy as np
import pytest

from instrument import InstrumentError
from instrument.decoder.protocol import DecodeError, DecoderSpec
from instrument.frame import U8
from instrument.latent import geometry
from instrument.latent.pacing import EVEN, Curve
from instrument.latent.sequence import ZSequence
from instrument.latent.space import F32, F64, LatentSpec
from instrument.latent.trajectory import Trajectory, off_segment
from instrument.studio.evenness import Evenness
from instrument.studio.pace import Wish, pace, report_of, snapped
from instrument.studio.perception import FeatureRuler, OwnPerception
from instrument.timebase import FrameRate

RATE = FrameRate(30)
SPEC = LatentSpec.shell(6)


def turning(n: int = 60, degrees: float = 120.0, closed: bool = False) -> ZSequence:
    """Rows at constant speed along a great circle; a closed one all the way round."""
    share = np.arange(n) / (n if closed else n - 1)
    at = np.radians(360.0 if closed else degrees) * share
    z = np.zeros((n, 6))
    z[:, 0], z[:, 1] = np.cos(at), np.sin(at)
    return ZSequence((z * SPEC.radius).astype(np.float32), RATE, SPEC, source="circle.npy")


class Planted:
    """Writes a number that depends on the angle of z into the picture, in 24 bits."""

    spec = DecoderSpec("planted", SPEC, (2, 2), "aa" * 32)

    def __init__(self, number) -> None:
        self._number = number
        self.parameters: list[Mapping[str, F32]] = []
        self._memory = np.zeros((64, 2, 2, 3), np.uint8)

    def decode(self, z: F32, parameters: Mapping[str, F32]) -> U8:
        self.parameters.append(parameters)
        at = np.arctan2(z[:, 1].astype(np.float64), z[:, 0]) % (2 * np.pi)
        whole = np.rint(self._number(at) * 2**20).astype(np.int64)
        for channel in range(3):  # the same memory every time, as decoders do
            self._memory[: len(z), :, :, channel] = ((whole >> (8 * channel)) & 255)[:, None, None]
        return self._memory[: len(z)]


class Reader:
    """Measures how far the planted numbers lie apart; on a ring of 16 where they close."""

    name = "reader"

    def __init__(self, ring: float | None = None) -> None:
        self._ring = ring

    def between(self, pictures: U8) -> F64:
        channels = pictures[:, 0, 0].astype(np.int64)
        number = (channels[:, 0] + (channels[:, 1] << 8) + (channels[:, 2] << 16)) / 2**20
        off = np.abs(np.diff(number))
        return off if self._ring is None else np.minimum(off, self._ring - off)


def uneven(at):
    """Slow, then thirty times as fast about 60 degrees, then slow."""
    return 1.0 + 0.1 * at + 2.0 / (1.0 + np.exp(-20.0 * (at - 1.05)))


def cv(steps) -> float:
    found = Evenness.of(steps, RATE).cv
    assert found is not None
    return found


def brute_force(sequence: ZSequence, z: F32, closed: bool = False) -> float:
    rows = sequence.z.astype(np.float64)
    ends = np.roll(rows, -1, axis=0) if closed else rows[1:]
    off = [
        off_segment(
            z.astype(np.float64), *(np.broadcast_to(e, z.shape) for e in pair), sequence.spec
        )
        for pair in zip(rows, ends, strict=False)
    ]
    return float(np.min(off, axis=0).max())


def test_a_planted_unevenness_is_evened_out_on_the_same_path() -> None:
    sequence = turning()
    paced = pace(sequence, Planted(uneven), Reader(), Wish(60))
    assert cv(paced.steps_before) > 1.0
    assert cv(paced.steps_after) < 0.02  # half would do
    z = Trajectory(sequence).z(paced.positions)
    assert brute_force(sequence, z) < 1e-6
    assert z[[0, -1]].tobytes() == sequence.z[[0, -1]].tobytes()
    assert (np.diff(paced.positions) > 0.0).all()


def test_what_is_measured_is_what_the_film_shows() -> None:
    sequence, decoder = turning(), Planted(uneven)
    paced = pace(sequence, decoder, Reader(), Wish(60))
    shown = decoder.decode(Trajectory(sequence).z(paced.positions), {})
    assert paced.steps_after.tolist() == Reader().between(shown).tolist()


def test_a_correction_mends_what_the_rows_could_not_tell() -> None:
    """Ten rows, and all that happens happens between two of them."""
    sequence = turning(10)
    sharp = Planted(lambda at: 1.0 + 3.0 / (1.0 + np.exp(-200.0 * (at - 1.05))))
    errors = [
        cv(pace(sequence, sharp, Reader(), Wish(30, corrections=n)).steps_after) for n in (0, 1, 3)
    ]
    assert errors[0] > errors[1] >= errors[2]
    assert errors[2] < 0.05


def test_constant_speed_stays_as_it_is() -> None:
    sequence = turning()
    straight = Planted(lambda at: 1.0 + at)
    paced = pace(sequence, straight, Reader(), Wish(60))
    assert paced.positions == pytest.approx(np.arange(60), abs=2e-3)
    assert max(cv(paced.steps_after), cv(paced.steps_before)) < 1e-4  # the last bit of 24


def test_strength_0_is_the_sequence_itself() -> None:
    sequence = turning()
    paced = pace(sequence, Planted(uneven), Reader(), Wish(60, Curve.parse("breathe"), 0.0))
    assert paced.positions.tolist() == list(range(60))
    assert Trajectory(sequence).z(paced.positions).tobytes() == sequence.z.tobytes()
    assert paced.steps_after.tolist() == paced.steps_before.tolist()


def test_strength_goes_part_of_the_way() -> None:
    found = [
        cv(pace(turning(), Planted(uneven), Reader(), Wish(60, EVEN, s)).steps_after)
        for s in (0.25, 0.5, 0.75, 1.0)
    ]
    assert found == sorted(found, reverse=True)


@pytest.mark.parametrize("curve", ["ease", "breathe:3", "0:1,0.5:4,1:1"])
def test_the_curve_is_honoured(curve) -> None:
    wish = Wish(90, Curve.parse(curve), corrections=3)
    sequence = turning()
    paced = pace(sequence, Planted(uneven), Reader(), wish)
    assert paced.steps_after == pytest.approx(paced.wanted, rel=0.12)
    assert report_of(paced, wish, sequence, "reader")["off_the_curve"] < 0.03


def test_a_loop_closes() -> None:
    ring = 16.0
    around = Planted(lambda at: 15.999 * (at / (2 * np.pi) + 0.12 * np.sin(at)) % 15.999)
    sequence = turning(60, closed=True)
    paced = pace(sequence, around, Reader(ring), Wish(60, closed=True, corrections=2))
    assert len(paced.steps_before) == len(paced.steps_after) == 60  # the seam is one of them
    assert cv(paced.steps_before) > 0.4
    assert cv(paced.steps_after) < 0.05
    assert paced.positions[0] == 0.0
    assert paced.positions[-1] < 60.0
    assert paced.steps_after[-1] == pytest.approx(paced.steps_after.mean(), rel=0.1)
    assert brute_force(sequence, Trajectory(sequence, True).z(paced.positions), True) < 1e-6


@pytest.mark.parametrize("frames", [2, 7, 59, 200])
def test_another_length(frames) -> None:
    paced = pace(turning(), Planted(uneven), Reader(), Wish(frames))
    assert len(paced.positions) == frames
    assert len(paced.steps_after) == frames - 1
    assert (paced.positions[0], paced.positions[-1]) == (0.0, 59.0)
    if frames > 7:
        assert cv(paced.steps_after) < 0.05


def test_a_still_path_is_said() -> None:
    sequence = turning()
    wish = Wish(60)
    paced = pace(sequence, Planted(lambda at: 0.0 * at + 1.0), Reader(), wish)
    assert paced.still
    assert paced.positions.tolist() == list(range(60))
    report = report_of(paced, wish, sequence, "reader")
    assert report["still"]
    assert report["before"]["cv"] is None


def test_what_stands_still_is_passed_over() -> None:
    """A second in which nothing is seen to change takes no time any more."""
    halting = Planted(lambda at: 1.0 + np.maximum(at - 1.0, 0.0))
    paced = pace(turning(), halting, Reader(), Wish(60))
    assert Evenness.of(paced.steps_before, RATE).longest_stall > 0.8
    assert Evenness.of(paced.steps_after, RATE).longest_stall == 0.0


def test_a_cut_stays_a_cut() -> None:
    first, second = turning(30, 60.0), turning(30, 60.0)
    away = geometry.project(np.roll(second.z.astype(np.float64), 3, axis=1), SPEC.radius or 1.0)
    z = np.concatenate([first.z, away.astype(np.float32)])
    sequence = replace(first, z=z)

    class Shots(Planted):
        def decode(self, z: F32, parameters: Mapping[str, F32]) -> U8:
            # Whatever lies between the two planes of the shots would be a journey nobody made.
            one, two = geometry.length(z[:, :2]), geometry.length(z[:, 3:5])
            assert np.minimum(one, two).max() < 1e-3
            plane = np.where((one > two)[:, None], z, np.roll(z, -3, axis=1))
            return super().decode(plane, parameters)

    paced = pace(sequence, Shots(uneven), Reader(), Wish(60))
    assert paced.cuts == (30,)
    assert np.isnan(paced.steps_before).sum() == np.isnan(paced.steps_after).sum() == 1
    assert not ((paced.positions > 29.0) & (paced.positions < 30.0)).any()
    assert cv(paced.steps_after) < 0.5 * cv(paced.steps_before)


def test_a_survey_has_no_pace() -> None:
    z = np.random.default_rng(0).standard_normal((12, 6))
    z = geometry.project(z, SPEC.radius or 1.0).astype(np.float32)
    sequence = ZSequence(z, RATE, SPEC)
    paced = pace(sequence, Planted(uneven), Reader(), Wish(12, cut=10.0))
    assert paced.still
    assert len(paced.cuts) == 11
    assert paced.positions.tolist() == list(range(12))


def test_snapping_leaves_no_place_within_a_cut() -> None:
    cuts = np.array([False, True, False])
    found = snapped(np.array([0.4, 1.0, 1.3, 1.7, 2.2, 3.0]), cuts)
    assert found.tolist() == [0.4, 1.0, 1.0, 2.0, 2.2, 3.0]


def test_parameters_reach_the_decoder_between_rows() -> None:
    sequence = turning(10)
    sequence = replace(
        sequence, addresses=("/model/truncation",),
        parameters=np.linspace(0.0, 1.0, 10, dtype=np.float32)[:, None],
    )  # fmt: skip
    decoder = Planted(uneven)
    pace(sequence, decoder, Reader(), Wish(25))
    seen = np.concatenate([p["/model/truncation"] for p in decoder.parameters])
    assert seen.min() == 0.0
    assert seen.max() == 1.0
    assert len(np.unique(seen)) > 20


def test_the_same_again_is_the_same() -> None:
    first, second = (pace(turning(), Planted(uneven), Reader(), Wish(60)) for _ in range(2))
    assert first.positions.tobytes() == second.positions.tobytes()
    assert first.steps_after.tobytes() == second.steps_after.tobytes()


def test_progress_is_told() -> None:
    told: list[tuple[str, int, int]] = []
    pace(turning(), Planted(uneven), Reader(), Wish(60), lambda *words: told.append(words))
    assert told[0] == ("looking", 8, 60)
    assert {what for what, _, _ in told} >= {"looking", "pacing, pass 1", "pacing, pass 2"}


def test_own_perception_on_pictures_that_are_no_numbers() -> None:
    """Eyes of our own, on a disc that crosses the picture unevenly."""

    class Disc(Planted):
        spec = DecoderSpec("disc", SPEC, (64, 64), "bb" * 32)

        def decode(self, z: F32, parameters: Mapping[str, F32]) -> U8:
            at = np.arctan2(z[:, 1], z[:, 0])
            across = 14 + 36 / (1 + np.exp(-8 * (at - 1.05)))
            y, x = np.mgrid[0:64, 0:64]
            off = np.hypot(x - across[:, None, None], y - 32)
            grey = np.rint(255 * np.clip(12.5 - off, 0.0, 1.0)).astype(np.uint8)
            return np.repeat(grey[..., None], 3, axis=-1)

    paced = pace(turning(40), Disc(uneven), FeatureRuler(OwnPerception()), Wish(40))
    assert cv(paced.steps_after) < 0.25 * cv(paced.steps_before)


# --- faults


@pytest.mark.parametrize(
    ("wrong", "says"),
    [
        ({"frames": 1}, "frames 1"), ({"strength": 1.2}, "strength"),
        ({"strength": -0.1}, "0 to 1"),
        ({"strength": float("nan")}, "strength"), ({"corrections": -1}, "iterations -1"),
        ({"corrections": 99}, "iterations 99"), ({"cut": 0.0}, "cut 0"), ({"cut": 400.0}, "cut"),
    ],
)  # fmt: skip
def test_a_wish_that_cannot_be_had(wrong, says) -> None:
    with pytest.raises(InstrumentError, match=says):
        Wish(**{"frames": 60, **wrong})


def test_one_row_is_no_path() -> None:
    one = replace(turning(2), z=turning(2).z[:1])
    with pytest.raises(InstrumentError, match=r"circle\.npy: 1 row is no path"):
        pace(one, Planted(uneven), Reader(), Wish(2))


@pytest.mark.parametrize("error", [DecodeError("not finite"), ValueError("wrong shape")])
def test_a_decoder_that_fails_is_named_with_its_rows(error) -> None:
    class Failing(Planted):
        def decode(self, z: F32, parameters: Mapping[str, F32]) -> U8:
            raise error

    with pytest.raises(InstrumentError, match=r"rows 0\.00 to 7\.00: planted failed"):
        pace(turning(), Failing(uneven), Reader(), Wish(60))


def test_a_ruler_that_gives_no_number_is_refused() -> None:
    class Broken(Reader):
        def between(self, pictures: U8) -> F64:
            return np.full(len(pictures) - 1, np.nan)

    with pytest.raises(InstrumentError, match="no number"):
        pace(turning(), Planted(uneven), Broken(), Wish(60))
