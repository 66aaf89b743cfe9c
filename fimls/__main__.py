"""``python -m fimls`` is ``fimls``."""

from fimls.cli import main

if __name__ == "__main__":
    main()
