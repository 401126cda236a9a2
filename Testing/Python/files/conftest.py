"""Lets the tests of single formats import `filecases`: pytest adds the folder of a conftest to the path."""
