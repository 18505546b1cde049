"""The house rules, read off the source: who may know whom, and what nobody does.

Every rule is a function from a module to its complaints. The first half shows that each rule
can fail; the second half holds them against every module of the instrument.
"""

from __future__ import annotations

import ast
import re
import subprocess
import sys
import warnings
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent

GROUND = frozenset({"cuda", "document", "event", "frame", "resources", "timebase"})
PURE = GROUND | {"latent"}
STAGE = PURE | {"control", "decoder", "display", "performance", "take"}
# What each part of the house may import beside itself; everybody may import InstrumentError.
MAY_KNOW: dict[str, frozenset[str]] = {
    "": frozenset(),
    **dict.fromkeys(GROUND, GROUND),
    "latent": GROUND,
    "control": PURE,
    "decoder": PURE,
    "display": PURE,
    "performance": PURE,
    "take": PURE | {"performance"},
    "live": STAGE,
    "studio": PURE | {"decoder", "take"},
    "bench": STAGE | {"live", "studio"},
    "cli": STAGE | {"bench", "live", "studio"},
    "__main__": frozenset({"cli"}),
}
# A third party and the parts that may know it; whoever is not listed here is free.
FENCES = {
    "torch": ("decoder",),
    "cuda": ("cuda",),
    "moderngl": ("display",),
    "glfw": ("display",),
    "imgui_bundle": ("display",),
    "mido": ("control",),
    "rtmidi": ("control",),
    "pythonosc": ("control",),
    "sounddevice": ("control",),
    "websockets": ("control",),
    "zeroconf": ("control",),
    "aalink": ("control",),
    "tomlkit": ("performance",),
    "mcap": ("take",),
    "av": ("studio.encode", "studio.containers", "studio.splice", "studio.sound", "studio.deep"),
    # Its decoder crashes on damaged files: it writes, and reads nothing.
    "opentimelineio": ("studio.otio_writing",),
    "ray": ("studio.farm_ray",),
    "xml": ("studio",),
    "typer": ("cli",),
    "click": ("cli",),
    "rich": ("cli",),
    "matplotlib": ("studio.plots", "studio.plot_paper", "bench.plots"),
    "PIL": ("display", "studio", "latent.waypoints"),
}
# The stage process talks to the decoder through these; torch lives behind them, in its own process.
NEVER_TORCH = ("decoder.process", "decoder.models", "decoder.protocol")
# One boundary each: a tick of the show, and one call of a model.
BROAD_EXCEPT = ("live.loop", "decoder.serve")
CLOCKS = ("timebase", "control", "display")
# Two calls of torch that open files with code in them, and what may open such a model in-process:
# the decoder process alone.
PROGRAM_LOADERS = ("torch.jit.load", "torch.export.load")
OPENS_PROGRAMS = ("decoder.program_call",)
DECODER_PROCESS = ("decoder.serve", "decoder.runtime", "decoder.program")
CODE_LOADERS = ("pickle", "_pickle", "cloudpickle", "dill", "joblib", "marshal", "shelve")
WORN_OUT_NAMES = frozenset(
    "common core engine handler helper helpers info manager misc util utils viz".split()
)
# Calls a module may make while it is imported: they build a value and touch nothing outside.
BUILDERS = frozenset(
    """
    array asarray bool bytes complex dict dtype enumerate filter float float32 float64 frozenset
    getattr int len linspace list map max min ones prod range reversed round set slice sorted
    chr ord degrees radians from_bytes to_bytes abs any all divmod repr int64 uint16 sha256
    sqrt str sum tuple uint8 zeros zip
    compile Struct Meta defstruct Fraction Path PurePosixPath timedelta partial
    attrgetter itemgetter
    MappingProxyType ContextVar getLogger get_ident
    NewType TypeVar TypeVarTuple ParamSpec NamedTuple TypedDict namedtuple cast Annotated
    dataclass field auto property total_ordering lru_cache cache wraps contextmanager overload
    runtime_checkable final singledispatch
    NormalDist
    encode decode format fromkeys hex items join keys lower replace split splitlines strip upper
    values with_name with_suffix
    """.split()
)
# typer builds its table of commands from such calls; a rich console is a stream's other name.
CLI_BUILDERS = frozenset(
    {"Typer", "Option", "Argument", "Console", "command", "callback", "add_typer"}
)


@dataclass(frozen=True)
class Module:
    """A module of the instrument: its name without ``instrument.``, and its syntax tree."""

    name: str
    tree: ast.Module

    @property
    def part(self) -> str:
        return self.name.split(".")[0]

    def within(self, parts: tuple[str, ...]) -> bool:
        return any(self.name == part or self.name.startswith(f"{part}.") for part in parts)


Rule = Callable[[Module], Iterator[str]]


def imports(nodes: Iterator[ast.AST]) -> Iterator[str]:
    """Every module, and every name taken from one, that the imports among `nodes` mention."""
    for node in nodes:
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield node.module or ""
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def at_import(nodes: list[ast.stmt]) -> Iterator[ast.AST]:
    """What runs when a module is imported: not the bodies of functions, nor type-only imports."""
    for node in nodes:
        if isinstance(node, ast.If) and ast.unparse(node.test) in (
            "TYPE_CHECKING",
            "typing.TYPE_CHECKING",
            "__name__ == '__main__'",
        ):
            yield from at_import(node.orelse)
        elif isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            defaults = [default for default in node.args.kw_defaults if default]
            for outside in [*node.decorator_list, *node.args.defaults, *defaults]:
                yield from evaluated(outside)
        elif isinstance(node, ast.ClassDef):
            for outside in [*node.decorator_list, *node.bases]:
                yield from evaluated(outside)
            yield from at_import(node.body)
        elif isinstance(node, ast.AnnAssign):
            # annotations are never evaluated: every module has them as strings
            yield from evaluated(node.value) if node.value else ()
        else:
            yield node
            for child in ast.iter_child_nodes(node):
                yield from at_import([child]) if isinstance(child, ast.stmt) else evaluated(child)


def evaluated(node: ast.AST) -> Iterator[ast.AST]:
    """`node` and everything below it that runs with it; a lambda's body waits for its call."""
    yield node
    if not isinstance(node, ast.Lambda):
        for child in ast.iter_child_nodes(node):
            yield from evaluated(child)


def called(node: ast.AST) -> str:
    """The last name of what is called: ``re.compile(...)`` is ``compile``; else nothing."""
    if not isinstance(node, ast.Call):
        return ""
    target = node.func
    if isinstance(target, ast.Call):
        return called(target)  # ``command("play")(play)``
    if isinstance(target, ast.Subscript):
        target = target.value
    if isinstance(target, ast.Attribute):
        return target.attr
    return target.id if isinstance(target, ast.Name) else ast.unparse(target)


# --- the rules


def knows_only_its_neighbours(module: Module) -> Iterator[str]:
    if module.part not in MAY_KNOW:
        yield f"{module.name}: has no place in the house; give it one in MAY_KNOW"
        return
    for name in imports(ast.walk(module.tree)):
        _, _, inner = name.partition("instrument.")
        other = inner.split(".")[0]
        known = name.startswith("instrument.") and other in MAY_KNOW
        if known and other != module.part and other not in MAY_KNOW[module.part]:
            yield f"{module.name}: imports {name}"


def keeps_the_fences(module: Module) -> Iterator[str]:
    for name in imports(ast.walk(module.tree)):
        party = name.split(".")[0]
        if party in FENCES and not module.within(FENCES[party]):
            yield f"{module.name}: imports {party}, which only {FENCES[party]} may"
        if party == "torch" and module.within(NEVER_TORCH):
            yield f"{module.name}: imports torch into the stage process"


def imports_absolutely(module: Module) -> Iterator[str]:
    for node in ast.walk(module.tree):
        if isinstance(node, ast.ImportFrom) and node.level:
            yield f"{module.name}:{node.lineno}: relative import"


def prints_nothing(module: Module) -> Iterator[str]:
    for node in ast.walk(module.tree):
        if isinstance(node, ast.Call) and ast.unparse(node.func) == "print":
            if module.part != "cli":
                yield f"{module.name}:{node.lineno}: print"


def keeps_no_clock(module: Module) -> Iterator[str]:
    if module.within(CLOCKS):
        return
    for node in ast.walk(module.tree):
        if isinstance(node, ast.Attribute) and ast.unparse(node) in ("time.sleep", "time.time"):
            yield f"{module.name}:{node.lineno}: {ast.unparse(node)}"
    for name in imports(ast.walk(module.tree)):
        if name in ("time.sleep", "time.time"):
            yield f"{module.name}: imports {name}"


def runs_no_foreign_code(module: Module) -> Iterator[str]:
    for name in imports(ast.walk(module.tree)):
        if name.split(".")[0] in CODE_LOADERS:
            yield f"{module.name}: imports {name}"
    for node in ast.walk(module.tree):
        if not isinstance(node, ast.Call):
            continue
        if isinstance(node.func, ast.Name) and node.func.id in ("eval", "exec", "__import__"):
            yield f"{module.name}:{node.lineno}: {node.func.id}"
        for keyword in node.keywords:
            # anything but the safe constant counts: a variable can hold the other one
            setting = f"{keyword.arg}={ast.unparse(keyword.value)}"
            safe = setting in ("allow_pickle=False", "weights_only=True", "shell=False")
            if keyword.arg in ("allow_pickle", "weights_only", "shell") and not safe:
                yield f"{module.name}:{node.lineno}: {setting}"


def opens_foreign_programs_in_the_decoder_process_alone(module: Module) -> Iterator[str]:
    """TorchScript and torch.export are opened by one module, which only leads there."""
    mentioned = {ast.unparse(n) for n in ast.walk(module.tree) if isinstance(n, ast.Attribute)}
    mentioned |= set(imports(ast.walk(module.tree)))
    if not module.within(OPENS_PROGRAMS):
        yield from (f"{module.name}: {name}" for name in mentioned.intersection(PROGRAM_LOADERS))
    if not module.within(DECODER_PROCESS):
        inside = (".open_here", "decoder.program", "decoder.program_call")
        yield from (f"{module.name}: {name}" for name in mentioned if name.endswith(inside))


def hides_no_failure(module: Module) -> Iterator[str]:
    """A broad handler that ends in `raise` translates or tidies up; any other one swallows."""
    if module.name in BROAD_EXCEPT:
        return
    for node in ast.walk(module.tree):
        if not isinstance(node, ast.ExceptHandler) or isinstance(node.body[-1], ast.Raise):
            continue
        caught = node.type.elts if isinstance(node.type, ast.Tuple) else [node.type]
        names = {ast.unparse(one) if one else "everything" for one in caught}
        if broad := names & {"everything", "Exception", "BaseException"}:
            yield f"{module.name}:{node.lineno}: catches {broad.pop()}"


def keeps_no_global(module: Module) -> Iterator[str]:
    for node in ast.walk(module.tree):
        if isinstance(node, ast.Global):
            yield f"{module.name}:{node.lineno}: global {', '.join(node.names)}"


def works_only_when_called(module: Module) -> Iterator[str]:
    """At import nothing is called but what builds a value: known builders, and our own classes."""
    ours = {node.name for node in ast.walk(module.tree) if isinstance(node, ast.ClassDef)}
    for node in ast.walk(module.tree):
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("instrument"):
            ours |= {alias.asname or alias.name for alias in node.names if alias.name[:1].isupper()}
    allowed = BUILDERS | ours | (CLI_BUILDERS if module.part == "cli" else frozenset())
    for node in at_import(module.tree.body):
        name = called(node)
        if isinstance(node, ast.Call) and name not in allowed and not _of(node, ours):
            yield f"{module.name}:{node.lineno}: calls {name} at import"


def _of(call: ast.Call, classes: set[str]) -> bool:
    """``FrameRange.parse(...)``: a constructor by another name."""
    return isinstance(call.func, ast.Attribute) and ast.unparse(call.func.value) in classes


def bears_a_name_that_says_something(module: Module) -> Iterator[str]:
    words = {word for step in module.name.split(".") for word in step.split("_")}
    if worn_out := words & WORN_OUT_NAMES:
        yield f"{module.name}: {worn_out.pop()} says nothing about what it holds"


RULES: dict[Rule, tuple[tuple[str, str], ...]] = {
    knows_only_its_neighbours: (
        ("timebase", "from instrument.latent import spring"),
        ("event", "import instrument.control.midi"),
        ("latent.spring", "from instrument import performance"),
        ("control.midi", "from instrument.performance import mapping"),
        ("performance.score", "from instrument.control import midi"),
        ("decoder.process", "from instrument.display.window import Window"),
        ("display.window", "from instrument.decoder.process import DecoderProcess"),
        ("take.recorder", "from instrument.control import osc"),
        ("live", "from instrument.studio import conform"),
        ("studio.conform", "from instrument import live"),
        ("studio.render", "from instrument.control import midi"),
        ("studio.render", "from instrument.performance import performer"),
        ("studio.render", "def late():\n    from instrument.display import look"),
        ("take.recorder", "from instrument import cli"),
        ("bench.starting", "from instrument.cli import play"),
        ("live.loop", "from instrument.bench import turns"),
        ("newcomer", "import re"),
    ),
    keeps_the_fences: (
        ("live", "import torch"),
        ("decoder.process", "def late():\n    import torch"),
        ("decoder.models", "from torch import nn"),
        ("studio.render", "import av"),
        ("studio.otio", "import opentimelineio"),
        ("control.midi", "import moderngl"),
        ("live", "import glfw"),
        ("performance.score", "import mido"),
        ("cli.play", "from pythonosc import dispatcher"),
        ("display.hud", "import sounddevice"),
        ("live", "import rtmidi"),
        ("studio.render", "from mcap.reader import make_reader"),
        ("studio.farm", "import ray"),
        ("cli.farming", "from ray.util import state"),
        ("live", "from rich.console import Console"),
        ("studio.render", "import typer"),
        ("take.reader", "from PIL import Image"),
        ("studio.pace", "def late():\n    import matplotlib.figure"),
    ),
    imports_absolutely: (("latent.spring", "from . import geometry"),),
    prints_nothing: (("live", "def f():\n    print('x')"),),
    keeps_no_clock: (
        ("live", "def f():\n    time.sleep(1)"),
        ("take.recorder", "started = time.time"),
        ("live", "from time import sleep"),
    ),
    runs_no_foreign_code: (
        ("decoder.checkpoint", "import pickle"),
        ("decoder.checkpoint", "from pickle import Unpickler"),
        ("performance.mapping", "def f(x):\n    return eval(x)"),
        ("cli.play", "def f(x):\n    exec(x)"),
        ("latent.sequence", "z = np.load(path, allow_pickle=True)"),
        ("latent.sequence", "z = np.load(path, allow_pickle=trusted)"),
        ("decoder.checkpoint", "w = torch.load(path, weights_only=False)"),
        ("studio.encode", "subprocess.run(line, shell=True)"),
    ),
    opens_foreign_programs_in_the_decoder_process_alone: (
        ("decoder.network", "def f(x):\n    return torch.jit.load(x)"),
        ("decoder.network", "load = torch.export.load"),
        ("cli.models", "from torch.jit import load"),
        ("cli.render", "def f():\n    from instrument.decoder.runtime import open_here"),
        ("studio.render", "def f():\n    runtime.open_here(m)"),
        ("decoder.programs", "from instrument.decoder.program import open_model"),
        ("cli.bench", "from instrument.decoder.program_call import open_script"),
    ),
    hides_no_failure: (
        ("take.recorder", "try:\n    f()\nexcept Exception:\n    pass"),
        ("take.recorder", "try:\n    f()\nexcept:\n    pass"),
        ("decoder.process", "try:\n    f()\nexcept (OSError, BaseException) as e:\n    g(e)"),
    ),
    keeps_no_global: (("live", "def f():\n    global clock\n    clock = 1"),),
    works_only_when_called: (
        ("control.midi", "ports = mido.get_input_names()"),
        ("display.window", "glfw.init()"),
        ("latent.noise", "class Noise:\n    table = numpy.random.default_rng()"),
        ("latent.noise", "def f(rng=numpy.random.default_rng()): ..."),
        ("live", "if True:\n    start()"),
        ("take.recorder", "@register('x')\ndef f(): ..."),
        ("take.recorder", "app = Typer()"),
        ("cli.play", "start('now')(play)"),
    ),
    bears_a_name_that_says_something: (
        ("studio.utils", ""),
        ("live_manager", ""),
        ("core.spring", ""),
        ("decoder.engine", ""),
    ),
}
BAD = [(rule, *example) for rule, examples in RULES.items() for example in examples]


def module_names() -> dict[str, Path]:
    """Every module of the instrument by its name; the package itself is ""."""
    house = ROOT / "instrument"
    names = {}
    for path in sorted(house.rglob("*.py")):
        steps = path.relative_to(house).with_suffix("").parts
        names[".".join(steps[:-1] if steps[-1] == "__init__" else steps)] = path
    return names


MODULES = {
    name: Module(name, ast.parse(path.read_text(encoding="utf-8"), filename=str(path)))
    for name, path in module_names().items()
}


def reach(start: str, modules: dict[str, Module]) -> set[str]:
    """Everything that is imported, ours and others', by the time `start` is imported."""
    seen: set[str] = set()
    ahead = [f"instrument.{start}".removesuffix(".")]
    while ahead:
        name = ahead.pop()
        if name in seen:
            continue
        seen.add(name)
        if "." in name:
            ahead.append(name.rsplit(".", 1)[0])  # a module's package is imported before it
        inner = name.removeprefix("instrument").removeprefix(".")
        if name.split(".")[0] == "instrument" and inner in modules:
            ahead += imports(at_import(modules[inner].tree.body))
    return seen


# --- each rule can fail


@pytest.mark.parametrize(("rule", "name", "source"), BAD)
def test_the_rule_catches(rule: Rule, name: str, source: str) -> None:
    assert list(rule(Module(name, ast.parse(source))))


@pytest.mark.parametrize(
    ("name", "source"),
    [
        ("take.reader", "from instrument.performance import performer\nimport mcap.reader"),
        ("studio.encode", "import av"),
        ("live.loop", "def f():\n    try: g()\n    except Exception as e: report(e)"),
        ("display.window", "def f():\n    try: g()\n    except Exception as e: raise Sorry from e"),
        ("decoder.network", "import torch\ndef f(net):\n    net.eval()"),
        ("control.midi", "import time\ndef f():\n    time.sleep(1)"),
        ("cli.play", "app = typer.Typer()\n@app.command()\ndef play(): print('x')"),
        ("event", "import re\nWORD = re.compile('x')\nPARTS = frozenset(WORD.pattern.split('/'))"),
        ("studio.render", "if TYPE_CHECKING:\n    from instrument.take import reader"),
    ],
)
def test_what_is_allowed_passes(name: str, source: str) -> None:
    module = Module(name, ast.parse(source))
    assert [complaint for rule in RULES for complaint in rule(module)] == []


def test_torch_is_found_through_others() -> None:
    sources = {
        "": "",
        "live": "from instrument.decoder import process",
        "decoder": "",
        "decoder.process": "from instrument.decoder.network import Network",
        "decoder.network": "import torch.nn",
        "decoder.models": "def late():\n    import instrument.decoder.network",
    }
    modules = {name: Module(name, ast.parse(source)) for name, source in sources.items()}
    assert "torch" in reach("live", modules)
    assert "torch" not in reach("decoder.models", modules)


# --- the house keeps them


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.__name__)
def test_the_house_keeps_the_rule(rule: Rule) -> None:
    complaints = [complaint for module in MODULES.values() for complaint in rule(module)]
    assert not complaints, "\n" + "\n".join(complaints)


def test_the_boundaries_catch_once() -> None:
    for name in BROAD_EXCEPT:
        moved = Module("moved", MODULES[name].tree)
        assert len(list(hides_no_failure(moved))) == 1, name


@pytest.mark.parametrize("part", ["__main__", "cli", "live", "control", "display", "take"])
def test_the_stage_never_reaches_torch(part: str) -> None:
    modules = [name for name, module in MODULES.items() if module.within((part,))]
    assert modules
    assert [name for name in modules if "torch" in reach(name, MODULES)] == []


@pytest.mark.parametrize("name", NEVER_TORCH)
def test_the_stages_side_of_the_decoder_never_reaches_torch(name: str) -> None:
    assert "torch" not in reach(name, MODULES)


def test_the_stage_runs_without_torch() -> None:
    stage = [name for name, module in MODULES.items() if module.within(("live", "cli"))]
    look = "import sys; {}; print('torch' in sys.modules)".format(
        "; ".join(f"import instrument.{name}" for name in stage)
    )
    ended = subprocess.run([sys.executable, "-c", look], capture_output=True, text=True, cwd=ROOT)
    assert (ended.returncode, ended.stdout.strip()) == (0, "False"), ended.stderr


@pytest.mark.filterwarnings("always::UserWarning")
def test_long_modules_are_listed() -> None:
    """300 lines are where a module should be asked whether it is two. A list, not a law."""
    for name, path in module_names().items():
        if (lines := len(path.read_text(encoding="utf-8").splitlines())) > 300:
            warnings.warn(f"instrument.{name} has {lines} lines", UserWarning, stacklevel=1)


def test_no_third_level_of_folders() -> None:
    assert [name for name in MODULES if name.count(".") > 1] == []


# --- the repository


def tracked() -> list[Path]:
    """The files of the repository as they lie in the working tree."""
    # As root in a container the clone may belong to somebody else, which git refuses by default.
    command = ["git", "-c", "safe.directory=*", "ls-files", "-z"]
    listed = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout
    return [ROOT / name for name in listed.split("\0") if name and (ROOT / name).is_file()]


def test_the_top_level_is_what_the_map_says() -> None:
    known = "pyproject.toml README.md CHANGELOG.md LICENSE .gitignore .gitattributes"
    known += " instrument shaders presets tests scripts .ci"
    assert {path.relative_to(ROOT).parts[0] for path in tracked()} <= set(known.split())


# Folders that exist on one machine only. Written apart, or this file would be its first finding.
PRIVATE = re.compile(r"(?<![\w.~})\]-])/(?:" + "|".join("work root opt tmp Users".split()) + ")/")


def test_the_pattern_for_private_paths_catches() -> None:
    assert PRIVATE.search('open("/' + 'tmp/x")')
    assert PRIVATE.search("see /" + "root/x")
    assert not PRIVATE.search("#!/usr/bin/env python3, /dev/shm/x, /midi/root/x, shaders/tmp/x")


def test_no_file_names_a_path_of_one_machine() -> None:
    found = []
    for path in tracked():
        try:
            text = path.read_text(encoding="utf-8")
        except UnicodeDecodeError:
            continue  # pictures and weights
        for number, line in enumerate(text.splitlines(), 1):
            if PRIVATE.search(line):
                found.append(f"{path.relative_to(ROOT)}:{number}: {line.strip()[:80]}")
    assert not found, "\n" + "\n".join(found)


def named_commands(text: str) -> tuple[set[str], set[str]]:
    """The commands ``instrument X`` and the scripts that the code in a Markdown text names."""
    code = "\n".join(re.findall(r"```.*?```|`[^`\n]+`", text, flags=re.DOTALL))
    commands = set(re.findall(r"(?:^|[`\s/])instrument +([a-z]+)\b", code, flags=re.MULTILINE))
    return commands, set(re.findall(r"(?<![\w/])scripts/([a-z_]+)\b", code))


def test_named_commands_are_found() -> None:
    text = "the instrument sings; `instrument fly`\n```\n$ scripts/dance x\ninstrument swim\n```"
    assert named_commands(text) == ({"fly", "swim"}, {"dance"})


def test_the_readme_names_only_what_exists() -> None:
    readme = ROOT / "README.md"
    commands, scripts = named_commands(readme.read_text(encoding="utf-8"))
    helped = subprocess.run(
        [sys.executable, "-m", "instrument", "--help"],
        capture_output=True,
        text=True,
        cwd=ROOT,
        check=True,
    ).stdout
    assert commands <= set(re.findall(r"[a-z]+", helped))
    assert {name for name in scripts if not (ROOT / "scripts" / name).exists()} == set()
