"""Shakers, heated nests, sealers and incubators behind SiLA 2 servers.

A SiLA feature says what can be asked of a server, not what of it stands for a verb of platectl: the lab file
maps each verb to commands, with their parameters and units. What goes over the line is platectl's own
(`platectl.transport.sila`), below it is SiLA 2 version 1.1 as the package sila2 0.14.0 speaks it.
Maturity: paper; tried with servers of that package.
"""

from platectl_drivers.sila2.drivers import SilaIncubator, SilaSealer, SilaShaker, SilaThermostat

__all__ = ["SilaIncubator", "SilaSealer", "SilaShaker", "SilaThermostat"]
