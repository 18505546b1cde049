"""Programs opened and played, and everything that can be wrong with one.

The networks are made here, so they are opened in this process; that nobody else's are is said in
`test_apart` and in the house rules.
"""

import io
import subprocess
import sys

import foreign_programs as made
import numpy as np
import pytest
import torch
from torch import nn

from instrument import InstrumentError
from instrument.decoder import program
from instrument.decoder.child import environment
from instrument.decoder.models import find_model
from instrument.decoder.program import open_model
from instrument.decoder.program_call import reason
from instrument.decoder.protocol import DecodeError

ONE, TWO = torch.randn(1, made.LATENT), torch.randn(2, made.LATENT)
Z = np.random.default_rng(3).standard_normal((3, made.LATENT)).astype(np.float32)
MODEL_JSON = "models/model.json"


def opened(folder, data, name="net.pt", device="cpu", **keys):
    """The decoder of the network `data`, with a TOML of these keys."""
    network = made.write(folder, data, made.toml(**keys), name)
    return open_model(find_model(network), device, 1)


def refused(folder, data, name="net.pt", device="cpu", **keys):
    """The line that says why it cannot be opened."""
    with pytest.raises(InstrumentError) as caught:
        opened(folder, data, name, device, **keys)
    line = str(caught.value)
    assert line.startswith(f"{folder / name}: ") and "\n" not in line and len(line) < 500
    return line


def expected(z, network=None):
    """The pixels of `Net` as the instrument's own formula gives them."""
    with torch.no_grad():
        light = (network or made.Net())(torch.from_numpy(z)).numpy()
    return ((light + 1) / 2 * 255 + 0.5).astype(np.uint8).transpose(0, 2, 3, 1)


@pytest.mark.parametrize(
    ("name", "make"),
    [
        ("net.pt", lambda: made.scripted(made.Net())),
        ("net.ts", lambda: made.traced(made.Net(), ONE)),
        ("net.pth", lambda: made.frozen(made.Net())),
        ("net.pt2", lambda: made.exported(made.Net(), ONE)),
        ("net.pt2", lambda: made.exported(made.Net(), TWO, any_batch=True)),
    ],
    ids=["scripted", "traced", "frozen", "exported for one", "exported for any number"],
)
def test_the_picture_is_that_of_the_network(tmp_path, name, make):
    decoder = opened(tmp_path, make(), name)
    pixels = decoder.decode(Z, {})
    assert np.abs(pixels.astype(int) - expected(Z)).max() <= 1
    assert np.array_equal(pixels[1:2], decoder.decode(Z[1:2], {}))
    assert pixels.std() > 30


class Painted(nn.Module):
    """Levels 0, 1, 2 … of known places: [1, 3, 8, 10], or as the arguments have it."""

    def __init__(self, layout="NCHW", low=-1.0, high=1.0, planes=3, dtype=torch.float32):
        super().__init__()
        levels = torch.arange(planes * 80, dtype=torch.float32).view(1, planes, 8, 10)
        light = levels / 255 * (high - low) + low
        light = light if layout == "NCHW" else light.permute(0, 2, 3, 1)
        self.register_buffer("light", light.round().to(dtype) if high == 255 else light.to(dtype))

    def forward(self, z):
        return self.light.clone() if z.dim() == 2 else z


LEVELS = np.arange(240).reshape(3, 8, 10).transpose(1, 2, 0)


@pytest.mark.parametrize(
    ("network", "keys", "wanted"),
    [
        (Painted(), {}, LEVELS),
        (Painted(low=0.0), {"range": "[0, 1]"}, LEVELS),
        (Painted(low=0.0, high=255.0), {"range": "[0, 255]"}, LEVELS),
        (Painted(low=0.0, high=255.0, dtype=torch.uint8), {"range": "[0, 255]"}, LEVELS),
        (Painted(low=0.0, high=255.0, dtype=torch.int64), {"range": "[0, 255]"}, LEVELS),
        (Painted(dtype=torch.float64), {}, LEVELS),
        (Painted(low=0.0, dtype=torch.float16), {"range": "[0, 1]"}, LEVELS),
        (Painted(), {"colour": '"BGR"'}, LEVELS[..., ::-1]),
        (Painted("NHWC"), {"layout": '"NHWC"'}, LEVELS),
        (Painted("NHWC"), {"layout": '"NHWC"', "colour": '"BGR"'}, LEVELS[..., ::-1]),
        (Painted(planes=1), {}, LEVELS[..., :1].repeat(3, axis=2)),
        (Painted("NHWC", planes=1), {"layout": '"NHWC"'}, LEVELS[..., :1].repeat(3, axis=2)),
    ],
)
def test_range_colour_and_layout(tmp_path, network, keys, wanted):
    decoder = opened(tmp_path, made.scripted(network), size="[8, 10]", **keys)
    assert np.array_equal(decoder.decode(Z[:1], {})[0], wanted)


def test_light_beyond_the_range_is_clipped(tmp_path):
    class Glaring(nn.Module):
        def forward(self, z):
            light = 0 * z[:, :3] + torch.tensor([-9.0, 0.0, 9.0])
            return light.view(1, 3, 1, 1).expand(1, 3, 8, 8)

    pixels = opened(tmp_path, made.scripted(Glaring())).decode(Z[:1], {})
    assert pixels[0, 0, 0].tolist() == [0, 128, 255]


# --- further inputs


class Asking(nn.Module):
    """Paints what it is given: psi, label and scale, in the three planes."""

    def forward(self, z, psi: torch.Tensor, label: torch.Tensor, scale: float, more: int = 4):
        planes = torch.stack((psi.float().sum(), label.float().sum(), torch.tensor(scale + more)))
        return (planes.view(1, 3, 1, 1) + 0 * z.sum()).expand(1, 3, 8, 8)


ASKED = 'psi = "/model/truncation"\nlabel = 30\nscale = 50'


def test_inputs_are_given_by_name(tmp_path):
    decoder = opened(tmp_path, made.scripted(Asking()), range="[0, 255]", inputs=ASKED)
    followed = decoder.decode(Z, {"/model/truncation": np.float32([0, 1, 2])})
    assert followed[:, 0, 0].tolist() == [[0, 30, 54], [1, 30, 54], [2, 30, 54]]
    assert decoder.decode(Z[:1], {})[0, 0, 0].tolist() == [1, 30, 54]  # all of it
    more = ASKED.replace("30", "[20.0, 2.0]") + "\nmore = 7"
    decoder = opened(tmp_path, made.scripted(Asking()), range="[0, 255]", inputs=more)
    assert decoder.decode(Z[:1], {})[0, 0, 0].tolist() == [1, 22, 57]


class AskingTensors(nn.Module):
    def forward(self, z, psi, label, count):
        planes = torch.stack((psi.sum(), label.float().sum(), torch.full((), 1.0 * count)))
        return (planes.view(1, 3, 1, 1) + 0 * z.sum()).expand(1, 3, 8, 8)


def test_inputs_of_an_export_are_made_as_it_describes_them(tmp_path):
    data = made.exported(AskingTensors(), ONE, torch.tensor([0.5]), torch.zeros(1, 3).long(), 5)
    inputs = 'psi = "/model/truncation"\nlabel = [0, 9, 2]'
    decoder = opened(tmp_path, data, "net.pt2", range="[0, 255]", inputs=inputs)
    followed = decoder.decode(Z[:2], {"/model/truncation": np.float32([7, 8])})
    assert followed[:, 0, 0].tolist() == [[7, 11, 5], [8, 11, 5]]
    opened(tmp_path, data, "net.pt2", range="[0, 255]", inputs=inputs + "\ncount = 5")
    line = refused(tmp_path, data, "net.pt2", inputs=inputs + "\ncount = 6")
    assert "its input count was exported as a constant" in line
    line = refused(tmp_path, data, "net.pt2", inputs="psi = 1\nlabel = [1, 2]")
    assert "its input label is [1, 3], [inputs] gives 2" in line
    assert "label has no value" in refused(tmp_path, data, "net.pt2", inputs="psi = 1")
    line = refused(tmp_path, data, "net.pt2", inputs=inputs + "\nnoise = 1")
    assert "has no input noise; its inputs are z, psi, label, count" in line


def test_the_latent_need_not_come_first(tmp_path):
    class Labelled(nn.Module):
        def __init__(self):
            super().__init__()
            self.net = made.Net()

        def forward(self, label: torch.Tensor, code: torch.Tensor):
            return self.net(code) + 0 * label.sum()

    for data in (made.scripted(Labelled()), made.exported(Labelled(), torch.zeros(1), ONE)):
        decoder = opened(tmp_path, data, inputs="label = 0.0")
        assert np.abs(decoder.decode(Z, {}).astype(int) - expected(Z)).max() <= 1


@pytest.mark.parametrize(
    ("inputs", "words"),
    [
        ("", "its input psi has no value: give it one in [inputs]"),
        (ASKED + "\nnoise = 1", "has no input noise; its inputs are z, psi, label, scale, more"),
        (ASKED.replace("50", "[1, 2]"), "scale is of type float, and [inputs] says [1, 2]"),
        (ASKED + "\nmore = 1.5", "its input more is of type int"),
        (ASKED + '\nmore = "/model/truncation"', "its input more is of type int"),
        (ASKED + "\nz = 3", "takes no z: its inputs are z (Tensor), psi (Tensor)"),
    ],
)  # fmt: skip
def test_inputs_that_do_not_fit_are_named(tmp_path, inputs, words):
    assert words in refused(tmp_path, made.scripted(Asking()), inputs=inputs)


def test_a_network_of_half_or_double_precision_gets_such_a_z(tmp_path):
    for dtype in (torch.float64, torch.bfloat16):
        decoder = opened(tmp_path, made.scripted(made.Net().to(dtype)))
        assert np.abs(decoder.decode(Z, {}).astype(int) - expected(Z)).max() <= 3
    double = made.exported(made.Net().double(), ONE.double())
    decoder = opened(tmp_path, double, "net.pt2")
    assert np.abs(decoder.decode(Z, {}).astype(int) - expected(Z)).max() <= 1


def test_w_for_every_layer(tmp_path):
    class Layered(nn.Module):
        def forward(self, w):
            return w[:, :3, :8, None].expand(1, 3, 8, 8)

    latent = 'shape = [3, 8]\nspace = "w"'
    for data in (made.scripted(Layered()), made.exported(Layered(), torch.randn(1, 3, 8))):
        decoder = opened(tmp_path, data, latent=latent)
        assert decoder.decode(np.zeros((2, 3, 8), np.float32), {}).shape == (2, 8, 8, 3)


def test_what_is_drawn_at_random_is_the_same_for_every_picture(tmp_path):
    class Noisy(nn.Module):
        def forward(self, z):
            return torch.randn(1, 3, 8, 8) + 0 * z.sum()

    for data, name in (
        (made.scripted(Noisy()), "net.pt"),
        (made.exported(Noisy(), ONE), "net.pt2"),
    ):
        pixels = opened(tmp_path, data, name).decode(Z, {})
        assert np.array_equal(pixels[0], pixels[1]) and pixels.std() > 30


def test_a_network_left_in_training_is_played_as_one_that_has_learned(tmp_path):
    network = nn.Sequential(made.Net(), nn.Dropout(0.9))
    with made.quiet():
        script = torch.jit.script(network.train())
        buffer = io.BytesIO()
        torch.jit.save(script, buffer)
    pixels = opened(tmp_path, buffer.getvalue()).decode(Z, {})
    assert np.abs(pixels.astype(int) - expected(Z)).max() <= 1


# --- what is wrong with the file


def test_files_that_are_no_program(tmp_path):
    buffer = io.BytesIO()
    torch.save({"weight": torch.zeros(3)}, buffer)
    for data in (b"", b"hello", buffer.getvalue(), b"\x80\x04."):
        assert "is neither a TorchScript nor a torch.export program" in refused(tmp_path, data)


def test_a_script_with_nothing_to_call(tmp_path):
    class Mute(nn.Module):
        @torch.jit.export
        def paint(self, z):
            return z

    assert "cannot open" in refused(tmp_path, made.scripted(Mute()))


def test_a_foreign_error_is_one_short_line_that_steers_no_terminal():
    assert reason(ValueError("\x1b[2Jred\nmore")) == "ValueError: [2Jred"
    assert reason(KeyError()) == "KeyError"
    assert len(reason(RuntimeError("x" * 10_000))) < 300


def test_cut_and_damaged_programs(tmp_path):
    script, export = made.scripted(made.Net()), made.exported(made.Net(), ONE)
    assert "not a whole zip archive" in refused(tmp_path, script[: len(script) // 2])
    refused(tmp_path, export[: len(export) // 2], "net.pt2")
    for data, name in ((script, "net.pt"), (export, "net.pt2")):
        for at in range(1000, len(data), len(data) // 12):
            spoilt = bytearray(data)
            spoilt[at : at + 40] = bytes(40)
            try:
                opened(tmp_path, bytes(spoilt), name).decode(Z, {})  # a weight or two may be 0
            except InstrumentError as error:
                assert "\n" not in str(error)


def test_a_program_of_another_torch_is_told_both_versions(tmp_path):
    export = made.exported(made.Net(), ONE)
    version = torch.__version__.encode()
    newer = made.edited(export, MODEL_JSON, b'"major": ', b'"major": 9')
    newer = made.edited(newer, MODEL_JSON, version, b"9.8.7")
    line = refused(tmp_path, newer, "net.pt2")
    assert "written by torch 9.8.7" in line and f"torch {torch.__version__} cannot open" in line
    assert "schema version" in line and "export it again" in line
    unknown = made.edited(export, MODEL_JSON, b"aten.tanh.default", b"aten.tarnh.default")
    assert "tarnh" in refused(tmp_path, unknown, "net.pt2")
    script = made.edited(made.scripted(made.Net()), "archive/version", b"\n", b"99\n")
    line = refused(tmp_path, script)
    assert f"torch {torch.__version__} cannot open" in line and "version" in line
    script = made.scripted(made.Net())
    script = made.edited(script, "foreign_programs.py", b"torch.tanh", b"torch.tarnh")
    assert "tarnh" in refused(tmp_path, script)


def test_the_log_of_torch_stays_silent(tmp_path, caplog, capfd):
    export = made.exported(made.Net(), ONE)
    refused(tmp_path, made.edited(export, MODEL_JSON, b'"major": ', b'"major": 9'), "net.pt2")
    assert not [one for one in caplog.records if one.levelname != "DEBUG"]
    assert capfd.readouterr() == ("", "")


def test_a_file_that_changes_after_it_was_chosen_is_noticed(tmp_path):
    network = made.write(tmp_path, made.scripted(made.Net()))
    model = find_model(network)
    network.write_bytes(made.traced(made.Net(), ONE))
    with pytest.raises(InstrumentError, match=r"net\.pt: the model has changed since"):
        open_model(model, "cpu", 1)
    network.unlink()
    with pytest.raises(InstrumentError, match=r"net\.pt: cannot be read \(No such file"):
        open_model(model, "cpu", 1)


# --- what is wrong with z or the picture


def test_another_latent_shape_than_the_network_takes(tmp_path):
    latent = "shape = [17]"
    line = refused(tmp_path, made.scripted(made.Net()), latent=latent)
    assert "fails on z [1, 17]" in line and "1x17 and 16x192" in line
    assert "TorchScript" not in line  # its traceback stays away
    line = refused(tmp_path, made.exported(made.Net(), ONE), "net.pt2", latent=latent)
    assert "its input z is [1, 16], latent.shape asks for [1, 17]" in line
    line = refused(tmp_path, made.exported(made.Net(), ONE), "net.pt2", latent="shape = [1, 16]")
    assert "its input z is [1, 16], latent.shape asks for [1, 1, 16]" in line
    line = refused(tmp_path, made.exported(made.Net(), torch.randn(4, 16)), "net.pt2")
    assert "was exported for 4 z at once" in line


@pytest.mark.parametrize(
    ("keys", "words"),
    [
        ({"size": "[8, 9]"}, "gives float32[1, 3, 8, 8], by size and layout in net.toml it"),
        ({"size": "[8, 9]"}, "it should be [1, 3, 8, 9]"),
        ({"layout": '"NHWC"'}, "it should be [1, 8, 8, 3]"),
        ({"size": "[16, 16]"}, "it should be [1, 3, 16, 16]"),
    ],
)  # fmt: skip
def test_another_picture_than_the_toml_says(tmp_path, keys, words):
    assert words in refused(tmp_path, made.scripted(made.Net()), **keys)
    assert words in refused(tmp_path, made.exported(made.Net(), ONE), "net.pt2", **keys)


class Pair(nn.Module):
    def forward(self, z):
        return z, z


class Truth(nn.Module):
    def forward(self, z):
        return (z.sum() > 0).expand(1, 3, 8, 8)


class Turning(nn.Module):
    def forward(self, z):
        return torch.complex(z.sum(), z.sum()).expand(1, 3, 8, 8)


class Loud(nn.Module):
    def forward(self, z):
        return (z.sum() / 0).expand(1, 3, 8, 8)


@pytest.mark.parametrize(
    ("network", "words"),
    [
        (Pair(), "gives a tuple, it must be one tensor"),
        (Truth(), "gives bool, which is no picture"),
        (Turning(), "gives complex64, which is no picture"),
        (Loud(), "gives a picture that is not finite"),
        (
            Painted(low=0.0, high=255.0, dtype=torch.uint8),
            "gives uint8, so range in net.toml must be [0, 255]",
        ),
    ],
)  # fmt: skip
def test_what_is_no_picture(tmp_path, network, words):
    size = "[8, 10]" if isinstance(network, Painted) else "[8, 8]"
    assert words in refused(tmp_path, made.scripted(network), size=size)


class Fragile(nn.Module):
    def forward(self, z):
        if bool(z[0, 0] > 100):
            raise ValueError("too far out")
        return (z[:, :1] / (z[:, :1] + 5.0)).view(1, 1, 1, 1).expand(1, 3, 8, 8)


def test_a_z_that_fails_is_told_and_the_next_is_painted(tmp_path):
    decoder = opened(tmp_path, made.scripted(Fragile()))
    for value, words in ((101, "fails on z"), (-5, "not finite"), (np.nan, "z is not finite")):
        z = Z[:1].copy()
        z[0, 0] = value
        with pytest.raises(DecodeError, match=words) as caught:
            decoder.decode(z, {})
        assert str(caught.value).startswith("net: ") and "\n" not in str(caught.value)
    assert decoder.decode(np.ones((1, 16), np.float32), {}).any()


# --- devices


def test_a_device_that_is_not_there(tmp_path):
    with pytest.raises(InstrumentError, match=r"'tpu'.*auto.*cpu"):
        opened(tmp_path, made.scripted(made.Net()), device="tpu")


def test_a_script_that_runs_nowhere_but_on_the_cpu_runs_there(tmp_path, caplog, monkeypatch):
    # Of a device that takes the weights and cannot compute there is always one: meta.
    monkeypatch.setattr(program, "choose_device", lambda wish, threads: torch.device("meta"))
    pixels = opened(tmp_path, made.scripted(made.Net()), device="auto").decode(Z, {})
    assert np.abs(pixels.astype(int) - expected(Z)).max() <= 1
    assert "net.pt: not on meta: " in caplog.text
    assert "the network fails on z" in refused(tmp_path, made.scripted(made.Net()), device="meta")


def test_an_export_for_another_device_says_so(tmp_path):
    export = made.exported(made.Net(), ONE)
    far = made.edited(
        export, MODEL_JSON, b'"type": "cpu", "index": null', b'"type": "cuda", "index": 63'
    )
    for device in ("auto", "cpu"):
        line = refused(tmp_path, far, "net.pt2", device)
        assert "was exported for cuda:63, which this machine has not" in line


@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device")
def test_on_a_graphics_card(tmp_path):
    script = made.scripted(made.Net())
    for device in ("auto", "cuda", "cpu"):
        pixels = opened(tmp_path, script, device=device).decode(Z, {})
        assert np.abs(pixels.astype(int) - expected(Z)).max() <= 1
    export = made.exported(made.Net(), ONE)
    assert opened(tmp_path, export, "net.pt2", "auto").decode(Z, {}).any()
    assert "cannot run on cuda:0" in refused(tmp_path, export, "net.pt2", "cuda")
    there = made.exported(made.Net().cuda(), ONE.cuda())
    pixels = opened(tmp_path, there, "net.pt2", "auto").decode(Z, {})
    assert np.abs(pixels.astype(int) - expected(Z)).max() <= 1
    assert "cannot run on cpu" in refused(tmp_path, there, "net.pt2", "cpu")


@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device")
def test_a_trace_with_the_cpu_written_into_it_runs_there(tmp_path, caplog):
    class Bound(made.Net):
        def forward(self, z):
            return super().forward(z) + torch.arange(8.0, device=torch.device("cpu"))

    decoder = opened(tmp_path, made.traced(Bound(), ONE), device="auto")
    assert decoder.decode(Z, {}).any() and "not on cuda:0" in caplog.text


# --- no compiler


def test_an_export_needs_no_compiler(tmp_path):
    network = made.write(tmp_path, made.exported(made.Net(), ONE), name="net.pt2")
    code = (
        "import sys, numpy as np\n"
        "from instrument.decoder.models import find_model\n"
        "from instrument.decoder.program import open_model\n"
        "def watch(event, arguments):\n"
        "    if event in ('subprocess.Popen', 'os.system', 'os.exec', 'os.posix_spawn'):\n"
        "        sys.exit(f'started {arguments}')\n"
        "sys.addaudithook(watch)\n"
        "decoder = open_model(find_model(sys.argv[1]), 'cpu', 1)\n"
        "print(decoder.decode(np.ones((1, 16), np.float32), {}).shape)\n"
    )
    bare = {key: value for key, value in environment().items() if key not in ("CC", "CXX")}
    ran = subprocess.run(
        [sys.executable, "-c", code, str(network)],
        env=bare | {"PATH": str(tmp_path)}, capture_output=True, text=True,
    )  # fmt: skip
    assert (ran.returncode, ran.stdout.strip()) == (0, "(1, 8, 8, 3)"), ran.stderr
