"""The helper package of the GAN course, small enough to read.

- ``papers``: one file per paper, with its networks, losses and training step.
- ``datasets``: arrays and batches. ``classifiers``: the digit judge, pretrained ImageNet networks.
- ``training``: the loop, players (network, optimizer, schedule, EMA), checkpoints, saved networks,
  many seeds in parallel, diagnosis of a run.
- ``metrics``, ``figures``, ``widgets``, ``slider``, ``progress``: arrays or records in, numbers or
  figures out.
- ``env``, ``errors``, ``shapes``: machine, profile and seeds; expected failures; names of shapes.
- ``simulated_cuda``: a CUDA device in name only, to find code that mixes devices without a GPU.
- ``exercises``: one file per exercise, and ``check``. ``results``: tables measured by benchmarks.
- ``export``: the report on a trained generator, and files that run elsewhere: a web page, ONNX.
- ``notebooks`` builds and runs the notebooks, ``grading`` grades submissions, ``doctor`` checks the
  machine, ``cli`` is the ``gancourse`` command.

Where is ...? SRGAN's content loss: ``papers/srgan.py``. The check of exercise 8.6:
``exercises/nb08/ex06_*.py``. The training step of CycleGAN: ``papers/cyclegan.py``.

Notebooks join the parts by passing them as arguments. Importing the package does no work: import
the modules that you need.
"""

__version__ = "0.1.0"
