"""Searches replayed on recorded learning curves, in simulated time.

`record` trains many configs of the default space on several data sets; `curves` keeps what they
scored; `simulated` runs any sampler and pruner on them; `regret` compares policies.
"""
