"""Plugin of the module Segment Statistics; imported once Slicer has started."""
