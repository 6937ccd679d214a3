"""Studies of the theorems: computed, and looked for in short trainings."""
