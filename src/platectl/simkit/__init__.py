"""The toolbox that simulators are written with."""
