"""The helper package of the GAN course, small enough to read.

Data flows one way, and a notebook joins the parts by passing things as arguments::

    datasets -> nets -> objectives -> steps -> loop -> metrics -> figures -> widgets

``shapes`` says what B, C, H and W mean; ``env`` knows the machine, the profile and the seeds;
``attacks`` belongs to notebook 01 and ``probes`` looks inside networks. ``tricks``, ``arena`` (many
seeds side by side) and ``evaluation`` belong to notebook 10, and so does the training doctor:
``sabotage`` makes a run ill, ``vitals`` logs its signs, ``diagnosis`` reads them. ``exercises``
holds every exercise with its checks, ``tables`` what the scripts in ``benchmarks`` measured;
``instructor`` builds and grades; ``cli`` is the ``gancourse`` command.

Importing the package does no work: import the modules that you need.
"""

__version__ = "0.1.0"
