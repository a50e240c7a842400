"""The benchmark: this project's codecs against the tools that people would pick instead.

`make bench` prints its tables. It looks at the codecs from outside, by the function that the codec
process calls; nothing here ships, and nothing under `lambda/` knows of it.
`bench.cost` and `bench.simulate` measure nothing: they work out what a run costs and how it scales.
"""
