"""Pictures from web pages: a browser over search pages, pages that a person saved, and how both are read."""
