"""The package on a machine that boots: scripts/try-boot."""
