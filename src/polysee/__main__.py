"""``python -m polysee``: the same as the command ``polysee``."""

from polysee.cli.main import main

if __name__ == "__main__":
    main()
