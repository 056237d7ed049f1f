"""A simulated FlexStation 3 with SoftMax Pro, which exports a text file after the read."""

from platectl_simulators.softmax_file.instrument import SoftmaxFileSimulator

__all__ = ["SoftmaxFileSimulator"]
