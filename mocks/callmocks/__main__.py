"""``python -m callmocks``."""

from callmocks.cli import main

if __name__ == "__main__":
    main()
