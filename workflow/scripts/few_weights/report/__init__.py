"""The report: the study's tables as one page of HTML.

In: the tables of the analysis. Out: report.html.
May import: plan, data, analysis. No TensorFlow.
"""
