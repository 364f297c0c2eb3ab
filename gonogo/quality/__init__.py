"""The quality gate: is the data worth training on?

Data travels one way. `parts.measure_part` reads every file of a data folder once and knows no threshold; it leaves a
line for each item. `judge.judge` holds the lines of all parts against the thresholds, one at a time. What an item is,
what is measured of it and what is asked of it belongs to a kind (`kinds`): posed `views`, `images`, `volumes`,
`series`, `points`, `text`. `contact_sheet`, `table` and `distributions` show what was found; `inspect` does it all for
one folder.
"""
