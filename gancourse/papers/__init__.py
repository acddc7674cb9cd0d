"""One file per paper, in the notebooks' order: its networks, its losses and its training step.

``adversarial`` 01, ``gan`` 02, ``dcgan`` 03, ``dcgan_probes`` 04, ``cgan`` 05, ``lapgan`` 06,
``text2image`` 07, ``srgan`` and ``srgan_photos`` 08, ``cyclegan`` 09, ``tricks`` 10,
``diffaugment``, ``r3gan`` and ``dirac`` 11. ``blocks`` holds the layers that several papers share.
A paper imports `blocks` and earlier papers only.
"""
