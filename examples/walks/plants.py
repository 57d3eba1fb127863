"""The recipe `plants`, end to end, with a search for settings.

python examples/walks/plants.py FLOWERS FOLDER [--short]

The pictures are of whatever flowers there are: their names stand in for the fifty.
"""

from walk import finish, make, read_arguments, review

if __name__ == "__main__":
    walk = read_arguments("plants", __doc__)
    walk.changed = {"clean.min_side": 64, "split.test": 0.3}  # smaller pictures, and fewer, than the recipe asks for
    make(walk, per_class=60)
    walk.run("clean")
    review(walk)
    walk.run("split")
    walk.run("tune", "--trials", 2 if walk.short else 12)
    walk.run("train")
    finish(walk, ["web"])
