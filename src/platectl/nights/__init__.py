"""What happens without anybody there: schedules, queue, leases, the daemon's loop, the morning report."""
