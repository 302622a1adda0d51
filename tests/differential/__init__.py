"""torch itself as the judge of ckptlint.

spec -> render -> project        a seed becomes choices, choices become one to ten files    (clashes, draft, models,
                                                                                           wraps, writers, readers)
project -> runner -> evidence    every script is run in every setting, on torch   (sandbox, recorder, shims)
evidence -> truth                what must be found, what must not be claimed
project -> answers               what ckptlint finds and fixes, asked through its command
judge                            the differences                                              (predictions, mending)
campaign, tally, accuracy        many seeds, sums, docs/accuracy.md
shrink, regressions              a case made small, and kept
mutations, idioms/               bugs put into clean programs

python -m tests.differential --programs 2000            judge, print what disagreed in groups
python -m tests.differential --show 17                  one project, what torch did, what ckptlint said
python -m tests.differential --spec wrap=dp when=gpus   the same for choices
python -m tests.differential --shrink --record          make a case of each group small and keep it
python -m tests.differential --programs 20000 --seed 1 --write docs/accuracy.md
"""
