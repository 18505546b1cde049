"""The real MLT and the real Kdenlive: random edits rendered, and read, frame against frame.

`melt_edits` writes the edits, `barcodes` the footage they are cut from. Skipped where the programs
are not installed.
"""

import re
import shutil
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import barcodes
import pytest
from melt_edits import BARCODES, edit, melt, properties, render, run, write_footage
from mlt_paint import Picture, paint

from instrument.studio import mlt

pytestmark = pytest.mark.skipif(melt() is None, reason="melt is not installed")

# kind of edit, and which; more of them were rendered while the reader was made
RENDERED = [
    *[(kind, seed) for kind in ("cuts", "fades", "mixes", "tracks", "remaps") for seed in (0, 1)],
    *[("freezes", 3), ("mixes", 165), ("tracks", 2)],
]
SEEN = 0.05  # shares below this may drown in the noise of an 8-bit video


@pytest.fixture(scope="module")
def footage(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("footage")
    write_footage(folder)
    return folder


def agrees(picture: Picture, shown: tuple[dict[int, float], float]) -> bool:
    """Whether a rendered picture is the painted one, as far as a barcode can tell."""
    numbers, light = shown
    total = sum(picture.values())
    expected = {n: share / total for n, share in picture.items() if share > 1e-9} if total else {}
    if not numbers:
        return total <= 0.10  # hardly above the black of a video
    if len([share for share in expected.values() if share > 0.001]) > 2:
        return True  # a barcode holds two
    tolerance = max(0.008 + 0.6 / (219 * light), SEEN if len(numbers) == 1 else 0)
    names = expected.keys() | numbers.keys()
    return all(abs(expected.get(n, 0) - numbers.get(n, 0)) <= tolerance for n in names)


def disagreeing(path: Path) -> list[tuple[int, Picture, tuple[dict[int, float], float]]]:
    timeline = mlt.read(path)
    shown = render(path, timeline.length)
    assert len(shown) == timeline.length
    pairs = enumerate(zip(paint(timeline, BARCODES), shown, strict=True))
    return [(frame, *pair) for frame, pair in pairs if not agrees(*pair)]


@pytest.mark.parametrize(("kind", "seed"), RENDERED)
def test_every_frame_is_the_rendered_one(footage: Path, kind: str, seed: int) -> None:
    path = footage / f"{kind}{seed}.mlt"
    path.write_text(edit(kind, seed), encoding="utf-8")
    assert disagreeing(path) == []


def test_the_comparison_can_fail(footage: Path) -> None:
    path = footage / "shifted.mlt"
    path.write_text(edit("cuts", 1), encoding="utf-8")
    timeline = mlt.read(path)
    shown = render(path, timeline.length)
    pictures = paint(timeline, BARCODES)
    later = [{number + 1: share for number, share in each.items()} for each in pictures]
    assert not all(agrees(*pair) for pair in zip(later, shown, strict=True))


@pytest.mark.skipif(shutil.which("xvfb-run") is None, reason="xvfb-run is not installed")
@pytest.mark.parametrize("seed", [0, 3])
def test_a_project_as_kdenlive_saves_it(footage: Path, seed: int) -> None:
    """Tracks of two playlists, joined by qtblend, over black."""
    path = footage / f"projects{seed}.kdenlive"
    path.write_text(edit("projects", seed), encoding="utf-8")
    assert disagreeing(path) == []


def test_barcodes_are_read() -> None:
    luma = barcodes.picture(11_111)[..., 0] * (219 / 255) + 16
    other = barcodes.picture(2222)[..., 0] * (219 / 255) + 16
    assert barcodes.decode(luma) == ({11_111: 1.0}, pytest.approx(1.0))
    shares, light = barcodes.decode(0.7 * luma + 0.3 * other)
    assert shares == {11_111: pytest.approx(0.7), 2222: pytest.approx(0.3)}
    assert light == pytest.approx(1.0)
    assert barcodes.decode(luma * 0 + 16) == ({}, 0.0)


def test_a_program_that_hangs_is_ended(tmp_path: Path) -> None:
    sleeper = "import time, pathlib; pathlib.Path('ran').touch(); time.sleep(600)"
    started = time.monotonic()
    assert run([sys.executable, "-c", sleeper], tmp_path, 3) != 0
    assert (tmp_path / "ran").exists()
    assert time.monotonic() - started < 60


# --- Kdenlive itself

KDENLIVE = ("kdenlive", "xvfb-run", "dbus-run-session", "dbus-send", "melt")

# Opens a project, waits till it can be saved, saves it, ends. It may wait for ever: `run` ends it.
SESSION = """
cp project.kdenlive before
kdenlive $PWD/project.kdenlive &
kdenlive=$!
call() {
  dbus-send --session --print-reply --reply-timeout=2000 --dest=org.kde.kdenlive-$kdenlive \\
    /kdenlive/MainWindow_1 org.kde.KMainWindow.$1 $2 2>/dev/null
}
until [ $(call actions | wc -l) -gt 400 ]; do sleep 0.5; done
# it listens before it has read the project whole
until grep -q Flowers project.kdenlive && ! cmp -s before project.kdenlive; do
  sleep 3
  call activateAction string:file_save
done
sleep 1
kill -KILL $kdenlive
wait
"""
# Who has been here before is not greeted; and a lock of somebody else's is not his.
BEEN_HERE = "[version]\nversion=22.12.3\n"


def saved_by_kdenlive(folder: Path, seconds: float) -> bool:
    """Whether Kdenlive opened the project in `folder` and saved it, as it does, in its own way."""
    command = ["xvfb-run", "-a", "dbus-run-session", "--", "sh", "-c", SESSION]
    before = (folder / "project.kdenlive").read_bytes()
    # Its sockets lie there, and a socket's path must be short: else it waits for ever.
    with tempfile.TemporaryDirectory(prefix="k-", ignore_cleanup_errors=True) as short:
        for name in ("run", "temporary", "home", "home/.config"):
            (Path(short) / name).mkdir(mode=0o700)
        (Path(short) / "home/.config/kdenliverc").write_text(BEEN_HERE)
        places = {"HOME": "home", "XDG_RUNTIME_DIR": "run", "TMPDIR": "temporary"}
        run(command, folder, seconds, **{key: f"{short}/{name}" for key, name in places.items()})
    return (folder / "project.kdenlive").read_bytes() != before


@pytest.mark.skipif(
    not all(shutil.which(name) for name in KDENLIVE), reason="Kdenlive is not installed"
)
def test_a_project_saved_by_kdenlive_is_still_the_same_edit(tmp_path: Path) -> None:
    write_footage(tmp_path, ("a.mp4", "b.mp4"))
    path = tmp_path / "project.kdenlive"
    path.write_text(PROJECT, encoding="utf-8")
    unsaved = mlt.read(path)
    assert saved_by_kdenlive(tmp_path, 60), "Kdenlive did not save"
    saved = mlt.read(path)
    assert re.search(r'in="00:00:0', path.read_text("utf-8"))  # Kdenlive's own clocks
    assert [track.name for track in saved.tracks] == ["Faces", "Flowers"]
    assert saved.length == unsaved.length == 110
    pairs: list[tuple[Picture, Picture]] = list(
        zip(paint(unsaved, BARCODES), paint(saved, BARCODES), strict=True)
    )
    for before, after in pairs:
        assert after == pytest.approx(before, abs=0.06)


def _project() -> str:
    """Cuts, a speed, a reversed clip, a mix, a gap and an upper track, by hand."""
    entry: Callable[[str, int, int], str] = lambda name, first, last: (  # noqa: E731
        f'<entry producer="{name}" in="{first}" out="{last}">'
        f"{properties(kdenlive__id=2 if name[0] == 'a' else 3)}</entry>"
    )

    def producer(name: str, length: int, **named: object) -> str:
        said = properties(length=length, **named, kdenlive__id=2 if name[0] == "a" else 3)
        return f'<producer id="{name}" in="0" out="{length - 1}">{said}</producer>'

    def plain(name: str) -> str:
        return producer(name, 300, resource=f"{name}.mp4", mlt_service="avformat-novalidate")

    def warp(name: str, speed: int, length: int) -> str:
        return producer(
            name,
            length,
            resource=f"{speed}:a.mp4",
            mlt_service="timewarp",
            warp_speed=speed,
            warp_resource="a.mp4",
        )

    def video(name: str, title: str, first: str, second: str = "") -> str:
        rows = (
            f'<playlist id="{name}0">{first}</playlist><playlist id="{name}1">{second}</playlist>'
        )
        mix = properties(
            a_track=0, b_track=1, mlt_service="luma", kdenlive_id="luma", kdenlive__mixcut=5
        )
        mix = f'<transition id="m" in="60" out="70">{mix}</transition>' if second else ""
        named = properties(kdenlive__track_name=title)
        return (
            f'{rows}<tractor id="{name}" in="0" out="109">{named}<track hide="audio" '
            f'producer="{name}0"/><track hide="audio" producer="{name}1"/>{mix}</tractor>'
        )

    black = properties(length=2147483647, eof="continue", resource="black", mlt_service="color")
    over = "".join(
        "<transition>"
        + properties(
            a_track=0, b_track=n, mlt_service="qtblend", always_active=1, internal_added=237
        )
        + "</transition>"
        for n in (1, 2)
    )
    bin_ = properties(
        **{
            "kdenlive:docproperties.version": "1.04",
            "kdenlive:docproperties.kdenliveversion": "22.12.3",
        },
        xml_retain=1,
    )
    return (
        '<mlt LC_NUMERIC="C" producer="main_bin" version="7.12.0" root="">'
        f'<profile width="{barcodes.WIDTH}" height="{barcodes.HEIGHT}" progressive="1" '
        'sample_aspect_num="1" sample_aspect_den="1" display_aspect_num="3" display_aspect_den="1" '
        'frame_rate_num="30" frame_rate_den="1" colorspace="709" description="p"/>'
        f'{plain("a")}{plain("b")}<playlist id="main_bin">{bin_}{entry("a", 0, 299)}'
        f"{entry('b', 0, 299)}</playlist>"
        f'<producer id="black_track" in="0" out="9999">{black}</producer>'
        f"{warp('a2', 2, 150)}{warp('ar', -1, 300)}"
        + video(
            "v",
            "Faces",
            entry("a", 10, 39) + entry("a2", 20, 59),
            '<blank length="60"/>' + entry("b", 100, 149),
        )
        + video("w", "Flowers", f'<blank length="20"/>{entry("ar", 50, 57)}')
        + f'<tractor id="root" in="0" out="109"><track producer="black_track"/>'
        f'<track producer="v"/><track producer="w"/>{over}</tractor></mlt>'
    )


PROJECT = _project()
