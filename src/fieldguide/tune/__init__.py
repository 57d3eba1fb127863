"""Searches settings by trials that a kill cannot spoil. Only here is Optuna imported."""
