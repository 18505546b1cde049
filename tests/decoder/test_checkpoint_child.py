"""The process that opens foreign files can do nothing else, even if it wanted to."""

import json
import os
import signal
import subprocess
import sys
import textwrap

import official
import pytest

from instrument import InstrumentError
from instrument.decoder import conversion
from instrument.decoder.checkpoint_child import CAUGHT
from instrument.decoder.child import environment
from instrument.decoder.conversion import read_foreign

LINUX = sys.platform == "linux"
needs_sh = pytest.mark.skipif(os.name != "posix", reason="its stand-in is a shell script")


def locked(tmp_path, code):
    """Run `code` where the reading process would read: its exit code, and what it said."""
    program = (
        "import os, sys, socket, subprocess, ctypes, tempfile, shutil\n"
        "from pathlib import Path\n"
        "from instrument.decoder.checkpoint_child import lock_up\n"
        f"folder = Path({str(tmp_path)!r})\n"
        "out = (folder / 'out').open('wb', buffering=0)\n"
        "lock_up(1 << 20)\n" + textwrap.dedent(code)
    )
    ended = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, env=environment(), timeout=60
    )
    return ended.returncode, ended.stdout.decode()


@pytest.mark.parametrize(
    "attempt",
    [
        "open('/etc/hostname')",
        "(folder / 'canary').open('w')",
        "os.open(str(folder / 'canary'), os.O_CREAT)",
        "socket.socket()",
        "socket.create_connection(('localhost', 9))",
        "socket.getaddrinfo('localhost', 9)",
        "subprocess.run(['touch', str(folder / 'canary')])",
        "os.system(f'touch {folder}/canary')",
        "os.execv('/bin/touch', ['touch', str(folder / 'canary')])",
        "os.fork()",
        "os.remove(folder / 'out')",
        "os.rename(folder / 'out', folder / 'canary')",
        "os.mkdir(folder / 'canary')",
        "os.listdir('/')",
        "shutil.rmtree(folder)",
        "import wave",
        "import pickle; pickle.loads(b'cos\\nsystem\\n.')",
        "exec('1')",
        "eval('1')",
        "compile('1', 'x', 'eval')",
        "ctypes.CDLL(None)",
        "tempfile.mkstemp()",
    ],
)
def test_an_attempt_at_anything_ends_the_process(tmp_path, attempt):
    code, said = locked(tmp_path, f"{attempt}\nos.write(1, b'still here')")
    assert code == CAUGHT and "still here" not in said
    assert "tried to do more than be read" in json.loads(said)["error"]
    assert (tmp_path / "out").exists() and not (tmp_path / "canary").exists()


def test_what_reading_needs_is_left(tmp_path):
    code, said = locked(
        tmp_path,
        """
        import json
        import numpy as np
        os.write(out.fileno(), bytes(1 << 20))
        total = np.ones((300, 300), np.float32) @ np.ones((300, 300), np.float32)
        print(json.dumps({"sum": float(total.sum())}))
        """,
    )
    assert code == 0 and json.loads(said) == {"sum": 300.0**3}


@pytest.mark.skipif(not LINUX, reason="limits that only Linux keeps in full")
@pytest.mark.parametrize(
    ("attempt", "error"),
    [
        ("os.dup(1)", "OSError"),  # no audit event tells of it; the kernel refuses
        ("bytearray(3 << 30)", "MemoryError"),
        ("out.write(bytes(8 << 20)); out.write(b'x')", "File too large"),
    ],
)
def test_the_kernel_keeps_limits_of_its_own(tmp_path, attempt, error):
    code, said = locked(tmp_path, f"{attempt}\nos.write(1, b'still here')")
    assert code == 1 and "still here" not in said
    assert error in json.loads(said)["error"]


@pytest.mark.skipif(not LINUX, reason="limits that only Linux keeps in full")
def test_processor_time_is_limited(tmp_path):
    code, said = locked(
        tmp_path,
        """
        import resource
        soft, hard = resource.getrlimit(resource.RLIMIT_CPU)
        limits = [resource.getrlimit(getattr(resource, name)) for name in
                  ("RLIMIT_NOFILE", "RLIMIT_NPROC", "RLIMIT_CORE")]
        print(soft, hard, limits)
        """,
    )
    assert (code, said.strip()) == (0, "10 10 [(0, 0), (0, 0), (0, 0)]")


def test_a_fault_of_ours_is_one_line(tmp_path):
    code, said = locked(tmp_path, "{}['missing']")
    assert code == 1
    assert json.loads(said) == {"error": "cannot be read (KeyError: 'missing')"}


def test_neither_torch_nor_a_loader_of_code_takes_part():
    program = (
        "import sys\nimport instrument.decoder.checkpoint_child\n"
        "print([name for name in ('torch', 'dill', 'cloudpickle', 'safetensors') "
        "if name in sys.modules])"
    )
    ended = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, env=environment()
    )
    assert ended.stdout.strip() == "[]", ended.stderr


def good(tmp_path):
    state = official.stylegan2_state()
    path = tmp_path / "it.pkl"
    path.write_bytes(official.nvidia(state, official.stylegan2_attributes(state, conv_clamp=None)))
    return path


def test_a_file_that_is_there_is_never_overwritten(tmp_path):
    path = good(tmp_path)
    (tmp_path / "out").write_text("mine")
    with pytest.raises(InstrumentError, match="cannot be read"):
        read_foreign(path, tmp_path / "out")
    assert (tmp_path / "out").read_text() == "mine"


def test_a_process_that_hangs_is_ended(tmp_path, monkeypatch):
    path = good(tmp_path)
    monkeypatch.setattr(conversion, "_SECONDS", 0.01)
    with pytest.raises(
        InstrumentError, match=r"it\.pkl: cannot be read; the process .* was killed"
    ):
        read_foreign(path)


@needs_sh
def test_a_process_that_is_killed_is_told(tmp_path, monkeypatch):
    path = good(tmp_path)
    monkeypatch.setattr(sys, "executable", str(tmp_path / "python"))
    script = tmp_path / "python"
    script.write_text(f"#!/bin/sh\nkill -{signal.SIGSEGV} $$\n")
    script.chmod(0o755)
    with pytest.raises(InstrumentError, match=r"it\.pkl: cannot be read; .*Segmentation fault"):
        read_foreign(path)


@needs_sh
@pytest.mark.parametrize(
    "answer",
    ["", "{}", "no JSON", '{"format": "x", "architecture": "other"}', "[" * 5000, "x" * 3_000_000],
)
def test_an_answer_that_makes_no_sense_is_no_answer(tmp_path, monkeypatch, answer):
    path = good(tmp_path)
    (tmp_path / "answer").write_text(answer)
    script = tmp_path / "python"
    script.write_text(f"#!/bin/sh\ncat '{tmp_path}/answer'\n")
    script.chmod(0o755)
    monkeypatch.setattr(sys, "executable", str(script))
    with pytest.raises(InstrumentError) as error:
        read_foreign(path)
    assert str(error.value).startswith(f"{path}: cannot be read; the process")


def test_the_performers_folder_is_not_where_modules_come_from(tmp_path, monkeypatch):
    path = good(tmp_path)
    (tmp_path / "numpy.py").write_text("raise SystemExit('run from here')")
    monkeypatch.chdir(tmp_path)
    assert read_foreign(path.relative_to(tmp_path)).architecture == "stylegan2"
