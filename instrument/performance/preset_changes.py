"""What was learnt and saved while playing, written into the text of a preset.

Every comment outside the tables that change stays where it is, to the byte. Knows no file.
"""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import tomlkit
from tomlkit.exceptions import TOMLKitError

from instrument import InstrumentError
from instrument.performance.learning import Pair, binding_to_json
from instrument.performance.mapping import Binding
from instrument.performance.preset_blocks import (
    Block,
    blocks_of,
    insert,
    new_block,
    remove,
    text_of,
)
from instrument.performance.scene import FIRST, Scene
from instrument.performance.state import Performance

_PLAIN = {"mode": "jump", "low": 0.0, "high": 1.0, "curve": "linear", "smoothing": 0.0}
_PLAIN_STEP = {"step": 1.0 / 64.0}
_WORDS = ("/spring/frequency", "/glide/seconds", "/glide/beats")  # on the spring: the last wins


@dataclass(frozen=True, slots=True)
class Changes:
    """What a preset's file is to say anew: bindings, pairs that are none any more, scenes."""

    learnt: tuple[Binding, ...] = ()
    forgotten: frozenset[Pair] = frozenset()
    scenes: Mapping[int, Scene] = field(default_factory=dict)

    def __bool__(self) -> bool:
        return bool(self.learnt or self.forgotten or self.scenes)


def changes_of(p: Performance) -> Changes:
    """What `p` knows and the file of its preset may not. Nothing in it changes any more."""
    learning = p.learning
    return Changes(tuple(learning.learnt.values()), learning.forgotten, p.scenes.saved)


def changed(text: str, changes: Changes, begins: Mapping[str, float]) -> str:
    """`text`, a valid preset, with `changes`. The same changes made again change nothing.

    `begins` are the values a performance of the preset begins with, by address: where the file
    says nothing of one of them it need not begin to. Raises InstrumentError where it cannot be
    done; then nothing of it is to be used.
    """
    eol = "\r\n" if "\r\n" in text else "\n"
    try:
        result = _with(text, changes, begins, eol)
    except TOMLKitError as error:  # TOML that one reader takes and the other does not
        raise InstrumentError(f"cannot be changed ({error})") from error
    _check(text, result)
    return result


def _with(text: str, changes: Changes, begins: Mapping[str, float], eol: str) -> str:
    blocks = blocks_of(text)
    learnt = {(binding.source, binding.target) for binding in changes.learnt}
    for pair in sorted(changes.forgotten - learnt):
        _forget(blocks, pair)
    for binding in changes.learnt:
        _bind(blocks, binding, eol)
    for number, scene in sorted(changes.scenes.items()):
        if number == FIRST:
            _begin_with(blocks, scene, begins, eol)
        else:
            _put_scene(blocks, number, scene, eol)
    return text_of(blocks)


def _data(blocks: list[Block]) -> dict[str, Any]:
    return tomllib.loads(text_of(blocks))


def _entries(blocks: list[Block], name: str) -> list[int]:
    """The blocks of the array of tables `name`, in its order."""
    return [number for number, block in enumerate(blocks) if block.path == (name,)]


def _forget(blocks: list[Block], pair: Pair) -> None:
    entries = _entries(blocks, "binding")
    listed = _data(blocks).get("binding", [])
    for entry in reversed(range(len(listed))):
        if (listed[entry]["source"], listed[entry]["target"]) != pair:
            continue
        if entries:
            remove(blocks, entries[entry])
        else:
            _edit_array(blocks, "binding", lambda array, e=entry: array.pop(e))


def _bind(blocks: list[Block], binding: Binding, eol: str) -> None:
    fields, plain = binding_to_json(binding), {**_PLAIN, **_PLAIN_STEP}
    # What is as usual need not be said.
    values = {key: value for key, value in fields.items() if plain.get(key) != value}
    entries, listed = _entries(blocks, "binding"), _data(blocks).get("binding", [])
    for entry, there in enumerate(listed):
        if (there["source"], there["target"]) != (binding.source, binding.target):
            continue
        gone = [key for key in there if key not in values]
        if entries:
            blocks[entries[entry]].change(values, gone)
        elif there != values:
            _edit_array(blocks, "binding", lambda a, e=entry: a.__setitem__(e, _inline(values)))
        return
    if listed and not entries:
        _edit_array(blocks, "binding", lambda array: array.append(_inline(values)))
    else:
        after = entries[-1] if entries else len(blocks) - 1
        insert(blocks, new_block(("binding",), True, values, eol), after, eol)


def _put_scene(blocks: list[Block], number: int, scene: Scene, eol: str) -> None:
    listed = _data(blocks).get("scene", [])
    numbers = _numbers(listed)
    entries = _entries(blocks, "scene")
    if listed and not entries:
        raise InstrumentError("scene: write the scenes as [[scene]] tables, to save one here")
    fields = _scene_fields(number, scene)
    if number not in numbers:
        after = _end_of_entry(blocks, entries[-1]) if entries else len(blocks) - 1
        insert(blocks, new_block(("scene",), True, fields, eol), after, eol)
        insert(blocks, new_block(("scene", "parameters"), False, scene.values, eol), after + 1, "")
        return
    here = entries[numbers.index(number)]
    there = listed[numbers.index(number)]
    own = {key: fields[key] for key in fields if key != "number"}
    gone = [key for key in ("name", "waypoint", "place") if key in there and key not in own]
    if "style" not in own and "style" in there:
        own["style"] = {}
    tables = range(here + 1, _end_of_entry(blocks, here) + 1)
    inner = {blocks[n].path[1]: n for n in tables if len(blocks[n].path) == 2}
    for key, values in (("style", own.pop("style", None)), ("parameters", dict(scene.values))):
        if values is None:
            continue
        old = [name for name in there.get(key, {}) if name not in values]
        if key in inner:
            blocks[inner[key]].change(values, old)
        elif values or key in there:
            blocks[here].change(values, old, at=(key,))
    blocks[here].change(own, gone)


def _begin_with(blocks: list[Block], scene: Scene, begins: Mapping[str, float], eol: str) -> None:
    """What number 1 holds is how the preset begins: its parameters, and its home."""
    data = _data(blocks)
    there = data.get("parameters", {})
    moved = scene.waypoint is not None and scene.waypoint != data.get("home", "1")
    values = {
        address: value
        for address, value in scene.values.items()
        if address in there
        or abs(value - begins.get(address, value + 1.0)) > 1e-6 * abs(value)
        or (moved and address == "/model/snapshot")
    }
    word = next((word for word in _WORDS if word in scene.values), None)
    last = [address for address in there if address in _WORDS][-1:]
    if word is not None and last != [word]:
        values[word] = scene.values[word]
    gone = [other for other in _WORDS if other in there and last != [word] and other != word]
    _set_parameters(blocks, values, gone, eol)
    if moved:
        blocks[0].change({"home": scene.waypoint})


def _set_parameters(
    blocks: list[Block], values: Mapping[str, float], gone: list[str], eol: str
) -> None:
    own = [block for block in blocks if block.path == ("parameters",)]
    if own:
        own[0].change(values, gone)
    elif "parameters" in tomllib.loads(blocks[0].text):
        blocks[0].change(values, gone, at=("parameters",))
    elif values:
        insert(blocks, new_block(("parameters",), False, values, eol), 0, eol)


def _scene_fields(number: int, scene: Scene) -> dict[str, Any]:
    fields: dict[str, Any] = {"number": number}
    if scene.name:
        fields["name"] = scene.name
    if scene.waypoint is not None:
        fields["waypoint"] = scene.waypoint
    if scene.place is not None:
        # The shortest digits that lead back to the same float32.
        fields["place"] = [float(f"{number:.9g}") for number in scene.place.ravel()]
    if scene.styles:
        style = tomlkit.inline_table()
        style.update(scene.styles)
        fields["style"] = style
    return fields


def _numbers(listed: list[dict[str, Any]]) -> list[int]:
    """The number of every scene in the file, as `scene_tables` counts them."""
    numbers: list[int] = []
    for there in listed:
        numbers.append(there.get("number", max(numbers, default=FIRST) + 1))
    return numbers


def _end_of_entry(blocks: list[Block], start: int) -> int:
    """The last block that is a part of the entry of an array that begins at `start`."""
    end, path = start, blocks[start].path
    while (
        end + 1 < len(blocks)
        and len(blocks[end + 1].path) > len(path)
        and (blocks[end + 1].path[: len(path)] == path)
    ):
        end += 1
    return end


def _inline(values: Mapping[str, Any]) -> Any:
    table = tomlkit.inline_table()
    table.update(values)
    return table


def _edit_array(blocks: list[Block], name: str, edit: Any) -> None:
    """Change an array that is written as ``name = [{…}, …]``."""
    document = tomlkit.parse(blocks[0].text)
    edit(document[name])
    blocks[0].text = tomlkit.dumps(document)


def _check(before: str, after: str) -> None:
    """Raises InstrumentError unless only what may change has changed."""
    old, new = tomllib.loads(before), tomllib.loads(after)
    for key in ("binding", "scene", "parameters", "home"):
        old.pop(key, None)
        new.pop(key, None)
    if old != new:
        raise InstrumentError("cannot be changed without touching other tables")
