"""Compiled models: the same pictures wherever weights are, nothing waits, nothing breaks a show."""

import dataclasses
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import save
from small_history import HISTORY, SPEC, on_shell, tensors_of, write_model

from instrument import InstrumentError
from instrument.decoder import choices, compiled, tuned
from instrument.decoder.choices import Choice, remember
from instrument.decoder.compiled import (
    CompiledPaint,
    Warmup,
    compile_apart,
    compile_into,
    compiler,
    compiling,
    package_of,
    with_compiled,
)
from instrument.decoder.forms import FULL, Form, forms
from instrument.decoder.models import find_model, read_manifest
from instrument.decoder.network import NetworkDecoder
from instrument.decoder.runtime import open_decoder
from instrument.decoder.snapshots import SNAPSHOT, TRUNCATION
from instrument.decoder.tuned import TunedDecoder, likeness
from instrument.resources import child_environment

CPU = torch.device("cpu")


@pytest.fixture(scope="module")
def _cache(tmp_path_factory):
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_CACHE_HOME", str(tmp_path_factory.mktemp("cache")))
        patch.setenv("TORCHINDUCTOR_CACHE_DIR", str(tmp_path_factory.mktemp("inductor")))
        yield


@pytest.fixture(scope="module")
def model(_cache, tmp_path_factory):
    """A model of four snapshots, compiled by the process that compiles."""
    if compiler() is None:
        pytest.skip("no C++ compiler on this machine: nothing can be compiled")
    spec = dataclasses.replace(SPEC, widths=(8, 8), heads=1)  # less to compile
    contents = [save(tensors_of(seed, spec)) for seed in range(HISTORY)]
    folder = write_model(tmp_path_factory.mktemp("model") / "small", contents, spec)
    manifest = read_manifest(folder)
    compile_apart(manifest)
    assert package_of(manifest.spec).is_file()
    return manifest


@pytest.fixture
def pair(model):
    """The compiled model, and the same one in the form it was compiled from."""
    decoder = open_decoder(model, "cpu", 1, "fast")
    assert isinstance(decoder, TunedDecoder)
    last = decoder.forms[-1]
    assert last.compiled and last.name.endswith(" compiled")
    return decoder.make(last), decoder.make(dataclasses.replace(last, compiled=False))


@pytest.mark.parametrize("place", [None, 3.0, 0.0, 1.25])
@pytest.mark.parametrize("psi", [None, 1.0, 0.5, 0.0])
def test_snapshots_and_truncation_need_no_second_compiling(pair, place, psi):
    wanted = {SNAPSHOT: place, TRUNCATION: psi}
    values = {key: np.array([v], np.float32) for key, v in wanted.items() if v is not None}
    fast, plain = pair
    for row in on_shell(3, seed=5):
        one, other = fast.decode(row[None], values), plain.decode(row[None], values)
        assert likeness(one, other) > 45.0
        assert one.std() > 1.0, "a picture of nothing"


def test_it_follows_weights_that_move(pair):
    fast, _ = pair
    z = on_shell(1, seed=9)
    pictures = [fast.decode(z, {SNAPSHOT: np.array([place], np.float32)}) for place in (0, 1, 0)]
    assert likeness(pictures[0], pictures[1]) < 30.0
    assert np.array_equal(pictures[0], pictures[2])


def test_its_threads_are_the_decoders_to_say(pair):
    fast, _ = pair
    z, before = on_shell(1, seed=2), torch.get_num_threads()
    try:
        torch.set_num_threads(2)
        two = fast.decode(z, {})
        torch.set_num_threads(1)
        assert likeness(two, fast.decode(z, {})) > 45.0
    finally:
        torch.set_num_threads(before)


def test_films_are_never_compiled(model):
    decoder = open_decoder(model, "cpu", 1, "full")
    assert isinstance(decoder, NetworkDecoder)
    assert not isinstance(decoder.network.paint, CompiledPaint)


@pytest.mark.parametrize("chosen", [True, False])
def test_a_package_that_is_damaged_is_thrown_away_and_the_model_plays(model, monkeypatch, chosen):
    monkeypatch.setattr(tuned, "_BUDGET", 60.0)  # s: on a busy machine two may not reach it
    path = package_of(model.spec)
    whole = path.read_bytes()
    before = open_decoder(model, "cpu", 1, "fast")
    remember(Choice(before._key, before.forms[-1].name, 1))  # it was chosen, or never tried
    if not chosen:
        choices._file(before._key).unlink()
    try:
        path.write_bytes(whole[: len(whole) // 2])
        decoder = open_decoder(model, "cpu", 1, "fast")
        decoder.settle()
        assert not decoder.form.compiled and not path.exists()
        assert decoder.decode(on_shell(1), {}).std() > 1.0
    finally:
        path.write_bytes(whole)


def test_pictures_of_formulas_are_compiled_too(_cache, tmp_path):
    if compiler() is None:
        pytest.skip("no C++ compiler on this machine: nothing can be compiled")
    manifest = dataclasses.replace(find_model("procedural-64"), size=(16, 16))
    compile_apart(manifest)
    decoder = open_decoder(manifest, "cpu", 1, "fast")
    fast, plain = (decoder.make(form) for form in (decoder.forms[-1], FULL))
    z = np.random.default_rng(1).standard_normal((1, *manifest.latent.shape)).astype(np.float32)
    for values in ({}, {TRUNCATION: np.array([0.3], np.float32)}):
        assert likeness(fast.decode(z, values), plain.decode(z, values)) > 55.0


def test_a_process_that_compiles_ends_with_whoever_wants_it(_cache):
    manifest = find_model("procedural")
    process = subprocess.Popen(
        compiling(manifest), stdin=subprocess.PIPE, stderr=subprocess.PIPE, env=child_environment()
    )
    process.communicate()  # closes its input
    assert process.returncode == 1 and not package_of(manifest.spec).exists()


@pytest.mark.parametrize("kind", ["card", "gone"])
def test_what_is_not_compiled_says_so_in_a_line(card, kind):
    manifest = card()
    if kind == "gone":
        (manifest.folder / "manifest.json").unlink()
    with pytest.raises(InstrumentError, match="not compiled" if kind == "card" else "manifest"):
        compile_apart(manifest)


def test_without_a_compiler_one_line_says_what_to_install(monkeypatch, tmp_path):
    monkeypatch.setattr(compiled, "compiler", lambda: None)
    with pytest.raises(InstrumentError, match=r"no C\+\+ compiler .*g\+\+"):
        compile_into(tmp_path / "x.pt2", torch.nn.Identity(), torch.zeros(1, 2))
    assert Warmup(find_model("procedural"), FULL).poll() is False


@pytest.mark.parametrize(("name", "there"), [("g++", True), ("nobody", False)])
def test_a_compiler_is_one_that_is_there(monkeypatch, name, there):
    monkeypatch.setattr("shutil.which", lambda word: f"/bin/{word}" if word == "g++" else None)
    monkeypatch.setattr("sys.platform", "linux")
    monkeypatch.setenv("CXX", name)
    assert (compiler() is not None) == there
    monkeypatch.delenv("CXX")
    assert compiler() == "/bin/g++"


def test_what_torch_cannot_compile_is_one_line(monkeypatch, tmp_path):
    class Wild(torch.nn.Module):
        def paint(self, z, psi):
            return z if z.sum() > 0 else -z  # which way it goes, the numbers decide

    monkeypatch.setattr(compiled, "compiler", lambda: "g++")
    with pytest.raises(InstrumentError, match="cannot be compiled by torch") as caught:
        compile_into(tmp_path / "x.pt2", Wild(), torch.ones(1, 2))
    assert "\n" not in str(caught.value) and not list(tmp_path.iterdir())


def test_a_package_is_for_one_model_on_one_machine(monkeypatch):
    spec = find_model("procedural").spec
    others = [
        dataclasses.replace(spec, size=(8, 8)), dataclasses.replace(spec, sha256="0" * 64),
        find_model("default").spec,
    ]  # fmt: skip
    paths = {package_of(one) for one in (spec, *others)}
    monkeypatch.setattr(compiled, "processor", lambda: "another")
    paths.add(package_of(spec))
    assert len(paths) == 5 and all(path.suffix == ".pt2" for path in paths)


def test_who_compiles_and_who_plays_what_is_compiled(monkeypatch, tmp_path):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    manifest = find_model("procedural")
    for precision in ("full", "fast"):
        assert with_compiled(manifest, CPU, precision, [FULL]) == ([FULL], None)
    found, warmup = with_compiled(manifest, CPU, "compiled", [FULL, Form(torch.bfloat16)])
    assert len(found) == 2 and warmup.form == Form(torch.bfloat16, compiled=True)
    path = package_of(manifest.spec)
    path.parent.mkdir(parents=True)
    path.touch()
    for precision in ("fast", "compiled"):
        found, warmup = with_compiled(manifest, CPU, precision, [FULL])
        assert found == [FULL, Form(torch.float32, compiled=True)] and warmup is None
    assert with_compiled(manifest, CPU, "full", [FULL]) == ([FULL], None)
    assert with_compiled(manifest, torch.device("mps"), "compiled", [FULL]) == ([FULL], None)


def test_a_compiler_is_given_the_likeliest_form_written_for_it(monkeypatch, tmp_path):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    found = forms(CPU, "source", ("plain", "rows"))
    assert found == forms(CPU, "fast", ("plain", "rows"))
    source = dataclasses.replace(found[-1], compiled=True)
    assert with_compiled(find_model("default"), CPU, "source", found) == ([source], None)


@pytest.mark.parametrize(("code", "ready"), [(0, True), (3, False)])
def test_a_warm_up_is_asked_and_never_waits(monkeypatch, tmp_path, code, ready):
    flag = tmp_path / "flag"
    program = f"import os, time\nwhile not os.path.exists({str(flag)!r}): time.sleep(0.01)\n"
    command = [sys.executable, "-c", f"{program}raise SystemExit({code})"]
    monkeypatch.setattr(compiled, "compiling", lambda manifest, how: command)
    monkeypatch.setattr(compiled, "compiler", lambda: "g++")
    warmup = Warmup(find_model("procedural"), FULL)
    assert warmup.poll() is None and warmup.poll() is None
    flag.touch()
    until = time.monotonic() + 30.0
    while (found := warmup.poll()) is None and time.monotonic() < until:
        time.sleep(0.01)
    assert found is ready


def test_a_warm_up_that_cannot_begin_is_none(monkeypatch):
    monkeypatch.setattr(compiled, "compiling", lambda manifest, how: [str(Path("/no/such/python"))])
    monkeypatch.setattr(compiled, "compiler", lambda: "g++")
    assert Warmup(find_model("procedural"), FULL).poll() is False
