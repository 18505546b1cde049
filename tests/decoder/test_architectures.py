"""Settings out of foreign files: bounds on every number, and words for what is wrong."""

import msgspec
import pytest
from published import SMALL, changed

from instrument import InstrumentError
from instrument.decoder import architectures
from instrument.decoder.architectures import (
    MOST_NUMBERS,
    FastGANSettings,
    ProGANSettings,
    StyleGAN2Settings,
    StyleGAN3Settings,
    read_settings,
)
from instrument.decoder.generators import build

NAN, INFINITY = float("nan"), float("inf")


@pytest.mark.parametrize("name", SMALL)
def test_settings_come_back_out_of_a_manifest(name):
    settings = SMALL[name]
    text = msgspec.json.encode(settings)
    assert read_settings(type(settings), msgspec.json.decode(text)) == settings


@pytest.mark.parametrize("name", SMALL)
def test_no_number_is_without_bounds(name):
    """Every numeric setting, blown up or not a number, is refused with its name."""
    settings, tried = SMALL[name], 0
    for field in msgspec.structs.fields(type(settings)):
        value = getattr(settings, field.name)
        wrong = [10**9, -1, "x"] if isinstance(value, int) else [1e30, NAN, -INFINITY, "x"]
        if isinstance(value, tuple):
            wrong = [[*value[:-1], bad] for bad in (10**9, -(10**9))] + [[], list(value) * 100]
        if isinstance(value, (bool, str)) and not isinstance(value, tuple):
            wrong = [2, None]
        for bad in wrong:
            with pytest.raises(InstrumentError) as caught:
                changed(settings, **{field.name: bad})
            assert field.name in str(caught.value) and "\n" not in str(caught.value)
            tried += 1
    assert tried > 8


@pytest.mark.parametrize("name", SMALL)
def test_unknown_and_missing_keys_are_named(name):
    settings = SMALL[name]
    with pytest.raises(InstrumentError, match=r"warp.*keys: .*z_dim"):
        changed(settings, warp=1)
    fields = msgspec.to_builtins(settings)
    del fields["z_dim"]
    with pytest.raises(InstrumentError, match="z_dim"):
        read_settings(type(settings), fields)


@pytest.mark.parametrize(("kind", "fields"), [
    (StyleGAN2Settings, {"z_dim": 1, "w_dim": 1, "mapping_layers": 1, "channels": [8192] * 10}),
    (StyleGAN2Settings, {"z_dim": 1, "w_dim": 8192, "mapping_layers": 64, "channels": [1, 1]}),
    (FastGANSettings, {"z_dim": 8192, "ngf": 512, "resolution": 256}),
    (ProGANSettings, {"z_dim": 8192, "channels": [8192, 8]}),
    (ProGANSettings, {"z_dim": 1, "channels": [1] * 9 + [8192]}),
    (StyleGAN3Settings, {"z_dim": 1, "w_dim": 1, "mapping_layers": 1, "resolution": 4096,
                         "channel_base": 1 << 24, "channel_max": 8192}),
    (StyleGAN3Settings, {"z_dim": 1, "w_dim": 1, "mapping_layers": 1, "resolution": 4096,
                         "margin_size": 256, "lrelu_upsampling": 8, "filter_size": 32,
                         "num_layers": 64, "channel_max": 512}),
])  # fmt: skip
def test_what_would_not_fit_in_memory_is_refused(kind, fields):
    with pytest.raises(InstrumentError, match=f"at most {MOST_NUMBERS}"):
        read_settings(kind, fields)


@pytest.mark.parametrize(("fields", "words"), [
    ({"resolution": 48}, "power of two"),
    ({"num_critical": 6}, "num_critical"),
    ({"first_cutoff": 5.0}, "first_cutoff < first_stopband"),
    ({"first_stopband": 100.0}, "first_stopband"),
    ({"last_stopband_rel": 0.5}, "last_stopband_rel"),
    ({"channel_base": 1}, "channel_base"),
    ({"conv_kernel": 2}, "conv_kernel"),
])  # fmt: skip
def test_what_makes_no_stylegan3(fields, words):
    with pytest.raises(InstrumentError, match=words):
        changed(SMALL["stylegan3"], **fields)


def test_a_filter_must_have_a_sum():
    with pytest.raises(InstrumentError, match="resample_filter"):
        changed(SMALL["stylegan2"], resample_filter=[1, -1])


def test_fastgan_has_three_sizes():
    with pytest.raises(InstrumentError, match="resolution"):
        read_settings(FastGANSettings, {"z_dim": 4, "ngf": 8, "resolution": 128})


@pytest.mark.parametrize("name", SMALL)
def test_bounds_count_what_a_network_holds(name, monkeypatch):
    counted = []
    monkeypatch.setattr(architectures, "_bound", lambda weights, _: counted.append(weights))
    settings = changed(SMALL[name])
    held = sum(tensor.numel() for tensor in build(settings).parameters())
    assert 0.6 * held < counted[0] < 1.4 * held
