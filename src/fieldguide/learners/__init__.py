"""Learners: each turns labelled pictures into something that gives probabilities. Only here is torch imported."""
