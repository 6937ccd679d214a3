"""Other ways to fuse streams than the exchange of channels: the baselines and ablations of the papers.

`rules` holds what can stand at an exchange point, `stages` what can stand between stages of the encoder, `decide` what
can take the ensemble's place, and `assemble` adds them to a network.
"""
