"""The decoder process under real kills, hangs and hostile models.

Waits are generous (other programs share the machine); what is asserted is that things happen,
not how fast.
"""

import gc
import os
import platform
import signal
import subprocess
import sys
import threading
import time
from contextlib import closing
from pathlib import Path

import numpy as np
import pytest
from nobody_waits import nobody_waits

from instrument.decoder.models import find_model
from instrument.decoder.process import DecoderProcess, _pause

LONG = 40.0  # s
posix = pytest.mark.skipif(os.name != "posix", reason="needs signals")


def card_z(value):
    """The z that the test card shows as `value`."""
    return np.array([value, 0, 0, 0], np.float32)


def shown(frame):
    """The value a test card shows; the picture must be of one colour."""
    pixels = frame.pixels
    assert (pixels == pixels[0, 0]).all(), "torn picture"
    red, green, blue, alpha = (int(level) for level in pixels[0, 0])
    assert alpha == 255
    return red << 16 | green << 8 | blue


def until(condition, seconds=LONG):
    """Wait for `condition`."""
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "waited in vain"
        time.sleep(0.01)


def runs(pid):
    """Whether a process of that number runs (a zombie does not)."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def test_a_picture_for_a_z(card):
    with DecoderProcess(card()) as process:
        assert process.state == "loading"
        process.post(5, card_z(0x123456), {"/model/truncation": 1.0})
        frame = process.newest(-1, LONG)
        assert (frame.index, shown(frame)) == (5, 0x123456)
        assert frame.pixels.shape == (16, 24, 4)
        assert not frame.pixels.flags.writeable
        assert process.state == "ready"
        assert process.restarts == 0
        assert process.newest(5, 0.05) is None


def test_a_real_model(tmp_path):
    model = find_model("procedural-64")
    z = np.ones(64, np.float32)
    with DecoderProcess(model, "cpu") as process:
        process.post(0, z, {})
        frame = process.newest(-1, LONG)
        assert frame.pixels.std() > 10
        assert 0 < frame.decode_seconds < LONG
        assert process.decode_seconds > 0
    # What was in shared memory is what the decoder gives in this process.
    from instrument.decoder.runtime import open_decoder

    assert np.array_equal(frame.pixels[..., :3], open_decoder(model, "cpu").decode(z[None], {})[0])


def test_the_stage_side_never_imports_torch():
    code = (
        "import sys; import instrument.decoder.process, instrument.decoder.models;"
        "sys.exit('torch' in sys.modules)"
    )
    root = Path(__file__).parents[2]
    assert subprocess.run([sys.executable, "-c", code], cwd=root).returncode == 0


def test_newest_z_wins(card):
    with DecoderProcess(card(delay=0.02)) as process:
        until(lambda: process.state == "ready")
        with nobody_waits():
            for index in range(100):  # a queue would be 2 s long
                process.post(index, card_z(index), {})
        seen = [process.newest(-1, LONG)]
        while seen[-1].index < 99:
            seen.append(process.newest(seen[-1].index, LONG))
        assert shown(seen[-1]) == 99
        assert len(seen) < 10


def test_posts_while_loading_are_not_lost(card):
    with DecoderProcess(card(delay=0.5)) as process:
        for index in range(300):
            process.post(index, card_z(index), {})
        assert process.newest(-1, LONG).index == 299


def test_pictures_are_never_torn_nor_out_of_order(card):
    with DecoderProcess(card(size=[256, 256])) as process:
        last, held, count = -1, None, 0
        for index in range(1500):
            process.post(index, card_z(index * 65793 % (1 << 24)), {})
            if held is not None:  # the decoder is at work now; this one is ours to look at
                assert shown(held) == held.index * 65793 % (1 << 24)
            frame = process.newest(last, 0.02 if index > 20 else LONG)
            if frame is not None:
                assert frame.index > last
                last, held, count = frame.index, frame, count + 1
        assert count > 50


def test_a_held_picture_stays_while_newer_ones_come(card):
    with DecoderProcess(card()) as process:
        process.post(0, card_z(1), {})
        held = process.newest(-1, LONG)
        for index in range(1, 8):
            process.post(index, card_z(index + 1), {})
            until(lambda index=index: process._life.child.picture.index == index)
            assert shown(held) == 1
        assert shown(process.newest(0, LONG)) == 8


@posix
def test_a_killed_process_is_replaced_and_the_picture_returns_unasked(card):
    with DecoderProcess(card()) as process:
        process.post(3, card_z(33), {})
        before = process.newest(-1, LONG)
        os.kill(process.pid, signal.SIGKILL)
        until(lambda: process.restarts == 1)
        assert shown(before) == 33  # the last picture is still there to be shown
        until(lambda: process.state == "ready")
        after = process.newest(-1, LONG)
        assert (after.index, shown(after)) == (3, 33)
        assert process.state == "ready"
        assert shown(before) == 33


@posix
def test_pictures_go_on_under_repeated_kills(card):
    with DecoderProcess(card()) as process:
        index = 0
        for kills in range(3):
            process.post(index, card_z(index), {})
            assert process.newest(index - 1, LONG).index == index
            os.kill(process.pid, signal.SIGKILL)
            until(lambda kills=kills: process.restarts > kills)
            assert "killed" in process.message.lower() or process.state == "ready"
            index += 1


@posix
@pytest.mark.skipif(not Path("/proc/self/cmdline").exists(), reason="looks into /proc")
def test_whoever_dies_again_and_again_is_played_in_the_safe_form(card):
    """What is fast may be what kills it: then another life in that form is no better."""
    with DecoderProcess(card(), precision="compiled") as process:
        for life, precision in enumerate(["compiled"] * 3 + ["full"]):
            until(lambda life=life: process.restarts == life and process.state == "ready")
            words = Path(f"/proc/{process.pid}/cmdline").read_text().split("\0")
            assert words[words.index("--precision") + 1] == precision
            if life < 3:
                os.kill(process.pid, signal.SIGKILL)
        process.post(1, card_z(5), {})
        assert shown(process.newest(0, LONG)) == 5


@posix
def test_a_stopped_process_is_replaced(card):
    with DecoderProcess(card()) as process:
        process.post(0, card_z(1), {})
        process.newest(-1, LONG)
        stopped = process.pid
        os.kill(stopped, signal.SIGSTOP)
        process.post(1, card_z(2), {})
        until(lambda: process.restarts == 1)
        assert process.newest(0, LONG).index == 1
        until(lambda: not runs(stopped))


@pytest.mark.parametrize("fail", ["hang", "exit"])
def test_a_z_that_hangs_or_kills_the_decoder_does_not_end_the_show(card, fail):
    with DecoderProcess(card(fail=fail)) as process:
        process.post(0, card_z(7), {})
        assert shown(process.newest(-1, LONG)) == 7
        process.post(1, card_z(-1), {})
        until(lambda: process.restarts >= 1)
        process.post(2, card_z(8), {})
        assert shown(process.newest(1, LONG)) == 8


def test_an_error_is_told_and_survived(card):
    with DecoderProcess(card(fail="decode")) as process:
        process.post(0, card_z(1), {})
        process.newest(-1, LONG)
        pid = process.pid
        process.post(1, card_z(-1), {})
        until(lambda: process.message == "card: told to fail")
        process.post(2, card_z(2), {})
        assert process.newest(0, LONG).index == 2
        assert process.message == "card: ready"
        assert (process.pid, process.restarts) == (pid, 0)


def test_three_errors_in_a_row_bring_a_fresh_process(card):
    with DecoderProcess(card(fail="decode")) as process:
        until(lambda: process.state == "ready")
        for index in range(3):
            process.post(index, np.full(4, np.nan, np.float32), {})
            until(lambda: process._life.child.idle)
        until(lambda: process.restarts >= 1)
        process.post(5, card_z(5), {})
        assert process.newest(4, LONG).index == 5


def test_a_model_that_cannot_be_opened_fails_once_in_one_line(card):
    with DecoderProcess(card(fail="open")) as process:
        until(lambda: process.pid is not None)
        pid = process.pid
        until(lambda: process.state == "failed")
        assert "told to fail on opening" in process.message
        assert "\n" not in process.message
        until(lambda: process.ended)
        assert not runs(pid)
        assert (process.state, process.restarts, process.pid) == ("failed", 0, None)
        process.post(0, card_z(1), {})
        assert process.newest(-1, 0.05) is None


def test_a_model_that_went_away_or_changed_is_refused(card):
    manifest = card()
    (manifest.folder / "manifest.json").unlink()
    with DecoderProcess(manifest) as process:
        until(lambda: process.state == "failed")
        assert "missing" in process.message
    card(licence="another")
    with DecoderProcess(manifest) as process:
        until(lambda: process.state == "failed")
        assert "has changed" in process.message


def test_a_wrong_device_is_told(tmp_path):
    with DecoderProcess(find_model("procedural-64"), "tpu") as process:
        until(lambda: process.state == "failed")
        assert "'tpu'" in process.message


def test_wrong_z_is_refused_at_once(card):
    process = DecoderProcess(card())
    with pytest.raises(ValueError, match="must be"):
        process.post(0, np.zeros(5, np.float32), {})
    process.close()


def shared_memory():
    """The pieces of shared memory that this process maps; other processes have theirs."""
    maps = Path("/proc/self/maps").read_text().splitlines()
    return {Path(line.split()[5]) for line in maps if "/dev/shm/latent-instrument-" in line}


@posix
def test_close_leaves_nothing_behind(card):
    before = shared_memory()
    process = DecoderProcess(card(delay=30.0))
    process.start()
    until(lambda: process.pid is not None)
    pid, own = process.pid, shared_memory() - before
    process.close()
    process.close()
    assert not runs(pid)
    assert own and not any(path.exists() for path in own)
    assert process.newest(-1, 1) is None


def niceness(pid):
    """The nice values of a process's threads; nothing where one ends meanwhile."""
    try:
        stats = [path.read_text() for path in Path(f"/proc/{pid}/task").glob("*/stat")]
    except OSError:
        return set()
    return {int(stat.rpartition(")")[2].split()[16]) for stat in stats}


@pytest.mark.skipif(sys.platform != "linux", reason="a priority of a thread's own")
def test_loading_gently_gives_way_and_playing_does_not(card):
    own = os.nice(0)
    low = min(own + 10, 19)
    process = DecoderProcess(card(delay=0.4))
    process.start(gently=True)
    with closing(process):
        until(lambda: process.pid is not None and niceness(process.pid) == {own, low})
        assert process.state == "loading"
        until(lambda: process.state == "ready")
        until(lambda: niceness(process.pid) == {own})
        os.kill(process.pid, signal.SIGKILL)
        until(lambda: process.restarts == 1)
        until(lambda: process.pid is not None)
        while process.state != "ready":  # started anew it hurries
            assert process.pid is None or niceness(process.pid) <= {own}
            time.sleep(0.01)


def mapped_memory():
    """How many files of ours this process maps."""
    return Path("/proc/self/maps").read_text().count("latent-instrument-")


@posix
@pytest.mark.parametrize("at", ["loading", "idle", "busy", "killed"])
def test_dismissing_waits_for_nothing_and_gives_all_back(card, at):
    """And without the garbage collector, which does not run during a show."""
    gc.collect()
    gc.disable()
    try:
        threads, descriptors = threading.active_count(), len(os.listdir("/proc/self/fd"))
        process = DecoderProcess(card(fail="hang", size=[64, 64]))
        process.start()
        until(lambda: process.pid is not None)
        pid, held = process.pid, None
        if at != "loading":
            process.post(0, card_z(9), {})
            held = process.newest(-1, LONG)
        if at == "busy":
            process.post(1, card_z(-1), {})
        if at == "killed":
            os.kill(pid, signal.SIGKILL)
        with nobody_waits():
            process.dismiss()
            process.dismiss()
        assert process.newest(0, LONG) is None
        until(lambda: process.ended)
        assert not runs(pid)
        assert held is None or shown(held) == 9, "what is held can still be shown"
        held = None
        assert mapped_memory() == 0
        assert threading.active_count() == threads
        assert len(os.listdir("/proc/self/fd")) == descriptors
    finally:
        gc.enable()


@posix
def test_a_killed_life_leaves_no_memory_behind(card):
    gc.collect()
    gc.disable()
    try:
        with DecoderProcess(card()) as process:
            for index in range(3):
                process.post(index, card_z(index), {})
                process.newest(index - 1, LONG)
                os.kill(process.pid, signal.SIGKILL)
                until(lambda index=index: process.restarts > index)
            until(lambda: process.state == "ready")
            assert mapped_memory() == 1
        process = None
        assert mapped_memory() == 0
    finally:
        gc.enable()


STAGE = """
import sys, time
import numpy as np
from instrument.decoder.models import find_model
from instrument.decoder.process import DecoderProcess
process = DecoderProcess(find_model(sys.argv[1]))
process.start()
process.post(0, np.array([1, 0, 0, 0], np.float32), {})
process.newest(-1, 60)
if sys.argv[2] == "busy":
    process.post(1, np.array([-1, 0, 0, 0], np.float32), {})
print(process.pid, flush=True)
time.sleep(300)
"""


@posix
@pytest.mark.parametrize("at", ["idle", "busy"])
def test_no_orphan_when_the_stage_is_killed(card, at):
    folder = card(fail="hang").folder
    stage = subprocess.Popen(
        [sys.executable, "-c", STAGE, str(folder), at],
        stdout=subprocess.PIPE,
        cwd=Path(__file__).parents[2],
    )
    with stage:
        decoder = int(stage.stdout.readline())
        assert runs(decoder)
        stage.kill()
    until(lambda: not runs(decoder))


@posix
def test_ctrl_c_does_not_reach_the_decoder(card):
    with DecoderProcess(card()) as process:
        process.post(0, card_z(1), {})
        process.newest(-1, LONG)
        os.kill(process.pid, signal.SIGINT)
        process.post(1, card_z(2), {})
        assert process.newest(0, LONG).index == 1
        assert process.restarts == 0


def test_pauses_grow_to_ten_seconds():
    assert [_pause(n) for n in range(7)] == [0, 0.5, 1, 2, 4, 8, 10]
    assert _pause(100_000) == 10


@pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="reads faults in /proc")
@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="only GNU's memory can be told")
def test_memory_of_a_picture_serves_the_next():
    model = find_model("default")
    z = np.ones(model.latent.shape, np.float32)

    def faults():
        """Pages the system has given to the decoder so far."""
        return int(Path(f"/proc/{process.pid}/stat").read_text().rpartition(")")[2].split()[7])

    def decode(first, count):
        for index in range(first, first + count):
            process.post(index, z, {})
            while process.newest(index - 1, LONG) is None:
                assert process.state != "failed", process.message

    with DecoderProcess(model, threads=1, precision="full") as process:
        decode(1, 10)
        before = faults()
        decode(11, 20)
        assert (faults() - before) / 20 < 50, "1,600 where memory is given back"
