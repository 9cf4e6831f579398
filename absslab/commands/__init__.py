"""What the subcommands do: read flags, call the core, print."""
