"""`python -m fastgrad SCRIPT`: run teaching scripts unedited, with our engine in place of their own."""
