"""The quality gate: is the data worth training on?

Data flows one way. `measure.measure_part` reads every file of a data folder once and knows no threshold; it leaves a
line for each item. `judge.judge` compares the lines of all parts with the thresholds, one at a time. What an item is,
how it is measured and what is wrong with it belongs to the inspector of its kind (`registry`): posed `views`, `images`,
`volumes`, `series`, `points`, `text`, `tables`, `shards`; `recognise` tells which a
folder holds. `outputs` writes the table, the distributions and the sheet; `inspect` does it
all for one folder.
"""
