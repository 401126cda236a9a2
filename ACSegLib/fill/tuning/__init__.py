"""Settings and estimates of a fill, from parts of its own labels that are held out."""
