"""Searches replayed on recorded learning curves, in simulated time.

`record` trains many configs of the default space on several data sets; `curves` keeps what they
scored; `simulated` runs any sampler and pruner on them; `regret` compares policies, `sizes` what
they leave at each size, `stopping` where a training or a search may end. `portfolio` chooses points
to start from. `horizons` trains anew: it asks whether a training's length is worth searching.
"""
