"""Puts text beside points of a plot where it covers neither the data nor other text."""

import math
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from matplotlib.axes import Axes
from matplotlib.transforms import Bbox

DIRECTIONS = [math.radians(degrees) for degrees in range(0, 360, 15)]


DISTANCES = (5, 10, 18, 30, 46, 66, 90, 120)


@dataclass
class Label:
    """A text that belongs to a point of the data, or to any of several: a line's name."""

    text: str
    #: The points it may stand at, the best first.
    points: list[tuple[float, float]]
    colour: str
    size: float
    weight: str = "normal"
    #: Where it would like to stand, in degrees: 0 is right of its point, 90 above.
    towards: float = 0
    #: Left out rather than laid over something.
    optional: bool = False


class Ground:
    """What is already drawn on an `Axes`, in pixels, so that labels can keep away from it.

    Tell it of everything that must stay visible, after the limits and the scales are final.
    """

    def __init__(self, axes: Axes) -> None:
        self.axes = axes
        self.renderer = axes.figure.canvas.get_renderer()
        self.pixel = axes.figure.dpi / 72
        self.taken: list[Bbox] = []
        self.points = np.empty((0, 2))

    def avoid_line(self, x, y) -> None:
        """Keep away from the polyline through these data points."""
        corners = self.axes.transData.transform(np.column_stack([x, y]))
        for start, end in pairwise(corners):
            steps = max(2, int(np.hypot(*(end - start)) / (2 * self.pixel)))
            self._add(np.linspace(start, end, steps))
        self._add(corners)

    def avoid_points(self, x, y, radius: float = 4) -> None:
        """Keep away from the discs around these data points; the radius in points."""
        centres = self.axes.transData.transform(np.column_stack([x, y]))
        radius *= self.pixel
        self._add(centres)
        for angle in DIRECTIONS:
            self._add(centres + (radius * math.cos(angle), radius * math.sin(angle)))

    def avoid_level(self, y: float) -> None:
        """Keep text off the horizontal line at this height; lines to labels may cross it."""
        height = self.axes.transData.transform((self.axes.get_xlim()[0], y))[1]
        self.taken.append(Bbox([[self.axes.bbox.x0, height], [self.axes.bbox.x1, height + 0.1]]))

    def avoid_text(self, text) -> None:
        """Keep away from a text that is drawn already."""
        self.taken.append(text.get_window_extent(self.renderer).padded(2 * self.pixel))

    def place(self, label: Label) -> None:
        """Draw the label at the nearest free place, with a fine line to its point when that is far."""
        text = self.axes.annotate(
            label.text,
            label.points[0],
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
        candidates = [
            (cost + 0.02 * index, distance, point, offset, box)
            for index, point in enumerate(label.points)
            for cost, distance, offset, box in self._candidates(label, point, extent.width, extent.height)
        ]
        cost, distance, point, offset, box = min(candidates, key=lambda candidate: candidate[0])
        if label.optional and cost >= 1:
            text.remove()
            return
        text.xy = point
        text.set_position(tuple(offset / self.pixel))
        self.taken.append(box)
        if distance >= 18:
            self._draw_leader(label, point, box)

    def _candidates(self, label: Label, point, width: float, height: float):
        """(cost, distance in points, offset in pixels, box) for each place beside the point."""
        anchor = self.axes.transData.transform(point)
        preferred = sorted(DIRECTIONS, key=lambda angle: -math.cos(angle - math.radians(label.towards)))
        distances = DISTANCES[:2] if label.optional else DISTANCES
        places = [(distance, angle) for distance in distances for angle in preferred]
        for distance, angle in places:
            reach = distance * self.pixel
            offset = np.array([math.cos(angle) * (width / 2 + reach), math.sin(angle) * (height / 2 + reach)])
            centre = anchor + offset
            box = Bbox.from_bounds(*(centre - (width / 2, height / 2)), width, height).padded(2 * self.pixel)
            turned = 1 - math.cos(angle - math.radians(label.towards))
            cost = self.crowding(box) + self._crossing(anchor, box) + 0.01 * distance + 0.05 * turned
            yield cost, distance, offset, box

    def crowding(self, box: Bbox) -> float:
        """How much of what is drawn this box would cover; leaving the axes counts most."""
        frame = self.axes.bbox
        outside = max(0, frame.x0 - box.x0) + max(0, box.x1 - frame.x1)
        outside += max(0, frame.y0 - box.y0) + max(0, box.y1 - frame.y1)
        x, y = self.points.T
        covered = np.sum((x > box.x0) & (x < box.x1) & (y > box.y0) & (y < box.y1))
        overlapping = sum(box.overlaps(other) for other in self.taken)
        return 1.0 * covered + 30.0 * overlapping + 20.0 * outside / self.pixel

    def _crossing(self, anchor, box: Bbox) -> float:
        """How much other text, and how much of the curves, a line from the point to the box would cross."""
        way = np.linspace(anchor, np.clip(anchor, box.min, box.max), 24)
        through_text = sum(other.contains(*spot) for other in self.taken for spot in way)
        # Next to its own point a line may touch the curve that the point lies on.
        away = way[np.hypot(*(way - anchor).T) > 9 * self.pixel]
        gaps = np.hypot(*np.moveaxis(away[:, None] - self.points, -1, 0)).min(axis=1, initial=np.inf)
        return 3.0 * through_text + 1.0 * np.sum(gaps < 2 * self.pixel)

    def _draw_leader(self, label: Label, point, box: Bbox) -> None:
        anchor = self.axes.transData.transform(point)
        nearest = np.clip(anchor, box.min, box.max)
        ends = self.axes.transData.inverted().transform([anchor, nearest])
        self.axes.plot(*ends.T, color=label.colour, linewidth=0.7, alpha=0.7, zorder=1.5, label="_leader")
        self._add(np.linspace(anchor, nearest, 12))

    def _add(self, points) -> None:
        self.points = np.vstack([self.points, points])
