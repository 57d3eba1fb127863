"""The names of the fourteen chart types; what each is good for stands in the recipe `plots`."""

CLASS_NAMES: tuple[str, ...] = (
    "area",
    "box",
    "bubble",
    "chord",
    "choropleth",
    "demographic pyramid",
    "doughnut",
    "horizontal bar",
    "line",
    "pie",
    "scatter",
    "radar",
    "vertical bar",
    "violin",
)
