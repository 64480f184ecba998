"""`python -m apiserver` is the `apiserver` command."""

from apiserver.cli import main

main()
