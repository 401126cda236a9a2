"""The refinement network, which corrects the boundary of a prediction."""
