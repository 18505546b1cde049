"""The paper figures are drawn on: a dark ground, few lines, and files that come out the same.

matplotlib is an optional extra; it is imported when something is drawn, and not before.
"""

from __future__ import annotations

import io
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from instrument import InstrumentError

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.colors import Colormap
    from matplotlib.figure import Figure

KINDS = ("png", "svg", "pdf")
GROUND, PANEL, INK, FAINT = "#101012", "#17171a", "#d8d8dc", "#5c5c66"
BEFORE, AFTER, WANTED = "#8d94a6", "#ffb454", "#7fd1c7"  # what was, what is, what was to be
_STYLE: Any = {
    "figure.facecolor": GROUND, "savefig.facecolor": GROUND, "axes.facecolor": PANEL,
    "axes.edgecolor": FAINT, "axes.labelcolor": INK, "axes.titlecolor": INK, "text.color": INK,
    "xtick.color": FAINT, "ytick.color": FAINT, "xtick.labelcolor": INK, "ytick.labelcolor": INK,
    "axes.spines.top": False, "axes.spines.right": False, "axes.titlesize": 11,
    "axes.titlelocation": "left", "axes.titlepad": 8, "axes.labelsize": 9, "xtick.labelsize": 8,
    "ytick.labelsize": 8, "axes.grid": True, "grid.color": "#2a2a30", "grid.linewidth": 0.6,
    "axes.axisbelow": True, "lines.linewidth": 1.3, "legend.frameon": False, "legend.fontsize": 8.5,
    "font.family": "DejaVu Sans", "svg.hashsalt": "latent-instrument", "path.simplify": True,
}  # fmt: skip
_SAME = {  # nothing of when and by what it was written
    "png": {"Software": None}, "svg": {"Date": None, "Creator": None},
    "pdf": {"CreationDate": None, "Creator": None, "Producer": None},
}  # fmt: skip


def need_matplotlib() -> None:
    """Raise InstrumentError in one line where matplotlib is not installed."""
    try:
        import matplotlib  # noqa: F401
    except ImportError as error:
        raise InstrumentError(
            "plots need matplotlib: pip install latent-instrument[plots]"
        ) from error


@contextmanager
def paper(width: float, height: float, title: str) -> Iterator[Figure]:
    """A figure of `width` x `height` inches, in our style as long as the block lasts."""
    need_matplotlib()
    import matplotlib
    from matplotlib.figure import Figure

    with matplotlib.rc_context(_STYLE):
        figure = Figure(figsize=(width, height), dpi=150, layout="constrained")
        figure.suptitle(title, x=0.012, ha="left", fontsize=13, fontweight="bold")
        yield figure


def printed(figure: Figure, kind: str) -> bytes:
    """The bytes of a file of `kind`; the same figure gives the same bytes."""
    if kind not in KINDS:
        raise InstrumentError(f"plot .{kind}: allowed are {', '.join(f'.{k}' for k in KINDS)}")
    file = io.BytesIO()
    figure.savefig(file, format=kind, metadata=_SAME[kind])
    return file.getvalue()


def bare(axes: Axes) -> None:
    """No grid and no frame: where a picture fills the panel."""
    axes.grid(False)
    for spine in axes.spines.values():
        spine.set_visible(False)


def beside_title(axes: Axes) -> None:
    """The legend to the right of the title, where it hides nothing."""
    count = len(axes.get_legend_handles_labels()[1])
    if count:
        axes.legend(loc="lower right", bbox_to_anchor=(1.0, 0.985), ncols=count)


def diverging() -> Colormap:
    """Dark at the middle: what is far below is teal, what is far above amber."""
    from matplotlib.colors import LinearSegmentedColormap

    stops = ["#c9fff6", WANTED, "#1d5c60", "#131316", "#7a4a12", AFTER, "#fff0d2"]
    return LinearSegmentedColormap.from_list("z", stops)
