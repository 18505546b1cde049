"""A TouchOSC layout made from the tree: faders for parameters, buttons for waypoints and the rest.

A ``.tosc`` file is XML under zlib: a tree of nodes with properties, values and messages. Sources:
the manual at hexler.net/touchosc (controls, properties, messages), and the format as py2tosc
(docs/guide/format.md) found it in files of TouchOSC 1.5. XML is only written here, never read.
Hosts and ports are set in TouchOSC itself: no layout can hold them.
"""

from __future__ import annotations

import uuid
import zlib
from collections.abc import Callable, Sequence

from instrument.control.tree import Node, Tree

Frame = tuple[float, float, float, float]  # x, y, width, height; of a page or the canvas

_WIDTH, _HEIGHT, _TABS, _GAP = 1024.0, 768.0, 40.0, 8.0
_FADERS, _BUTTONS = (8, 2), (6, 6)  # columns and rows of a page
_CAPTION = 22.0  # height of what a fader is called
_FORMAT = "6"  # what TouchOSC 1.5 writes
_CONNECTION = "0000000001"  # the first of ten
_MOMENTARY, _TOGGLE = 0, 2
_BLUE, _AMBER, _GREEN = (0.36, 0.55, 0.94), (0.93, 0.65, 0.3), (0.25, 0.8, 0.68)


def layout(tree: Tree, feedback_port: int = 9000) -> bytes:
    """The bytes of a ``.tosc`` file for `tree`.

    A button at the top asks for feedback at `feedback_port`: TouchOSC's receive port.
    """
    faders = [node for node in tree if node.kind == "parameter" and not node.told]
    triggers = [node for node in tree if node.kind == "trigger"]
    waypoints = [node for node in triggers if _is_numbered_waypoint(node)]
    others = [node for node in triggers if not node.address.startswith("/waypoint/")]
    pages = [
        *_pages("faders", faders, _FADERS, _parameter),
        *_pages("waypoints", waypoints, _BUTTONS, _trigger),
        *_pages("more", others, _BUTTONS, _trigger),
    ]
    frame = (0.0, _TABS, _WIDTH, _HEIGHT - _TABS)
    pager = _node("PAGER", "pages", frame, [_integer("tabbarSize", int(_TABS))], inside=pages)
    top = (0.0, 0.0, 160.0, _TABS - _GAP)
    port = _partial("CONSTANT", "INTEGER", str(feedback_port))
    subscribe = _button("/subscribe", top, _MOMENTARY, _AMBER, _message("/subscribe", port, "RISE"))
    inside = [subscribe, _label("feedback", top), pager]
    root = _node("GROUP", "root", (0.0, 0.0, _WIDTH, _HEIGHT), inside=inside)
    root = root.replace(">", "><includes></includes>", 1)  # version 6 has it, always empty
    text = f"<?xml version='1.0' encoding='UTF-8'?><lexml version='{_FORMAT}'>{root}</lexml>"
    return zlib.compress(text.encode("utf-8"), 9)


def _is_numbered_waypoint(node: Node) -> bool:
    """Every waypoint has a number; those that have a name as well are the same ones again."""
    steps = node.address.split("/")
    return len(steps) == 4 and steps[1] == "waypoint" and steps[2].isdigit()


def _pages(
    title: str,
    nodes: Sequence[Node],
    grid: tuple[int, int],
    control: Callable[[Node, Frame], list[str]],
) -> list[str]:
    """As many pages as `nodes` need, each a grid of controls, row by row."""
    columns, rows = grid
    height = _HEIGHT - 2 * _TABS
    cell = ((_WIDTH - _GAP) / columns, (height - _GAP) / rows)
    pages = []
    for first in range(0, len(nodes), columns * rows):
        controls: list[str] = []
        for place, node in enumerate(nodes[first : first + columns * rows]):
            row, column = divmod(place, columns)
            x, y = _GAP + column * cell[0], _GAP + row * cell[1]
            controls += control(node, (x, y, cell[0] - _GAP, cell[1] - _GAP))
        name = f"{title} {first // (columns * rows) + 1}"
        frame = (0.0, _TABS, _WIDTH, height)
        pages.append(_node("GROUP", name, frame, [_text("tabLabel", name)], inside=controls))
    return pages


def _parameter(node: Node, frame: Frame) -> list[str]:
    x, y, width, height = frame
    caption = _label(node.address[1:], (x, y, width, _CAPTION))
    below = (x, y + _CAPTION, width, height - _CAPTION)
    sent = _message(node.address, _partial("VALUE", "FLOAT", "x"))
    if node.curve == "switch":
        return [caption, _button(node.address, below, _TOGGLE, _AMBER, sent)]
    look = [_colour("color", _BLUE)]
    return [caption, _node("FADER", node.address, below, look, values=_value("x", "0"), sent=sent)]


def _trigger(node: Node, frame: Frame) -> list[str]:
    sent = _message(node.address, _partial("VALUE", "FLOAT", "x"))
    caption = node.address[1:]
    if _is_numbered_waypoint(node) and node.does:
        caption = node.does.removeprefix("glide to ")
    return [_button(node.address, frame, _MOMENTARY, _GREEN, sent), _label(caption, frame)]


# Controls.


def _button(
    name: str, frame: Frame, kind: int, colour: tuple[float, float, float], sent: str
) -> str:
    look = [_integer("buttonType", kind), _colour("color", colour)]
    return _node("BUTTON", name, frame, look, values=_value("x", "0"), sent=sent)


def _label(text: str, frame: Frame) -> str:
    """Words that let the finger through to what lies below."""
    look = [_flag(key, False) for key in ("background", "interactive", "outline")]
    look += [_integer("textSize", 14), _colour("textColor", (1.0, 1.0, 1.0))]
    return _node("LABEL", text, frame, look, values=_value("text", text))


def _node(
    kind: str,
    name: str,
    frame: Frame,
    look: Sequence[str] = (),
    *,
    values: str = "",
    sent: str = "",
    inside: Sequence[str] = (),
) -> str:
    corners = "".join(f"<{k}>{v:g}</{k}>" for k, v in zip("xywh", frame, strict=True))
    name = _printable(name)
    # In order of their keys, as the editor writes them.
    properties = "".join(
        sorted(
            (_property("r", "frame", corners), _text("name", name), *look),
            key=lambda one: one.partition("<key>")[2],
        )
    )
    # The same place and name give the same ID, so two layouts of one tree are the same bytes.
    identity = uuid.uuid5(uuid.NAMESPACE_URL, f"latent-instrument {kind} {name} {frame}")
    return (
        f"<node ID='{identity}' type='{kind}'><properties>{properties}</properties>"
        + _unless_empty("values", values)
        + _unless_empty("messages", sent)
        + _unless_empty("children", "".join(inside))
        + "</node>"
    )


def _message(address: str, argument: str, condition: str = "ANY") -> str:
    """Sent whenever x changes (``RISE``: only upwards), and obeyed when it comes back."""
    return (
        "<osc><enabled>1</enabled><send>1</send><receive>1</receive><feedback>0</feedback>"
        f"<noDuplicates>0</noDuplicates><connections>{_CONNECTION}</connections>"
        f"<triggers><trigger><var>{_cdata('x')}</var><condition>{condition}</condition></trigger>"
        f"</triggers><path>{_partial('CONSTANT', 'STRING', address)}</path>"
        f"<arguments>{argument}</arguments></osc>"
    )


def _partial(kind: str, conversion: str, value: str) -> str:
    return (
        f"<partial><type>{kind}</type><conversion>{conversion}</conversion>"
        f"<value>{_cdata(value)}</value><scaleMin>0</scaleMin><scaleMax>1</scaleMax></partial>"
    )


# Properties and values.


def _property(kind: str, key: str, value: str) -> str:
    return f"<property type='{kind}'><key>{_cdata(key)}</key><value>{value}</value></property>"


def _text(key: str, value: str) -> str:
    return _property("s", key, _cdata(value))


def _integer(key: str, value: int) -> str:
    return _property("i", key, str(value))


def _flag(key: str, value: bool) -> str:
    return _property("b", key, str(int(value)))


def _colour(key: str, rgb: tuple[float, float, float]) -> str:
    parts = "".join(f"<{k}>{v:g}</{k}>" for k, v in zip("rgba", (*rgb, 1.0), strict=True))
    return _property("c", key, parts)


def _value(key: str, default: str) -> str:
    return (
        f"<value><key>{_cdata(key)}</key><locked>0</locked>"
        "<lockedDefaultCurrent>0</lockedDefaultCurrent>"
        f"<default>{_cdata(default)}</default><defaultPull>0</defaultPull></value>"
    )


def _unless_empty(tag: str, content: str) -> str:
    return f"<{tag}>{content}</{tag}>" if content else ""


def _cdata(text: str) -> str:
    """Any text; what would end the section is split over two."""
    return f"<![CDATA[{_printable(text).replace(']]>', ']]]]><![CDATA[>')}]]>"


def _printable(text: str) -> str:
    """Without what XML cannot hold."""
    return "".join(character for character in text if character.isprintable())
