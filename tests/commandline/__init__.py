"""Tests of the groups of subcommands."""
