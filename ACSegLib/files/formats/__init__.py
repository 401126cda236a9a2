"""One module per file format, or a few: each recognises, reads and writes it; see `ACSegLib.files.registry.Format`."""
