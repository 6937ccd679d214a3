"""Sets of clips, procedural and on disk."""
