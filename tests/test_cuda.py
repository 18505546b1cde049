"""The runtime behind one seam, and the law of the ring: whatever a card does first, none tears."""

import random
import types

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pretended_card import CALLS, GIVES, Code, Machine, Pretended, paged_slots

from instrument.cuda import CardError, CardPicture, NoCardError, Runtime, load_runtime
from instrument.decoder.exchange import SLOTS
from instrument.decoder.lending import Lender
from instrument.decoder.protocol import OnCard
from instrument.display.card_link import CardLink

SIZE = (6, 10)


def test_a_call_gives_what_it_found_or_says_which_failed():
    binding = Pretended()
    call = Runtime(binding)
    assert call("cudaDeviceGetPCIBusId", 16, 0).rstrip(b"\0") == b"0000:01:00.0"
    assert call("cudaGLGetDevices", 4, 1) == (1, [0])
    assert call("cudaStreamSynchronize", 0) is None
    binding.fails["cudaSetDevice"] = 1
    with pytest.raises(CardError, match="cudaSetDevice: cudaErrorIllegalAddress"):
        call("cudaSetDevice", 0)


@pytest.mark.parametrize("error", [RuntimeError("no  symbol\nhere"), TypeError("takes 3"), None])
def test_what_a_binding_lacks_is_an_error_of_the_card(error):
    def call(*given):
        raise error

    binding = types.SimpleNamespace() if error is None else types.SimpleNamespace(cudaFree=call)
    with pytest.raises(CardError, match="cudaFree: ") as caught:
        Runtime(binding)("cudaFree", 0)
    assert "\n" not in str(caught.value)


def test_handles_survive_the_journey_and_nothing_else_is_taken_for_one():
    call = Runtime(Pretended())
    wanted = bytes(range(64))
    there = call.from_handle("cudaIpcMemHandle_t", wanted)
    call.binding._cudaIpcGetMemHandle = lambda thing: there
    assert call.handle("cudaIpcGetMemHandle", 1) == wanted
    for wrong in (b"", bytes(63), bytes(65)):
        with pytest.raises(CardError, match="must be 64"):
            call.from_handle("cudaIpcEventHandle_t", wrong)


def test_without_a_card_there_is_none_in_one_line():
    try:
        from cuda.bindings import runtime
    except ImportError:
        found = False
    else:
        found = runtime.cudaGetDeviceCount()[0] == 0
    if found:
        pytest.skip("there is a card")
    with pytest.raises(NoCardError) as caught:
        load_runtime()
    assert str(caught.value) and "\n" not in str(caught.value)


# --- the model is held against the real binding, where that is installed


def test_the_model_has_the_calls_of_the_binding_and_gives_as_many_things():
    """Without a card every real call refuses, but takes its arguments and gives its places."""
    real = pytest.importorskip("cuda.bindings.runtime", reason="no cuda-bindings")
    if real.cudaGetDeviceCount()[0] == 0:
        pytest.skip("there is a card: the calls would do something")
    model = Pretended()
    kinds, flags = real.cudaMemcpyKind, real.cudaGraphicsRegisterFlags
    device, write = kinds.cudaMemcpyDeviceToDevice, flags.cudaGraphicsRegisterFlagsWriteDiscard
    event, array = real.cudaEvent_t(0), real.cudaArray_t(0)
    resource, stream = real.cudaGraphicsResource_t(0), real.cudaStream_t(0)
    given = {
        "cudaGetDeviceCount": (), "cudaSetDevice": (0,), "cudaMalloc": (4096,), "cudaFree": (4096,),
        "cudaDeviceGetPCIBusId": (32, 0), "cudaDeviceGetByPCIBusId": (b"0000:01:00.0",),
        "cudaGLGetDevices": (16, real.cudaGLDeviceList.cudaGLDeviceListAll),
        "cudaIpcGetMemHandle": (4096,), "cudaIpcCloseMemHandle": (4096,),
        "cudaIpcOpenMemHandle": (real.cudaIpcMemHandle_t(), real.cudaIpcMemLazyEnablePeerAccess),
        "cudaHostRegister": (4096, 4096, 0),
        "cudaStreamCreateWithFlags": (real.cudaStreamNonBlocking,),
        "cudaStreamDestroy": (stream,), "cudaStreamSynchronize": (0,),
        "cudaEventCreateWithFlags": (real.cudaEventDisableTiming | real.cudaEventInterprocess,),
        "cudaEventDestroy": (event,), "cudaIpcGetEventHandle": (event,),
        "cudaIpcOpenEventHandle": (real.cudaIpcEventHandle_t(),),
        "cudaEventRecord": (event, 0), "cudaStreamWaitEvent": (stream, event, 0),
        "cudaMemcpyAsync": (4096, 8192, 4, kinds.cudaMemcpyDeviceToHost, 0),
        "cudaMemcpy2DToArrayAsync": (array, 0, 0, 4096, 4, 4, 1, device, stream),
        "cudaGraphicsGLRegisterImage": (3, 0x0DE1, write),
        "cudaGraphicsUnregisterResource": (resource,),
        "cudaGraphicsMapResources": (1, resource, stream),
        "cudaGraphicsUnmapResources": (1, resource, stream),
        "cudaGraphicsSubResourceGetMappedArray": (resource, 0, 0),
    }  # fmt: skip
    assert sorted(given) == CALLS
    for name, arguments in given.items():
        answer = getattr(real, name)(*arguments)
        assert int(answer[0]) != 0, name
        assert len(answer) == 1 + GIVES.get(name, 0), name
        with pytest.raises(CardError, match=f"^{name}: cudaError"):
            Runtime(real)(name, *arguments)
    for kind in ("cudaIpcMemHandle_t", "cudaIpcEventHandle_t"):
        there = Runtime(real).from_handle(kind, bytes(range(64)))
        assert int(there.getPtr()) > 0
    for name in ("cudaEventDisableTiming", "cudaEventInterprocess", "cudaStreamNonBlocking"):
        assert int(getattr(real, name)) == getattr(model, name)


# --- the law of the ring


class Wall:
    """Textures as numbers, and what is in them."""

    def __init__(self):
        self.pictures = {}

    def fill(self, number, size, pixels):
        self.pictures[number] = np.frombuffer(pixels, np.uint8)[0]


def play(rows, chance, ignores_events=False):
    """A show of as many rows, as `process` and `child` hand slots out; how many pictures tore.

    The card does things when it must, or when `chance` has it; what OpenGL draws comes after the
    copy before it and before the next one, as unmapping has it, and so as late as they.
    """
    machine = Machine(lazily=True, ignores_events=ignores_events)
    wall = Wall()
    decoding, showing = Pretended(machine), Pretended(machine, fill=wall.fill)
    lender = Lender(Runtime(decoding), 0, paged_slots(SIZE))
    link = CardLink(lambda: Runtime(showing))
    texture = types.SimpleNamespace(glo=3)
    machine.chance = chance
    made = np.zeros((*SIZE, 4), np.uint8)
    shown, torn = -1, []
    for row in range(1, rows + 1):
        newest = shown
        slot = next(s for s in range(SLOTS) if s not in (shown, newest))
        # The network paints on the stream the picture is copied on.
        decoding._do(0, "work", lambda value=row: made.fill(value))
        lender.keep(slot, OnCard(made.ctypes.data, 0))
        shown = slot
        link.write(texture, CardPicture(lender.lent, slot))
        showing._do(7, "work", lambda value=row: torn.append(wall.pictures[3] != value))
    machine.drain((showing.number, 7))
    assert len(torn) == rows
    return sum(torn)


def moody(seed):
    """A card that for a while does little, or the work of one process alone."""
    chance = random.Random(seed)
    left, mood = 0, None

    def choose(keys):
        nonlocal left, mood
        if left == 0:
            left, mood = chance.randrange(5, 60), chance.choice(["little", "first", "last", "all"])
        left -= 1
        one = {"first": min(keys), "last": max(keys)}.get(mood)
        if mood == "little":
            return []
        return chance.choices([one] if one else keys, k=chance.randrange(6))

    return choose


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 1 << 32))
def test_whatever_the_card_does_first_the_picture_is_the_one_that_was_meant(seed):
    assert play(12, moody(seed)) == 0


def test_a_picture_that_was_announced_needs_its_maker_no_more():
    """Killed behind the answer: whatever the dead one had still to do on the card is never done."""
    machine, wall = Machine(lazily=True), Wall()
    decoding, showing = Pretended(machine), Pretended(machine, fill=wall.fill)
    lender = Lender(Runtime(decoding), 0, paged_slots(SIZE))
    link = CardLink(lambda: Runtime(showing))
    made = np.zeros((*SIZE, 4), np.uint8)
    decoding._do(0, "work", lambda: made.fill(7))
    lender.keep(1, OnCard(made.ctypes.data, 0))
    machine.queues.pop((decoding.number, 0))
    link.write(types.SimpleNamespace(glo=3), CardPicture(lender.lent, 1))
    machine.drain((showing.number, 7))
    assert wall.pictures[3] == 7


def test_without_the_events_pictures_do_tear():
    """So the law above can fail."""
    assert sum(play(12, moody(seed), ignores_events=True) for seed in range(20)) > 0


def test_codes_of_the_model_are_named_as_the_runtime_names_them():
    assert all(code.name.startswith("cuda") for code in Code)
