"""`python -m platectl`."""

from platectl.cli.main import main

main()
