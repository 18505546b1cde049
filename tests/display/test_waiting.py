"""While the driver draws, other threads go on: a hand is heard, and a decoder."""

import ctypes
import os
import threading

import moderngl

from instrument.display.gl_loader import finishing, one_picture_at_a_time

# So much work for every pixel that a driver without a card is busy for a while.
HEAVY = """
#version 330
out vec4 colour;
void main() {
    float x = gl_FragCoord.x;
    for (int i = 0; i < 400; i++) x = sin(x * 1.1 + float(i));
    colour = vec4(x);
}
"""
COVER = """
#version 330
void main() {
    vec2 corner = vec2((gl_VertexID << 1) & 2, gl_VertexID & 2);
    gl_Position = vec4(corner * 2.0 - 1.0, 0.0, 1.0);
}
"""


class Listener(threading.Thread):
    """Counts how often it may run while `listening`."""

    def __init__(self) -> None:
        super().__init__(daemon=True)
        self.over = threading.Event()
        self.heard = 0

    def run(self) -> None:
        while not self.over.wait(0.001):
            self.heard += 1


def test_a_thread_is_not_held_up_by_a_driver_that_draws(offscreen):
    surface = offscreen((1024, 1024))
    program = surface.ctx.program(vertex_shader=COVER, fragment_shader=HEAVY)
    triangle = surface.ctx.vertex_array(program, [])
    listener = Listener()
    surface.framebuffer.use()
    listener.start()
    heard = 0
    for _ in range(50):  # on a graphics card each is over at once
        triangle.render(moderngl.TRIANGLES, vertices=3)
        before = listener.heard
        surface.wait_until_drawn()
        heard = max(heard, listener.heard - before)
        if heard >= 5:
            break
    listener.over.set()
    listener.join()
    assert heard >= 5, "the driver held the interpreter"


def test_the_function_at_an_address_is_called():
    called = []
    kind = ctypes.CFUNCTYPE(None)
    function = kind(lambda: called.append(True))
    finishing(ctypes.cast(function, ctypes.c_void_p).value)()
    assert called == [True]


def test_what_somebody_asked_the_driver_for_is_left(monkeypatch):
    monkeypatch.setenv("__GL_YIELD", "NOTHING")
    monkeypatch.delenv("__GL_MaxFramesAllowed", raising=False)
    one_picture_at_a_time()
    assert os.environ["__GL_YIELD"] == "NOTHING" and os.environ["__GL_MaxFramesAllowed"] == "1"
    monkeypatch.delenv("__GL_MaxFramesAllowed")
