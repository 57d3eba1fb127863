"""The stages of the walk, a module each: read `build` first."""
