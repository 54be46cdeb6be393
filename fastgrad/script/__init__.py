"""`python -m fastgrad SCRIPT`: teaching scripts as they are, with our engine in place of their own."""
