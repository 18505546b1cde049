"""A program that torch compiled ahead of time (AOTInductor), called through its own C interface.

Torch's Python door to such programs keeps the interpreter to itself for as long as they run: a
decoder process would hear nothing of the next z, and of its end, while it makes a picture. A call
by ctypes lets go of it. That door also takes seconds to import.
"""

from __future__ import annotations

import ctypes
import sys
import weakref
import zipfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from instrument.latent.arrays import write_atomically

LIBRARY = ".pyd" if sys.platform == "win32" else ".so"  # as torch calls it
# What a program that calls back into torch's dispatcher, or has large constants, lies beside.
_UNSERVED = (".json", ".bin")
_HARMLESS = "_metadata.json"
_LARGEST = 256 << 20  # bytes of a library

_Handle = ctypes.c_void_p
_Size = ctypes.c_size_t
# The interface (torch/csrc/inductor/aoti_runtime/interface.h); each returns 0 where it went well.
# A handle may also be a place for one, or for many.
_INTERFACE: dict[str, tuple[type[Any], ...]] = {
    "CreateWithDevice": (_Handle, _Size, ctypes.c_char_p, ctypes.c_char_p),
    "Run": (_Handle, _Handle, _Size, _Handle, _Size, _Handle, _Handle),
    "GetNumInputs": (_Handle, _Handle),
    "GetNumOutputs": (_Handle, _Handle),
    "Delete": (_Handle,),
}


class AotProgram:
    """The program in the package at `path`: tensors on the processor → one tensor.

    Raises OSError, ValueError or zipfile.BadZipFile where there is none that can run here, and
    InstrumentError where its library cannot be put beside it.
    """

    def __init__(self, path: Path) -> None:
        code, library = code_in(path), path.with_suffix(LIBRARY)
        # It lies beside the package for as long as that does: what is open cannot be removed
        # everywhere, and the next process opens the same one.
        if not library.is_file() or library.read_bytes() != code:
            with write_atomically(library) as file:
                file.write(code)
        self._library = ctypes.CDLL(str(library))
        # Prototypes of our own: those of `ctypes.pythonapi` are everybody's to change.
        python, text = ctypes.pythonapi, ctypes.c_char_p
        self._pointer_in = ctypes.PYFUNCTYPE(_Handle, ctypes.py_object, text)(
            ("PyCapsule_GetPointer", python)
        )
        self._capsule_of = ctypes.PYFUNCTYPE(ctypes.py_object, _Handle, text, _Handle)(
            ("PyCapsule_New", python)
        )
        self._call = {name: self._function(name, types) for name, types in _INTERFACE.items()}
        container = _Handle()
        self._do("CreateWithDevice", ctypes.byref(container), 1, b"cpu", None)
        self._container = container
        weakref.finalize(self, self._call["Delete"], container).atexit = False
        self.inputs = self._count("GetNumInputs")
        if (outputs := self._count("GetNumOutputs")) != 1:
            raise ValueError(f"a program with {outputs} results")

    def __call__(self, tensors: Sequence[Tensor]) -> Tensor:
        """Run it; other threads of this process go on. Raises ValueError on another number of
        tensors, RuntimeError where it fails."""
        if len(tensors) != self.inputs:
            raise ValueError(f"a program of {self.inputs} tensors was given {len(tensors)}")
        # `Run` frees what is made here.
        handles = torch._C._aoti.unsafe_alloc_void_ptrs_from_tensors(list(tensors))
        given = (_Handle * len(handles))(*[self._pointer_in(handle, None) for handle in handles])
        made = (_Handle * 1)()
        self._do("Run", self._container, given, len(handles), made, 1, None, None)
        # Not the function for a single one: that keeps a reference for ever.
        found = torch._C._aoti.alloc_tensors_by_stealing_from_void_ptrs(
            [self._capsule_of(made[0], None, None)]
        )
        result: Tensor = found[0]
        return result

    def _function(self, name: str, types: tuple[type[Any], ...]) -> Any:
        try:
            function = self._library[f"AOTInductorModelContainer{name}"]
        except AttributeError as error:
            raise ValueError(f"no program of torch's ({error})") from error
        function.restype, function.argtypes = ctypes.c_int32, types
        return function

    def _do(self, name: str, *arguments: Any) -> None:
        if self._call[name](*arguments):
            raise RuntimeError(f"a compiled program failed ({name})")

    def _count(self, name: str) -> int:
        number = _Size()
        self._do(name, self._container, ctypes.byref(number))
        return number.value


def code_in(package: Path) -> bytes:
    """The library in a package, whole: what was cut or changed on the disk is not run.

    Raises OSError or zipfile.BadZipFile on damage, and ValueError where the program needs more
    than its library.
    """
    with zipfile.ZipFile(package) as archive:
        files = [file for file in archive.infolist() if "/data/aotinductor/" in file.filename]
        code = [file for file in files if file.filename.endswith(LIBRARY)]
        more = [
            file.filename.rpartition("/")[2]
            for file in files
            if file.filename.endswith(_UNSERVED) and not file.filename.endswith(_HARMLESS)
        ]
        if len(code) != 1 or more or code[0].file_size > _LARGEST:
            needed = ", ".join(more) or f"{len(code)} libraries of {_LARGEST >> 20} MB at most"
            raise ValueError(f"a program that needs more than its library ({needed})")
        return archive.read(code[0])
