"""Exporters: each writes what was learnt in one published form."""
