"""Sources of pictures: each gathers candidates for a class name. They meet in the catalogue."""
