"""The TouchOSC layout and the printed list: every address once, and well-formed."""

from __future__ import annotations

import zlib
from xml.etree import ElementTree

import pytest
from osc_stage import TREE

from instrument.control.osc_addresses import address_list
from instrument.control.osc_layout import layout
from instrument.control.tree import Node, Tree


def parsed(tree: Tree, **more) -> ElementTree.Element:
    return ElementTree.fromstring(zlib.decompress(layout(tree, **more)))


def prop(node: ElementTree.Element, key: str) -> ElementTree.Element | None:
    for one in node.iterfind("properties/property"):
        if one.findtext("key") == key:
            return one.find("value")
    return None


def frame(node: ElementTree.Element) -> tuple[float, ...]:
    value = prop(node, "frame")
    assert value is not None
    return tuple(float(value.findtext(k, "nan")) for k in "xywh")


def address(node: ElementTree.Element) -> str | None:
    return node.findtext("messages/osc/path/partial/value")


def controls(root: ElementTree.Element, kind: str) -> dict[str, ElementTree.Element]:
    return {address(n) or "": n for n in root.iter("node") if n.get("type") == kind}


def test_every_parameter_that_can_be_set_has_a_control() -> None:
    root = parsed(TREE)
    assert (root.tag, root.get("version")) == ("lexml", "6")
    assert set(controls(root, "FADER")) == {"/pad/x", "/pad/y", "/spring/frequency"}
    buttons = controls(root, "BUTTON")
    assert set(buttons) == {"/subscribe", "/display/freeze", "/waypoint/1/go", "/take/record"}
    kinds = {a: (prop(n, "buttonType").text) for a, n in buttons.items()}
    assert kinds["/display/freeze"] == "2" and kinds["/waypoint/1/go"] == "0"


def test_controls_send_what_the_tree_takes_and_obey_what_comes_back() -> None:
    for node in [
        *controls(parsed(TREE), "FADER").values(),
        *controls(parsed(TREE), "BUTTON").values(),
    ]:
        osc = node.find("messages/osc")
        assert osc is not None
        flags = {k: osc.findtext(k) for k in ("enabled", "send", "receive", "feedback")}
        assert flags == {"enabled": "1", "send": "1", "receive": "1", "feedback": "0"}
        assert len(osc.findtext("connections", "")) == 10
        assert osc.findtext("triggers/trigger/var") == "x"
        argument = osc.find("arguments/partial")
        assert argument is not None
        if address(node) != "/subscribe":
            said = [
                argument.findtext(k)
                for k in ("type", "conversion", "value", "scaleMin", "scaleMax")
            ]
            assert said == ["VALUE", "FLOAT", "x", "0", "1"]
            assert osc.findtext("triggers/trigger/condition") == "ANY"


def test_the_button_for_feedback_names_the_port() -> None:
    osc = controls(parsed(TREE, feedback_port=9123), "BUTTON")["/subscribe"].find("messages/osc")
    assert osc is not None
    assert osc.findtext("arguments/partial/value") == "9123"
    assert osc.findtext("arguments/partial/conversion") == "INTEGER"
    assert osc.findtext("triggers/trigger/condition") == "RISE"


def large(parameters: int, waypoints: int) -> Tree:
    faders = [Node(f"/direction/{n}", "parameter", column=n) for n in range(parameters)]
    goes = [Node(f"/waypoint/{n}/go", "trigger", f"glide to w{n}") for n in range(1, waypoints + 1)]
    named = [
        Node(f"/waypoint/w{n}/go", "trigger", f"glide to w{n}") for n in range(1, waypoints + 1)
    ]
    return Tree((*faders, *goes, *named))


@pytest.mark.parametrize(
    ("parameters", "waypoints"), [(0, 0), (1, 1), (16, 36), (17, 37), (200, 300)]
)
def test_any_tree_fits_on_as_many_pages_as_it_needs(parameters: int, waypoints: int) -> None:
    root = parsed(large(parameters, waypoints))
    assert len(controls(root, "FADER")) == parameters
    assert len(controls(root, "BUTTON")) == waypoints + 1
    pager = next(n for n in root.iter("node") if n.get("type") == "PAGER")
    pages = pager.findall("children/node")
    assert len(pages) == -(-parameters // 16) + -(-waypoints // 36)
    for page in pages:
        _, _, width, height = frame(page)
        frames = [frame(n) for n in page.findall("children/node") if n.get("type") != "LABEL"]
        for x, y, w, h in frames:
            assert x >= 0 and y >= 0 and w > 20 and h > 20 and x + w <= width and y + h <= height
        for i, (x, y, w, h) in enumerate(frames):
            for x2, y2, _, _ in frames[i + 1 :]:
                assert x2 >= x + w or y2 >= y + h or x2 + w <= x  # none over another


def test_identities_differ_and_stay() -> None:
    tree = large(40, 40)
    identities = [node.get("ID") for node in parsed(tree).iter("node")]
    assert len(identities) == len(set(identities))
    assert layout(tree) == layout(tree)


def test_no_name_breaks_the_xml() -> None:
    evil = "]]></value><script>&\"'\0\ud800\x1b é"
    root = parsed(Tree((Node("/waypoint/1/go", "trigger", f"glide to {evil}"),)))
    labels = [v.findtext("default") for v in root.iter("value") if v.findtext("key") == "text"]
    assert "]]></value><script>&\"' é" in labels


def test_the_list_names_every_address_and_the_verbs() -> None:
    rows = {row.address: row for row in address_list(TREE)}
    assert set(rows) >= {node.address for node in TREE} | {"/subscribe", "/unsubscribe"}
    spring = rows["/spring/frequency"]
    assert spring.takes == "0..1"
    assert spring.native == "/raw/spring/frequency 0.01..100 Hz"
    assert "how fast z follows" in spring.does
    assert rows["/model/share"].takes == "read only"
    assert rows["/take/record"].does == "start a take; 0 ends it"
