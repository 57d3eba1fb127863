"""Checks: each says keep, reject or suspect of an image, with a reason. They meet in the catalogue."""
