"""The TOML beside a program, what the archive says, and what is found: no network is opened."""

import io
import json
import os
import subprocess
import sys
import tomllib
import zipfile

import foreign_programs as made
import msgspec
import pytest
import torch

from instrument import InstrumentError
from instrument.decoder.child import environment
from instrument.decoder.conversion import read_foreign
from instrument.decoder.model_cache import cache_folder
from instrument.decoder.models import find_model
from instrument.decoder.program_archive import (
    Facts,
    IsProgramError,
    Value,
    parse_description,
    program_in,
)
from instrument.decoder.program_template import template
from instrument.decoder.programs import ProgramDetails
from instrument.document import parse_toml
from instrument.latent.space import LatentSpec

NOTHING = b"no program at all"


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))


@pytest.fixture(scope="module")
def script():
    return made.scripted(made.Net())


@pytest.fixture(scope="module")
def export():
    return made.exported(made.Net(), torch.randn(2, made.LATENT), any_batch=True)


def test_the_toml_and_the_network_are_the_same_model(tmp_path):
    network = made.write(tmp_path, NOTHING)
    model = find_model(network)
    assert find_model(str(network.with_suffix(".toml"))) == model
    assert (model.name, model.architecture, model.size) == ("net", "program", (8, 8))
    assert model.latent == LatentSpec.shell(made.LATENT)
    assert model.folder == network and model.spec.snapshots == 1


def test_nothing_of_the_network_is_opened_and_no_torch_is_loaded(tmp_path):
    network = made.write(tmp_path, NOTHING)  # it could not be opened
    code = (
        "import sys; from instrument.decoder.models import find_model; find_model(sys.argv[1]);"
        "sys.exit('torch' in sys.modules)"
    )
    command = [sys.executable, "-c", code, str(network)]
    assert subprocess.run(command, env=environment()).returncode == 0


def test_its_sha256_is_that_of_what_both_files_say(tmp_path):
    network = made.write(tmp_path, NOTHING)
    card = network.with_suffix(".toml")
    first = find_model(network).sha256
    card.write_text("# a word\n" + card.read_text() + "\n")
    assert find_model(network).sha256 == first
    card.write_text(made.toml(colour='"RGB"'))  # what is meant anyway
    assert find_model(network).sha256 == first
    card.write_text(made.toml(colour='"BGR"'))
    assert find_model(network).sha256 != first
    card.write_text(made.toml())
    network.write_bytes(NOTHING + b"!")
    assert find_model(network).sha256 != first
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    assert find_model(made.write(elsewhere, NOTHING, name="other.ts")).sha256 == first


def test_a_radius_written_short_is_that_of_the_banks(tmp_path):
    card = made.toml(latent="shape = [512]\nradius = 22.627")
    assert find_model(made.write(tmp_path, NOTHING, card)).latent == LatentSpec.shell(512)
    card = made.toml(latent="shape = [512]\nradius = 22")
    assert find_model(made.write(tmp_path, NOTHING, card)).latent.radius == 22
    card = made.toml(latent='shape = [14, 512]\nspace = "w"')
    assert find_model(made.write(tmp_path, NOTHING, card)).latent == LatentSpec((14, 512), "w")


@pytest.mark.parametrize(
    ("change", "line", "words"),
    [
        ({"colour": '"GBR"'}, 6, ["colour", "GBR"]),
        ({"colur": '"RGB"'}, 6, ["unknown key 'colur'", "colour", "layout", "inputs"]),
        ({"layout": "3"}, 6, ["layout"]),
        ({"range": "[-2, 2]"}, 6, ["range: must be [-1, 1], [0, 1] or [0, 255]"]),
        ({"range": "[0, nan]"}, 6, ["range: must be"]),
        ({"range": "1"}, 6, ["range"]),
        ({"size": "[4, 8]"}, 4, ["size", "8"]),
        ({"size": "8"}, 4, ["size"]),
        ({"format": '"model/2"'}, 1, ["format", "model/2"]),
        ({"latent": "shape = []"}, 7, ["latent", "shape"]),
        ({"latent": "shape = [-4]\nradius = 2"}, 7, ["latent", "shape"]),
        ({"latent": "shape = [2, 3, 4]"}, 7, ["latent", "shape"]),
        ({"latent": "shape = [16]\nradius = -1"}, 7, ["radius"]),
        ({"latent": "shape = [16]\nradius = nan"}, 7, ["radius"]),
        ({"latent": 'shape = [16]\nspace = "q"'}, 9, ["space", "q"]),
        ({"latent": "shape = [16]\nsize = 3"}, 9, ["unknown key 'size'", "radius"]),
        ({"inputs": 'psi = "/spring/frequency"'}, 12, ["inputs.psi", "/model/truncation"]),
        ({"inputs": "psi = inf"}, 12, ["inputs.psi", "finite"]),
        ({"inputs": "psi = []"}, 12, ["inputs.psi", "numbers"]),
        ({"inputs": "psi = {}"}, 12, ["inputs.psi"]),
        ({"inputs": 'psi = ["x"]'}, 12, ["inputs.psi"]),
        ({"inputs": "psi ="}, 12, ["nvalid value"]),
    ],
)
def test_a_wrong_toml_names_line_key_and_what_is_allowed(tmp_path, change, line, words):
    network = made.write(tmp_path, NOTHING, made.toml(**change))
    with pytest.raises(InstrumentError) as caught:
        find_model(network)
    assert str(caught.value).startswith(f"{network.with_suffix('.toml')}:{line}: ")
    assert "\n" not in str(caught.value)
    for word in words:
        assert word in str(caught.value)


def test_what_is_missing_is_named(tmp_path):
    network = made.write(tmp_path, NOTHING, made.toml().replace("licence", "# licence"))
    with pytest.raises(InstrumentError, match=r"net\.toml:1: .*licence"):
        find_model(network)
    network.unlink()
    with pytest.raises(InstrumentError, match=r"net\.toml: no network lies beside it.*net\.pt2"):
        find_model(network.with_suffix(".toml"))
    with pytest.raises(InstrumentError, match=r"net\.pt': no such folder or file"):
        find_model(network)
    with pytest.raises(InstrumentError, match=r"gone\.toml': no such folder or file"):
        find_model(tmp_path / "gone.toml")


def test_of_two_networks_one_must_be_named(tmp_path):
    one = made.write(tmp_path, NOTHING)
    two = made.write(tmp_path, NOTHING + b"2", "-", name="net.pt2")
    with pytest.raises(InstrumentError, match=r"net\.toml: net\.pt2 and net\.pt .*name the one"):
        find_model(tmp_path / "net.toml")
    assert find_model(one).folder == one and find_model(two).folder == two
    assert find_model(one).sha256 != find_model(two).sha256


def test_a_preset_is_no_model_and_makes_no_program_of_a_checkpoint(tmp_path):
    network = made.write(tmp_path, NOTHING, 'format = "preset/1"\n')
    with pytest.raises(
        InstrumentError, match=r'net\.toml: is no model: .*architecture = "program"'
    ):
        find_model(network.with_suffix(".toml"))
    with pytest.raises(InstrumentError, match=r"net\.pt: no checkpoint"):
        find_model(network)
    network.with_suffix(".toml").write_bytes(b"\xff\xfe")
    with pytest.raises(InstrumentError, match=r"net\.pt: no checkpoint"):
        find_model(network)


def test_a_link_has_its_own_toml_beside_it(tmp_path):
    store = tmp_path / "store"
    store.mkdir()
    made.write(store, NOTHING, "-", name="1f3a")
    (tmp_path / "net.pt").symlink_to(store / "1f3a")
    (tmp_path / "net.toml").write_text(made.toml())
    assert find_model(tmp_path / "net.pt").folder == tmp_path / "net.pt"


def test_what_it_means_to_play_it_is_told_once_for_every_network(tmp_path):
    told = []
    network = made.write(tmp_path, NOTHING)
    find_model(network)  # nobody listens: nobody was told
    for _ in range(2):
        find_model(network, told.append)
    network.with_suffix(".toml").write_text(made.toml(note='"again"'))
    find_model(network, told.append)
    assert len(told) == 1
    assert told[0].startswith("net.pt holds code") and "trust" in told[0] and "\n" not in told[0]
    network.write_bytes(NOTHING + b"2")
    find_model(network, told.append)
    assert len(told) == 2


def test_a_cache_that_cannot_be_written_only_tells_again(tmp_path):
    told = []
    cache_folder().parent.mkdir(parents=True)
    cache_folder().write_text("a file in the way")
    for _ in range(2):
        find_model(made.write(tmp_path, NOTHING), told.append)
    assert len(told) == 2


# --- what an archive says


def test_the_kinds_are_told_apart(script, export):
    assert program_in(memoryview(script)) == Facts("TorchScript")
    facts = program_in(memoryview(export))
    assert facts == Facts(
        "torch.export", torch.__version__, "cpu",
        (Value("z", (None, 16)),), (Value("view", (None, 3, 8, 8)),),
    )  # fmt: skip
    assert program_in(memoryview(NOTHING)) is None
    buffer = io.BytesIO()
    torch.save({"weight": torch.zeros(3)}, buffer)
    assert program_in(memoryview(buffer.getvalue())) is None


def test_exports_of_before_2_8_lie_in_no_folder(export):
    with zipfile.ZipFile(io.BytesIO(export)) as archive:
        name = next(n for n in archive.namelist() if n.endswith("model.json"))
        description = archive.read(name)
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as older:
        older.writestr("serialized_exported_program.json", description)
        older.writestr("version", "8.20")
    assert program_in(memoryview(buffer.getvalue())) == program_in(memoryview(export))


def test_machine_code_is_refused():
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr("net/data/aotinductor/model/x.so", b"\x7fELF")
        archive.writestr("net/models/model.json", b"{}")
    with pytest.raises(InstrumentError, match="machine code"):
        program_in(memoryview(buffer.getvalue()))


def test_a_description_written_otherwise_is_only_a_kind():
    deep = b'{"graph_module":' + b"[" * 100_000
    for text in (b"{}", b"", b"[1]", b"\xff", b'{"graph_module": 3}', deep):
        assert parse_description(text) == Facts("torch.export")


def test_a_packed_or_cut_archive(script, export):
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("net/models/model.json", bytes(1 << 20))
    assert program_in(memoryview(buffer.getvalue())) == Facts("torch.export")
    with pytest.raises(InstrumentError, match="not a whole zip archive"):
        program_in(memoryview(script[:-40]))
    assert program_in(memoryview(export[:-40])) is None  # found: the archive of a tensor inside it
    # The directory is whole, and the description it points at lies behind the end of the file.
    with zipfile.ZipFile(io.BytesIO(export)) as archive:
        start = archive.start_dir
    with pytest.raises(InstrumentError):
        program_in(memoryview(export[: start // 2] + export[start:]))


def test_the_process_that_reads_checkpoints_says_what_a_program_is(tmp_path, script, export):
    path = made.write(tmp_path, script, "-")
    with pytest.raises(IsProgramError) as caught:
        read_foreign(path)
    line = str(caught.value)
    assert line.startswith(f"{path}: a TorchScript program") and "net.toml" in line
    assert f"models inspect {path} prints" in line and caught.value.facts == Facts("TorchScript")
    with pytest.raises(IsProgramError) as caught:
        read_foreign(made.write(tmp_path, export, "-", "net.pt2"))
    assert caught.value.facts == program_in(memoryview(export))


def test_a_bare_program_is_refused_by_play_and_by_convert(tmp_path, script):
    path = made.write(tmp_path, script, "-")
    with pytest.raises(InstrumentError, match=r"net\.pt: a TorchScript program.*net\.toml"):
        find_model(path)
    assert not any(entry.is_dir() and entry.name != "known" for entry in os.scandir(cache_folder()))


# --- the template


def read(path, facts):
    text = template(path, facts)
    return text, parse_toml(text, ProgramDetails, "net.toml")


def test_the_template_of_an_export_says_what_the_file_says(tmp_path, export):
    text, details = read(tmp_path / "net.pt2", program_in(memoryview(export)))
    assert "guessed" not in text
    assert details.latent.shape == [16] and details.size == (8, 8) and details.layout == "NCHW"
    network = made.write(tmp_path, export, text, "net.pt2")
    assert find_model(network).latent == LatentSpec.shell(16)


def test_the_template_marks_what_it_guesses(tmp_path):
    text, details = read(tmp_path / "net.pt", Facts("TorchScript"))
    assert text.count("guessed") == 2
    assert details.latent.shape == [512] and details.size == (256, 256)
    assert not details.inputs and tomllib.loads(text)["name"] == "net"


def test_the_template_knows_further_inputs_and_colour_last(tmp_path):
    facts = Facts(
        "torch.export", "2.13", "cpu",
        (Value("w", (1, 14, 512)), Value("psi", ()), Value("a key", (1,))),
        (Value("out", (1, 32, 64, 3)),),
    )  # fmt: skip
    text, details = read(tmp_path / "net.pt2", facts)
    assert "guessed" not in text
    assert details.latent.shape == [14, 512] and details.size == (32, 64)
    assert details.layout == "NHWC" and details.inputs == {"psi": 0, "a key": 0}


@pytest.mark.parametrize("name", ['a"b\n.pt', "\x07\x1b[2J.pt", "é ü – 🎹.pt", "x" * 300 + ".pt"])
def test_the_template_is_toml_whatever_a_file_is_called(tmp_path, name):
    facts = Facts("torch.export", inputs=(Value("z", (1, 4)), Value('"]\nx', ())))
    text, details = read(tmp_path / name, facts)
    assert 0 < len(details.name) <= 100 and "\x1b" not in text and "\x07" not in text
    assert len(text.splitlines()) < 25


def test_what_an_archive_says_is_short_and_steers_no_terminal(export):
    data = made.edited(export, "model.json", b'"z"', b'"\\u001b[2J' + b"z" * 1000 + b'"')
    facts = program_in(memoryview(data))
    assert facts.inputs[0].name == "[2J" + "z" * 96 and facts.device == "cpu"
    for wrong in ("x" * 1000, "\x1b[2J"):  # were the reading process to say so itself
        answer = msgspec.to_builtins(Facts("TorchScript")) | {"kind": wrong}
        with pytest.raises(msgspec.ValidationError):
            msgspec.convert(json.loads(json.dumps(answer)), Facts)
