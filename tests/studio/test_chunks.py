"""Renders in chunks: the same frames whatever the chunks, the workers and the interruptions."""

import hashlib
import json
import os
import threading
import tracemalloc
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from chunk_parts import RATE, job, manifest
from studio_fakes import Barcodes, barcode, indexed, read_barcode

from instrument import InstrumentError
from instrument.frame import U8
from instrument.latent.space import F32
from instrument.studio.assemble import assemble, complete, pictures_sha256, verify
from instrument.studio.chunks import Stopped, Tally, Watch, render_chunks
from instrument.studio.encode import read_frames
from instrument.studio.extras import NOTHING
from instrument.studio.render import Progress
from instrument.studio.workplace import ChunkRecord
from instrument.timebase import FrameRange


def rendered(out: Path, what=None, watch: Watch | None = None, **more) -> Tally:
    what = what or manifest()
    one = job(out, what, **more)
    one.work.begin(what)
    return render_chunks(one, what.chunks, watch or Watch())


def assembled(out: Path, what=None, **more) -> str:
    what = what or manifest()
    tally = rendered(out, what, **more)
    one = job(out, what)
    records = complete(one.work, what, tally.records)
    return assemble(one.work, what, records, NOTHING)


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


@pytest.mark.parametrize(("batch", "chunk"), [(1, 1), (1, 7), (4, 8), (8, 48), (1, 600)])
def test_frames_do_not_depend_on_chunks_or_batches(tmp_path: Path, batch: int, chunk: int) -> None:
    what = manifest(batch=batch, chunk=chunk)
    out = tmp_path / "film.mov"
    sha = assembled(out, what)
    assert [read_barcode(frame) for frame in read_frames(out)] == list(range(50))
    reference = tmp_path / "once.mov"
    assert sha == assembled(reference, manifest())
    assert names(tmp_path) == ["film.mov", "once.mov"]


def test_an_excerpt_has_the_frames_of_the_whole(tmp_path: Path) -> None:
    whole = rendered(tmp_path / "whole.mov", manifest(batch=4, chunk=8))
    part = rendered(tmp_path / "part.mov", manifest(50, FrameRange(13, 30), batch=4, chunk=8))
    all_of = [p for r in whole.records.values() for p in r.pictures]
    some = [p for chunk in sorted(part.records, key=lambda c: c.start)
            for p in part.records[chunk].pictures]  # fmt: skip
    assert some == all_of[13:30]


@pytest.mark.parametrize("name", ["film", "film.%04d.png"])
def test_numbered_pictures_come_in_chunks_too(tmp_path: Path, name: str) -> None:
    what = manifest(50, FrameRange(5, 47), codec="png")
    assembled(tmp_path / name, what)
    assert [read_barcode(p) for p in read_frames(tmp_path / name)] == list(range(5, 47))
    # Once more, shorter, over what is there.
    assembled(tmp_path / name, manifest(50, FrameRange(5, 30), codec="png"))
    assert [read_barcode(p) for p in read_frames(tmp_path / name)] == list(range(5, 30))
    assert not [path for path in tmp_path.iterdir() if path.name.startswith(".")]


class EndsError(Exception):
    """The process ends here."""


def test_a_render_that_was_ended_goes_on_and_is_the_same_bytes(tmp_path: Path) -> None:
    assembled(tmp_path / "once.mov")
    out = tmp_path / "film.mov"

    def end(_: ChunkRecord) -> None:
        raise EndsError

    for _ in range(3):
        with pytest.raises(EndsError):  # each life finishes one chunk
            rendered(out, watch=Watch(chunk=end))
    tally = rendered(out)
    assert tally.rendered == 0
    assert tally.kept == 50
    one = job(out, manifest())
    assemble(one.work, one.manifest, complete(one.work, one.manifest, {}), NOTHING)
    assert out.read_bytes() == (tmp_path / "once.mov").read_bytes()


def test_finished_chunks_are_not_decoded_again(tmp_path: Path) -> None:
    out = tmp_path / "film.mov"
    rendered(out)
    decoder = Barcodes()
    tally = rendered(out, decoder=lambda: decoder)
    assert decoder.batches == []
    assert (tally.kept, tally.rendered) == (50, 0)


@pytest.mark.parametrize(
    "harm",
    ["flip", "cut", "empty", "gone", "record", "other", "frames", "stranger"],
)
def test_a_chunk_that_is_not_what_was_written_is_rendered_again(tmp_path: Path, harm: str) -> None:
    out = tmp_path / "film.mov"
    tally = rendered(out)
    work, chunk = job(out, manifest()).work, FrameRange(20, 40)
    file, record = work.path_of(chunk), work.record_of(chunk)
    before, data = pictures_sha256(tally.records), bytearray(file.read_bytes())
    if harm == "flip":
        data[len(data) // 2] ^= 1
        file.write_bytes(data)
    elif harm in ("cut", "empty"):
        file.write_bytes(data[: len(data) // 2 if harm == "cut" else 0])
    elif harm == "gone":
        file.unlink()
    elif harm == "other":
        file.write_bytes(work.path_of(FrameRange(0, 20)).read_bytes())
    elif harm == "record":
        record.write_text("{no json")
    else:
        fields = json.loads(record.read_text())
        changed = {"pictures": fields["pictures"][1:]} if harm == "frames" else {"render": "x" * 64}
        record.write_text(json.dumps({**fields, **changed}))
    damaged: list[Path] = []
    again = rendered(out, watch=Watch(damaged=damaged.append))
    assert again.made == {chunk}
    assert damaged == ([] if harm == "gone" else [file])
    in_order = dict(sorted(again.records.items(), key=lambda r: r[0].start))
    assert pictures_sha256(in_order) == before


def test_who_says_stop_gets_whole_chunks(tmp_path: Path) -> None:
    told: list[Progress] = []
    watch = Watch(progress=told.append, stop=lambda: len(told) > 5)
    with pytest.raises(Stopped) as stopped:
        rendered(tmp_path / "film.mov", watch=watch)
    assert (stopped.value.done, stopped.value.total) == (20, 50)
    assert [p.done for p in told] == list(range(1, 21))
    told.clear()
    tally = rendered(tmp_path / "film.mov", watch=Watch(progress=told.append))
    assert tally.made == {FrameRange(20, 40), FrameRange(40, 50)}
    assert [p.done for p in told] == list(range(21, 51))
    assert told[-1].seconds_left == 0


def test_a_stop_after_the_last_frame_stops_nothing(tmp_path: Path) -> None:
    told: list[Progress] = []
    rendered(tmp_path / "f.mov", watch=Watch(told.append, stop=lambda: len(told) > 45))
    assert len(told) == 50


class Failing(Barcodes):
    """Fails at row 33."""

    def decode(self, z: F32, parameters: Mapping[str, F32]) -> U8:
        if 33 in z[:, 0]:
            raise RuntimeError("no memory")
        return super().decode(z, parameters)


def test_what_goes_wrong_leaves_what_is_finished(tmp_path: Path) -> None:
    out = tmp_path / "film.mov"
    with pytest.raises(InstrumentError, match=r"frame 33: .*; 20 of 50 frames are kept"):
        rendered(out, decoder=Failing)
    assert names(tmp_path) == [".film.mov.render"]
    assert names(tmp_path / ".film.mov.render") == ["chunks", "manifest.json"]
    assert not [t for t in threading.enumerate() if t.name.startswith(("decode", "clos", "finish"))]
    assert rendered(out).rendered == 30


def test_two_may_make_the_same_chunks(tmp_path: Path) -> None:
    out, tallies = tmp_path / "film", list[Tally]()
    what = manifest(codec="png", chunk=5)
    job(out, what).work.begin(what)
    both = [threading.Thread(target=lambda: tallies.append(rendered(out, what))) for _ in range(2)]
    for one in both:
        one.start()
    for one in both:
        one.join()
    one_job = job(out, what)
    records = complete(one_job.work, what, {})
    assert len(tallies) == 2
    assemble(one_job.work, what, records, NOTHING)
    assert [read_barcode(p) for p in read_frames(out)] == list(range(50))


def test_what_killed_processes_left_is_removed(tmp_path: Path) -> None:
    out = tmp_path / "film.mov"
    work = job(out, manifest()).work
    work.begin(manifest())
    dead = work.folder / "stage-dead"
    dead.mkdir()
    (dead / "lock").touch()
    (dead / "0000000-0000020.mov").write_bytes(b"half a film")
    with work.stage() as alive:
        with work.stage() as other:
            assert alive.is_dir()
            assert other.is_dir()
        assert not dead.exists()
        assert alive.is_dir()
        assert not other.exists()


def test_what_was_half_removed_is_no_render(tmp_path: Path) -> None:
    rendered(tmp_path / "film.mov")
    (tmp_path / ".film.mov.render").rename(tmp_path / ".film.mov.render.gone")
    assert rendered(tmp_path / "film.mov").rendered == 50
    assert names(tmp_path) == [".film.mov.render"]


def test_another_render_in_the_same_place_is_refused(tmp_path: Path) -> None:
    out = tmp_path / "film.mov"
    rendered(out, manifest(fit="fill"))
    with pytest.raises(InstrumentError, match=r'film.mov: .*fit "fill", here "fit".*--restart'):
        rendered(out, manifest(fit="fit"))
    job(out, manifest()).work.discard()
    assert names(tmp_path) == []
    assert rendered(out, manifest(fit="fit")).rendered == 50


@pytest.mark.parametrize("text", ["", "{", "[]", '{"format": "render/9"}', "\x00" * 9, "[" * 5000])
def test_a_manifest_that_is_none_is_named(tmp_path: Path, text: str) -> None:
    work = job(tmp_path / "film.mov", manifest()).work
    work.begin(manifest())
    work.manifest_path.write_text(text)
    with pytest.raises(InstrumentError, match=r"manifest.json: .*--restart") as caught:
        work.begin(manifest())
    assert "\n" not in str(caught.value)


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write anywhere")
def test_a_folder_that_cannot_be_written(tmp_path: Path) -> None:
    tmp_path.chmod(0o500)
    with pytest.raises(InstrumentError, match="cannot be written"):
        rendered(tmp_path / "film.mov")


def test_missing_chunks_are_named(tmp_path: Path) -> None:
    out = tmp_path / "film.mov"
    what = manifest(chunk=5)
    rendered(out, what)
    work = job(out, what).work
    for chunk in what.chunks[2:7]:
        work.record_of(chunk).unlink()
    with pytest.raises(InstrumentError, match=r"5 of 10 chunks .*10:15, 15:20, 20:25 and 2 more"):
        complete(work, what, {})
    assert not out.exists()


def test_frames_of_a_faulty_machine_are_found(tmp_path: Path) -> None:
    class Faulty(Barcodes):
        def decode(self, z: F32, parameters: Mapping[str, F32]) -> U8:
            return super().decode(z, parameters) ^ np.uint8(1)

    out, what = tmp_path / "film.mov", manifest()
    good, bad = rendered(tmp_path / "good.mov"), rendered(out, decoder=Faulty)
    ahead = job(out, what).ahead
    assert len(verify(what, good.records, ahead)) == 3
    assert verify(what, good.records, ahead) == verify(what, good.records, ahead)
    with pytest.raises(InstrumentError, match=r"frame \d+ is not what is rendered here: the chunk"):
        verify(what, bad.records, ahead)


def test_memory_does_not_grow_with_length(tmp_path: Path) -> None:
    def peak(frames: int) -> int:
        what = manifest(frames, chunk=50)
        sequence = indexed(frames, RATE)
        tracemalloc.start()
        rendered(tmp_path / f"{frames}.mov", what, sequence=sequence)
        most = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        return most

    peak(100)
    short, long = peak(200), peak(1600)
    assert long - short < 1400 * 100  # a hash of every frame is all that stays
    assert long < 400 * barcode(0).nbytes


def test_every_frame_is_seen_in_order(tmp_path: Path) -> None:
    seen: list[int] = []

    def see(row: int, picture: U8) -> None:
        assert read_barcode(picture) == row
        seen.append(row)

    rendered(tmp_path / "f.mov", manifest(chunk=8, batch=4), watch=Watch(see=see))
    assert seen == list(range(50))


def test_what_frames_were_stays_on_the_disk(tmp_path: Path) -> None:
    tally = rendered(tmp_path / "film.mov")
    record = tally.records[FrameRange(20, 40)]
    assert len(record.pictures) == 20 and len(record.digests) == 640
    assert bytes.fromhex(record.pictures[7]) == record.digests[224:256]
    record.path.unlink()
    with pytest.raises(InstrumentError, match=r"0000020-0000040\.json: is no longer"):
        pictures_sha256(tally.records)


def test_verified_frames_come_from_all_chunks(tmp_path: Path) -> None:
    """Of many films: in each three of its frames, in order, and any frame now and then."""
    seen = set()
    for number in range(60):
        what = manifest(total=7, chunk=3, film=number)
        made = job(tmp_path / f"{number}.mov", what)
        made.work.begin(what)
        records = complete(made.work, what, render_chunks(made, what.chunks, Watch()).records)
        rows = verify(what, records, made.ahead)
        assert len(set(rows)) == 3 and rows == sorted(rows)
        seen |= set(rows)
    assert seen == set(range(7))


@pytest.mark.parametrize("codec", ["png", "lossless"])
def test_whoever_writes_a_chunk_last_is_believed(tmp_path: Path, codec: str) -> None:
    """A farm checks what the last one has written: it must not be somebody else's."""
    out = tmp_path / ("film" if codec == "png" else "film.mov")
    what, chunk = manifest(codec=codec), FrameRange(0, 20)
    other = replace(indexed(50, RATE), z=indexed(51, RATE).z[1:])
    made = [job(out, what), job(out, what, sequence=other)]
    made[0].work.begin(what)
    for one in made:
        pictures = [frame.copy() for _, frame, _ in one.ahead.frames([chunk])]
        digests = b"".join(hashlib.sha256(picture.data).digest() for picture in pictures)
        for _ in range(2):  # the second time it is there already
            with one.work.stage() as stage:
                with one.open_chunk(stage / one.work.path_of(chunk).name) as writer:
                    for picture in pictures:
                        writer.write(picture)
                record = one.work.keep(what, writer.path, chunk, digests)
    assert made[0].work.finished(what, chunk) == record
    assert [read_barcode(p) for p in read_frames(made[0].work.path_of(chunk))] == list(range(1, 21))
