"""Keys that do the same in every preset."""

from __future__ import annotations

from instrument.performance.mapping import Binding

# Keys that must work on every stage, whatever a preset says.
RESERVED = (
    Binding("/key/b", "/display/blackout", "toggle", smoothing=0.07),  # 0.2 s to black
    Binding("/key/space", "/display/freeze", "toggle"),
    Binding("/key/shift+escape", "/performance/panic"),
    Binding("/key/r", "/take/toggle"),
    Binding("/key/f11", "/display/fullscreen"),
    Binding("/key/tab", "/display/hud"),
)
# Keys that a preset may use for something else. They come after all others, so that takes of
# before they were there find their bindings under the same numbers.
USUAL = (
    Binding("/key/l", "/learn/next"),
    Binding("/key/shift+l", "/learn/forget"),
    Binding("/key/ctrl+l", "/learn/cancel"),
    Binding("/key/c", "/display/controller"),
)
RESERVED_SOURCES = frozenset(binding.source for binding in RESERVED)


def usual_keys(taken: frozenset[str]) -> tuple[Binding, ...]:
    """The usual keys but those `taken` by a preset."""
    return tuple(binding for binding in USUAL if binding.source not in taken)
