"""The benchmark: this project against the tools that people would pick instead, and at scale.

`make bench` prints its tables. It looks at the codecs from outside, by the function that the codec
process calls, and at the functions by their handlers; nothing here ships, and nothing under
`lambda/` knows of it.
`bench.cost` and `bench.simulate` measure nothing: they work out what a run costs and how it scales.
"""
