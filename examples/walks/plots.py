"""The recipe `plots`, end to end: python examples/walks/plots.py CHARTS FOLDER [--short].

It learns from charts that it draws, offline; those of the folder, real ones, it is only asked about.
"""

import fieldguide as fg
from walk import SHORT, finish, read_arguments, review

if __name__ == "__main__":
    walk = read_arguments("plots", __doc__)
    project = fg.new(walk.project, recipe="plots")
    if walk.short:
        project.write_settings({**SHORT, "collect.per_class": 10, "train.size": 224})
    walk.run("collect")
    walk.run("clean")
    review(walk)
    walk.run("split")
    walk.run("train")
    finish(walk, ["web"])
    scored = walk.report("evaluate", walk.pictures)
    share, low, high = scored["accuracy"]
    print(f"on {scored['scored']} charts from elsewhere: {share:.1%} (95 %: {low:.1%} to {high:.1%})")
