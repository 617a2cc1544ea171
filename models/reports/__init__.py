"""What the command prints and writes of a scenario: one kind of system a file, imported by the command that needs it."""
