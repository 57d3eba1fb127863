"""Outlines of countries, states and counties, and of countries that do not exist, as plain coordinates.

Knows nothing about how a map is drawn. The real outlines lie in `shapes.json`: coarse, from Natural Earth
(public domain) and the U.S. Census Bureau's TIGER/Line files (not copyrighted).
"""

import json
from functools import cache
from importlib.resources import files

import numpy as np

from fieldguide_charts.data import Floats
from fieldguide_charts.rng import Rng, chance, choice, integer, uniform

Region = list[Floats]  # the rings of one region, each (n, 2) x to the right, y up


@cache
def _load() -> dict[str, list[Region]]:
    stored = json.loads((files(__package__) / "shapes.json").read_text(encoding="utf-8"))
    found: dict[str, list[Region]] = {}
    for name in ("world", "us_states", "us_counties"):
        grid = stored[name]["grid"]
        found[name] = [
            [np.cumsum(np.array(ring, dtype=np.float64).reshape(-1, 2), axis=0) * grid for ring in region]
            for region in stored[name]["shapes"]
        ]
    for continent in sorted(set(stored["world"]["continents"])):
        chosen = [i for i, c in enumerate(stored["world"]["continents"]) if c == continent]
        found[continent] = [found["world"][i] for i in chosen]
    return found


def choose_regions(rng: Rng) -> tuple[str, list[Region]]:
    """Return the name and projected regions of one map, in arbitrary units, y up."""
    kind = choice(
        rng,
        ["world", "us_states", "us_counties", "continent", "window", "some states", "made up"],
        [3, 3, 1.2, 2.2, 0.8, 1.4, 2],
    )
    if kind == "made up":
        return kind, _made_up(rng)
    source = _load()
    if kind == "continent":
        chosen = choice(rng, ["Africa", "Europe", "Asia", "South America", "North America"])
        return chosen, _project(rng, _inside(source[chosen], (-25, 34, 45, 72) if chosen == "Europe" else None))
    if kind == "window":
        west, south = uniform(rng, -120, 60), uniform(rng, -40, 20)
        return kind, _project(rng, _inside(source["world"], (west, south, west + 70, south + 50)))
    if kind == "some states":
        return kind, _some_counties(rng, source["us_counties"])
    if kind == "world":
        return kind, _project_world(rng, source["world"])
    return kind, _albers(source[kind]) if chance(rng, 0.75) else _project(rng, source[kind])


def _inside(regions: list[Region], window: tuple[float, float, float, float] | None) -> list[Region]:
    if window is None:
        return regions
    west, south, east, north = window
    kept = []
    for region in regions:
        rings = [r for r in region if west < r[:, 0].mean() < east and south < r[:, 1].mean() < north]
        rings = [np.clip(r, [west - 5, south - 5], [east + 5, north + 5]) for r in rings]
        if rings:
            kept.append(rings)
    return kept or regions


def _some_counties(rng: Rng, counties: list[Region]) -> list[Region]:
    middles = np.array([region[0].mean(axis=0) for region in counties])
    near = np.argsort(((middles - middles[rng.integers(len(middles))]) ** 2).sum(axis=1))
    return [[r * [0.78, 1.0] for r in counties[i]] for i in near[: integer(rng, 30, 260)]]


def _project(rng: Rng, regions: list[Region]) -> list[Region]:
    middle = np.radians(np.mean([ring[:, 1].mean() for region in regions for ring in region]))
    if chance(rng, 0.6):
        return [[_mercator(ring) for ring in region] for region in regions]
    return [[ring * [np.cos(middle), 1.0] for ring in region] for region in regions]


def _mercator(ring: Floats) -> Floats:
    lat = np.radians(np.clip(ring[:, 1], -58, 78))
    return np.stack([np.radians(ring[:, 0]), np.log(np.tan(np.pi / 4 + lat / 2))], axis=1)


def _project_world(rng: Rng, regions: list[Region]) -> list[Region]:
    kind = choice(rng, ["mercator", "flat", "round", "globe"], [3, 3, 3, 1])
    if kind == "mercator":
        return [[_mercator(ring) for ring in region] for region in regions]
    if kind == "flat":
        return regions
    if kind == "round":
        # Natural Earth-like: parallels shrink towards the poles.
        return [
            [np.stack([r[:, 0] * np.cos(np.radians(r[:, 1]) * 0.62), r[:, 1]], axis=1) for r in region]
            for region in regions
        ]
    centre = np.radians([uniform(rng, -120, 140), uniform(rng, -10, 45)])
    seen = [[_globe(ring, centre) for ring in region] for region in regions]
    return [kept for region in seen if (kept := [ring for ring in region if ring is not None])]


def _globe(ring: Floats, centre: Floats) -> Floats | None:
    """Return the ring as seen from far away (orthographic); None when it lies behind the edge."""
    lon, lat = np.radians(ring[:, 0]) - centre[0], np.radians(ring[:, 1])
    front = np.sin(centre[1]) * np.sin(lat) + np.cos(centre[1]) * np.cos(lat) * np.cos(lon)
    x = np.cos(lat) * np.sin(lon)
    y = np.cos(centre[1]) * np.sin(lat) - np.sin(centre[1]) * np.cos(lat) * np.cos(lon)
    if (front > 0).sum() < 3:
        return None
    far = np.maximum(np.hypot(x, y), 1e-9)
    behind = front <= 0
    return np.stack([np.where(behind, x / far, x), np.where(behind, y / far, y)], axis=1)


def _albers(regions: list[Region]) -> list[Region]:
    """Project by Albers' equal-area conic with the parallels usual for the lower 48 states."""
    low, high, lat0, lon0 = np.radians([29.5, 45.5, 37.5, -96.0])
    n = (np.sin(low) + np.sin(high)) / 2
    c = np.cos(low) ** 2 + 2 * n * np.sin(low)
    rho0 = np.sqrt(c - 2 * n * np.sin(lat0)) / n

    def bend(ring: Floats) -> Floats:
        rho = np.sqrt(c - 2 * n * np.sin(np.radians(ring[:, 1]))) / n
        theta = n * (np.radians(ring[:, 0]) - lon0)
        return np.stack([rho * np.sin(theta), rho0 - rho * np.cos(theta)], axis=1)

    return [[bend(ring) for ring in region] for region in regions]


def _made_up(rng: Rng) -> list[Region]:
    """Return regions of a land that does not exist: cells around random points, with crooked borders."""
    from scipy.spatial import Voronoi

    count = integer(rng, 10, 90)
    points = rng.normal(0, 1, (count * 2, 2)) * [1.0, uniform(rng, 0.6, 1.2)]
    for _ in range(2):
        points = points + rng.normal(0, 0.02, points.shape)
    cells = Voronoi(points)
    limit = uniform(rng, 1.0, 1.6)
    rough = uniform(rng, 0.03, 0.12)
    borders: dict[tuple[int, int], Floats] = {}
    regions: list[Region] = []
    for at in cells.point_region:
        corners = cells.regions[at]
        if -1 in corners or len(corners) < 3 or np.abs(cells.vertices[corners]).max() > limit * 1.6:
            continue
        pieces = []
        for a, b in zip(corners, corners[1:] + corners[:1], strict=True):
            key = (min(a, b), max(a, b))
            if key not in borders:
                borders[key] = _crooked(rng, cells.vertices[key[0]], cells.vertices[key[1]], rough)
            piece = borders[key]
            pieces.append(piece[:-1] if (a, b) == key else piece[::-1][:-1])
        regions.append([np.concatenate(pieces)])
    return regions or _made_up(rng)


def _crooked(rng: Rng, start: Floats, end: Floats, rough: float) -> Floats:
    line = np.stack([start, end])
    for _ in range(3):
        mids = (line[:-1] + line[1:]) / 2
        steps = line[1:] - line[:-1]
        aside = np.stack([-steps[:, 1], steps[:, 0]], axis=1) * rng.normal(0, rough * 1.5, (len(mids), 1))
        joined = np.empty((len(line) + len(mids), 2))
        joined[0::2], joined[1::2] = line, mids + aside
        line = joined
    return line
