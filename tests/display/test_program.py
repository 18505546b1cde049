import pytest

from instrument import InstrumentError
from instrument.display.program import explain, load_program, read_shader
from instrument.resources import bundled

VERTEX = "#version 330 core\nvoid main() { gl_Position = vec4(0.0); }\n"
FRAGMENT = "#version 330 core\nout vec4 colour;\nvoid main() { colour = vec4(1.0); }\n"


@pytest.fixture
def folder(tmp_path):
    folder = tmp_path / "shaders"
    folder.mkdir()
    (folder / "look.vert.glsl").write_text(VERTEX)
    (folder / "look.frag.glsl").write_text(FRAGMENT)
    return folder


PROGRAMS = {"exact": None, "grown": "pass", "shrunk": "pass", "hud": None}


@pytest.mark.parametrize(("name", "vertex"), PROGRAMS.items())
def test_the_bundled_programs_compile(offscreen, name, vertex):
    load_program(offscreen((8, 8)).ctx, name, vertex=vertex).release()


BROKEN = {
    "undeclared": ("void main() { colour = vec4(foo); }", 3, "foo"),
    "syntax": ("void main() { colour = vec4(1.0) }", 3, "syntax"),
    "types": ("\nvoid main() {\n    colour = 1.0;\n}", 5, ""),
    "unclosed": ("void main() {", 3, "syntax"),
    "overload": ("void main() {\n\n colour = vec4(nothing(1.0)); }", 5, "nothing"),
}


@pytest.mark.parametrize("case", BROKEN)
def test_an_error_names_file_and_line(offscreen, folder, case):
    body, line, word = BROKEN[case]
    (folder / "look.frag.glsl").write_text(f"#version 330 core\nout vec4 colour;\n{body}\n")
    with pytest.raises(InstrumentError) as caught:
        load_program(offscreen((8, 8)).ctx, "look", folder)
    message = str(caught.value)
    assert message.startswith("shaders/look.frag.glsl:"), message
    assert any(f"look.frag.glsl:{n}: " in message for n in (line, line + 1)), message
    assert word in message


def test_an_error_in_the_vertex_shader_names_that(offscreen, folder):
    (folder / "look.vert.glsl").write_text(VERTEX.replace("vec4(0.0)", "vec4(oops)"))
    with pytest.raises(InstrumentError, match=r"^shaders/look\.vert\.glsl:2: .*'oops'"):
        load_program(offscreen((8, 8)).ctx, "look", folder)


def test_an_error_in_an_include_names_the_included_file(offscreen, folder):
    (folder / "part.glsl").write_text("float fine() { return 1.0; }\nfloat bad() { return no; }\n")
    (folder / "look.frag.glsl").write_text(
        '#version 330 core\n#include "part.glsl"\nout vec4 colour;\nvoid main() { colour = bo; }\n'
    )
    with pytest.raises(InstrumentError) as caught:
        load_program(offscreen((8, 8)).ctx, "look", folder)
    lines = str(caught.value).splitlines()
    assert lines[0].startswith("shaders/part.glsl:2: ") and "'no'" in lines[0]
    assert any(line.startswith("shaders/look.frag.glsl:4: ") for line in lines)


def test_the_program_that_worked_still_works_after_a_broken_one(offscreen, folder):
    surface = offscreen((8, 8))
    program = load_program(surface.ctx, "look", folder)
    (folder / "look.frag.glsl").write_text("nonsense")
    with pytest.raises(InstrumentError):
        load_program(surface.ctx, "look", folder)
    surface.ctx.vertex_array(program, []).render(mode=surface.ctx.POINTS, vertices=1)
    assert surface.ctx.error == "GL_NO_ERROR"


def test_a_stage_that_does_not_link_names_the_program(offscreen, folder):
    (folder / "look.vert.glsl").write_text(VERTEX.replace("void", "out vec2 gone;\nvoid", 1))
    (folder / "look.frag.glsl").write_text(
        "#version 330 core\nin vec3 gone;\nout vec4 colour;\n"
        "void main() { colour = vec4(gone, 1.0); }\n"
    )
    with pytest.raises(InstrumentError, match=r"^shaders/look: .*gone"):
        load_program(offscreen((8, 8)).ctx, "look", folder)


def test_missing_files_are_named(folder):
    with pytest.raises(InstrumentError, match=r"^shaders/none\.vert\.glsl: No such file"):
        read_shader(folder / "none.vert.glsl")
    (folder / "look.frag.glsl").write_text('\n#include "gone.glsl"\n')
    with pytest.raises(InstrumentError, match=r"^shaders/look\.frag\.glsl:2: shaders/gone\.glsl"):
        read_shader(folder / "look.frag.glsl")


def test_includes_go_one_level_deep(folder):
    (folder / "a.glsl").write_text('#include "b.glsl"\n')
    (folder / "look.frag.glsl").write_text('#include "a.glsl"\n')
    with pytest.raises(InstrumentError, match=r"^shaders/a\.glsl:1: an included file"):
        read_shader(folder / "look.frag.glsl")


@pytest.mark.parametrize(
    ("log", "told"),
    [
        ("0:2(9): error: `foo' undeclared", ["shaders/look.frag.glsl:2: 'foo' undeclared"]),
        (
            '0(3) : error C1503: undefined variable "foo"',
            ['shaders/look.frag.glsl:3: undefined variable "foo"'],
        ),
        (
            "ERROR: 0:2: 'foo' : undeclared identifier",
            ["shaders/look.frag.glsl:2: 'foo' : undeclared identifier"],
        ),
        ("0:2(1): warning: unused", []),
        ("0(2) : warning C7050: might be used", []),
        ("WARNING: 0:2: extension", []),
        ("0:99(1): error: unexpected end", ["shaders/look.frag.glsl:3: unexpected end"]),
        ("something else", []),
    ],
    ids=["mesa", "nvidia", "apple", "mesa-w", "nvidia-w", "apple-w", "end", "unknown"],
)
def test_every_driver_is_understood(folder, log, told):
    assert explain(log, read_shader(folder / "look.frag.glsl")) == told


def test_no_bundled_shader_is_left_out_of_these_tests():
    stems = {path.name.split(".")[0] for path in bundled("shaders").glob("*.frag.glsl")}
    assert stems == PROGRAMS.keys()
