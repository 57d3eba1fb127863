"""The recipe `colours`, end to end: python examples/walks/colours.py PICTURES FOLDER [--short].

It learns from pictures that it paints, offline, and from the tables of colour features (CSV) that lie in the folder of
pictures. Those pictures themselves, a folder for each colour, it is only asked about.
"""

import fieldguide as fg
from walk import SHORT, finish, read_arguments, review

if __name__ == "__main__":
    walk = read_arguments("colours", __doc__)
    project = fg.new(walk.project, recipe="colours")
    if walk.short:
        project.write_settings({**SHORT, "collect.per_class": 10, "train.colour.families": ["logistic"]})
    walk.run("collect")
    for table in sorted(walk.pictures.glob("*.csv")):
        walk.run("add", table, "--licence", "own")
    walk.run("clean")
    review(walk)
    walk.run("split")
    walk.run("train")
    finish(walk, ["web"])
    scored = walk.report("evaluate", walk.pictures)
    share, low, high = scored["accuracy"]
    print(f"on {scored['scored']} pictures from elsewhere: {share:.1%} (95 %: {low:.1%} to {high:.1%})")
