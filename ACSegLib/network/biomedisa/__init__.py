"""Models of Biomedisa: import, network, and prediction as Biomedisa makes it."""
