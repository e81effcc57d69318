"""python -m ohlora VERB"""

from ohlora.cli import main

if __name__ == "__main__":
    main()
