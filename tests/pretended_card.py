"""A model of NVIDIA's runtime in ordinary memory: handles, streams, events, arrays, and faults.

`Machine` is what all processes of a computer share, `Pretended` is one process's binding. What is
allocated lies in a file, so that another process, a real one too, can open it by its handle.

Work goes to streams, as on a card. `lazily`, it is done when somebody must wait for it, or when
`chance` says so before some call: everything that the order of events leaves open can happen.
Otherwise it is done at once; then streams and events can be told from nothing, and handles of
events from other processes are taken as they come.
"""

import ctypes
import itertools
import mmap
import os
import shutil
import tempfile
import weakref
from collections import Counter, deque
from enum import IntEnum
from pathlib import Path
from types import SimpleNamespace

import numpy as np

from instrument.decoder.exchange import SLOTS

TAG = b"pretended"
_NUMBERS = itertools.count()


class Code(IntEnum):
    cudaSuccess = 0  # noqa: N815
    cudaErrorInvalidValue = 1  # noqa: N815
    cudaErrorMemoryAllocation = 2  # noqa: N815
    cudaErrorNoDevice = 100  # noqa: N815
    cudaErrorInvalidResourceHandle = 400  # noqa: N815
    cudaErrorIllegalAddress = 700  # noqa: N815


class RefusedError(Exception):
    """The call gives this code."""


class Handle:
    """A structure of 64 bytes that has an address and nothing else, as in the newest binding."""

    def __init__(self, content=bytes(64)):
        self._bytes = ctypes.create_string_buffer(content.ljust(64, b"\0"), 64)

    def getPtr(self):  # noqa: N802
        return ctypes.addressof(self._bytes)

    @property
    def content(self):
        return self._bytes.raw.rstrip(b"\0")


class Mark:
    """One recording of an event: done once the stream has come so far."""

    done = False


class Event:
    def __init__(self):
        self.newest = None  # Mark; None: never recorded, nobody waits for it


class Machine:
    """One computer with a card at `address`; `ignores_events` makes it a broken one."""

    def __init__(self, address="0000:01:00.0", lazily=False, chance=None, ignores_events=False):
        self.address, self.lazily, self.chance = address, lazily, chance
        self.ignores_events = ignores_events
        self.folder = tempfile.mkdtemp(prefix="card-")  # a short name: it must go into a handle
        weakref.finalize(self, shutil.rmtree, self.folder, ignore_errors=True)
        self.events = {}  # by handle
        self.queues = {}  # (process, stream) → work to be done in turn

    def step(self, key):
        """Do the first thing a stream has to do; False where it has to wait for another."""
        kind, thing = self.queues[key][0]
        if kind == "wait" and not (thing is None or thing.done or self.ignores_events):
            return False
        self.queues[key].popleft()
        if kind == "mark":
            thing.done = True
        elif kind == "work":
            thing()
        return True

    def drain(self, key):
        """Do all that a stream has to do, and of the others what that needs."""
        while self.queues.get(key):
            if not self.step(key):
                others = [other for other, queue in self.queues.items() if queue and other != key]
                assert any([self.step(other) for other in others]), "all streams wait"

    def some(self):
        """Let some of it happen, as chance will have it."""
        busy = [key for key, queue in self.queues.items() if queue]
        if self.chance is not None and busy:
            for key in self.chance(busy):
                if self.queues[key]:
                    self.step(key)


class Pretended:
    """One process's binding. `ctx` is its OpenGL context, if it has one.

    `fails` names calls that give an error, each from its n-th time on. `calls` counts them all,
    `copied` the copies by direction: ``host``, ``card``, ``array``.
    """

    cudaEventDisableTiming, cudaEventInterprocess = 2, 4  # noqa: N815
    cudaIpcMemLazyEnablePeerAccess = cudaStreamNonBlocking = 1  # noqa: N815
    cudaMemcpyKind = SimpleNamespace(cudaMemcpyDeviceToHost=2, cudaMemcpyDeviceToDevice=3)  # noqa: N815
    cudaGLDeviceList = SimpleNamespace(cudaGLDeviceListAll=1)  # noqa: N815
    cudaGraphicsRegisterFlags = SimpleNamespace(cudaGraphicsRegisterFlagsWriteDiscard=2)  # noqa: N815
    cudaIpcMemHandle_t = cudaIpcEventHandle_t = Handle  # noqa: N815

    def __init__(self, machine=None, ctx=None, draws=True, fill=None):
        self.machine, self.ctx, self.draws = machine or Machine(), ctx, draws
        self.number = next(_NUMBERS)
        self._fill = fill or self._fill_texture
        self.fails, self.calls, self.copied = {}, Counter(), Counter()
        self.memory = {}  # by address: what was allocated or opened here
        self.pinned, self.mapped = {}, set()
        self.held = Counter()  # what must be given back

    def __getattr__(self, name):
        if not name.startswith("cuda"):
            raise AttributeError(name)
        work = object.__getattribute__(self, f"_{name}")

        def call(*given):
            self.calls[name] += 1
            self.machine.some()
            spare = (None,) * GIVES.get(name, 0)
            if self.calls[name] >= self.fails.get(name, 1 << 30):
                if name == "cudaMemcpy2DToArrayAsync":  # what it was to fill may hold anything
                    array, width, height = given[0], given[5], given[6]
                    self._fill(array, (width // 4, height), b"\xab" * width * height)
                return (Code.cudaErrorIllegalAddress, *spare)
            try:
                found = work(*given)
            except RefusedError as refused:
                return (refused.args[0], *spare)
            if not spare:
                return (Code.cudaSuccess,)
            return (Code.cudaSuccess, *(found if len(spare) > 1 else (found,)))

        return call

    # Devices.

    def _cudaGetDeviceCount(self):  # noqa: N802
        return 1

    def _cudaSetDevice(self, number):  # noqa: N802
        assert number == 0

    def _cudaDeviceGetPCIBusId(self, length, number):  # noqa: N802
        return self.machine.address.encode().ljust(length, b"\0")

    def _cudaDeviceGetByPCIBusId(self, address):  # noqa: N802
        if address.decode() != self.machine.address:
            raise RefusedError(Code.cudaErrorInvalidValue)
        return 0

    def _cudaGLGetDevices(self, most, which):  # noqa: N802
        return (1, [0]) if self.draws else (0, [])

    # Memory.

    def _cudaMalloc(self, size):  # noqa: N802
        descriptor, name = tempfile.mkstemp(dir=self.machine.folder)
        os.ftruncate(descriptor, size)
        os.close(descriptor)
        self.held["memory"] += 1
        return self._map(Path(name), mine=True)

    def _map(self, path, mine):
        with path.open("r+b") as file:
            memory = mmap.mmap(file.fileno(), 0)
        view = ctypes.c_char.from_buffer(memory)
        self.memory[ctypes.addressof(view)] = (memory, view, path, mine)
        return ctypes.addressof(view)

    def _cudaFree(self, address):  # noqa: N802
        _, _, path, mine = self.memory.pop(address)
        assert mine, "freed what another process has"
        path.unlink()
        self.held["memory"] -= 1

    def _cudaIpcGetMemHandle(self, address):  # noqa: N802
        return Handle(str(self.memory[address][2]).encode())

    def _cudaIpcOpenMemHandle(self, handle, flags):  # noqa: N802
        path = Path(handle.content.decode(errors="replace"))
        if not path.is_file():
            raise RefusedError(Code.cudaErrorInvalidResourceHandle)
        self.held["opened"] += 1
        return self._map(path, mine=False)

    def _cudaIpcCloseMemHandle(self, address):  # noqa: N802
        assert not self.memory.pop(address)[3]
        self.held["opened"] -= 1

    def _cudaHostRegister(self, address, size, flags):  # noqa: N802
        assert address % 4096 == 0
        self.pinned[address] = size

    # Streams and events.

    def _do(self, stream, kind, thing):
        key = (self.number, int(stream))
        self.machine.queues.setdefault(key, deque()).append((kind, thing))
        if not self.machine.lazily:
            self.machine.drain(key)

    def _cudaStreamCreateWithFlags(self, flags):  # noqa: N802
        self.held["streams"] += 1
        return 7

    def _cudaStreamDestroy(self, stream):  # noqa: N802
        self.held["streams"] -= 1

    def _cudaStreamSynchronize(self, stream):  # noqa: N802
        self.machine.drain((self.number, int(stream)))

    def _cudaEventCreateWithFlags(self, flags):  # noqa: N802
        assert flags == self.cudaEventDisableTiming | self.cudaEventInterprocess
        self.held["events"] += 1
        return Event()

    def _cudaEventDestroy(self, event):  # noqa: N802
        self.held["events"] -= 1

    def _cudaIpcGetEventHandle(self, event):  # noqa: N802
        handle = TAG + str(id(event)).encode()
        self.machine.events[handle] = event
        return Handle(handle)

    def _cudaIpcOpenEventHandle(self, handle):  # noqa: N802
        if not handle.content.startswith(TAG):
            raise RefusedError(Code.cudaErrorInvalidResourceHandle)
        self.held["events"] += 1
        return self.machine.events.setdefault(handle.content, Event())

    def _cudaEventRecord(self, event, stream):  # noqa: N802
        event.newest = Mark()
        self._do(stream, "mark", event.newest)

    def _cudaStreamWaitEvent(self, stream, event, flags):  # noqa: N802
        self._do(stream, "wait", event.newest)

    # Copies.

    def _cudaMemcpyAsync(self, to, source, size, kind, stream):  # noqa: N802
        self.copied["host" if kind == 2 else "card"] += 1
        self._do(stream, "work", lambda: ctypes.memmove(to, source, size))

    def _cudaMemcpy2DToArrayAsync(  # noqa: N802
        self, array, across, down, source, pitch, width, height, kind, stream
    ):
        assert (across, down, kind) == (0, 0, 3) and pitch == width and array in self.mapped
        self.copied["array"] += 1
        size = (width // 4, height)
        self._do(
            stream, "work",
            lambda: self._fill(array, size, ctypes.string_at(source, width * height)),
        )  # fmt: skip

    # OpenGL. An array, a resource and a texture all go by the texture's number.

    def _cudaGraphicsGLRegisterImage(self, texture, target, flags):  # noqa: N802
        assert (target, flags) == (0x0DE1, 2)
        self.held["textures"] += 1
        return texture

    def _cudaGraphicsUnregisterResource(self, resource):  # noqa: N802
        if resource in self.mapped:
            raise RefusedError(Code.cudaErrorInvalidResourceHandle)
        self.held["textures"] -= 1

    def _cudaGraphicsMapResources(self, count, resource, stream):  # noqa: N802
        assert count == 1 and resource not in self.mapped
        self.mapped.add(resource)

    def _cudaGraphicsUnmapResources(self, count, resource, stream):  # noqa: N802
        self.mapped.remove(resource)

    def _cudaGraphicsSubResourceGetMappedArray(self, resource, index, level):  # noqa: N802
        assert resource in self.mapped
        return resource

    def _fill_texture(self, number, size, pixels):
        self.ctx.external_texture(number, size, 4, 0, "f1").write(pixels)


# How many things a call gives beside its error, where that is not none.
GIVES = dict.fromkeys(
    """
    cudaGetDeviceCount cudaDeviceGetPCIBusId cudaDeviceGetByPCIBusId cudaMalloc cudaIpcGetMemHandle
    cudaIpcOpenMemHandle cudaIpcGetEventHandle cudaIpcOpenEventHandle cudaEventCreateWithFlags
    cudaStreamCreateWithFlags cudaGraphicsGLRegisterImage cudaGraphicsSubResourceGetMappedArray
    """.split(),
    1,
) | {"cudaGLGetDevices": 2}
CALLS = sorted(name[1:] for name in vars(Pretended) if name.startswith("_cuda"))


def paged_slots(size):
    """Slots as they lie in shared memory: each begins a page."""
    stride = -(-4 * size[0] * size[1] // 4096) * 4096
    whole = np.frombuffer(mmap.mmap(-1, SLOTS * stride), np.uint8).reshape(SLOTS, stride)
    return [row[: 4 * size[0] * size[1]].reshape(*size, 4) for row in whole]
