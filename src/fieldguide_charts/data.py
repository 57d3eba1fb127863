"""Made-up figures and words, plausible enough to stand in a chart.

Knows nothing about how a chart looks or which library draws it.
"""

import numpy as np
from numpy.typing import NDArray

from fieldguide_charts.rng import Rng, chance, choice, integer, uniform

Floats = NDArray[np.float64]

_MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")
_WORDS = """\
Apples, Pears, Plums, Cherries, Grapes, Melons, Bananas, Oranges, Kiwis, Figs, Dates, Limes
North, South, East, West, Centre, Coast, Islands, Highlands, Valley, Delta, Plains, Lakes
Alpha, Beta, Gamma, Delta, Epsilon, Zeta, Eta, Theta, Iota, Kappa, Lambda, Mu
Sales, Support, Design, Research, Finance, Legal, Media, Press, Travel, Stores, Events, Board
Oak, Birch, Pine, Maple, Spruce, Willow, Cedar, Elm, Ash, Beech, Poplar, Larch
Speed, Price, Safety, Comfort, Range, Design, Service, Quality, Space, Power, Noise, Style
Germany, France, Spain, Italy, Poland, Sweden, Norway, Greece, Austria, Portugal, Ireland, Finland
China, India, Brazil, Japan, Mexico, Nigeria, Egypt, Vietnam, Turkey, Iran, Kenya, Peru
Mon, Tue, Wed, Thu, Fri, Sat, Sun, Holiday
Chrome, Safari, Edge, Firefox, Opera, Others, Mobile, Desktop, Tablet, Console
Coal, Gas, Oil, Nuclear, Hydro, Wind, Solar, Biomass, Geothermal, Tidal, Peat, Waste
Setosa, Versicolor, Virginica, Adelie, Gentoo, Chinstrap, Control, Treated, Placebo
Group 1, Group 2, Group 3, Group 4, Group 5, Group 6, Group 7, Group 8, Group 9, Group 10
Very satisfied, Satisfied, Neutral, Dissatisfied, Very dissatisfied, No answer, Refused
Running water, Public transport, School meals, Road repair, Night shelters, Parks and gardens
A, B, C, D, E, F, G, H, I, J, K, L, M, N, O, P
Январь, Февраль, Март, Апрель, Май, Июнь, Июль, Август
Αθήνα, Πάτρα, Βόλος, Χανιά, Λάρισα, Κέρκυρα, Ρόδος
Köln, Zürich, Málaga, Besançon, Århus, Łódź, Győr, Tromsø"""
_WORD_LISTS = [line.split(", ") for line in _WORDS.splitlines()]
_TITLES = [
    "Sales by region", "Revenue over time", "Monthly visitors", "Survey results", "Energy use by source",
    "Share of the market", "Distribution of scores", "Average rainfall", "Population by age and sex",
    "Units sold", "Fuel economy", "Life expectancy", "Household income", "Website traffic", "Budget 2019",
    "Response time (ms)", "Temperature", "Production by year", "Comparison of methods", "Student grades",
    "Votes by district", "Unemployment rate", "My Chart", "Chart Title", "Figure 1", "Example", "Demo",
    "Where the money goes", "A decade of growth", "How people travel to work", "Results of experiment 3",
    "Численность по годам", "Πωλήσεις ανά έτος", "Ventes par région", "Bevölkerung nach Alter", "Ingresos",
]  # fmt: skip
_AXIS_TITLES = [
    "Value", "Year", "Time (s)", "Count", "Frequency", "Amount", "Percent", "Price ($)", "Height (cm)",
    "Weight (kg)", "Score", "Date", "x", "y", "Millions", "Density", "Length (mm)", "Horsepower", "Rate",
    "Distance (km)", "Income", "Age", "Category", "Температура", "Wert", "Población",
]  # fmt: skip


def title(rng: Rng) -> str:
    """Return a heading of a few words."""
    return choice(rng, _TITLES)


def axis_title(rng: Rng) -> str:
    """Return what an axis might be called."""
    return choice(rng, _AXIS_TITLES)


def categories(rng: Rng, count: int) -> list[str]:
    """Return names for `count` categories, all different."""
    kind = rng.random()
    if kind < 0.15 and count <= 12:
        start = integer(rng, 0, 12 - count)
        return list(_MONTHS[start : start + count])
    if kind < 0.3 or count > 16:
        start = integer(rng, 1950, 2024 - min(count, 60))
        return [str(start + i) for i in range(count)]
    if kind < 0.36:
        return [f"Q{i % 4 + 1} {2015 + i // 4}" for i in range(count)]
    lists = [words for words in _WORD_LISTS if len(words) >= count]
    words = list(choice(rng, lists))
    if chance(rng, 0.5):
        rng.shuffle(words)
    return words[:count]


def short_number(value: float) -> str:
    """Return the number as an axis would print it: few digits, k and M for thousands and millions."""
    size = abs(value)
    if size >= 1e6:
        return f"{value / 1e6:.3g}M"
    if size >= 1e4:
        return f"{value / 1e3:.3g}k"
    return f"{value:.3g}" if size < 1000 else f"{value:.0f}"


def series(rng: Rng, count: int) -> Floats:
    """Return one `(count,)` series of a random character: walk, wave, growth, bell, noise or steps."""
    at = np.linspace(0.0, 1.0, count)
    kind = choice(rng, ["walk", "wave", "growth", "bell", "noise", "steps", "smooth"])
    if kind == "walk":
        values = np.cumsum(rng.normal(uniform(rng, -0.1, 0.25), 1.0, count))
    elif kind == "wave":
        values = np.sin(at * uniform(rng, 3, 25) + uniform(rng, 0, 6)) * 2 + rng.normal(0, 0.15, count)
    elif kind == "growth":
        values = np.exp(at * uniform(rng, -2.5, 3)) + rng.normal(0, 0.08, count)
    elif kind == "bell":
        peaks = [(uniform(rng, 0, 1), uniform(rng, 0.05, 0.3)) for _ in range(integer(rng, 1, 4))]
        values = np.sum([np.exp(-(((at - m) / s) ** 2)) for m, s in peaks], axis=0)
    elif kind == "noise":
        values = rng.normal(0, 1, count)
    elif kind == "steps":
        values = np.repeat(rng.normal(0, 1, count), max(1, count // 8))[:count]
    else:
        knots = rng.normal(0, 1, integer(rng, 4, 8))
        values = np.interp(at, np.linspace(0, 1, len(knots)), knots)
        values = np.convolve(np.pad(values, 3, mode="edge"), np.ones(7) / 7, mode="valid")
    return np.asarray(values, dtype=np.float64)


def many_series(rng: Rng, rows: int, count: int, floor: float | None = None) -> Floats:
    """Return `(rows, count)` series on one scale; all above 0 when a floor (share of the range) is given."""
    values = np.stack([series(rng, count) * uniform(rng, 0.4, 1.2) + uniform(rng, -1, 1) for _ in range(rows)])
    if floor is not None:
        values = values - values.min(axis=1, keepdims=True)
        values = values / np.maximum(values.max(axis=1, keepdims=True), 1e-9)
        values = (values + floor) * rng.uniform(0.4, 1.4, (rows, 1))
    return np.asarray(values * 10.0 ** integer(rng, 0, 4))


def amounts(rng: Rng, count: int) -> Floats:
    """Return `(count,)` positive amounts, such as a bar chart shows: even, skewed, rising, falling or a hump."""
    kind = choice(rng, ["even", "skewed", "sorted", "rising", "hump", "near"])
    if kind == "skewed":
        values = rng.lognormal(0, 0.9, count)
    elif kind == "sorted":
        values = np.sort(rng.gamma(2, 1, count))[::-1] + 0.1
    elif kind == "rising":
        values = np.linspace(0.3, 1, count) ** uniform(rng, 0.5, 3) * (1 + rng.normal(0, 0.08, count))
    elif kind == "hump":
        values = np.exp(-(np.linspace(-2, 2, count) ** 2) * uniform(rng, 0.3, 1.2)) + rng.random(count) * 0.1
    elif kind == "near":
        values = rng.normal(1, 0.15, count)
    else:
        values = rng.uniform(0.15, 1, count)
    return np.asarray(np.abs(values) * 10.0 ** integer(rng, 0, 5) + 0.01)


def shares(rng: Rng, count: int) -> Floats:
    """Return `(count,)` parts of a whole, summing to 1, none too small to see."""
    parts = rng.dirichlet(np.full(count, uniform(rng, 0.8, 6))) + 0.35 / count
    if chance(rng, 0.5):
        parts = np.sort(parts)[::-1]
    return np.asarray(parts / parts.sum())


def samples(rng: Rng, groups: int) -> list[Floats]:
    """Return one sample of measurements per group: some skewed, some with two humps, some with far outliers."""
    groups_values = []
    spread = uniform(rng, 0.5, 1.5)
    drift = uniform(rng, -0.6, 0.6)
    shape = choice(rng, ["normal", "skewed", "humps", "mixed"])
    for i in range(groups):
        count = integer(rng, 40, 160)
        kind = choice(rng, ["normal", "skewed", "humps"]) if shape == "mixed" else shape
        if kind == "skewed":
            values = rng.gamma(2.0, 1.0, count)
        elif kind == "humps":
            values = np.concatenate([rng.normal(-1.5, 0.6, count // 2), rng.normal(1.5, 0.8, count // 2)])
        else:
            values = rng.normal(0, 1, count)
        values = values * spread * uniform(rng, 0.5, 1.6) + drift * i + uniform(rng, -1, 1)
        if chance(rng, 0.4):
            values = np.append(values, values.mean() + rng.normal(0, 4.5 * spread, integer(rng, 1, 6)))
        groups_values.append(values)
    scale = 10.0 ** integer(rng, -1, 3)
    base = uniform(rng, 0, 8)
    return [np.asarray((values + base) * scale) for values in groups_values]


def cloud(rng: Rng, count: int) -> tuple[Floats, Floats]:
    """Return `(count,)` x and y of a cloud of points: related, unrelated, clustered, curved or skewed."""
    kind = choice(rng, ["line", "none", "clusters", "curve", "skewed", "ring", "fan"], [3, 3, 3, 2, 2, 0.5, 2])
    x = rng.uniform(0, 1, count) if chance(rng, 0.5) else rng.normal(0.5, 0.2, count)
    if kind == "line":
        y = x * choice(rng, [-1.0, 1.0]) + rng.normal(0, uniform(rng, 0.04, 0.4), count)
    elif kind == "clusters":
        centres = rng.uniform(0, 1, (integer(rng, 2, 5), 2))
        own = rng.integers(0, len(centres), count)
        x, y = (centres[own] + rng.normal(0, uniform(rng, 0.03, 0.12), (count, 2))).T
    elif kind == "curve":
        y = (x - uniform(rng, -0.2, 1)) ** 2 * 2 + rng.normal(0, 0.06, count)
    elif kind == "skewed":
        x, y = rng.lognormal(0, 0.7, count), rng.lognormal(0, 0.7, count)
    elif kind == "ring":
        turn = rng.uniform(0, 6.3, count)
        x, y = np.cos(turn) + rng.normal(0, 0.1, count), np.sin(turn) + rng.normal(0, 0.1, count)
    elif kind == "fan":
        y = x * rng.normal(1, 0.5, count)
    else:
        y = rng.normal(0.5, 0.2, count)
    lift = uniform(rng, 0.2, 2)
    scale = 10.0 ** rng.integers(0, 4, 2)
    return np.asarray((x + lift) * scale[0]), np.asarray((y + lift) * scale[1])


def bubble_sizes(rng: Rng, count: int) -> Floats:
    """Return `(count,)` areas of bubbles as shares of the largest, which is 1: most of them small, alike, or even."""
    kind = choice(rng, ["small", "alike", "even"], [5, 3, 2])
    sizes = {"small": rng.beta(0.6, 1.7, count), "alike": rng.beta(2, 2, count), "even": rng.uniform(0.05, 1, count)}[
        kind
    ]
    sizes = np.maximum(sizes, 0.012)
    sizes[0] = 1.0
    return np.asarray(sizes / sizes.max())


def flows(rng: Rng, count: int) -> Floats:
    """Return `(count, count)` amounts going from each of `count` places to each other."""
    table = rng.gamma(uniform(rng, 0.4, 2), 1.0, (count, count))
    if chance(rng, 0.5):
        np.fill_diagonal(table, 0.0)
    if chance(rng, 0.4):
        table = (table + table.T) / 2
    if count > 5 and chance(rng, 0.6):
        table = table * (rng.random((count, count)) < uniform(rng, 0.2, 0.7))
    return np.asarray(table + 0.02 / count)


def age_labels(rng: Rng, count: int) -> list[str]:
    """Return names for `count` age groups, the youngest first."""
    step = 5 if count > 9 else 10
    join = choice(rng, ["-", " - ", " to ", "\N{EN DASH}"])
    if chance(rng, 0.1):
        return [str(i * step) for i in range(count)]
    names = [f"{i * step}{join}{i * step + step - 1}" for i in range(count - 1)]
    return [*names, f"{(count - 1) * step}+"]


def population(rng: Rng, count: int) -> tuple[Floats, Floats]:
    """Return `(count,)` men and women by age group, the youngest first: growing, ageing or stable."""
    age = np.linspace(0, 1, count)
    kind = choice(rng, ["young", "old", "stable", "waves", "hump"])
    if kind == "young":
        base = np.exp(-age * uniform(rng, 1.5, 4))
    elif kind == "old":
        base = np.exp(-(((age - uniform(rng, 0.45, 0.75)) / 0.4) ** 2))
    elif kind == "stable":
        base = 1 / (1 + np.exp((age - 0.8) * 12))
    elif kind == "hump":
        base = np.exp(-(((age - 0.33) / 0.3) ** 2)) + 0.2 * (1 - age)
    else:
        base = (1 - age) + 0.25 * np.sin(age * 14 + uniform(rng, 0, 6)) * (1 - age) + 0.05
    noise = rng.normal(1, 0.04, (2, count))
    men = base * noise[0] * (1 - 0.25 * age**2)
    women = base * noise[1]
    scale = 10.0 ** integer(rng, 0, 5)
    return np.abs(men) * scale, np.abs(women) * scale
