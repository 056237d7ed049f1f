"""The only place that opens ports, sockets and folders."""
