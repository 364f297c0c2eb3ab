"""The quality gate: is the data worth training on?

Data travels one way. `views.measure` reads every file once and knows no threshold (it gives `measurements`);
`judge.judge` holds that against the thresholds (`pairs` for a picture, `findings` for a scene, `decisions`
for a sample); `contact_sheet` and `items` show what was found.
"""
