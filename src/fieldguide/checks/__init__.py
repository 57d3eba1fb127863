"""Checks: each gives an image a verdict (keep, reject or suspect) with a reason. They meet in the catalogue."""
