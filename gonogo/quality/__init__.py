"""The quality gate: is the data worth training on?

Data travels one way: `views.measure` reads every file once and holds no threshold (`measurements`), `judge.judge`
holds what was measured against the thresholds (`pairs` for one picture, `findings` for a scene, `decisions` for
a sample), and `contact_sheet` and `items` show what was found.
"""
