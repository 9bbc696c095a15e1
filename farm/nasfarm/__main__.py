"""`python -m nasfarm`, the same as `farm`."""

from nasfarm.cli import main

if __name__ == "__main__":
    main()
