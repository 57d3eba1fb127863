"""The recipe `rooms`, end to end: python examples/walks/rooms.py ROOMS FOLDER [--short]."""

from walk import finish, make, read_arguments, review

if __name__ == "__main__":
    walk = read_arguments("rooms", __doc__)
    make(walk, per_class=32)
    walk.run("clean")
    review(walk)
    walk.run("split")
    walk.run("train")
    finish(walk, ["web"])
