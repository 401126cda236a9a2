"""The report of a study: its tables, its figures and its page."""
