"""The version of ACSeg, for everything that must not import more than this."""

__version__ = "0.1.0"
