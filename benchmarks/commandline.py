"""The command lines of all benchmarks: errors in one line, and whole numbers with bounds."""
import argparse


class Parser(argparse.ArgumentParser):
    """Says what is wrong in one line, without the usage above it."""

    def error(self, message):
        self.exit(2, f"{self.prog}: {message}\n")


def integer(least, most=10 ** 9):
    """A parser of whole numbers from least to most."""
    def parse(text):
        try:
            number = int(text)
        except ValueError:
            raise argparse.ArgumentTypeError(f"{text!r} isn't a whole number") from None
        if not least <= number <= most:
            raise argparse.ArgumentTypeError(f"{text} isn't between {least} and {most:,}")
        return number
    return parse
