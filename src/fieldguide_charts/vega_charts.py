"""Bars, areas, lines, points, boxes, violins, rings, pyramids and maps as Vega-Lite specifications.

Knows nothing about themes, files or how the picture is finished.
"""

import numpy as np
from PIL import Image

from fieldguide_charts.data import (
    Floats,
    age_labels,
    amounts,
    bubble_sizes,
    categories,
    cloud,
    many_series,
    population,
    samples,
    shares,
)  # fmt: skip
from fieldguide_charts.look import Look
from fieldguide_charts.rng import Rng, chance, choice, integer, log_uniform, uniform
from fieldguide_charts.shapes import choose_regions
from fieldguide_charts.vega import Spec, add_axes, scheme, vega_picture

_COLOUR: Spec = {"field": "c", "type": "nominal", "title": None}


def vertical_bar(rng: Rng, look: Look) -> Image.Image:
    """Draw standing bars: one series, grouped, stacked, or a histogram."""
    return vega_picture(rng, look, _bars(rng, upright=True))


def horizontal_bar(rng: Rng, look: Look) -> Image.Image:
    """Draw lying bars: one series, grouped or stacked."""
    return vega_picture(rng, look, _bars(rng, upright=False))


def _bars(rng: Rng, upright: bool) -> Spec:
    count = integer(rng, 3, 14) if chance(rng, 0.85) else integer(rng, 15, 40)
    rows = 1 if chance(rng, 0.55) or count > 14 else integer(rng, 2, 4)
    names, groups = categories(rng, count), categories(rng, rows)
    first = amounts(rng, count)
    values = [
        {"a": names[i], "v": float(first[i] * (rng.uniform(0.4, 1.2) if r else 1.0)), "c": groups[r]}
        for r in range(rows)
        for i in range(count)
    ]
    mark: Spec = {"type": "bar", "cornerRadiusEnd": choice(rng, [0, 0, 0, 4])}
    stack = choice(rng, ["zero", "normalize", None]) if rows > 1 else None
    length = add_axes(rng, {"field": "v", "type": "quantitative", "stack": stack})
    band = add_axes(rng, {"field": "a", "type": "nominal", "sort": None})
    if chance(rng, 0.3):
        band["scale"] = {"paddingInner": choice(rng, [0.0, 0.05, 0.3, 0.6])}
    encoding: Spec = {"x": band, "y": length} if upright else {"y": band, "x": length}
    if rows > 1:
        encoding["color"] = _COLOUR
        if stack is None:
            encoding["xOffset" if upright else "yOffset"] = {"field": "c"}
    elif chance(rng, 0.3):
        encoding["color"] = {**_COLOUR, "field": "a", "legend": None}
    layers: list[Spec] = [{"mark": mark}]
    if rows == 1 and count < 13 and chance(rng, 0.25):
        place = {"dy": -7} if upright else {"dx": 4, "align": "left"}
        text = {"field": "v", "format": ".3s"}
        layers.append({"mark": {"type": "text", "fontSize": 9, **place}, "encoding": {"text": text}})
    return {"data": {"values": values}, "encoding": encoding, "layer": layers}


def _series_values(rng: Rng, rows: int, count: int, floor: float | None) -> list[Spec]:
    values, names = many_series(rng, rows, count, floor), categories(rng, rows)
    start = choice(rng, [0, 1950, 2000])
    return [{"x": i + start, "y": float(values[r, i]), "c": names[r]} for r in range(rows) for i in range(count)]


def area(rng: Rng, look: Look) -> Image.Image:
    """Draw filled areas: one, stacked, all of 100 %, a stream, overlapping, or one per row."""
    count, rows = integer(rng, 6, 60), choice(rng, [1, 2, 3, 5, 8], [4, 2, 3, 2, 1])
    stack = choice(rng, ["zero", "zero", "normalize", "center", None])
    mark: Spec = {
        "type": "area",
        "interpolate": choice(rng, ["linear", "linear", "monotone", "step-after"], [4, 3, 3, 0.5]),
    }
    mark |= {"opacity": uniform(rng, 0.4, 0.7)} if stack is None or chance(rng, 0.2) else {"opacity": 1}
    mark |= {"line": True} if chance(rng, 0.3) else {}
    across = add_axes(rng, {"field": "x", "type": "quantitative", "scale": {"zero": False, "nice": False}})
    across["axis"] = {**(across["axis"] or {}), "format": "d"} if across["axis"] else None
    encoding = {"x": across, "y": add_axes(rng, {"field": "y", "type": "quantitative", "stack": stack})}
    if rows > 1:
        encoding["color"] = _COLOUR
    if rows == 1 and chance(rng, 0.2):
        stops = [{"offset": 0, "color": "white"}, {"offset": 1, "color": look.colours[0]}]
        mark["color"] = {"gradient": "linear", "x1": 1, "x2": 1, "y1": 1, "y2": 0, "stops": stops}
    values = _series_values(rng, rows, count, uniform(rng, 0.05, 0.7))
    return vega_picture(rng, look, {"data": {"values": values}, "mark": mark, "encoding": encoding})


def line(rng: Rng, look: Look) -> Image.Image:
    """Draw one or more lines, some smooth, with points or a band."""
    count = integer(rng, 5, 24) if chance(rng, 0.5) else integer(rng, 30, 160)
    rows = choice(rng, [1, 2, 3, 5, 8], [4, 3, 3, 2, 1])
    mark: Spec = {"type": "line", "interpolate": choice(rng, ["linear", "monotone", "step-after"], [6, 2, 0.5])}
    mark |= {"point": chance(rng, 0.4) and count < 25, "strokeWidth": uniform(rng, 1, 4)}
    across = add_axes(rng, {"field": "x", "type": "quantitative", "scale": {"zero": False, "nice": False}})
    across["axis"] = {**across["axis"], "format": "d"} if across["axis"] else None
    encoding = {"x": across, "y": add_axes(rng, {"field": "y", "type": "quantitative", "scale": {"zero": False}})}
    if rows > 1:
        encoding["color"] = _COLOUR
    values = _series_values(rng, rows, count, None)
    return vega_picture(rng, look, {"data": {"values": values}, "mark": mark, "encoding": encoding})


def _point_values(rng: Rng, count: int, groups: int) -> list[Spec]:
    x, y = cloud(rng, count)
    names = categories(rng, groups)
    own, size = rng.integers(0, groups, count), bubble_sizes(rng, count)
    return [{"x": float(x[i]), "y": float(y[i]), "c": names[own[i]], "s": float(size[i])} for i in range(count)]


def _point_channels(rng: Rng) -> Spec:
    flat = {"type": "quantitative", "scale": {"zero": False}}
    return {axis: add_axes(rng, {"field": axis, **flat}) for axis in ("x", "y")}


def scatter(rng: Rng, look: Look) -> Image.Image:
    """Draw points of one size: hollow, filled, in colours and shapes."""
    groups = 1 if chance(rng, 0.5) else integer(rng, 2, 5)
    mark: Spec = {"type": choice(rng, ["point", "point", "circle", "square"]), "size": uniform(rng, 10, 80)}
    mark |= {"filled": chance(rng, 0.5)} if mark["type"] == "point" else {}
    mark |= {"opacity": uniform(rng, 0.4, 1)} if chance(rng, 0.5) else {}
    encoding = _point_channels(rng)
    if groups > 1:
        encoding["color"] = _COLOUR
        if mark["type"] == "point" and chance(rng, 0.4):
            encoding["shape"] = _COLOUR
    elif chance(rng, 0.2):
        encoding["color"] = {"field": "y", "type": "quantitative", "scale": {"scheme": scheme(rng)}}
    values = _point_values(rng, integer(rng, 25, 400), groups)
    return vega_picture(rng, look, {"data": {"values": values}, "mark": mark, "encoding": encoding})


def bubble(rng: Rng, look: Look) -> Image.Image:
    """Draw circles whose size shows a third figure."""
    groups = 1 if chance(rng, 0.3) else integer(rng, 2, 6)
    mark: Spec = {"type": choice(rng, ["circle", "circle", "point"]), "opacity": uniform(rng, 0.4, 0.95)}
    mark |= (
        {"stroke": choice(rng, ["white", "black", look.ink]), "strokeWidth": 1}
        if mark["type"] == "circle" and chance(rng, 0.5)
        else {}
    )
    encoding = _point_channels(rng)
    largest = (min(look.width, look.height) * log_uniform(rng, 0.05, 0.36)) ** 2
    encoding["size"] = {"field": "s", "type": "quantitative", "title": None,
                        "scale": {"range": [largest * 0.004, largest]}}  # fmt: skip
    if groups > 1:
        encoding["color"] = _COLOUR
    for axis in ("x", "y"):
        encoding[axis]["scale"] = {"zero": False, "padding": uniform(rng, 5, 40)}
    values = _point_values(rng, integer(rng, 6, 110), groups)
    return vega_picture(rng, look, {"data": {"values": values}, "mark": mark, "encoding": encoding})


def _sample_values(rng: Rng, count: int) -> list[Spec]:
    names = categories(rng, count)
    return [{"a": names[g], "v": float(v)} for g, found in enumerate(samples(rng, count)) for v in found.tolist()]


def box(rng: Rng, look: Look) -> Image.Image:
    """Draw boxes with whiskers, standing or lying."""
    count, upright = integer(rng, 1, 9), chance(rng, 0.65)
    mark: Spec = {"type": "boxplot", "extent": choice(rng, [1.5, 1.5, "min-max"]), "size": integer(rng, 10, 40)}
    mark |= {"ticks": chance(rng, 0.6)}
    mark |= {"median": {"color": choice(rng, ["white", "black", "red"])}}
    band = add_axes(rng, {"field": "a", "type": "nominal"})
    length = add_axes(rng, {"field": "v", "type": "quantitative", "scale": {"zero": False}})
    encoding = {"x": band, "y": length} if upright else {"y": band, "x": length}
    if chance(rng, 0.5):
        encoding["color"] = {**_COLOUR, "field": "a", "legend": None}
    values = _sample_values(rng, count)
    return vega_picture(rng, look, {"data": {"values": values}, "mark": mark, "encoding": encoding})


def violin(rng: Rng, look: Look) -> Image.Image:
    """Draw violins side by side, one facet each, as Vega-Lite draws them."""
    count = integer(rng, 2, 6)
    density = {"density": "v", "groupby": ["a"], "as": ["v", "d"]}
    upright = chance(rng, 0.75)
    flat = {"field": "d", "type": "quantitative", "stack": "center", "impute": None, "axis": None}
    length = {"field": "v", "type": "quantitative"}
    width = max(round((look.width if upright else look.height) * 0.75 / count), 30)
    facet = {"field": "a", "header": {"labelOrient": "bottom" if upright else "left", "title": None}}
    chart: Spec = {
        "data": {"values": _sample_values(rng, count)},
        "transform": [density],
        "mark": {"type": "area", "orient": "horizontal" if upright else "vertical"},
        "encoding": {"x": flat, "y": length} if upright else {"y": flat, "x": length},
        "spacing": choice(rng, [0, 0, 4]),
        "width" if upright else "height": width,
        "height" if upright else "width": round((look.height if upright else look.width) * 0.75),
    }
    chart["encoding"]["column" if upright else "row"] = facet
    if chance(rng, 0.8):
        chart["encoding"]["color"] = {**_COLOUR, "field": "a", "legend": None}
    if chance(rng, 0.6):
        chart["view"] = {"stroke": None}
    return vega_picture(rng, look, chart)


def pie(rng: Rng, look: Look) -> Image.Image:
    """Draw a pie, with or without labels."""
    return vega_picture(rng, look, _arcs(rng, look, hole=0.0))


def doughnut(rng: Rng, look: Look) -> Image.Image:
    """Draw a doughnut, with or without labels."""
    return vega_picture(rng, look, _arcs(rng, look, hole=uniform(rng, 0.3, 0.8)))


def _arcs(rng: Rng, look: Look, hole: float) -> Spec:
    count = integer(rng, 2, 9)
    names = categories(rng, count)
    values = [{"c": name, "v": float(v)} for name, v in zip(names, shares(rng, count), strict=True)]
    side = round(min(look.width, look.height) * 0.85)
    radius = side / 2 * uniform(rng, 0.7, 1.0)
    mark: Spec = {"type": "arc", "outerRadius": radius, "innerRadius": radius * hole}
    mark |= (
        {"stroke": choice(rng, ["white", "black", look.paper]), "strokeWidth": integer(rng, 1, 3)}
        if chance(rng, 0.5)
        else {}
    )
    mark |= {"padAngle": 0.04} if chance(rng, 0.2) else {}
    mark |= {"cornerRadius": 6} if hole and chance(rng, 0.2) else {}
    layers: list[Spec] = [{"mark": mark}]
    if chance(rng, 0.4):
        far = radius * ((1 + hole) / 2 if hole or chance(rng, 0.5) else 1.0)
        label = {"type": "text", "radius": far, "fontSize": look.text_px * 0.8, "fill": choice(rng, ["white", "black"])}
        field = {"field": choice(rng, ["c", "v"]), "type": "nominal"}
        text = {"field": "v", "format": ".0%"} if field["field"] == "v" else {"field": "c"}
        layers.append({"mark": label, "encoding": {"text": text}})
    encoding = {"theta": {"field": "v", "type": "quantitative", "stack": True}, "color": _COLOUR}
    return {"data": {"values": values}, "encoding": encoding, "layer": layers, "width": side, "height": side}


def pyramid(rng: Rng, look: Look) -> Image.Image:
    """Draw a population pyramid, of one piece or with the ages between two halves."""
    count = integer(rng, 8, 20)
    ages = age_labels(rng, count)
    men, women = population(rng, count)
    sides = choice(rng, [("Male", "Female"), ("Men", "Women")])
    values = [
        {"a": ages[i], "v": float(v[i]) * sign, "p": float(v[i]), "c": name}
        for v, sign, name in ((men, -1, sides[0]), (women, 1, sides[1]))
        for i in range(count)
    ]
    rows = {"field": "a", "type": "nominal", "sort": ages[::-1], "title": None}
    colour = {**_COLOUR, "scale": {"range": list(look.colours[:2])}}
    if chance(rng, 0.5):
        length = add_axes(rng, {"field": "v", "type": "quantitative"})
        encoding = {"y": rows, "x": length, "color": colour}
        return vega_picture(rng, look, {"data": {"values": values}, "mark": "bar", "encoding": encoding})
    wide, tall = round(look.width * 0.38), round(look.height * 0.75)
    top = float(np.max([men.max(), women.max()])) * 1.05

    def half(name: str, order: str) -> Spec:
        across = {"field": "p", "type": "quantitative", "sort": order, "title": None, "scale": {"domain": [0, top]}}
        encoding = {"y": {**rows, "axis": None}, "x": across, "color": {**colour, "legend": None}}
        chosen = [{"filter": {"field": "c", "equal": name}}]
        return {"transform": chosen, "mark": "bar", "encoding": encoding, "title": name, "width": wide, "height": tall}

    middle = {
        "mark": {"type": "text", "fontSize": min(look.text_px * 0.85, tall / count)},
        "encoding": {"y": {**rows, "axis": None}, "text": {"field": "a"}},
        "width": 36,
        "height": tall,
        "view": {"stroke": None},
    }
    parts = [half(sides[0], "descending"), middle, half(sides[1], "ascending")]
    return vega_picture(rng, look, {"data": {"values": values}, "hconcat": parts, "spacing": 0})


def _closed(ring: Floats) -> list[list[float]]:
    """Return the ring as GeoJSON wants it, its first point repeated at the end."""
    return [*np.round(ring, 4).tolist(), np.round(ring[0], 4).tolist()]


def choropleth(rng: Rng, look: Look) -> Image.Image:
    """Draw a map whose regions are shaded by a figure."""
    _, regions = choose_regions(rng)
    while len(regions) > 400:
        _, regions = choose_regions(rng)
    values = rng.normal(0, 1, len(regions))
    shapes = [
        {
            "type": "Feature",
            "properties": {"v": float(value)},
            "geometry": {"type": "MultiPolygon", "coordinates": [[_closed(ring)] for ring in region]},
        }
        for region, value in zip(regions, values, strict=True)
    ]
    steps = {"type": "quantize"} if chance(rng, 0.3) else {}
    mark: Spec = {"type": "geoshape", "strokeWidth": uniform(rng, 0.3, 1.2)}
    mark |= {"stroke": choice(rng, ["white", "black", "grey"])} if chance(rng, 0.7) else {}
    colour = {"field": "properties.v", "type": "quantitative", "title": None, "scale": {"scheme": scheme(rng), **steps}}
    return vega_picture(
        rng,
        look,
        {
            "data": {"values": shapes},
            "mark": mark,
            "projection": {"type": "identity", "reflectY": True},
            "encoding": {"color": colour},
        },
    )
