"""The recipe `handbags`, end to end, with a network from scratch beside the pretrained one.

python examples/walks/handbags.py BAGS FOLDER [--short]
"""

from walk import finish, make, read_arguments, review

if __name__ == "__main__":
    walk = read_arguments("handbags", __doc__)
    walk.changed = {"train.network": "small", "train.size": 64, "train.loop.epochs": 2} if walk.short else {}
    make(walk, per_class=40)
    walk.run("clean")
    review(walk)
    walk.run("split")
    scratch = walk.report("train", "--learner", "cnn")
    pretrained = walk.report("train", "--learner", "transfer")
    walk.run("compare")
    for name, trained in (("from scratch", scratch), ("pretrained", pretrained)):
        share, low, high = trained["accuracy"]
        print(f"{name}: {share:.1%} (95 %: {low:.1%} to {high:.1%}) of {trained['measured']} pictures held out")
    finish(walk, ["web"])
