"""Compiled programs through torch's C interface: what they give, leave to others, and give back."""

import gc
import sys
import threading
import time
import zipfile
from pathlib import Path

import pytest
import torch
from torch import nn

from instrument import InstrumentError
from instrument.decoder import compiled
from instrument.decoder.aot_program import LIBRARY, AotProgram, code_in
from instrument.decoder.compiled import compile_into, compiler

SIZE = 1024  # pixels a side: a picture takes 12 MB, and ten milliseconds


class Waves(nn.Module):
    """A `Painter` whose picture hangs on everything it is given."""

    def __init__(self) -> None:
        super().__init__()
        self.grid = nn.Buffer(torch.rand(1, 3, SIZE, SIZE))

    def paint(self, z, psi):
        return (self.grid * z.sum()).sin() * psi


@pytest.fixture(scope="module")
def waves():
    torch.manual_seed(5)
    return Waves()


@pytest.fixture(scope="module")
def package(waves, tmp_path_factory):
    if compiler() is None:
        pytest.skip("no C++ compiler on this machine: nothing can be compiled")
    path = tmp_path_factory.mktemp("aot") / "waves.pt2"
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("TORCHINDUCTOR_CACHE_DIR", str(path.parent / "inductor"))
        compile_into(path, waves, torch.ones(1, 4))
    return path


@pytest.fixture
def program(package):
    return AotProgram(package)


def given(waves, value=1.0, psi=1.0):
    return [torch.full((1, 4), value), torch.full((1,), psi), waves.grid]


def test_it_computes_what_the_module_does(program, waves):
    for value, psi in ((1.0, 1.0), (-3.0, 0.5), (0.0, 0.0)):
        z, scale, _ = tensors = given(waves, value, psi)
        with torch.inference_mode():
            made = program(tensors)
        assert made.shape == (1, 3, SIZE, SIZE)
        assert torch.allclose(made, waves.paint(z, scale), atol=1e-5)
    with pytest.raises(ValueError, match="of 3 tensors was given 2"):
        program(given(waves)[:2])


def test_other_threads_go_on_while_it_runs(program, waves):
    turns, done = [], threading.Event()

    def count():
        while not done.is_set():
            turns.append(None)
            time.sleep(0.0)

    tensors, before = given(waves), sys.getswitchinterval()
    other = threading.Thread(target=count)
    sys.setswitchinterval(30.0)  # the interpreter must be let go of: it is not taken away
    try:
        other.start()
        first = len(turns)
        for _ in range(50):
            program(tensors)
        # Torch lets go of it for a moment where a tensor ends: a turn each time.
        assert len(turns) - first > 50 * 2.5
    finally:
        sys.setswitchinterval(before)
        done.set()
        other.join()


@pytest.mark.skipif(not Path("/proc/self/statm").exists(), reason="reads its memory in /proc")
def test_it_keeps_no_picture(program, waves):
    def megabytes():
        gc.collect()
        return int(Path("/proc/self/statm").read_text().split()[1]) * 4096 / 1e6

    tensors = given(waves)
    for _ in range(10):
        program(tensors)
    before = megabytes()
    for _ in range(100):
        program(tensors)
    assert megabytes() - before < 120, "1,200 where each picture is kept"


def test_programs_come_and_go(package, waves):
    z, psi, _ = tensors = given(waves)
    wanted = waves.paint(z, psi)
    for _ in range(3):
        one, other = AotProgram(package), AotProgram(package)
        made = one(tensors)
        del one
        gc.collect()
        assert torch.allclose(made, wanted, atol=1e-5)
        assert torch.allclose(other(tensors), wanted, atol=1e-5)
    library = package.with_suffix(LIBRARY)
    assert {path for path in package.parent.iterdir() if path.is_file()} == {package, library}


def test_a_library_that_was_changed_is_not_run(package, waves):
    library = package.with_suffix(LIBRARY)
    AotProgram(package)
    opened, stamp = library.stat().st_ino, library.stat().st_mtime_ns
    AotProgram(package)
    assert (library.stat().st_ino, library.stat().st_mtime_ns) == (opened, stamp), "written again"
    whole = library.read_bytes()
    # In a file of its own: what lies there is open, and may be running.
    changed = library.with_name("changed")
    changed.write_bytes(whole[:-9] + b"something")
    changed.replace(library)
    assert AotProgram(package)(given(waves)).shape == (1, 3, SIZE, SIZE)
    assert library.read_bytes() == whole


def pack(path, *names, content=b"no library"):
    with zipfile.ZipFile(path, "w") as archive:
        for name in names:
            archive.writestr(f"made/data/aotinductor/model/{name}", content)
    return path


@pytest.mark.parametrize(
    ("names", "said"),
    [
        (["x.wrapper.cpp"], "0 libraries"),
        ([f"a{LIBRARY}", f"b{LIBRARY}"], "2 libraries"),
        ([f"a{LIBRARY}", "a.json"], r"\(a.json\)"),  # calls back into torch's dispatcher
        ([f"a{LIBRARY}", "custom_objs_config.json"], "custom_objs"),
        ([f"a{LIBRARY}", "a_serialized_weights.bin"], "weights.bin"),
    ],
)
def test_what_needs_more_than_its_library_is_refused(tmp_path, names, said):
    with pytest.raises(ValueError, match=said):
        code_in(pack(tmp_path / "x.pt2", *names))


def test_a_library_is_read_whole_or_not_at_all(tmp_path):
    path = pack(tmp_path / "x.pt2", f"a{LIBRARY}", "a_metadata.json", content=b"0123456789" * 99)
    assert code_in(path) == b"0123456789" * 99
    whole = path.read_bytes()
    path.write_bytes(whole.replace(b"0123456789", b"0123456788", 1))
    with pytest.raises(zipfile.BadZipFile, match="CRC"):
        code_in(path)
    path.write_bytes(whole[:500])
    with pytest.raises(zipfile.BadZipFile):
        code_in(path)


def test_what_is_no_program_does_not_open(tmp_path):
    with pytest.raises(OSError, match=rf"x\{LIBRARY}"):
        AotProgram(pack(tmp_path / "x.pt2", f"a{LIBRARY}"))


@pytest.mark.skipif(sys.platform != "linux", reason="needs a library that is surely there")
def test_a_library_of_something_else_does_not_open(tmp_path):
    code = Path(torch._C.__file__).read_bytes()  # a small one; it is loaded already
    with pytest.raises(ValueError, match="no program of torch's"):
        AotProgram(pack(tmp_path / "x.pt2", f"a{LIBRARY}", content=code))


def test_what_cannot_run_alone_is_not_kept(monkeypatch, tmp_path, waves):
    def packed(exported, package_path, inductor_configs):
        pack(Path(package_path), f"a{LIBRARY}", "a.json")

    monkeypatch.setattr(compiled, "compiler", lambda: "g++")
    monkeypatch.setattr(torch._inductor, "aoti_compile_and_package", packed)
    path = tmp_path / "kept" / "x.pt2"
    with pytest.raises(InstrumentError, match=r"cannot be compiled by torch \(.*a\.json"):
        compile_into(path, waves, torch.ones(1, 4))
    assert not path.exists()
