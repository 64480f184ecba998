"""`python -m kvcluster` is the `kvcluster` command."""

from kvcluster.cli import main

if __name__ == "__main__":
    main()
