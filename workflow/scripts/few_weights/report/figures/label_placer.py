"""Places labels next to points of a plot where they cover neither the data nor other text."""

import math
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from matplotlib.axes import Axes
from matplotlib.text import Text
from matplotlib.transforms import Bbox
from numpy.typing import ArrayLike, NDArray

from few_weights.report.figures.layout import renderer_of

#: An array of numbers, such as positions in pixels.
Floats = NDArray[np.float64]

#: The directions from a point in which a label may be placed (radians), and its distances (points).
DIRECTIONS = [math.radians(degrees) for degrees in range(0, 360, 15)]
DISTANCES = (5, 10, 18, 30, 46, 66, 90, 120)

#: From this distance on (points), a line leads from the point to its label.
LEADER_DISTANCE = 18


@dataclass
class Label:
    """A text that belongs to a point of the data, or to any point of a line: the line's name.

    Attributes:
        text: the text.
        anchors: the points it may be placed at, in data coordinates, the preferred one first.
        colour: colour of the text and of the line to its point.
        size: font size in points.
        weight: font weight.
        direction: where it is preferably placed, in degrees: 0 is right of its point, 90 above.
        optional: whether it is left out if it would cover something.
    """

    text: str
    anchors: list[tuple[float, float]]
    colour: str
    size: float
    weight: str = "normal"
    direction: float = 0
    optional: bool = False


@dataclass(frozen=True)
class Candidate:
    """A possible position of a label; the lowest cost wins. `offset` and `box` are in pixels."""

    cost: float
    distance: float
    anchor: tuple[float, float]
    offset: Floats
    box: Bbox


class LabelPlacer:
    """Keeps a record of what is drawn on an `Axes`, in pixels, and places labels away from it.

    Limits and scales of the axes must be final before the first call.
    """

    def __init__(self, axes: Axes) -> None:
        self.axes = axes
        self.renderer = renderer_of(axes)
        self.pixels_per_point = axes.figure.dpi / 72
        #: Boxes of text and of lines that no text may cross.
        self.boxes: list[Bbox] = []
        #: Samples of everything else that is drawn, of shape (samples, 2).
        self.samples: Floats = np.empty((0, 2))

    def avoid_line(self, x: ArrayLike, y: ArrayLike) -> None:
        """Keep labels away from the polyline through these data points."""
        corners = self._to_pixels(np.column_stack([x, y]))
        for start, end in pairwise(corners):
            steps = max(2, int(np.hypot(*(end - start)) / (2 * self.pixels_per_point)))
            self._add(np.linspace(start, end, steps))
        self._add(corners)

    def avoid_markers(self, x: ArrayLike, y: ArrayLike, radius: float = 4) -> None:
        """Keep labels away from the markers at these data points; the radius is in points."""
        centres = self._to_pixels(np.column_stack([x, y]))
        radius *= self.pixels_per_point
        self._add(centres)
        for angle in DIRECTIONS:
            self._add(centres + (radius * math.cos(angle), radius * math.sin(angle)))

    def avoid_horizontal_line(self, y: float) -> None:
        """Keep text off the horizontal line at this height; lines to labels may cross it."""
        height = self._to_pixels((self.axes.get_xlim()[0], y))[1]
        self.boxes.append(Bbox([[self.axes.bbox.x0, height], [self.axes.bbox.x1, height + 0.1]]))

    def avoid_text(self, text: Text) -> None:
        """Keep labels away from a text that is already drawn."""
        self.boxes.append(text.get_window_extent(self.renderer).padded(2 * self.pixels_per_point))

    def add_label(self, label: Label) -> None:
        """Draw a label at the best free position, with a fine line to its point if that is far away."""
        text = self.axes.annotate(
            label.text,
            label.anchors[0],
            xytext=(0, 0),
            textcoords="offset points",
            ha="center",
            va="center",
            color=label.colour,
            fontsize=label.size,
            fontweight=label.weight,
            linespacing=1.3,
            multialignment="left",
            zorder=6,
        )
        extent = text.get_window_extent(self.renderer)
        best = min(self._candidates(label, extent.width, extent.height), key=lambda option: option.cost)
        if label.optional and best.cost >= 1:
            text.remove()
            return
        text.xy = best.anchor
        x, y = best.offset / self.pixels_per_point
        text.set_position((float(x), float(y)))
        self.boxes.append(best.box)
        if best.distance >= LEADER_DISTANCE:
            self._draw_leader(label, best)

    def _candidates(self, label: Label, width: float, height: float) -> Iterator[Candidate]:
        """Every position of a label of this size (pixels) at any of its anchors."""
        preferred = math.radians(label.direction)
        directions = sorted(DIRECTIONS, key=lambda angle: -math.cos(angle - preferred))
        distances = DISTANCES[:2] if label.optional else DISTANCES
        for index, anchor in enumerate(label.anchors):
            point = self._to_pixels(anchor)
            for distance in distances:
                for angle in directions:
                    gap = distance * self.pixels_per_point
                    offset = np.array(
                        [math.cos(angle) * (width / 2 + gap), math.sin(angle) * (height / 2 + gap)]
                    )
                    box = self._box_around(point + offset, width, height)
                    turned = 1 - math.cos(angle - preferred)
                    cost = self.crowding(box) + self._crossing(point, box) + 0.01 * distance + 0.05 * turned
                    yield Candidate(cost + 0.02 * index, distance, anchor, offset, box)

    def _box_around(self, centre: Floats, width: float, height: float) -> Bbox:
        left, bottom = centre - (width / 2, height / 2)
        box = Bbox([[left, bottom], [left + width, bottom + height]])
        return box.padded(2 * self.pixels_per_point)

    def crowding(self, box: Bbox) -> float:
        """How much of what is drawn a box would cover; leaving the axes counts most."""
        frame = self.axes.bbox
        outside = max(0, frame.x0 - box.x0) + max(0, box.x1 - frame.x1)
        outside += max(0, frame.y0 - box.y0) + max(0, box.y1 - frame.y1)
        covered = np.sum(self._inside(np.asarray(box.min), np.asarray(box.max)))
        overlapping = sum(box.overlaps(other) for other in self.boxes)
        return float(1.0 * covered + 30.0 * overlapping + 20.0 * outside / self.pixels_per_point)

    def _inside(self, low: Floats, high: Floats) -> NDArray[np.bool_]:
        """Whether each sample lies in the rectangle between two corners."""
        x, y = self.samples.T
        inside: NDArray[np.bool_] = (x > low[0]) & (x < high[0]) & (y > low[1]) & (y < high[1])
        return inside

    def _crossing(self, point: Floats, box: Bbox) -> float:
        """How much other text, and how much of the curves, a line from the point to the box would cross."""
        path = np.linspace(point, np.clip(point, box.min, box.max), 24)
        through_text = sum(other.contains(*step) for other in self.boxes for step in path)
        # Next to its own point a line may touch the curve that the point lies on.
        away = path[np.hypot(*(path - point).T) > 9 * self.pixels_per_point]
        reach = 2 * self.pixels_per_point
        # Of thousands of samples few lie near the line.
        near = self.samples[self._inside(path.min(axis=0) - reach, path.max(axis=0) + reach)]
        gaps = np.hypot(*np.moveaxis(away[:, None] - near, -1, 0)).min(axis=1, initial=np.inf)
        return float(3.0 * through_text + 1.0 * np.sum(gaps < reach))

    def _draw_leader(self, label: Label, position: Candidate) -> None:
        point = self._to_pixels(position.anchor)
        nearest = np.clip(point, position.box.min, position.box.max)
        ends = self.axes.transData.inverted().transform([point, nearest])
        self.axes.plot(*ends.T, color=label.colour, linewidth=0.7, alpha=0.7, zorder=1.5, label="_leader")
        self._add(np.linspace(point, nearest, 12))

    def _to_pixels(self, points: ArrayLike) -> Floats:
        return np.asarray(self.axes.transData.transform(points))

    def _add(self, samples: Floats) -> None:
        self.samples = np.vstack([self.samples, samples])
