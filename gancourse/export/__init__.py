"""Take a trained generator away: files that show it and run it without the course.

``evaluation`` measures a generator and shows its samples. ``bundle`` has `export`, which writes all
files. ``generators`` checks what can be exported; ``card`` is the model card, ``pictures`` the
sheet of samples and the latent walk, ``onnx_file`` the network as an ONNX file, ``directions`` what
the page's sliders change, ``web_page`` the page itself. ``page/`` has its HTML, CSS and JavaScript,
``runtime/`` the program that runs a network in the browser.
"""
