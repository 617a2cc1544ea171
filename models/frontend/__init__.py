"""What scenario files, units, reports and plots of all systems share."""
